"""Rules that leave corrected spans out of the sums of a period: bad events, all events, and what is known.

A span is left out by whole stages of five minutes, so that a sum without it is exact. Nothing that is recorded is
changed: a correction may be written before its span begins or after it is over, and be changed or removed later.

    counted = everything of the period - the stages of the span that lie in the period

The second sum is one over a fixed range, `[span] @ end`, while the whole span is over and lies in the period. While it
lasts, and while it leaves the period at the other end, it is a subquery as long as the span.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from alerting.rules.burn_rates import STAGE
from alerting.rules.corrections import CorrectionEntry, affected
from alerting.rules.model import Rule
from alerting.rules.objectives import BurnWindows
from alerting.rules.promql.selector import Selector
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

    def selector(self, stages: str) -> Selector:
        """Return the selector of a series of stages, of the objectives."""
        named = ((SERVICE, self.entry.service), (OBJECTIVE, self.entry.objective))
        return Selector(name=stages).and_labels({label: value for label, value in named if value is not None})


def corrections_of(
    entries: Mapping[str, CorrectionEntry], objectives: Mapping[tuple[str, str], BurnWindows]
) -> tuple[Correction, ...]:
    """Return each correction for each period of the objectives that it is about, of all by service and name."""
    return tuple(
        Correction(name=name, entry=entry, period=period)
        for name, entry in entries.items()
        for period in dict.fromkeys(windows.period for windows in affected(entry, objectives))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedSum:
    """The names of a sum, of it before it is corrected, and of what corrections leave out of it."""

    total: str
    uncorrected: str
    left_out: str

    def rules(
        self,
        summed: str,
        left_out: Callable[[Correction], str],
        corrections: Sequence[Correction],
        *,
        least: float | None = None,
    ) -> Iterator[Rule]:
        """Yield the recordings: of the sum alone if nothing is corrected, else of all three.

        What is left out is negative nowhere; rounding may take a share below its `least`.
        """
        if not corrections:
            yield Rule(record=self.total, expr=summed)
            return
        yield Rule(record=self.uncorrected, expr=summed)
        for correction in corrections:
            labels = {CORRECTION: correction.name}
            yield Rule(record=self.left_out, expr=left_out(correction), labels=labels)
        rest = f"({self.uncorrected} - sum without ({CORRECTION}) ({self.left_out}))\nor {self.uncorrected}"
        yield Rule(record=self.total, expr=rest if least is None else f"clamp_min({rest}, {least:g})")


def left_out_of_days(stages: str, correction: Correction) -> str:
    """Return what a correction leaves out of the sum of a series of stages over a period of days."""
    start, end = correction.entry.first_stage_after, correction.entry.last_stage
    period = milliseconds(correction.period)
    length, leaving = _length(correction), start + period / 1000
    steps, offset = f"{written(length)}:{STAGE}", written(period - length - _BEHIND)
    rest = f"sum_over_time({_within(correction, stages)}[{steps}] offset {offset})"
    parts = (
        (_whole(correction, stages), end, leaving),
        (_until_now(correction, stages), start, end),
        (rest, leaving, end + period / 1000),
    )
    return "\nor ".join(_between(*part) for part in parts)


def left_out_of_month(stages: str, correction: Correction) -> str:
    """Return what a correction leaves out of the sums of series of stages, of each month its own."""
    start, end = correction.entry.first_stage_after, correction.entry.last_stage
    whole = f"({_whole(correction, stages)} and on () (vector(time()) >= {_seconds(end)}))"
    return f"{whole}\nor {_between(_until_now(correction, stages), start, end)}"


def _length(correction: Correction) -> int:
    return round((correction.entry.last_stage - correction.entry.first_stage_after) * 1000)


def _within(correction: Correction, stages: str) -> str:
    """Return the stages of the span, for a subquery."""
    limits = f"> {_seconds(correction.entry.first_stage_after)} <= {_seconds(correction.entry.last_stage)}"
    selected = correction.selector(stages)
    return f"({selected} and (timestamp({selected}) {limits}))"


def _whole(correction: Correction, stages: str) -> str:
    """Return the sum of a span that is over."""
    length, end = written(_length(correction)), _seconds(correction.entry.last_stage)
    return f"sum_over_time({correction.selector(stages)}[{length}] @ {end})"


def _until_now(correction: Correction, stages: str) -> str:
    """Return the sum of a span that lasts."""
    length = written(_length(correction) + _BEHIND)
    return f"sum_over_time({_within(correction, stages)}[{length}:{STAGE}] offset -{written(_BEHIND)})"


def _between(expression: str, since: float, until: float) -> str:
    return f"({expression} and on () (vector(time()) >= {_seconds(since)} < {_seconds(until)}))"


def _seconds(moment: float) -> str:
    return f"{moment:.3f}".rstrip("0").rstrip(".")
