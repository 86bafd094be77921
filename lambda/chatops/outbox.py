"""The outbox of a record: effects that wait, are under way, or were given up.

An effect begins by a conditional write that leases it to one function. If that function is killed, the lease ends, and
the effect is carried out again by another, which knows from `attempts` that it may have happened.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from chatops.effects import TRAITS, Acknowledge, CollectDiagnostics, Effect, Lane, StopRepairs

CLICKED = (Acknowledge, StopRepairs, CollectDiagnostics)
"""Effects that are as old as their click."""
LEASE_SECONDS = 60
"""Longer than a function runs, so that a leased effect is under way at most once."""
LONGEST_BACKOFF_SECONDS = 300
KEPT_DEAD_LETTERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An effect in the outbox. `id` is unique in its episode, and part of the effect's idempotency key.

    `in_flight` says that it began and that no answer is recorded.
    """

    id: int
    effect: Effect
    created_at: float
    not_before: float
    attempts: int = 0
    in_flight: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An effect that was given up, and why."""

    entry: Entry
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """The effects of one record, in their order."""

    entries: tuple[Entry, ...] = ()
    dead: tuple[DeadLetter, ...] = ()
    next_id: int = 1

    def add(self, effects: Iterable[Effect], now: float) -> Outbox:
        """Return the outbox with more effects."""
        entries, next_id = self.entries, self.next_id
        for effect in effects:
            if not is_covered(effect, entries):
                entries = (*entries, Entry(id=next_id, effect=effect, created_at=now, not_before=now))
                next_id += 1
        return self if next_id == self.next_id else replace(self, entries=entries, next_id=next_id)

    def heads(self) -> tuple[Entry, ...]:
        """Return the first entry of each lane."""
        first: dict[Lane, Entry] = {}
        for entry in self.entries:
            first.setdefault(lane_of(entry.effect), entry)
        return tuple(first.values())

    def due(self, now: float) -> Entry | None:
        """Return the next effect that may begin, or None."""
        return next((entry for entry in self.heads() if entry.not_before <= now), None)

    def due_at(self) -> float | None:
        """Return when the next effect may begin, or None if none waits."""
        return min((entry.not_before for entry in self.heads()), default=None)

    def holds(self, entry: Entry) -> bool:
        """Return whether an attempt at an effect still is the newest."""
        return any(is_same_attempt(entry, held) for held in self.entries)

    def begin(self, entry: Entry, now: float) -> tuple[Outbox, Entry]:
        """Return the outbox in which an effect is leased, and its entry."""
        begun = replace(entry, attempts=entry.attempts + 1, in_flight=True, not_before=now + LEASE_SECONDS)
        return self._with(entry.id, begun), begun

    def settle(self, entry: Entry) -> Outbox:
        """Return the outbox without an effect that was carried out."""
        return replace(self, entries=tuple(held for held in self.entries if held.id != entry.id))

    def retry(self, entry: Entry, now: float, wait: float) -> Outbox:
        """Return the outbox in which an effect that failed waits for its next attempt."""
        not_before = now + max(wait, backoff_seconds(entry.attempts))
        return self._with(entry.id, replace(entry, in_flight=False, not_before=not_before))

    def bury(self, entry: Entry, why: str) -> Outbox:
        """Return the outbox in which an effect is a dead letter."""
        dead = (*self.dead, DeadLetter(entry=entry, why=why))[-KEPT_DEAD_LETTERS:]
        return replace(self.settle(entry), dead=dead)

    def _with(self, entry_id: int, entry: Entry) -> Outbox:
        return replace(self, entries=tuple(entry if held.id == entry_id else held for held in self.entries))


def lane_of(effect: Effect) -> Lane:
    """Return the lane of an effect."""
    return TRAITS[type(effect)].lane


def is_covered(effect: Effect, entries: Iterable[Entry]) -> bool:
    """Return whether an entry that has not begun does the work of a level effect."""
    return TRAITS[type(effect)].level and any(entry.effect == effect and not entry.in_flight for entry in entries)


def is_same_attempt(entry: Entry, held: Entry) -> bool:
    """Return whether two entries are the same attempt at the same effect."""
    return held.id == entry.id and held.attempts == entry.attempts


def is_expired(entry: Entry, now: float) -> bool:
    """Return whether an effect is too old to be tried again."""
    return now - asked_at(entry) > TRAITS[type(entry.effect)].lifetime


def asked_at(entry: Entry) -> float:
    """Return when an effect was asked for: a click may have waited on its queue for long."""
    return entry.effect.clicked_at if isinstance(entry.effect, CLICKED) else entry.created_at


def is_once(entry: Entry) -> bool:
    """Return whether an effect is not tried again where an attempt may have happened."""
    return TRAITS[type(entry.effect)].once


def must_not_repeat(entry: Entry) -> bool:
    """Return whether an effect began, has no answer, and must not begin again."""
    return is_once(entry) and entry.in_flight


def backoff_seconds(attempts: int) -> float:
    """Return how long an effect waits after so many attempts: 1, 2, 4 ... seconds, at most five minutes."""
    return float(min(2 ** (attempts - 1), LONGEST_BACKOFF_SECONDS)) if attempts else 0.0
