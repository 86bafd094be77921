"""The simulated world: a clock, scheduled events, faults at every call, and functions that are preempted or killed.

A run is a pure function of its plan: the same seed gives the same run.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NoReturn, TypeVar

from chatops.clients import RateLimited, Unavailable
from chatops.episode import Policy
from chatops.executor import TooEarly
from chatops.store import Conflict

_Value = TypeVar("_Value")

FUNCTION_SECONDS = 30.0
DEEPEST_PREEMPTION = 3
FAULTS_END = 900.0
END = 2700.0
DELIVERIES = 5
VISIBILITY_SECONDS = 40.0


class Killed(BaseException):
    """The function that runs is killed. It is no `Exception`, so that no code under test catches it."""


class Violation(AssertionError):
    """An invariant does not hold."""


class Fault(Enum):
    """Faults of a call."""

    KILLED_BEFORE = auto()
    RATE_LIMITED = auto()
    NOT_DONE = auto()
    WAITS_BEFORE = auto()
    """Other events happen between the decision to call and the call."""
    KILLED_AFTER = auto()
    ANSWER_LOST = auto()
    WAITS_AFTER = auto()


FAULTS = (*Fault, Fault.WAITS_BEFORE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The probabilities of faults of a run."""

    call: float
    lost: float
    repeated: float
    late: float


@dataclass(slots=True)
class World:
    """The clock and the events to come."""

    seed: int
    rates: Rates
    policy: Policy
    muted: frozenset[int] = frozenset()
    now: float = 0.0
    faults: list[int] = field(default_factory=list[int])
    trace: list[str] = field(default_factory=list[str])
    tracing: bool = False
    outages: dict[str, float] = field(default_factory=dict[str, float])
    calls: int = 0
    steps: int = 0
    _events: list[tuple[float, int, Callable[[], None]]] = field(
        default_factory=list[tuple[float, int, Callable[[], None]]]
    )
    _sequence: int = 0
    _started: list[float] = field(default_factory=list[float])
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311 - a simulation has to repeat

    def note(self, text: str) -> None:
        """Add a line to the trace."""
        if self.tracing:
            self.trace.append(f"{self.now:8.1f}  {'    ' * len(self._started)}{text}")

    @property
    def is_faulty(self) -> bool:
        """Return whether faults still happen."""
        return self.now < FAULTS_END

    def chance(self, probability: float) -> bool:
        """Return whether something that happens with a probability does, while faults do."""
        return self.is_faulty and self.random.random() < probability

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Let something happen later."""
        self._sequence += 1
        heapq.heappush(self._events, (self.now + seconds, self._sequence, action))

    def every(self, seconds: float, action: Callable[[], None], first: float) -> None:
        """Let something happen again and again."""

        def again() -> None:
            self.after(seconds, again)
            action()

        self.after(first, again)

    def run(self) -> None:
        """Run until the end."""
        while self._events and self._events[0][0] <= END:
            self._next()

    def _next(self) -> None:
        at, _, action = heapq.heappop(self._events)
        self.now = max(self.now, at)
        self.steps += 1
        action()

    def invoke(self, what: str, handler: Callable[[], None]) -> bool:
        """Run a function's handler and return whether it succeeded."""
        self.note(f"function: {what}")
        self._started.append(self.now)
        try:
            handler()
        except Killed:
            self.note("killed")
            return False
        except (Conflict, TooEarly, Unavailable) as error:
            self.note(f"failed: {error!r}")
            return False
        finally:
            self._started.pop()
        return True

    def enqueue(self, what: str, handler: Callable[[], None], *, slow: float = 0.0) -> None:
        """Put a message on a queue, which may lose, repeat or delay it."""
        if self.chance(self.rates.lost):
            self.note(f"lost: {what}")
            return
        for _ in range(2 if self.chance(self.rates.repeated) else 1):
            late = self.random.choice((5.0, 30.0, 120.0, 700.0, 1500.0)) if self.chance(self.rates.late) else slow
            self.after(self.random.random() + late, lambda: self._deliver(what, handler, 1))

    def _deliver(self, what: str, handler: Callable[[], None], delivery: int) -> None:
        if not self.invoke(what, handler) and delivery < DELIVERIES:
            self.after(VISIBILITY_SECONDS, lambda: self._deliver(what, handler, delivery + 1))

    def call(self, what: str, act: Callable[[], _Value], *, limited: bool = False) -> _Value:
        """Carry out a call of a function to the world, or let it fail before or after it acts."""
        self.calls += 1
        if self.outages and self.now < self.outages.get(what.partition(" ")[0], 0.0):
            raise Unavailable(what)
        if not self.is_faulty or self.random.random() >= self.rates.call:
            return act()
        fault = self.random.choice(FAULTS)
        size = self.random.random()
        if self.calls in self.muted:
            return act()
        self.faults.append(self.calls)
        return self._fault(what, act, fault, size, limited=limited)

    def _fault(self, what: str, act: Callable[[], _Value], fault: Fault, size: float, *, limited: bool) -> _Value:
        if fault is Fault.RATE_LIMITED and limited:
            self.note(f"{what}: 429")
            raise RateLimited(1 + 40 * size)
        if fault is Fault.KILLED_BEFORE:
            self.note(f"{what}: killed before")
            raise Killed
        if fault in {Fault.NOT_DONE, Fault.RATE_LIMITED}:
            self._time_out(f"{what}: no answer, not done", size)
        if fault is Fault.WAITS_BEFORE:
            self._preempt(what, size)
        value = act()
        if fault is Fault.KILLED_AFTER:
            self.note(f"{what}: killed after")
            raise Killed
        if fault is Fault.ANSWER_LOST:
            self._time_out(f"{what}: done, answer lost", size)
        if fault is Fault.WAITS_AFTER:
            self._preempt(what, size)
        return value

    def _time_out(self, what: str, size: float) -> NoReturn:
        self.note(what)
        self.now += 5 * size
        raise Unavailable(what)

    def _preempt(self, what: str, size: float) -> None:
        """Let other events happen while a function waits for a call. It is killed if its time is over then."""
        if len(self._started) > DEEPEST_PREEMPTION:
            return
        self.note(f"{what}: waits")
        until = self.now + 40 * size * size
        for _ in range(1 + int(6 * size)):
            if not self._events or self._events[0][0] > until:
                break
            self._next()
        if self._started and self.now - self._started[-1] > FUNCTION_SECONDS:
            self.note(f"{what}: killed, its time is over")
            raise Killed
