"""Spreads calls over time once Slack has refused one: each gets a time of its own, so that they do not all try again.

Slack takes about one message a second in a channel, tolerates bursts, and does not say how long. So nothing waits until
Slack answers 429. From then on whatever comes waits behind what waits already, until nothing waits any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from math import inf

LOST_SECONDS = 900
"""How long a call that does not come at its time keeps its place: longer than an effect waits between attempts."""
MOST_WAITING = 1000
"""How many calls have a place, so that the item stays below the table's limit of 400 KB. Others ask again."""


class Rank(IntEnum):
    """The order in which calls go: a digest says most, and a new thread is worth more than a reply in another."""

    DIGEST = 0
    THREAD = 1
    REPLY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A call that waits until `at`. It has not been tried since it began to wait, so that it has had no effect."""

    key: str
    rank: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The calls that wait for one limit of Slack's, and the time at which a further one may be made."""

    next_at: float = -inf
    waiting: tuple[Waiting, ...] = ()

    def holds(self, key: str) -> bool:
        """Return whether a call waits, and so has had no effect."""
        return any(call.key == key for call in self.waiting)


def asked(pace: Pace, key: str, rank: Rank, now: float, interval: float) -> tuple[Pace, float]:
    """Return the pace after a call has asked to be made, and for how many seconds it must wait: 0 if it may be made."""
    own = next((call for call in pace.waiting if call.key == key), None)
    if own is None:
        if pace.next_at <= now:
            return pace, 0.0
        if len(pace.waiting) >= MOST_WAITING:
            return pace, pace.next_at - now
        pace = _with(pace, Waiting(key=key, rank=rank, at=pace.next_at), now, interval)
        own = next(call for call in pace.waiting if call.key == key)
    if own.at > now:
        return pace, own.at - now
    return without(pace, key), 0.0


def refused(pace: Pace, key: str, rank: Rank, now: float, retry_after: float, interval: float) -> tuple[Pace, float]:
    """Return the pace after Slack has refused a call, and for how many seconds that call must wait."""
    first = now + retry_after
    others = _present(without(pace, key), now)
    times = [first, *(max(call.at, first + place * interval) for place, call in enumerate(others, start=1))]
    after = _given(times, (Waiting(key=key, rank=rank, at=first), *others), pace.next_at, interval)
    return after, next(call.at for call in after.waiting if call.key == key) - now


def without(pace: Pace, key: str) -> Pace:
    """Return the pace without a call that is made, or is needed no more."""
    return replace(pace, waiting=tuple(call for call in pace.waiting if call.key != key))


def _with(pace: Pace, new: Waiting, now: float, interval: float) -> Pace:
    calls = (*_present(pace, now), new)
    return _given([call.at for call in calls], calls, pace.next_at, interval)


def _given(times: Iterable[float], calls: Iterable[Waiting], next_at: float, interval: float) -> Pace:
    """Give the times to the calls by rank, and within a rank in the order in which the calls are."""
    ordered = zip(sorted(calls, key=lambda call: call.rank), sorted(times), strict=True)
    waiting = tuple(replace(call, at=at) for call, at in ordered)
    return Pace(next_at=max(next_at, waiting[-1].at + interval), waiting=waiting)


def _present(pace: Pace, now: float) -> list[Waiting]:
    """Return the calls that have not lost their places, first come first."""
    return sorted((call for call in pace.waiting if call.at > now - LOST_SECONDS), key=lambda call: call.at)
