"""Limits the commands that an action sends within a time, such as an hour. Pure; the store keeps the state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from orion_common.names import EXPIRES_AT

HOUR_SECONDS = 60 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most `number` commands within a time, of those that share the `id`.

    `said` is the result of a repair that is over the limit: why nothing was done, and what to do instead.
    """

    id: str
    number: int
    said: str
    within_seconds: int = HOUR_SECONDS


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
        lasting = {earlier: at for earlier, at in self.taken.items() if at > now - limit.within_seconds}
        lasting.pop(given_back or "", None)
        if len(lasting) >= limit.number:
            return None
        return Ledger(id=self.id, version=self.version + 1, taken=lasting | {claim: now})

    def to_item(self, limit: Limit, now: int) -> dict[str, Any]:
        """Return the table's item, kept for as long as its newest place counts and an hour."""
        return {
            "id": self.id,
            "version": self.version,
            "taken": dict(self.taken),
            EXPIRES_AT: now + limit.within_seconds + HOUR_SECONDS,
        }

    @classmethod
    def from_item(cls, limit: Limit, item: Mapping[str, Any] | None) -> Self:
        """Read a table's item; without one nothing was taken."""
        if item is None:
            return cls(id=limit.id)
        taken = {claim: int(at) for claim, at in item["taken"].items()}
        return cls(id=limit.id, version=int(item["version"]), taken=taken)
