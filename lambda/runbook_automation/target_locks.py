"""Locks of repairs' targets: while one repair of a target is under way, no other begins. Pure; the store keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from orion_common.names import EXPIRES_AT, KEY

KEEP_SECONDS = 60 * 60
"""How long the item of a lock is kept after its last holder's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A hold on the lock `id` by an action, for one of the lock's targets, for `seconds` at most.

    `owner` is what the lock is of, as people read it: a service in its namespace, say.
    """

    id: str
    owner: str
    action: str
    target: str
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A repair that holds a lock, until a time (Unix seconds) after which its command can't run any more."""

    action: str
    target: str
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLock:
    """A lock and its holders by their claims. Each change gets a new `version`."""

    id: str
    version: int = 0
    holders: Mapping[str, Holder] = field(default_factory=dict[str, Holder])

    def with_holder(self, claim: str, hold: Hold, now: int, *, given_back: str | None = None) -> TargetLock | Holder:
        """Return the lock with a claim as a holder, or the holder that is in its way.

        One action may repair several targets of a lock at once: two pods of a service, whose turns its script keeps.
        `given_back` is an earlier claim for which nothing was sent: it is in nobody's way.
        """
        lasting = {earlier: holder for earlier, holder in self.holders.items() if holder.until > now}
        lasting.pop(given_back or "", None)
        for holder in lasting.values():
            if holder.action != hold.action or holder.target == hold.target:
                return holder
        mine = Holder(action=hold.action, target=hold.target, until=now + hold.seconds)
        return TargetLock(id=self.id, version=self.version + 1, holders=lasting | {claim: mine})

    def to_item(self) -> dict[str, Any]:
        """Return the table's item."""
        return {
            KEY: self.id,
            "version": self.version,
            "holders": {
                claim: {"action": holder.action, "target": holder.target, "until": holder.until}
                for claim, holder in self.holders.items()
            },
            EXPIRES_AT: max(holder.until for holder in self.holders.values()) + KEEP_SECONDS,
        }

    @classmethod
    def from_item(cls, id_: str, item: Mapping[str, Any] | None) -> Self:
        """Read a table's item; without one nobody holds the lock."""
        if item is None:
            return cls(id=id_)
        holders = {
            claim: Holder(action=holder["action"], target=holder["target"], until=int(holder["until"]))
            for claim, holder in item["holders"].items()
        }
        return cls(id=id_, version=int(item["version"]), holders=holders)
