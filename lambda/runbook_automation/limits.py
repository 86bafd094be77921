"""Limits the commands that an action sends within an hour, per service and in all. Pure; the store keeps the state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from orion_common.names import EXPIRES_AT
from runbook_automation.decisions import Plan

HOUR_SECONDS = 60 * 60
KEEP_SECONDS = 2 * HOUR_SECONDS
MAXIMUM_NAME = 200
"""How much of a service's name is kept; those that begin alike share a limit."""
TARGET_PARAMETERS = ("deployment", "namespace")
"""Which parameter names what is repaired where an alert names no service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most `number` commands within an hour, of those that share the `id`. `said` is what a person reads."""

    id: str
    number: int
    said: str


def limits_of(labels: Mapping[str, str], plan: Plan) -> tuple[Limit, ...]:
    """Return the limits that a plan counts for: its service's, in its namespace, and the platform's.

    `labels` are the alert's.
    """
    action, parameters = plan.action, plan.parameters
    names = (labels.get("service"), *(parameters.get(name) for name in TARGET_PARAMETERS))
    service = next(name for name in (*names, "nothing") if name)[:MAXIMUM_NAME]
    return (
        Limit(
            id=f"limit#{action.name}#{parameters.get('namespace', '')}/{service}",
            number=action.per_service_hour,
            said=f"{action.per_service_hour} of {action.name} an hour for {service}",
        ),
        Limit(
            id=f"limit#{action.name}",
            number=action.per_platform_hour,
            said=f"{action.per_platform_hour} of {action.name} an hour in all",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The claims that count towards a limit, with their times (Unix seconds). Each change gets a new `version`.

    A repair that is claimed again after its alert has resolved takes a second place: a second command is sent for it.
    """

    id: str
    version: int = 0
    taken: Mapping[str, int] = field(default_factory=dict[str, int])

    def with_place(self, claim: str, limit: Limit, now: int, *, given_back: str | None = None) -> Ledger | None:
        """Return the ledger in which a claim has a place, or None if there is none left.

        `given_back` is an earlier claim for which nothing was sent: its place is free.
        """
        lasting = {earlier: at for earlier, at in self.taken.items() if at > now - HOUR_SECONDS}
        lasting.pop(given_back or "", None)
        if len(lasting) >= limit.number:
            return None
        return Ledger(id=self.id, version=self.version + 1, taken=lasting | {claim: now})

    def to_item(self, now: int) -> dict[str, Any]:
        """Return the table's item."""
        return {
            "id": self.id,
            "version": self.version,
            "taken": dict(self.taken),
            EXPIRES_AT: now + KEEP_SECONDS,
        }

    @classmethod
    def from_item(cls, limit: Limit, item: Mapping[str, Any] | None) -> Self:
        """Read a table's item; without one nothing was taken."""
        if item is None:
            return cls(id=limit.id)
        taken = {claim: int(at) for claim, at in item["taken"].items()}
        return cls(id=limit.id, version=int(item["version"]), taken=taken)
