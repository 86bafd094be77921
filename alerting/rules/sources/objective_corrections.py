"""Rules that leave corrected spans out of the sums of a period: bad events, all events, and what is known.

A span is left out by whole stages of five minutes, so that a sum without it is exact. Nothing that is recorded is
changed: a correction may be written before its span begins or after it is over, and be changed or removed later.

    counted = everything of the period - the stages of the span that lie in the period

The second sum is one over a fixed range, `[span] @ end`, while the whole span is over and lies in the period. While it
lasts, and while it leaves the period at the other end, it is a subquery as long as the span.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from alerting.rules.burn_rates import STAGE
from alerting.rules.corrections import CorrectionEntry, affected
from alerting.rules.model import Rule
from alerting.rules.objectives import MONTH_PERIOD
from alerting.rules.series import CORRECTION, OBJECTIVE, SERVICE
from alerting.source.durations import milliseconds, written

_BEHIND = milliseconds(STAGE) - 1
"""How much later than the present a subquery is asked for the stages until now, in milliseconds.

Its steps are multiples of five minutes, and see a stage at the first step at or after it: within five minutes.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A correction of objectives that have one period."""

    name: str
    entry: CorrectionEntry
    period: str

    def selector(self) -> str:
        """Return the matchers of the objectives."""
        named = ((SERVICE, self.entry.service), (OBJECTIVE, self.entry.objective))
        return "{" + ", ".join(f'{label}="{value}"' for label, value in named if value is not None) + "}"


def corrections_of(
    entries: Mapping[str, CorrectionEntry], objectives: Mapping[tuple[str, str], str]
) -> tuple[Correction, ...]:
    """Return each correction for each period of the objectives that it is about. `objectives` have their periods.

    A calendar month has none, which the checks refuse.
    """
    return tuple(
        Correction(name=name, entry=entry, period=period)
        for name, entry in entries.items()
        for period in dict.fromkeys(period for _, period in affected(entry, objectives))
        if period != MONTH_PERIOD
    )


def left_out_rules(record: str, stage: str, some: Sequence[Correction], share_of: int | None = None) -> Iterator[Rule]:
    """Yield what corrections leave out of the sum of a series of stages over their period, one rule each.

    With `share_of` it is divided by that number of stages.
    """
    for correction in some:
        expression = _left_out(correction, f"{stage}{correction.selector()}")
        if share_of is not None:
            expression = f"({expression}) / {share_of}"
        yield Rule(record=record, expr=expression, labels={CORRECTION: correction.name})


def corrected(uncorrected: str, left_out: str) -> str:
    """Return a sum without what corrections leave out of it."""
    return f"({uncorrected} - sum without ({CORRECTION}) ({left_out}))\nor {uncorrected}"


def _left_out(correction: Correction, stages: str) -> str:
    start, end = correction.entry.first_stage_after, correction.entry.last_stage
    length = round((end - start) * 1000)
    period = milliseconds(correction.period)
    within = f"({stages} and (timestamp({stages}) > {_seconds(start)} <= {_seconds(end)}))"
    leaving = start + period / 1000
    parts = (
        (f"sum_over_time({stages}[{written(length)}] @ {_seconds(end)})", end, leaving),
        (f"sum_over_time({within}[{written(length + _BEHIND)}:{STAGE}] offset -{written(_BEHIND)})", start, end),
        (
            f"sum_over_time({within}[{written(length)}:{STAGE}] offset {written(period - length - _BEHIND)})",
            leaving,
            end + period / 1000,
        ),
    )
    return "\nor ".join(
        f"({expression} and on () (vector(time()) >= {_seconds(since)} < {_seconds(until)}))"
        for expression, since, until in parts
    )


def _seconds(moment: float) -> str:
    return f"{moment:.3f}".rstrip("0").rstrip(".")
