"""Rules on budgets: what is left, when it will be gone, and what alerts on tickets and budgets tell.

All of it is made of stages, hence computed every five minutes. Every tick only the last result is read again: a series
that is there while something burns or is spent, and that ends with a value beyond its limit. Without that value it
would be looked back at for ten minutes after its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from alerting.rules.model import Rule
from alerting.rules.objectives import MONTH_PERIOD, BurnWindows
from alerting.rules.series import (
    OBJECTIVE_BURNING,
    OBJECTIVE_COVERAGE,
    OBJECTIVE_ERROR_BUDGET,
    OBJECTIVE_EXHAUSTED_IN,
    OBJECTIVE_MONTH_LEFT,
    OBJECTIVE_MONTH_SECONDS,
    OBJECTIVE_REMAINING,
    OBJECTIVE_STAGE_BURNING,
    OBJECTIVE_STAGE_EXHAUSTED_IN,
    OBJECTIVE_STAGE_REMAINING,
    OBJECTIVE_STAGE_RUNNING_OUT,
    OBJECTIVE_STAGE_SPENT,
    PAIR,
    URGENCY,
)
from alerting.rules.sources.objective_windows import (
    KEPT,
    LEAST_BAD_EVENTS,
    MONTH_IN_NAMES,
    ON_OBJECTIVE,
    TICKET,
    Comparison,
    WindowSets,
    all_events,
    bad_increase,
    burn,
    compared,
    owned,
    ratio,
    rule,
)
from alerting.source.durations import milliseconds

HALF, A_TENTH = 0.5, 0.1
"""What is left of a budget, of which is told."""
TRUSTED_COVERAGE = 0.1
"""The least share of the period that must be known until a budget counts as spent: three days of 30."""
HORIZON_SECONDS = 3 * 86_400
"""How soon a budget has to be gone, at the present rate, to be told: a rolling period has no end to compare with."""


def lasting(series: str, limit: str = "> 0") -> str:
    """Return the values of a series of stages that ends with a value beyond its limit."""
    return f"last_over_time({series}[{KEPT}]) {limit}"


def told_tick_rules() -> Iterator[Rule]:
    """Yield what is read again every tick: what is left, a ticket's pairs that burn, and when nothing is left."""
    yield rule(OBJECTIVE_REMAINING, f"last_over_time({OBJECTIVE_STAGE_REMAINING}[{KEPT}])")
    yield rule(OBJECTIVE_BURNING, lasting(OBJECTIVE_STAGE_BURNING))
    yield rule(OBJECTIVE_EXHAUSTED_IN, lasting(OBJECTIVE_STAGE_EXHAUSTED_IN))


def budget_rules(every: WindowSets) -> Iterator[Rule]:
    """Yield how much of a period is known, and what is left of its budget."""
    yield rule(OBJECTIVE_COVERAGE, every.each_period(lambda period: all_events(f"covered{period}")))
    # Time of which nothing is known counts as free of bad events, at the mean traffic of the rest: by the ratio alone,
    # ten minutes of failures on a service's first day would be a month's.
    yield rule(
        OBJECTIVE_STAGE_REMAINING,
        every.each_period(
            lambda period: (
                f"1 - {bad_increase(period)}\n"
                f"/ ({all_events(f'increase{period}')} / {OBJECTIVE_COVERAGE} > 0)\n"
                f"/ {ON_OBJECTIVE} group_left () {OBJECTIVE_ERROR_BUDGET}"
            )
        ),
    )


def told_rules(every: WindowSets, labels: Sequence[str]) -> Iterator[Rule]:
    """Yield what alerts on tickets and budgets tell: no series while all is well, and a last value when it is over."""
    for (urgency, pair), each in compared(every).items():
        if urgency == TICKET:
            parts = [owned(_ticket(every, one), labels, every.budgets(some)) for one, some in each.items()]
            before = f'{OBJECTIVE_STAGE_BURNING}{{{PAIR}="{pair}"}}'
            over = f"or ignoring ({PAIR}, {URGENCY}) 0 * ({lasting(before)})"
            yield rule(OBJECTIVE_STAGE_BURNING, "\n".join(("\nor ".join(parts), over)), {PAIR: pair, URGENCY: TICKET})
    yield _exhausted_rule(every)
    spent = f"<= {HALF}"
    yield rule(
        OBJECTIVE_STAGE_SPENT,
        f"{owned(_trusted(every, lambda _: f'{OBJECTIVE_STAGE_REMAINING} {spent}'), labels)}\n"
        f"or 1 + 0 * ({lasting(OBJECTIVE_STAGE_SPENT, spent)})",
    )
    month = f"{ON_OBJECTIVE} group_left () last_over_time({OBJECTIVE_MONTH_LEFT}[{KEPT}])"
    soon = _trusted(
        every,
        lambda period: f"{OBJECTIVE_STAGE_EXHAUSTED_IN} > 0 < {month if period == MONTH_IN_NAMES else HORIZON_SECONDS}",
    )
    over = f"or 0 * ({lasting(OBJECTIVE_STAGE_RUNNING_OUT)})"
    yield rule(OBJECTIVE_STAGE_RUNNING_OUT, f"{owned(soon, labels)}\n{over}")


def _trusted(every: WindowSets, condition: Callable[[str], str]) -> str:
    """Return a condition on the budget of a period, told if enough of it is known and enough of its events were bad."""
    return every.each_period(
        lambda period: (
            f"{condition(period)} and {OBJECTIVE_COVERAGE} >= {TRUSTED_COVERAGE}"
            f" and {bad_increase(period)} >= {LEAST_BAD_EVENTS}"
        )
    )


def _exhausted_rule(every: WindowSets) -> Rule:
    """Return the recording of the seconds until nothing is left, by the first pair of a ticket."""
    parts: dict[tuple[str, str, str], list[BurnWindows]] = {}
    for windows in every.sets:
        first = windows.ticket[0]
        parts.setdefault((windows.period, first.long, first.short), []).append(windows)
    exhausted = "\nor ".join(_exhausted(every, some) for some in parts.values())
    return rule(OBJECTIVE_STAGE_EXHAUSTED_IN, f"{exhausted}\nor 0 * ({lasting(OBJECTIVE_STAGE_EXHAUSTED_IN)})")


def _exhausted(every: WindowSets, some: Sequence[BurnWindows]) -> str:
    first = some[0].ticket[0]
    long, short = (every.at_a_stage(burn, window) for window in (first.long, first.short))
    left = f"{OBJECTIVE_STAGE_REMAINING} > 0"
    if len(some) < len(every.sets):
        left = f"{left} and {ON_OBJECTIVE} {every.budgets(some)}"
    # What burns slower than it comes back is never gone, and few bad events foretell nothing.
    if some[0].period == MONTH_PERIOD:
        seconds = f"{ON_OBJECTIVE} group_left () last_over_time({OBJECTIVE_MONTH_SECONDS}[{KEPT}])"
    else:
        seconds = str(milliseconds(some[0].period) // 1000)
    return (
        f"({left}) * {seconds}\n"
        f"/ ({long} > 1 and {short} > 1\n"
        f"  and {every.at_a_stage(bad_increase, first.long)} >= {LEAST_BAD_EVENTS})"
    )


def _ticket(every: WindowSets, one: Comparison) -> str:
    """Return the share of bad events of the objectives of which a pair of a ticket burns."""
    pair, factor = one.pair, f"{one.pair.factor:.10g}"
    return (
        f"{every.at_a_stage(ratio, pair.long)}\n"
        f"and {every.at_a_stage(burn, pair.long)} > {factor}\n"
        f"and {every.at_a_stage(burn, pair.short)} > {factor}\n"
        f"and {every.at_a_stage(bad_increase, pair.long)} >= {LEAST_BAD_EVENTS}"
    )
