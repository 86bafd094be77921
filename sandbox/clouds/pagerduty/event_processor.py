"""Applies an accepted event to the account, whichever API it came by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sandbox.clouds.pagerduty.escalation import SOURCE, Responders
from sandbox.clouds.pagerduty.model import Agent, Integration
from sandbox.clouds.pagerduty.trigger import Trigger
from sandbox.journal import Journal, Kind

JOURNALED_CHARACTERS = 2_000
"""How much of a refused event the journal holds."""


@dataclass(frozen=True, slots=True)
class EventProcessor:
    """Writes accepted events down and carries them out."""

    responders: Responders
    journal: Journal

    def take(
        self,
        integration: Integration,
        key: str,
        event: Trigger | Literal["acknowledge", "resolve"],
        *,
        request: str,
    ) -> None:
        """Carry out one event with a dedup key; `request` says by which API it came, for the journal."""
        account = self.responders.account
        action = "trigger" if isinstance(event, Trigger) else event
        with account.lock:
            service = account.services[integration.service]
            self.journal.append(
                SOURCE, Kind.EVENT_RECEIVED, {"dedup_key": key, "action": action, "service": service.name}
            )
            dropped = "the service is disabled"
            if service.enabled:
                dropped = self._carry_out(integration, key, event)
            if dropped:
                self.journal.append(
                    SOURCE,
                    Kind.REQUEST_REFUSED,
                    {"request": request, "dedup_key": key},
                    action=action,
                    reason=dropped,
                )

    def _carry_out(self, integration: Integration, key: str, event: Trigger | Literal["acknowledge", "resolve"]) -> str:
        """Return why PagerDuty drops an event, which it tells nobody, or an empty text."""
        if isinstance(event, Trigger):
            opened = self.responders.trigger(integration, event)
            return "" if opened is not None else "nobody is on call on any level of the escalation policy"
        alert = self.responders.account.open_alert(integration, key)
        if alert is None:
            return "no open alert with this key came from this integration"
        incident = self.responders.account.incidents[alert.incident]
        agent = Agent(kind="integration", id=integration.id)
        if event == "acknowledge":
            self.responders.acknowledge(incident, agent)
        else:
            self.responders.resolve_alert(incident, alert, agent)
        return ""
