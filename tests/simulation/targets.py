"""Every order in which functions claim and end repairs of one target, each reading and writing in its own time.

A function reads a repair's state, and later writes what the deployed `step` made of it, on condition that nobody has
written the lock or a ledger meanwhile. Repairs end, are given back, or are never heard of again; time passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from runbook_automation.lifecycle import Fired, Send, State, step
from runbook_automation.limits import Ledger, Limit
from runbook_automation.repair import Repair, Status
from runbook_automation.target_locks import Hold, TargetLock
from tests.simulation.exploration import reached
from tests.simulation.world import Violation

COOLDOWN_SECONDS, HELD_SECONDS = 100, 50
TIMES = (1_000, 1_000 + HELD_SECONDS, 1_000 + COOLDOWN_SECONDS)
"""While the first repairs may run, when they can't run any more, and when their cooldown is over."""
CEILING = Limit(id="automatic", number=3, said="3 began without an approval")
LOCK = "lock#orion/orders"
TARGETS = {
    "first pod": ("restart_pod", "orders-1"),
    "second pod": ("restart_pod", "orders-2"),
    "rollback": ("rollback_deployment", "orders"),
    "rollback of another alert": ("rollback_deployment", "orders"),
}
"""The repairs that are tried, by name: their action and what it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The stored lock and ledgers, what functions have read, and the commands: when each began, and those that run."""

    moment: int = 0
    lock: TargetLock = field(default_factory=lambda: TargetLock(id=LOCK))
    ledgers: Mapping[str, Ledger] = field(default_factory=dict[str, Ledger])
    read: Mapping[str, State] = field(default_factory=dict[str, State])
    began: Mapping[str, int] = field(default_factory=dict[str, int])
    running: frozenset[str] = frozenset()

    @property
    def now(self) -> int:
        """Return the time in Unix seconds."""
        return TIMES[self.moment]

    def key(self) -> tuple[object, ...]:
        """Return what tells this world from others."""
        read = sorted((name, _versions(state)) for name, state in self.read.items())
        holders = tuple(sorted(self.lock.holders))
        return (self.moment, holders, _current(self), tuple(read), tuple(sorted(self.began.items())), self.running)


def explore() -> int:
    """Try every sequence of happenings. Returns how many worlds were reached. Raises `Violation`."""
    return reached(World(), happenings)


def happenings(world: World) -> Iterator[World]:
    """Yield the worlds after each thing that may happen next."""
    for name in TARGETS:
        if name not in world.read and name not in world.began:
            yield replace(world, read={**world.read, name: _state(world, name)})
        elif name in world.read:
            yield _written(world, name)
    for name in sorted(world.running):
        ended = replace(world, running=world.running - {name})
        yield replace(ended, lock=_unlocked(world.lock, name))
    if world.moment + 1 < len(TIMES):
        # A command that nobody has heard of for as long can't run any more.
        over = frozenset(name for name in world.running if world.began[name] + HELD_SECONDS <= TIMES[world.moment + 1])
        yield replace(world, moment=world.moment + 1, running=world.running - over)


def _written(world: World, name: str) -> World:
    """Write what a function made of what it has read, unless others were first: then it reads again later."""
    read = world.read[name]
    after_reading = replace(world, read={other: state for other, state in world.read.items() if other != name})
    if _versions(read) != _versions(_state(world, name)):
        return after_reading
    state, effects = step(read, Fired(_repair(name, world.now)))
    if not any(isinstance(effect, Send) for effect in effects) or state.lock is None:
        return after_reading
    began = replace(
        after_reading,
        lock=state.lock[1],
        ledgers={**world.ledgers, **{ledger.id: ledger for _, ledger in state.ledgers}},
        began={**world.began, name: world.now},
        running=world.running | {name},
    )
    _require_sound(began, name)
    return began


def _require_sound(world: World, name: str) -> None:
    action, target = TARGETS[name]
    if len(world.began) > CEILING.number:
        raise Violation("more repairs begin without an approval than may")
    for other in world.began.keys() - {name}:
        other_action, other_target = TARGETS[other]
        is_same = (other_action, other_target) == (action, target)
        if is_same and world.now - world.began[other] < COOLDOWN_SECONDS:
            raise Violation("a target is repaired again before its cooldown is over")
        if other in world.running and (is_same or other_action != action):
            raise Violation("two repairs of a target run at once")


def _state(world: World, name: str) -> State:
    action, target = TARGETS[name]
    hold = Hold(id=LOCK, owner="orion/orders", action=action, target=target, seconds=HELD_SECONDS)
    cooldown = Limit(
        id=f"cooldown#{action}#{target}", number=1, within_seconds=COOLDOWN_SECONDS, said="it was sent before"
    )
    ledger = world.ledgers.get(cooldown.id, Ledger(id=cooldown.id))
    ceiling = world.ledgers.get(CEILING.id, Ledger(id=CEILING.id))
    return State(ledgers=((cooldown, ledger),), lock=(hold, world.lock), ceilings=((CEILING, ceiling),))


def _versions(state: State) -> tuple[int, ...]:
    lock = () if state.lock is None else (state.lock[1].version,)
    return (*lock, *(ledger.version for _, ledger in (*state.ledgers, *state.ceilings)))


def _current(world: World) -> tuple[tuple[int, ...], ...]:
    return tuple(_versions(_state(world, name)) for name in TARGETS)


def _unlocked(lock: TargetLock, name: str) -> TargetLock:
    """Return the lock as `RepairStore.unlock` leaves it."""
    holders = {claim: holder for claim, holder in lock.holders.items() if claim != name}
    return replace(lock, version=lock.version + 1, holders=holders)


def _repair(name: str, now: int) -> Repair:
    return Repair(
        id=f"repair#{name}",
        alert="HighErrorRate",
        action=TARGETS[name][0],
        team="trading",
        labels={},
        status=Status.CLAIMED,
        seen_at=now * 1000,
        started_at=now,
        due_at=now,
        timeout_seconds=HELD_SECONDS,
        claim=name,
    )
