"""Every order of up to six events over two alerts of a group, each event lost, once or several times.

States are values, so that orders which lead to the same state are continued once. A settled world follows each: looks
and answers that tell the truth. Then the episode has to agree with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import permutations

from chatops.effects import (
    Acknowledge,
    AskAlertmanager,
    AskPagerDuty,
    Effect,
    Reply,
    ResolveAlert,
    ShowMessage,
)
from chatops.episode import Group, Incident, IncidentStatus, Policy, root_message
from chatops.events import (
    Acknowledged,
    AlertmanagerAnswered,
    Answer,
    Button,
    Done,
    Event,
    MessageShown,
    Notified,
    PagerDutyAnswered,
    PagerDutyChanged,
    SlackAction,
    Tick,
)
from chatops.looks import Look, Replica
from chatops.outbox import Entry
from chatops.record import NewestEpisode, Record, opened, opens, without_episode
from chatops.step import step
from tests.simulation.simulation import POLICY
from tests.simulation.world import Violation

GROUP = Group(key="g", labels=(("alertname", "g"),), channel="#alerts", title="alert g")
DEPTH = 6
ARRIVAL = 100.0
"""All events arrive at one moment, sent at different ones before, so that orders that differ in nothing else agree."""
CLICK = SlackAction(id="C1", person="ann", button=Button.ACKNOWLEDGE, clicked_at=60.0)
WEBHOOK = PagerDutyChanged()


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The truth: the notifications that Alertmanager sent, in order, and what fires in the end."""

    notifications: tuple[Notified, ...]
    firing: frozenset[str]

    @property
    def events(self) -> tuple[Event, ...]:
        """Return the inputs that may arrive, in any order."""
        return (*self.notifications, CLICK, WEBHOOK)


def histories() -> Iterator[History]:
    """Yield every order in which two alerts fire and resolve, or stay. The alerts are alike: `a` fires first."""
    changes = ("+a", "-a", "+b", "-b")
    for length in range(1, 5):
        for order in permutations(changes, length):
            if order[0] == "+a" and _is_possible(order):
                yield _history(order)


def _is_possible(order: tuple[str, ...]) -> bool:
    return all(f"+{change[1]}" in order[:index] for index, change in enumerate(order) if change[0] == "-")


def _history(order: tuple[str, ...]) -> History:
    firing: frozenset[str] = frozenset()
    notifications: list[Notified] = []
    for index, change in enumerate(order):
        firing = firing | {change[1]} if change[0] == "+" else firing - {change[1]}
        notifications.append(Notified(sent_at=10.0 * (index + 1), firing=firing))
    return History(notifications=tuple(notifications), firing=firing)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The stored items of a group, and PagerDuty's acknowledgements of its incident."""

    newest: NewestEpisode = field(default_factory=NewestEpisode)
    records: tuple[Record, ...] = ()
    acknowledged: tuple[str, ...] = ()
    clicks: int = 0


def explore(history: History) -> int:
    """Try every sequence of up to six of a history's events. Returns how many states were reached.

    Raises `Violation`.
    """
    frontier = {State()}
    reached = set(frontier)
    for _ in range(DEPTH):
        frontier = {
            after for state in frontier for event in history.events for after in arrive(history, state, event)
        } - reached
        reached |= frontier
        for state in frontier:
            check(history, state)
    return len(reached)


def arrive(history: History, state: State, event: Event) -> Iterable[State]:
    """Yield the states after an event: its effects wait, or happen, with or without an answer of Alertmanager."""
    if isinstance(event, SlackAction):
        if not state.records:
            return  # nothing is there to click on
        record = advance(state.records[-1], event, POLICY, ARRIVAL)
        after = replace(state, records=(*state.records[:-1], record), clicks=1)
    elif isinstance(event, Notified | PagerDutyChanged):
        after = _receive(state, event)
    else:
        raise TypeError(event)
    yield after
    yield settle(after, None, ARRIVAL)
    yield settle(after, history.firing, ARRIVAL)


def _receive(state: State, event: Notified | PagerDutyChanged) -> State:
    last = state.records[-1] if state.records else None
    if last is not None and last.episode.is_open:
        return replace(state, records=(*state.records[:-1], advance(last, event, POLICY, ARRIVAL)))
    if opens(state.newest, last.episode if last else None, event, ARRIVAL):
        newest, record = opened(GROUP, state.newest, event, POLICY, ARRIVAL)
        return replace(state, newest=newest, records=(*state.records, record))
    state = replace(state, newest=without_episode(state.newest, event))
    if last is None:
        return state
    return replace(state, records=(*state.records[:-1], advance(last, event, POLICY, ARRIVAL)))


def advance(record: Record, event: Event, policy: Policy, now: float) -> Record:
    """Return a record after an event, without a timeline, which would tell apart what is alike."""
    episode, effects = step(record.episode, event, policy, now)
    return Record(episode=episode, outbox=record.outbox.add(effects, now))


def settle(state: State, firing: frozenset[str] | None, now: float) -> State:
    """Carry out what waits in the newest record. Where `firing` is None nobody answers for Alertmanager."""
    while state.records:
        record = state.records[-1]
        entry = next(
            (entry for entry in record.outbox.heads() if firing is not None or not _asks(entry.effect)),
            None,
        )
        if entry is None:
            return state
        state, answer = _carry_out(state, record, entry, firing or frozenset(), now)
        record = replace(record, outbox=record.outbox.settle(entry))
        state = replace(state, records=(*state.records[:-1], advance(record, answer, POLICY, now)))
    return state


def _asks(effect: Effect) -> bool:
    return isinstance(effect, AskAlertmanager | ResolveAlert)


def _carry_out(state: State, record: Record, entry: Entry, firing: frozenset[str], now: float) -> tuple[State, Answer]:
    match entry.effect:
        case ShowMessage():
            return state, MessageShown("T")
        case AskAlertmanager():
            replica = Replica(up_seconds=1e6, watchdog=True, firing=firing)
            return state, AlertmanagerAnswered(Look(asked_at=now, replicas=(replica,) * 3))
        case AskPagerDuty():
            return state, PagerDutyAnswered(incident_of(state, record))
        case Acknowledge(person=person):
            if person in state.acknowledged:
                raise Violation("acknowledged twice")
            return replace(state, acknowledged=(*state.acknowledged, person)), Acknowledged(person)
        case _:
            return state, Done()


def incident_of(state: State, record: Record) -> Incident:
    """Return PagerDuty's incident."""
    status = IncidentStatus.ACKNOWLEDGED if state.acknowledged else IncidentStatus.TRIGGERED
    return Incident(
        id="P1",
        status=status if record.episode.is_open else IncidentStatus.RESOLVED,
        opened_at=0.0,
        acknowledged_by=state.acknowledged,
    )


def check(history: History, state: State) -> None:
    """Let the world settle after a state, and compare."""
    now = ARRIVAL
    for _ in range(4):
        now += 400
        if not state.records or not state.records[-1].episode.is_open:
            break
        record = advance(state.records[-1], Tick(), POLICY, now)
        state = settle(replace(state, records=(*state.records[:-1], record)), history.firing, now)
    state = settle(state, history.firing, now)
    open_ = [record.episode for record in state.records if record.episode.is_open]
    if not history.firing and open_:
        raise Violation(f"{open_[0].id} is open, and nothing fires")
    if history.firing and state.records and not open_:
        raise Violation(f"{state.records[-1].episode.id} has ended while an alert fires")
    for record in state.records:
        shown = [entry for entry in record.outbox.entries if not isinstance(entry.effect, Reply)]
        if shown:
            raise Violation(f"{record.episode.id} still has to do {shown}")
    if state.clicks and state.acknowledged not in {(), ("ann",)}:
        raise Violation(f"acknowledged by {state.acknowledged}")
    if open_ and open_[0].incident and root_message(open_[0]).acknowledged_by != state.acknowledged:
        raise Violation("the thread does not show who acknowledged")
