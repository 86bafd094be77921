"""Rules for objectives whose period is a time zone's calendar month: which month it is, and what was counted in it.

PromQL knows neither time zones nor a window that begins at a moment. So the first moments of all months are written
out, and each tick of such an objective is counted under the month that it lies in: the sum of a month's series is that
of the month, whatever it has of days and hours, and nothing of the month before is in it.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from itertools import pairwise

from alerting.rules.burn_rates import LAST_STAGE, STAGE, TICK, TICKS_OF_A_STAGE
from alerting.rules.model import Rule
from alerting.rules.objectives import MONTH_RANGE
from alerting.rules.series import (
    MONTH,
    MONTH_END,
    MONTH_SECONDS,
    OBJECTIVE,
    OBJECTIVE_BAD,
    OBJECTIVE_ERROR_BUDGET,
    OBJECTIVE_MONTH_LEFT,
    OBJECTIVE_MONTH_SECONDS,
    OBJECTIVE_TOTAL,
    PRESENT_MONTH,
    SERVICE,
    TIME_ZONE,
)
from alerting.rules.sources.objective_corrections import CorrectedSum, Correction, left_out_of_month
from alerting.source.durations import milliseconds

YEARS = range(2024, 2044)
"""The years whose months are written out. Before them and after them it is always the same month."""
HALF_A_MONTH = 15 * 86_400
_IN_MONTH = f"and on ({TIME_ZONE}, {MONTH}) {PRESENT_MONTH}"
_BUDGETS = f'({OBJECTIVE_ERROR_BUDGET}{{{TIME_ZONE}!=""}} > bool 0)'


def calendar_rules(time_zones: Iterable[str], years: range = YEARS) -> Iterator[Rule]:
    """Yield the end and the length of the present month of each time zone, then its name, such as 202610."""
    for zone in time_zones:
        starts = month_starts(zone, years)
        lengths = [end - start for start, end in pairwise(starts)]
        labels = {TIME_ZONE: zone}
        yield Rule(record=MONTH_END, expr=_by_month(starts, starts[1:]), labels=labels)
        yield Rule(record=MONTH_SECONDS, expr=_by_month(starts, lengths), labels=labels)
    middle = f"{MONTH_END} - {HALF_A_MONTH}"
    yield Rule(
        record=PRESENT_MONTH,
        expr=f'count_values by ({TIME_ZONE}) ("{MONTH}", year({middle}) * 100 + month({middle}))',
    )


def month_tick_rules() -> Iterator[Rule]:
    """Yield what is recorded every tick: the tick's events, by month, and how long the month is and lasts."""
    for events in (OBJECTIVE_TOTAL, OBJECTIVE_BAD):
        # The sum of a tick is the tick: one whose evaluation was missed is not counted twice.
        yield Rule(
            record=f"{events}:month{TICK}",
            expr=f"sum_over_time({events}:increase{TICK}[{TICK}])\n"
            f"* on ({SERVICE}, {OBJECTIVE}) group_left ({TIME_ZONE}) {_BUDGETS}\n"
            f"* on ({TIME_ZONE}) group_left ({MONTH}) {PRESENT_MONTH}",
        )
    for record, calendar in (
        (OBJECTIVE_MONTH_SECONDS, MONTH_SECONDS),
        (OBJECTIVE_MONTH_LEFT, f"({MONTH_END} - time())"),
    ):
        yield Rule(
            record=record,
            expr=f"sum by ({SERVICE}, {OBJECTIVE}) ({_BUDGETS} * on ({TIME_ZONE}) group_left () {calendar})",
        )


def month_stage_rules(corrections: Sequence[Correction] = ()) -> Iterator[Rule]:
    """Yield what is recorded every five minutes: the events since the month began, and how much of it is known."""
    covered = f"{OBJECTIVE_TOTAL}:covered_month{STAGE}"
    for events in (OBJECTIVE_BAD, OBJECTIVE_TOTAL):
        stage = f"{events}:month{STAGE}"
        yield Rule(record=stage, expr=f"sum_over_time({events}:month{TICK}{LAST_STAGE})")
        names = CorrectedSum(
            total=f"{events}:increase_month",
            uncorrected=f"{events}:uncorrected_month",
            left_out=f"{events}:corrected_month",
        )
        yield from names.rules(_of_month(f"sum_over_time({stage}[{MONTH_RANGE}])"), _left_out(stage), corrections)
    yield Rule(record=covered, expr=f"count_over_time({OBJECTIVE_TOTAL}:month{TICK}{LAST_STAGE}) / {TICKS_OF_A_STAGE}")
    names = CorrectedSum(
        total=f"{OBJECTIVE_TOTAL}:covered_month",
        uncorrected=f"{OBJECTIVE_TOTAL}:uncorrected_share_month",
        left_out=f"{OBJECTIVE_TOTAL}:corrected_share_month",
    )
    known = _share_of_month(f"sum_over_time({covered}[{MONTH_RANGE}])")
    yield from names.rules(
        f"clamp_max({known}, 1)",
        lambda correction: _share_of_month(f"({left_out_of_month(covered, correction)})"),
        corrections,
        least=0,
    )


def _of_month(sums: str) -> str:
    """Return sums of each month, limited to the present one."""
    return f"sum without ({TIME_ZONE}, {MONTH}) ({sums} {_IN_MONTH})"


def _left_out(stage: str) -> Callable[[Correction], str]:
    return lambda correction: _of_month(f"({left_out_of_month(stage, correction)})")


def _share_of_month(sums: str) -> str:
    """Return numbers of stages as shares of the present month."""
    stages = f"sum without ({MONTH}) ({sums} {_IN_MONTH})"
    share = f"{stages} * {milliseconds(STAGE) // 1000} / on ({TIME_ZONE}) group_left () {MONTH_SECONDS}"
    return f"sum without ({TIME_ZONE}) ({share})"


@cache
def month_starts(time_zone: str, years: range = YEARS) -> tuple[int, ...]:
    """Return the Unix second at which each month of some years begins in a time zone, and the one after the last."""
    zone = zoneinfo.ZoneInfo(time_zone)
    months = [(year, month) for year in years for month in range(1, 13)] + [(years.stop, 1)]
    return tuple(int(datetime(year, month, 1, tzinfo=zone).timestamp()) for year, month in months)


def _by_month(starts: Iterable[int], values: Iterable[int]) -> str:
    """Return PromQL of the value of the present month. It changes at the second at which a month begins."""
    pairs = list(zip(starts, values, strict=False))
    terms = [str(pairs[0][1])]
    for (_, before), (start, value) in pairwise(pairs):
        if value != before:
            sign, step = ("+", value - before) if value > before else ("-", before - value)
            terms.append(f"{sign} {step} * (time() >= bool {start})")
    return "vector(\n  " + "\n  ".join(terms) + "\n)"
