"""Counts the events of a composite objective: those that its members counted in the tick before, by weight.

The members' last tick may not be recorded yet: their groups are evaluated by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from alerting.rules.burn_rates import TICK
from alerting.rules.composites import Composite, Member
from alerting.rules.model import Rule
from alerting.rules.promql.selector import Selector
from alerting.rules.series import OBJECTIVE, OBJECTIVE_BAD, OBJECTIVE_TOTAL, SERVICE


def composite_rules(composite: Composite, labels: Mapping[str, str]) -> Iterator[Rule]:
    """Yield the recordings of a composite's events. A member that counts nothing adds none."""
    for events in (OBJECTIVE_TOTAL, OBJECTIVE_BAD):
        series = f"{events}:increase{TICK}"
        parts = "\nor ".join(_counted(series, member) for member in composite.members)
        yield Rule(record=series, expr=f"sum({parts})", labels=dict(labels))


def _counted(series: str, member: Member) -> str:
    service = {} if member.service is None else {SERVICE: member.service}
    counted = Selector(name=series).and_labels({**service, OBJECTIVE: member.objective})
    # The sum of a tick is the tick: one whose evaluation was missed is not counted twice.
    return f"(sum_over_time({counted}[{TICK}] offset {TICK}) * {member.weight:.10g})"
