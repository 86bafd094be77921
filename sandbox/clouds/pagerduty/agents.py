"""Names of those who change incidents: people, services and integrations."""

from __future__ import annotations

from typing import assert_never

from sandbox.clouds.pagerduty.model import Account, Agent


def agent_name(account: Account, agent: Agent) -> str:
    """Return what people call an agent."""
    match agent.kind:
        case "user":
            return account.users[agent.id].name
        case "service":
            service = account.services.get(agent.id)
            return service.name if service else agent.id
        case "integration":
            return account.integration_name(agent.id) or agent.id
        case _:
            assert_never(agent.kind)
