"""Tests for promtool, generated from the objectives of a catalog: what happens to each, and what must come of it.

What must come of it follows from whole numbers and fractions (`tests.objective_events`), never from the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

from alerting.rules.burn_rates import WindowPair
from alerting.rules.objectives import OWN_OBJECTIVE
from alerting.source.durations import milliseconds
from tests.objective_counting import TICKS_OF_A_STAGE, at, first_firing, ticks
from tests.objective_events import (
    LEAST_BAD,
    Events,
    Instance,
    burning,
    counted_series,
    events,
    metric,
    own_budget,
    raw_series,
)

SHORT = 60
"""Ticks of the tests on raw series: half an hour."""
RESET = 33
STARTS = 11
"""The tick from which on all events of an outage are bad."""
PAGE_STEP, TICKET_STEP = 20, 240
"""How many ticks there are between two evaluations of pairs: over days, each of them would take long."""
HEAVY = 10
"""Ticks with ten times as many events, just before a long window: one that were longer would not burn."""
ZERO, ALL = Fraction(0), Fraction(1)
OUTAGE = [ZERO] * STARTS + [ALL] * (SHORT - STARTS)
MIXED = [Fraction(tick % 7, 10) for tick in range(SHORT)]
BURNING = {"page": "orion:objective:burning", "ticket": "orion:objective_stage:burning"}
"""What is recorded of a pair that burns; of a ticket, where stages are summed."""


@dataclass(slots=True)
class Scenario:
    """One test of promtool: rules are evaluated each `evaluation`, and series have a sample each 30 seconds.

    One that is not evaluated each 30 seconds gives the events of each tick.
    """

    name: str
    evaluation: str = "30s"
    series: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    expected: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def expect(self, expression: str, tick: int, value: float | None) -> None:
        """Expect that an expression without labels has a value, or none, at a tick."""
        samples = [] if value is None else [{"labels": "{}", "value": value}]
        self.expected.append({"expr": expression, "eval_time": at(tick), "exp_samples": samples})

    def test(self) -> dict[str, Any]:
        """Return the test as promtool reads it."""
        return {
            "name": self.name,
            "interval": "30s",
            "input_series": self.series,
            "promql_expr_test": self.expected,
        }


def scenarios(every: Sequence[Instance]) -> Iterator[Scenario]:
    """Yield the tests of some objectives, each of them on as many as can happen at once."""
    for batch in _batches(every):
        yield _of_raw(batch, "healthy, then all events are bad", lambda _: OUTAGE, _fires)
        yield _of_raw(batch, "a counter is reset", lambda _: MIXED, _counts, reset=RESET)
        yield _of_raw(batch, "a spike", _spike, _is_quiet)
        yield _of_raw(batch, "low traffic", lambda _: [ALL] * SHORT, _is_quiet, most=LEAST_BAD - 1)
        yield _of_raw(batch, "zero traffic", lambda _: [ZERO] * SHORT, _is_idle, most=0)
    yield _of_nothing(every)
    yield from _of_pairs(every)


def _batches(every: Sequence[Instance]) -> Iterator[list[Instance]]:
    """Yield objectives that count different series: of those that share one, the events are those of one."""
    waiting = list(every)
    while waiting:
        batch: dict[tuple[str, str], Instance] = {}
        for one in waiting:
            batch.setdefault(metric(one), one)
        yield list(batch.values())
        waiting = [one for one in waiting if batch[metric(one)] is not one]


def _of_raw(
    batch: Sequence[Instance],
    name: str,
    shares: Callable[[Instance], list[Fraction]],
    hold_to: Callable[[Scenario, Instance, Events], None],
    *,
    reset: int | None = None,
    most: int | None = None,
) -> Scenario:
    scenario = Scenario(name)
    for one in batch:
        if most is not None and one.sli.slices is not None:
            continue  # a slice without an event is good, and counts
        made = events(one, shares(one))
        if most is not None:
            made = _at_most(made, most)
        scenario.series += [*own_budget(one), *raw_series(one, made, reset)]
        hold_to(scenario, one, made)
    return scenario


def _at_most(made: Events, most: int) -> Events:
    """Return the same with one event a tick, until there were so many."""
    total, bad, so_far = [], [], 0
    for every, some in zip(made.total, made.bad, strict=True):
        count = int(every > 0 and so_far < most)
        so_far += count
        total.append(count)
        bad.append(count * int(some > 0))
    return Events(total, bad)


def _spike(one: Instance) -> list[Fraction]:
    """Return a tick that the shortest window would burn for, and that no long one does."""
    first = one.windows.page[0]
    share = min(ALL, Fraction(ticks(first.short), 5) * _factor(first) * one.budget)
    last = SHORT - ticks(first.short)
    for part in range(10):  # the second pair's long window may burn for less
        shares = [share * (10 - part) / 10 if tick == last else ZERO for tick in range(SHORT)]
        if not _page_ticks(one, events(one, shares)):
            return shares
    return [ZERO] * SHORT


def _factor(pair: WindowPair) -> Fraction:
    return Fraction(str(pair.budget_share)) * milliseconds(pair.period) / milliseconds(pair.long)


def _page_ticks(one: Instance, made: Events) -> list[int]:
    """Return the ticks at which any pair of a page burns."""
    return sorted({tick for pair in one.windows.page for tick in burning(one, pair, made, hold=_hold(one, pair))})


def _hold(one: Instance, pair: WindowPair) -> int:
    """Return how many ticks the short window of a pair counts as over its factor: until the next pair's is clean."""
    for first, second in pairwise(one.windows.page):
        if pair == first:
            return max(1, ticks(second.short) - ticks(first.short))
    return 1


def _alert(name: str, one: Instance) -> str:
    objective = "" if one.name == OWN_OBJECTIVE else one.name
    labels = f'alertname="{name}", service="{one.service}", objective="{objective}", alertstate="firing"'
    return f"count(ALERTS{{{labels}}})"


def _is_quiet(scenario: Scenario, one: Instance, made: Events) -> None:
    assert not _page_ticks(one, made)
    objective = "" if one.name == OWN_OBJECTIVE else one.name
    labels = f'alertname="HighErrorBudgetBurn", service="{one.service}", objective="{objective}"'
    scenario.expect(f"count(count_over_time(ALERTS{{{labels}}}[2h]))", SHORT - 1, None)
    _counts(scenario, one, made)


def _is_idle(scenario: Scenario, one: Instance, made: Events) -> None:
    _is_quiet(scenario, one, made)
    scenario.expect(f"count(orion:objective:error_ratio{one.windows.page[0].long}{{{one.selector}}})", SHORT - 1, None)
    if not one.ticks_of_an_event:  # a gauge or a slice is an event itself
        scenario.expect(f"sum(orion:objective:no_traffic{{{one.selector}}})", SHORT - 1, 1)


def _counts(scenario: Scenario, one: Instance, made: Events) -> None:
    """Expect that the sums of the longest page window are exact, at two ticks."""
    window = one.windows.page[0].long
    total, bad = made.sums()
    if one.ticks_of_an_event and not total[-1]:
        return  # of a gauge that is not there nothing is recorded
    for tick in (SHORT // 2, SHORT - 1):
        first = max(0, tick + 1 - ticks(window))
        for kind, sums in (("total", total), ("bad", bad)):
            # Fractions of a native histogram are no whole numbers.
            counted = f"round(sum(orion:objective_{kind}:increase{window}{{{one.selector}}}), 0.0001)"
            scenario.expect(counted, tick, sums[tick + 1] - sums[first])


def _fires(scenario: Scenario, one: Instance, made: Events) -> None:
    """Expect no bad event before the outage, and the page at its first tick, not one before."""
    scenario.expect(f"sum(orion:objective:error_ratio{one.windows.page[0].long}{{{one.selector}}})", STARTS - 1, 0)
    first = first_firing(iter(_page_ticks(one, made)), ticks("2m"))
    _counts(scenario, one, made)
    if first is None:  # slices are too long for it; their pairs have tests of their own
        return
    scenario.expect(_alert("HighErrorBudgetBurn", one), first - 1, None)
    scenario.expect(_alert("HighErrorBudgetBurn", one), first, 1)


def _of_nothing(every: Sequence[Instance]) -> Scenario:
    scenario = Scenario("no data")
    for one in every:
        scenario.series += own_budget(one)
        scenario.expect(f"sum(orion:objective:no_series{{{one.selector}}})", 30, 1)
        scenario.expect(f"count({{__name__=~'orion:objective:(error_ratio|burn_rate).+', {one.selector}}})", 30, None)
        scenario.expect(f"count(orion:service:error_budget_remaining{{{one.selector}}})", 30, None)
        missing = None if one.name == OWN_OBJECTIVE else 1
        scenario.expect(_alert("ObjectiveSeriesMissing", one), 21, missing)
    return scenario


# Pairs of windows, over ticks that are given


def _of_pairs(every: Sequence[Instance]) -> Iterator[Scenario]:
    of_ticks = frozenset(window for one in every for pair in one.windows.page for window in (pair.long, pair.short))
    pages: dict[tuple[str, str, float], list[tuple[Instance, WindowPair]]] = {}
    tickets: dict[tuple[str, str, float], list[tuple[Instance, WindowPair]]] = {}
    for one in every:
        for pair in one.windows.page:
            pages.setdefault((pair.long, pair.short, pair.factor), []).append((one, pair))
        for pair in one.windows.ticket:
            tickets.setdefault((pair.long, pair.short, pair.factor), []).append((one, pair))
    for members in pages.values():
        yield _of_pair(members, None)
    for members in tickets.values():
        yield _of_pair(members, of_ticks)


def _of_pair(members: Sequence[tuple[Instance, WindowPair]], of_ticks: frozenset[str] | None) -> Scenario:
    first = members[0][1]
    urgency, step = ("page", PAGE_STEP) if of_ticks is None else ("ticket", TICKET_STEP)
    scenario = Scenario(f"{urgency} {first.long}/{first.short} at {first.factor:.4g}", at(step))
    for one, pair in members:
        at_once, late, tick = _crossing(one, pair, step, of_ticks)
        burns = f'{BURNING[urgency]}{{{one.selector}, urgency="{urgency}", pair="{pair.long}/{pair.short}"}}'
        scenario.series += own_budget(one)
        for variant, made in (("at once", at_once), ("a step later", late)):
            stages = None if of_ticks is None else step
            scenario.series += counted_series(one, made, variant=variant, evaluated=stages)
            scenario.expect(f'count({burns[:-1]}, variant="{variant}"}})', tick, 1 if made is at_once else None)
    return scenario


def _crossing(
    one: Instance, pair: WindowPair, step: int, of_ticks: frozenset[str] | None
) -> tuple[Events, Events, int]:
    """Return events that pass a pair's factor when its long window has just left many good events behind.

    They pass it at an evaluation, which is returned too, and the second ones a step later.
    """
    factor = _factor(pair) * one.budget
    share = min(ALL, 3 * factor)
    long = ticks(pair.long)
    burnt = int(long * factor / share) + 1
    later = max(1 if of_ticks is None else TICKS_OF_A_STAGE, one.ticks_of_an_event)
    margin = 2 * later
    healthy = HEAVY + long - burnt + margin

    def made(extra: int) -> tuple[Events, int]:
        heavy = HEAVY + extra
        found = events(one, [ZERO] * (healthy + extra + 1) + [share] * (burnt + 2 * margin), heavy=heavy)
        hold = _hold(one, pair) if of_ticks is None else 1
        burns = burning(one, pair, found, hold=hold, of_ticks=of_ticks)
        assert burns, f"{pair} never burns for {one.name} of {one.service}"
        assert burns[0] > long + heavy - margin, f"{pair} does not fill the window of {one.name}"
        return found, burns[0]

    _, without = made(0)
    for extra in range(-without % step, 10 * step, later):
        at_once, tick = made(extra)
        late, after = made(extra + later)
        if tick % step == 0 and after > tick:
            return at_once, late, tick
    raise AssertionError(f"{pair} of {one.name} burns at no evaluation")
