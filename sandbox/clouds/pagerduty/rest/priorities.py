"""Priorities of incidents. An account's are fixed here."""

from __future__ import annotations

from sandbox.clouds.pagerduty.escalation import Responders
from sandbox.clouds.pagerduty.model import Account, Agent, Incident, Priority
from sandbox.clouds.pagerduty.rest.call import Reference, invalid


def wanted_priority(account: Account, wanted: Reference | str) -> Priority:
    """Return the priority that a request names, by id or by name. Raises `Refused` (400)."""
    for priority in account.priorities.values():
        if wanted == priority.name or (isinstance(wanted, Reference) and wanted.id == priority.id):
            return priority
    raise invalid(f"Priority {wanted if isinstance(wanted, str) else wanted.id} not found")


def set_priority(responders: Responders, incident: Incident, priority: Priority, by: Agent) -> None:
    """Change an incident's priority."""
    if incident.priority != priority.id:
        incident.priority = priority.id
        responders.publish("priority_updated", incident, by)
