"""Plans of runs: the alerts that fire, what people do, and what breaks. Each seed gives a plan."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from chatops.catalog_silences import Window
from chatops.events import LIFTS, Button
from tests.simulation.world import END, FAULTS_END, Rates

GROUPS = ("g1", "g2")
A, B, C = "a" * 16, "b" * 16, "c" * 16
ALERTS = {"g1": (A, B), "g2": (C, A)}
"""The fingerprints of each group's alerts. `A` may match two routes, and is in two groups then."""
RESPONDERS = ("ann", "bob", "una")
UNMAPPED = "una"
"""She may acknowledge, and PagerDuty has no user with her email."""
STRANGER = "eve"
APPROVERS = ("ann", "bob")


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something that happens in the world at a time. Which fields count depends on the kind."""

    at: float
    kind: str
    group: str = "g1"
    alert: str = A
    person: str = "ann"
    button: Button = Button.ACKNOWLEDGE
    number: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedWindow:
    """A maintenance window of a group, or of one of its alerts, that is in the catalog from a time until another."""

    window: Window
    added_at: float
    removed_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run: a seed for chance, the actions, the windows, and the faulty calls that do not fail after all.

    `remedies` are the names of alerts that a repair answers, by their fingerprints: the name says by what.
    """

    seed: int
    rates: Rates
    shared: bool
    actions: tuple[Action, ...]
    windows: tuple[PlannedWindow, ...] = ()
    muted: frozenset[int] = frozenset()
    remedies: Mapping[str, str] = field(default_factory=dict[str, str])


KINDS = (
    ("click", 8),
    ("double click", 2),
    ("both sides", 3),
    ("acknowledge in PagerDuty", 3),
    ("acknowledgement times out", 2),
    ("resolve by hand", 2),
    ("reassign", 1),
    ("change the incident", 2),
    ("merge", 1),
    ("delete the message", 2),
    ("propose", 4),
    ("decide", 5),
    ("restart", 2),
    ("restart all", 2),
    ("partition", 1),
    ("unreachable", 1),
    ("silence by hand", 2),
    ("outage", 2),
)
DECIDED = 0.7
"""How often a proposed repair is soon decided on."""
FOR_THE_REPAIR_FUNCTION = frozenset({Button.DIAGNOSTICS, *LIFTS.keys(), *LIFTS.values()})
BUTTONS = (
    *(Button.ACKNOWLEDGE,) * 4,
    *(Button.LIFT_SILENCE,) * 2,
    *(button for button in Button if button not in FOR_THE_REPAIR_FUNCTION),
)
HALF = 0.5
DECIDING = (*APPROVERS, *APPROVERS, STRANGER)
WINDOWS_OF, REMEDIES_OF = 1, 2
"""The seeds, modulo four, whose runs have maintenance windows, and the deployed repair function."""
REMEDIES = ("restart_pod-approve", "restart_pod-on", "scale_consumers-approve", "scale_consumers-on")
_NAMES = [kind for kind, _ in KINDS]
_WEIGHTS = [weight for _, weight in KINDS]


def plan_of(seed: int) -> Plan:
    """Return the plan of a seed."""
    chance = random.Random(-seed - 1)  # noqa: S311 - a simulation has to repeat
    rates = Rates(
        call=chance.choice((0.0, 0.02, 0.05, 0.15)),
        lost=chance.choice((0.0, 0.0, 0.1, 0.3)),
        repeated=chance.choice((0.0, 0.1, 0.4)),
        late=chance.choice((0.0, 0.1, 0.3)),
    )
    actions: list[Action] = []
    shared = chance.random() < 0.3
    for group in GROUPS[: chance.choice((1, 2, 2))]:
        actions += _alerts(chance, group, shared=shared)
    for _ in range(chance.randrange(9)):
        action = _action(chance)
        actions.append(action)
        if action.kind == "propose" and chance.random() < DECIDED:
            person = chance.choice((*APPROVERS, STRANGER))
            actions.append(replace(action, at=action.at + 15 * chance.random(), number=chance.randrange(4)))
            actions.append(replace(action, at=action.at + 20 + 60 * chance.random(), kind="decide", person=person))
    remedies, more = _remedies(seed, actions)
    actions = sorted([*actions, *more], key=lambda action: action.at)
    return Plan(
        seed=seed, rates=rates, shared=shared, actions=tuple(actions), windows=_windows(seed), remedies=remedies
    )


def _remedies(seed: int, actions: Sequence[Action]) -> tuple[Mapping[str, str], Sequence[Action]]:
    """Return the repairs of a seed, and what people do about them: one run of four has some."""
    if seed % 4 != REMEDIES_OF:
        return {}, ()
    chance = random.Random(f"remedies {seed}")  # noqa: S311 - a simulation has to repeat
    remedies = {alert: chance.choice(REMEDIES) for alert in (A, B, C)}
    decided = [
        replace(_action(chance), at=fire.at + after, group=fire.group, kind="decide", person=chance.choice(DECIDING))
        for fire in actions
        if fire.kind == "fire" and remedies[fire.alert].endswith("approve")
        for after in (12 + 20 * chance.random(), 40 + 300 * chance.random())
    ]
    stops = [replace(_action(chance), kind="stop repairs") for _ in range(chance.choice((0, 0, 1, 2)))]
    return remedies, (*decided, *stops)


def _windows(seed: int) -> tuple[PlannedWindow, ...]:
    """Return the windows of a seed: one run of four has some. Chance of their own leaves the other runs as they are."""
    if seed % 4 != WINDOWS_OF:
        return ()
    chance = random.Random(f"windows {seed}")  # noqa: S311 - a simulation has to repeat
    planned: list[PlannedWindow] = []
    for number in range(chance.choice((1, 1, 2))):
        group = chance.choice(GROUPS)
        match = {"alertname": (group,)} | ({"alert": (chance.choice(ALERTS[group]),)} if chance.random() < HALF else {})
        since = chance.choice((-100.0, 200.0, 600.0, 2400.0, END + 100)) + 100 * chance.random()
        window = Window(
            name=f"w{number}",
            owner="ann",
            reason="maintenance",
            match=match,
            since=since,
            until=since + chance.choice((300.0, 900.0, END)),
        )
        added_at, removed_at = chance.choice((0.0, 0.0, 400.0)), chance.choice((500.0, 800.0, 1500.0, inf, inf))
        planned.append(PlannedWindow(window=window, added_at=added_at, removed_at=removed_at))
        if removed_at < inf and chance.random() < HALF:
            changed = replace(window, until=window.until + 300)
            planned.append(PlannedWindow(window=changed, added_at=removed_at, removed_at=inf))
    return tuple(planned)


def _alerts(chance: random.Random, group: str, *, shared: bool) -> Sequence[Action]:
    alerts = [alert for alert in ALERTS[group] if shared or group == "g1" or alert != A]
    actions: list[Action] = []
    for alert in alerts[: chance.choice((1, 2))]:
        at = 30 * chance.random()
        for _ in range(chance.choice((1, 1, 2, 3))):
            actions.append(Action(at=at, kind="fire", group=group, alert=alert))
            at += chance.choice((3.0, 30.0, 150.0, 400.0)) * (0.5 + chance.random())
            if chance.random() < 0.85:
                actions.append(Action(at=at, kind="resolve", group=group, alert=alert))
            at += chance.choice((3.0, 30.0, 150.0)) * (0.5 + chance.random())
    return actions


def _action(chance: random.Random) -> Action:
    (kind,) = chance.choices(_NAMES, _WEIGHTS)
    group = chance.choice(GROUPS[:1] * 2 + GROUPS[1:])
    return Action(
        at=10 + (FAULTS_END - 10) * chance.random() ** 1.5,
        kind=kind,
        group=group,
        alert=chance.choice(ALERTS[group]),
        person=chance.choice((*RESPONDERS, *RESPONDERS, STRANGER)),
        button=chance.choice(BUTTONS),
        number=chance.randrange(4),
        seconds=chance.choice((30.0, 120.0, 300.0, 600.0)),
    )
