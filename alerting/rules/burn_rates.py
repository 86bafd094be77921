"""Burn rates of error budgets: pairs of windows, the share of the budget that each spends, the factors that follow.

The pairs are those of the SRE workbook, chapter 5, table 5-8, for a period of 30 days.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from alerting.source.durations import milliseconds

PERIOD = "30d"
"""The time that an objective counts for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPair:
    """Two windows that have to burn at once. `budget_share` is what the long one spends of the period's budget."""

    long: str
    short: str
    budget_share: float

    @property
    def factor(self) -> float:
        """Speed at which the budget is spent, in multiples of an even spend over the period."""
        return self.budget_share * milliseconds(PERIOD) / milliseconds(self.long)


PAIRS = (
    WindowPair(long="1h", short="5m", budget_share=0.02),
    WindowPair(long="6h", short="30m", budget_share=0.05),
    WindowPair(long="1d", short="2h", budget_share=0.1),
    WindowPair(long="3d", short="6h", budget_share=0.1),
)
"""The pairs that rules/slo.yaml compares, the fastest first."""
LEAST_OBJECTIVE = math.ceil((1 - 1 / max(pair.factor for pair in PAIRS)) * 10_000) / 10_000
"""Below it the fastest burn can't be reached: all requests failing would burn the budget slower than its factor."""
