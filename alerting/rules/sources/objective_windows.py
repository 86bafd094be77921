"""Rules over the counted events of objectives: sums of windows, burn rates, burning pairs, what is left of a budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from alerting.rules.burn_rates import STAGE, TICK, WindowPair
from alerting.rules.model import Rule
from alerting.rules.objectives import BurnWindows
from alerting.rules.series import (
    OBJECTIVE,
    OBJECTIVE_BAD,
    OBJECTIVE_BURNING,
    OBJECTIVE_COVERAGE,
    OBJECTIVE_ERROR_BUDGET,
    OBJECTIVE_EXHAUSTED_IN,
    OBJECTIVE_NO_SERIES,
    OBJECTIVE_NO_TRAFFIC,
    OBJECTIVE_REMAINING,
    OBJECTIVE_TOTAL,
    PAIR,
    SERVICE,
    TEAM,
    URGENCY,
)
from alerting.source.durations import milliseconds, written_long

PAGE, TICKET = "page", "ticket"
LEAST_BAD_EVENTS = 5
"""The least number of bad events in a long window that burns: one failed request of 20 an hour is no incident."""
KEPT = "10m"
"""How long a count that is made every five minutes stands for the present: a late evaluation leaves no gap."""
ON_OBJECTIVE = f"on ({SERVICE}, {OBJECTIVE})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveSeries:
    """The names of the series of objectives with equal windows. Those with the standard ones have no suffix."""

    windows: BurnWindows
    suffix: str

    def bad(self, operation: str) -> str:
        """Return the series of bad events, such as those of `increase1h`."""
        return f"{OBJECTIVE_BAD}{self.suffix}:{operation}"

    def total(self, operation: str) -> str:
        """Return the series of all events."""
        return f"{OBJECTIVE_TOTAL}{self.suffix}:{operation}"

    def ratio(self, window: str) -> str:
        """Return the series of the share of bad events in a window."""
        return f"orion:objective{self.suffix}:error_ratio{window}"

    def burn(self, window: str) -> str:
        """Return the series of a window's burn rate: the share of bad events, in multiples of the error budget."""
        return f"orion:objective{self.suffix}:burn_rate{window}"

    def bad_increase(self, window: str) -> str:
        """Return the series of bad events in a window."""
        return self.bad(f"increase{window}")

    def latest(self, name: Callable[[str], str], window: str) -> str:
        """Return the latest value of a series of a window, which may be recorded every five minutes only."""
        return name(window) if window in self.of_ticks() else f"last_over_time({name(window)}[{KEPT}])"

    def of_ticks(self) -> tuple[str, ...]:
        """Return the windows that are summed every tick, the shortest first: those of a page."""
        return _windows(self.windows.page)

    def of_stages(self) -> tuple[str, ...]:
        """Return the windows that are summed every five minutes: those that only a ticket has."""
        return tuple(one for one in _windows(self.windows.ticket) if one not in self.of_ticks())


def _windows(pairs: Iterable[WindowPair]) -> tuple[str, ...]:
    return tuple(sorted({window for pair in pairs for window in (pair.long, pair.short)}, key=milliseconds))


def rule(record: str, expression: str, labels: Mapping[str, str] | None = None) -> Rule:
    """Return a recording."""
    return Rule(record=record, expr=expression, labels=labels or {})


def tick_rules(series: ObjectiveSeries, labels: Sequence[str]) -> Iterator[Rule]:
    """Yield what is recorded every tick: the windows of a page, what is left of the budget, and the pairs that burn."""
    ticks = f"increase{TICK}"
    for window in series.of_ticks():
        yield rule(series.bad(f"increase{window}"), f"sum_over_time({series.bad(ticks)}[{window}])")
        yield rule(series.total(f"increase{window}"), f"sum_over_time({series.total(ticks)}[{window}])")
        yield _ratio_rule(series, window)
        yield _burn_rule(series, window)
    for window in series.of_stages():
        yield _burn_rule(series, window)
    period = f"increase{series.windows.period}"
    # Time of which nothing is known counts as free of bad events, at the mean traffic of the rest: by the ratio alone,
    # ten minutes of failures on a service's first day would be a month's.
    yield rule(
        OBJECTIVE_REMAINING,
        f"1 - last_over_time({series.bad(period)}[{KEPT}])\n"
        f"/ (last_over_time({series.total(period)}[{KEPT}]) / last_over_time({OBJECTIVE_COVERAGE}[{KEPT}]) > 0)\n"
        f"/ {ON_OBJECTIVE} group_left () {OBJECTIVE_ERROR_BUDGET}",
    )
    yield rule(OBJECTIVE_NO_TRAFFIC, f"{series.total(f'increase{series.windows.page[0].long}')} == bool 0")
    pairs = series.windows.page
    # Errors that come and go are one incident: the first pair's short window counts as over its factor until the
    # second's is clean.
    holds = {first: _longer(second.short, first.short) for first, second in pairwise(pairs)}
    for pair in pairs:
        yield _pair_rule(series, pair, PAGE, labels, holds.get(pair))
    for pair in series.windows.ticket:
        yield _pair_rule(series, pair, TICKET, labels)
    first = series.windows.ticket[0]
    long, short = series.burn(first.long), series.burn(first.short)
    # What burns slower than it comes back is never gone, and few bad events foretell nothing.
    yield rule(
        OBJECTIVE_EXHAUSTED_IN,
        f"({OBJECTIVE_REMAINING} > 0) * {milliseconds(series.windows.period) // 1000}\n"
        f"/ ({long} > 1 and {short} > 1\n"
        f"  and {series.latest(series.bad_increase, first.long)} >= {LEAST_BAD_EVENTS})",
    )


def stage_rules(series: ObjectiveSeries) -> Iterator[Rule]:
    """Yield what is recorded every five minutes: the windows of a ticket, the period, and how much of it is known.

    A stage ends one tick ago: the last tick may not be recorded yet when a stage is evaluated.
    """
    ticks, stage, period = f"increase{TICK}", f"stage{STAGE}", series.windows.period
    covered = series.total(f"covered{STAGE}")
    ticks_of_a_stage = milliseconds(STAGE) // milliseconds(TICK)
    stages_of_a_period = milliseconds(period) // milliseconds(STAGE)
    last = f"[{STAGE}] offset {TICK}"
    yield rule(series.bad(stage), f"sum_over_time({series.bad(ticks)}{last})")
    yield rule(series.total(stage), f"sum_over_time({series.total(ticks)}{last})")
    yield rule(covered, f"count_over_time({series.total(ticks)}{last}) / {ticks_of_a_stage}")
    for window in (*series.of_stages(), period):
        yield rule(series.bad(f"increase{window}"), f"sum_over_time({series.bad(stage)}[{window}])")
        yield rule(series.total(f"increase{window}"), f"sum_over_time({series.total(stage)}[{window}])")
        if window != period:
            yield _ratio_rule(series, window)
    yield rule(OBJECTIVE_COVERAGE, f"clamp_max(sum_over_time({covered}[{period}]) / {stages_of_a_period}, 1)")


def no_series_rule(every: Iterable[ObjectiveSeries]) -> Rule:
    """Return the recording of objectives that have a budget and no series to count."""
    counted = (series.total(f"increase{series.windows.page[0].short}") for series in every)
    return rule(
        OBJECTIVE_NO_SERIES,
        f"({OBJECTIVE_ERROR_BUDGET} > bool 0)" + "".join(f"\nunless {ON_OBJECTIVE} {name}" for name in counted),
    )


def owned(expression: str, labels: Iterable[str]) -> str:
    """Return an expression over objectives, with the team and the labels for alerts that the budget has."""
    carried = ", ".join((TEAM, *labels))
    return f"({expression})\n* {ON_OBJECTIVE} group_left ({carried}) ({OBJECTIVE_ERROR_BUDGET} > bool 0)"


def _ratio_rule(series: ObjectiveSeries, window: str) -> Rule:
    increase = f"increase{window}"
    return rule(series.ratio(window), f"{series.bad(increase)} / ({series.total(increase)} > 0)")


def _burn_rule(series: ObjectiveSeries, window: str) -> Rule:
    share = series.latest(series.ratio, window)
    return rule(series.burn(window), f"{share} / {ON_OBJECTIVE} group_left () {OBJECTIVE_ERROR_BUDGET}")


def _pair_rule(
    series: ObjectiveSeries, pair: WindowPair, urgency: str, labels: Sequence[str], hold: str | None = None
) -> Rule:
    factor = f"{pair.factor:.10g}"
    short = series.burn(pair.short)
    if hold is not None:
        short = f"max_over_time({series.burn(pair.short)}[{hold}])"
    burning = (
        f"{series.latest(series.ratio, pair.long)}\n"
        f"and {series.burn(pair.long)} > {factor}\n"
        f"and {short} > {factor}\n"
        f"and {series.latest(series.bad_increase, pair.long)} >= {LEAST_BAD_EVENTS}"
    )
    return rule(OBJECTIVE_BURNING, owned(burning, labels), {PAIR: f"{pair.long}/{pair.short}", URGENCY: urgency})


def _longer(window: str, other: str) -> str | None:
    """Return how much longer a window is than another one, or None if it is not."""
    more = milliseconds(window) - milliseconds(other)
    return written_long(more) if more > 0 else None
