"""Stops of repairs as a thread shows them: which of its scopes are stopped, and when that is read again.

Stops are items of the repair function's and of `orion repairs`. Chat only reads them: until a click shows its
effect, when a repair was not run, each minute while an episode that has repairs is open, and every few minutes after
that while a stop holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orion_common.stop_scopes import Scope

READ_SECONDS = 60
"""How often a thread whose repairs can be stopped is compared with the table: anybody may do so elsewhere."""
LATER_READ_SECONDS = 300
"""How often a thread that has resolved and shows a stop is: anybody may have lifted it elsewhere."""
AWAITED_SECONDS = 60
"""How long after a click its effect is waited for."""
AGAIN_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A stop that holds. `since` and `by` are texts of its item, and its identity."""

    scope: Scope
    since: str
    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenStop:
    """A stop, and when the record learned of it. An older click was not on its button."""

    stop: Stop
    seen_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenStops:
    """The stops of a thread's scopes. `read_at` is when they are read next, `awaited_until` how long in short steps."""

    held: tuple[SeenStop, ...] = ()
    read_at: float | None = None
    awaited_until: float = 0.0


NO_STOPS = SeenStops()


def awaited(stops: SeenStops, now: float) -> SeenStops:
    """Return stops that are read soon, since somebody has just set or lifted one."""
    return replace(stops, read_at=now + AGAIN_SECONDS, awaited_until=now + AWAITED_SECONDS)


def read(stops: SeenStops, held: Sequence[Stop], now: float, *, is_followed: bool) -> SeenStops:
    """Return the stops after they were read. One that was seen before keeps the time of that.

    `is_followed`: the episode is open, and has repairs that may be stopped.
    """
    known = {seen.stop: seen for seen in stops.held}
    after = tuple(known.get(stop) or SeenStop(stop=stop, seen_at=now) for stop in held)
    if after == stops.held and now < stops.awaited_until:
        return replace(stops, read_at=now + AGAIN_SECONDS)
    if is_followed:
        return SeenStops(held=after, read_at=now + READ_SECONDS)
    return SeenStops(held=after, read_at=now + LATER_READ_SECONDS if after else None)
