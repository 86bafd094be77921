"""Rules over the counted events of objectives: sums of windows, burn rates, burning pairs, what is left of a budget.

Events and their sums are counted alike for all objectives: one whose windows change keeps what was counted. Only
what compares them with a budget differs by windows: the series of a budget has a label that says which are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from alerting.rules.burn_rates import LAST_STAGE, STAGE, TICK, TICKS_OF_A_STAGE, WindowPair
from alerting.rules.model import Rule
from alerting.rules.objectives import MONTH_PERIOD, BurnWindows
from alerting.rules.promql.selector import Selector
from alerting.rules.series import (
    OBJECTIVE,
    OBJECTIVE_BAD,
    OBJECTIVE_BURN_RATE,
    OBJECTIVE_BURNING,
    OBJECTIVE_CORRECTED,
    OBJECTIVE_ERROR_BUDGET,
    OBJECTIVE_NO_SERIES,
    OBJECTIVE_NO_TRAFFIC,
    OBJECTIVE_TOTAL,
    PAIR,
    RUNBOOK,
    SERVICE,
    SERVICE_ERRORS_BURNING,
    SERVICE_ERRORS_WATCHED,
    SLI,
    TEAM,
    TIER,
    TIME_ZONE,
    URGENCY,
    WINDOWS,
)
from alerting.rules.sources.objective_corrections import CorrectedSum, Correction, left_out_of_days
from alerting.rules.sources.objective_months import month_stage_rules, month_tick_rules
from alerting.source.durations import milliseconds, written_long

PAGE, TICKET = "page", "ticket"
ERRORS = "errors"
"""The value of the label `sli` of a budget that all failed requests of a service are counted against."""
LEAST_BAD_EVENTS = 5
"""The least number of bad events in a long window that burns: one failed request of 20 an hour is no incident."""
MONTH_IN_NAMES = f"_{MONTH_PERIOD}"
"""What a calendar month is in the names of series, such as `increase_month`."""
KEPT = "10m"
"""How long a count that is made every five minutes stands for the present: a late evaluation leaves no gap."""
ON_OBJECTIVE = f"on ({SERVICE}, {OBJECTIVE})"


def bad_events(operation: str) -> str:
    """Return the series of bad events, such as those of `increase1h`."""
    return f"{OBJECTIVE_BAD}:{operation}"


def all_events(operation: str) -> str:
    """Return the series of all events."""
    return f"{OBJECTIVE_TOTAL}:{operation}"


def ratio(window: str) -> str:
    """Return the series of the share of bad events in a window."""
    return f"orion:objective:error_ratio{window}"


def burn(window: str) -> str:
    """Return the series of a window's burn rate: the share of bad events, in multiples of the error budget."""
    return f"{OBJECTIVE_BURN_RATE}{window}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSets:
    """The windows of all objectives, those of the standard tier first. Each is there once."""

    sets: tuple[BurnWindows, ...]

    @classmethod
    def of(cls, standard: BurnWindows, others: Iterable[BurnWindows]) -> WindowSets:
        """Return each of the windows once."""
        return cls(sets=tuple(dict.fromkeys((standard, *others))))

    def label(self, windows: BurnWindows) -> str:
        """Return the label that budgets of objectives with some windows have: none for the standard tier's."""
        return "" if windows == self.sets[0] else windows.name()

    def budgets(self, some: Collection[BurnWindows]) -> str:
        """Return a selector of the budgets of objectives with any of these windows."""
        if len(some) == len(self.sets):
            return OBJECTIVE_ERROR_BUDGET
        labels = [self.label(windows) for windows in some]
        if len(labels) == 1:
            return f'{OBJECTIVE_ERROR_BUDGET}{{{WINDOWS}="{labels[0]}"}}'
        return str(Selector(name=OBJECTIVE_ERROR_BUDGET).and_labels({WINDOWS: tuple(labels)}))

    def time_zones(self) -> tuple[str, ...]:
        """Return the time zones of the objectives whose period is a calendar month."""
        zones = (windows.time_zone for windows in self.sets)
        return tuple(dict.fromkeys(zone for zone in zones if zone is not None))

    def each_period(self, expression: Callable[[str], str]) -> str:
        """Return an expression over all objectives, made for each period and limited to the objectives that have it.

        A calendar month is `_month`, as in the names of its series.
        """
        periods = self.periods()
        if len(periods) == 1:
            return expression(in_names(periods[0]))
        return "\nor ".join(self.of_period(period, expression(in_names(period))) for period in periods)

    def of_period(self, period: str, expression: str) -> str:
        """Return an expression, limited to the objectives that have a period."""
        some = [windows for windows in self.sets if windows.period == period]
        return f"({expression}) and {ON_OBJECTIVE} {self.budgets(some)}"

    def of_ticks(self) -> tuple[str, ...]:
        """Return the windows that are summed every tick, the shortest first: those of a page."""
        return _windows(pair for windows in self.sets for pair in windows.page)

    def of_stages(self) -> tuple[str, ...]:
        """Return the windows that are summed every five minutes: those that only a ticket has."""
        ticket = _windows(pair for windows in self.sets for pair in windows.ticket)
        return tuple(one for one in ticket if one not in self.of_ticks())

    def periods(self) -> tuple[str, ...]:
        """Return the periods of all objectives."""
        return tuple(dict.fromkeys(windows.period for windows in self.sets))

    def at_a_stage(self, name: Callable[[str], str], window: str) -> str:
        """Return a series of a window where stages are summed. That of a tick may be of the tick before."""
        return name(window) if window in self.of_stages() else f"last_over_time({name(window)}[{KEPT}])"


def _windows(pairs: Iterable[WindowPair]) -> tuple[str, ...]:
    return tuple(sorted({window for pair in pairs for window in (pair.long, pair.short)}, key=milliseconds))


def in_names(period: str) -> str:
    """Return what a period is in the names of series."""
    return MONTH_IN_NAMES if period == MONTH_PERIOD else period


def rule(record: str, expression: str, labels: Mapping[str, str] | None = None) -> Rule:
    """Return a recording."""
    return Rule(record=record, expr=expression, labels=labels or {})


def tick_rules(every: WindowSets, labels: Sequence[str]) -> Iterator[Rule]:
    """Yield what is computed every tick: the windows of a page, and its pairs that burn."""
    ticks = f"increase{TICK}"
    for window in every.of_ticks():
        yield rule(bad_events(f"increase{window}"), f"sum_over_time({bad_events(ticks)}[{window}])")
        yield rule(all_events(f"increase{window}"), f"sum_over_time({all_events(ticks)}[{window}])")
        yield _ratio_rule(window)
        yield _burn_rule(window)
    if every.time_zones():
        yield from month_tick_rules()
    yield rule(OBJECTIVE_NO_TRAFFIC, f"{all_events(f'increase{every.sets[0].page[0].long}')} == bool 0")
    for (urgency, pair), each in compared(every).items():
        if urgency == PAGE:
            parts = [_page(every, one, some, labels) for one, some in each.items()]
            yield rule(OBJECTIVE_BURNING, "\nor ".join(parts), {PAIR: pair, URGENCY: PAGE})


def stage_rules(every: WindowSets, corrections: Sequence[Correction] = ()) -> Iterator[Rule]:
    """Yield what is summed every five minutes: the windows of a ticket, the period, and how much of it is known."""
    ticks, stage = f"increase{TICK}", f"stage{STAGE}"
    yield rule(bad_events(stage), f"sum_over_time({bad_events(ticks)}{LAST_STAGE})")
    yield rule(all_events(stage), f"sum_over_time({all_events(ticks)}{LAST_STAGE})")
    yield rule(all_events(f"covered{STAGE}"), f"count_over_time({all_events(ticks)}{LAST_STAGE}) / {TICKS_OF_A_STAGE}")
    days = [period for period in every.periods() if period != MONTH_PERIOD]
    for window in every.of_stages():
        if window not in days:
            yield rule(bad_events(f"increase{window}"), f"sum_over_time({bad_events(stage)}[{window}])")
            yield rule(all_events(f"increase{window}"), f"sum_over_time({all_events(stage)}[{window}])")
    for period in days:
        yield from _period_rules(period, [one for one in corrections if one.period == period])
    for window in every.of_stages():
        yield _ratio_rule(window)
        yield _burn_rule(window)
    if every.time_zones():
        yield from month_stage_rules([one for one in corrections if one.period == MONTH_PERIOD])
    if corrections:
        periods = dict.fromkeys(one.period for one in corrections)
        shares = (every.of_period(each, all_events(f"corrected_share{in_names(each)}")) for each in periods)
        yield rule(OBJECTIVE_CORRECTED, "\nor ".join(shares))


def _period_rules(period: str, corrections: Sequence[Correction]) -> Iterator[Rule]:
    """Yield the sums of a period, without what corrections leave out, and the share of it that is known."""
    stage, stages = f"stage{STAGE}", milliseconds(period) // milliseconds(STAGE)
    covered = all_events(f"covered{STAGE}")
    for events in (bad_events, all_events):
        names = CorrectedSum(
            total=events(f"increase{period}"),
            uncorrected=events(f"uncorrected{period}"),
            left_out=events(f"corrected{period}"),
        )
        counted = events(stage)
        left_out = partial(left_out_of_days, counted)
        yield from names.rules(f"sum_over_time({counted}[{period}])", left_out, corrections)
    names = CorrectedSum(
        total=all_events(f"covered{period}"),
        uncorrected=all_events(f"uncorrected_share{period}"),
        left_out=all_events(f"corrected_share{period}"),
    )
    yield from names.rules(
        f"clamp_max(sum_over_time({covered}[{period}]) / {stages}, 1)",
        lambda correction: f"({left_out_of_days(covered, correction)}) / {stages}",
        corrections,
        least=0,
    )


def no_series_rule(every: WindowSets) -> Rule:
    """Return the recording of objectives that have a budget and no series to count."""
    counted = all_events(f"increase{every.sets[0].page[0].short}")
    missing = f"({OBJECTIVE_ERROR_BUDGET} unless {ON_OBJECTIVE} {counted})"
    about_budgets = f"{RUNBOOK}, {SLI}, {TIER}, {TIME_ZONE}, {WINDOWS}"
    return rule(OBJECTIVE_NO_SERIES, f"sum without ({about_budgets}) ({missing} > bool 0)")


def error_rules(every: WindowSets) -> Iterator[Rule]:
    """Yield which services have an objective for their failed requests, and of which it burns so fast that it pages.

    The first comes of the last series before an alert's condition, and is gone with it: where that is not evaluated,
    HighErrorRate, which leaves out services that are watched, fires again.
    """
    long = every.sets[0].page[0].long
    of_errors = f'{ON_OBJECTIVE} {OBJECTIVE_ERROR_BUDGET}{{{SLI}="{ERRORS}"}}'
    burning = f'{OBJECTIVE_BURNING}{{{URGENCY}="{PAGE}"}}'
    yield rule(SERVICE_ERRORS_WATCHED, f"group by ({SERVICE}) ({burn(long)} and {of_errors})")
    yield rule(SERVICE_ERRORS_BURNING, f"group by ({SERVICE}) ({burning} and {of_errors})")


def owned(expression: str, labels: Iterable[str], budget: str = OBJECTIVE_ERROR_BUDGET) -> str:
    """Return an expression over objectives, with the team and the labels for alerts that the budget has."""
    carried = ", ".join((TEAM, *labels))
    return f"({expression})\n* {ON_OBJECTIVE} group_left ({carried}) ({budget} > bool 0)"


def bad_increase(window: str) -> str:
    """Return the series of the bad events in a window or a period."""
    return bad_events(f"increase{window}")


def _ratio_rule(window: str) -> Rule:
    increase = f"increase{window}"
    return rule(ratio(window), f"{bad_events(increase)} / ({all_events(increase)} > 0)")


def _burn_rule(window: str) -> Rule:
    return rule(burn(window), f"{ratio(window)} / {ON_OBJECTIVE} group_left () {OBJECTIVE_ERROR_BUDGET}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two windows that are compared with a factor. The short one counts as over it for `hold` longer."""

    pair: WindowPair
    hold: str | None


def compared(every: WindowSets) -> Mapping[tuple[str, str], Mapping[Comparison, Sequence[BurnWindows]]]:
    """Return the comparisons by urgency and pair of windows, each with the windows of the objectives that have it."""
    found: dict[tuple[str, str], dict[Comparison, list[BurnWindows]]] = {}
    for windows in every.sets:
        # Errors that come and go are one incident: the first pair's short window counts as over its factor until the
        # second's is clean.
        holds = {first: _longer(second.short, first.short) for first, second in pairwise(windows.page)}
        for urgency, pairs in ((PAGE, windows.page), (TICKET, windows.ticket)):
            for pair in pairs:
                comparison = Comparison(pair=pair, hold=holds.get(pair) if urgency == PAGE else None)
                same = found.setdefault((urgency, f"{pair.long}/{pair.short}"), {})
                same.setdefault(comparison, []).append(windows)
    return found


def _page(every: WindowSets, one: Comparison, some: Collection[BurnWindows], labels: Iterable[str]) -> str:
    """Return the share of bad events of the objectives that burn: what is over a factor, of the budget.

    It is computed from the burn rate, so that nothing is joined while nothing burns.
    """
    pair, factor = one.pair, f"{one.pair.factor:.10g}"
    short = burn(pair.short) if one.hold is None else f"max_over_time({burn(pair.short)}[{one.hold}])"
    return (
        f"({burn(pair.long)} > {factor}\n"
        f"and {short} > {factor}\n"
        f"and {bad_increase(pair.long)} >= {LEAST_BAD_EVENTS})\n"
        f"* {ON_OBJECTIVE} group_left ({', '.join((TEAM, *labels))}) {every.budgets(some)}"
    )


def _longer(window: str, other: str) -> str | None:
    """Return how much longer a window is than another one, or None if it is not."""
    more = milliseconds(window) - milliseconds(other)
    return written_long(more) if more > 0 else None
