"""Burn rates of error budgets: pairs of windows, the share of the budget that each spends, the factors that follow.

The default pairs are those of the SRE workbook, chapter 5, table 5-8, for a period of 30 days. For another period the
windows scale with it, and the factors stay: factors that scaled would fall below 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from alerting.source.durations import milliseconds, written_long

PERIOD = "30d"
"""The period of the workbook's windows, and of a service's own objective."""
TICK = "30s"
"""How often events are counted. Each window is a multiple of it."""
STAGE = "5m"
"""How often the counts of a tick are added up for long windows."""
TICKS_OF_A_STAGE = milliseconds(STAGE) // milliseconds(TICK)
LAST_STAGE = f"[{STAGE}] offset {TICK}"
"""The range of the ticks of a stage. It ends one tick ago: the last may not be recorded when the stage is evaluated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPair:
    """Two windows that have to burn at once. `budget_share` is what the long one spends of the period's budget."""

    long: str
    short: str
    budget_share: float
    period: str = PERIOD

    @property
    def factor(self) -> float:
        """Speed at which the budget is spent, in multiples of an even spend over the period."""
        return self.budget_share * milliseconds(self.period) / milliseconds(self.long)


PAGE_PAIRS = (
    WindowPair(long="1h", short="5m", budget_share=0.02),
    WindowPair(long="6h", short="30m", budget_share=0.05),
)
TICKET_PAIRS = (
    WindowPair(long="1d", short="2h", budget_share=0.1),
    WindowPair(long="3d", short="6h", budget_share=0.1),
)
PAIRS = (*PAGE_PAIRS, *TICKET_PAIRS)
"""The default pairs, the fastest first."""
LEAST_OBJECTIVE = math.ceil((1 - 1 / max(pair.factor for pair in PAIRS)) * 10_000) / 10_000
"""Below it the fastest burn can't be reached: all requests failing would burn the budget slower than its factor."""


def scaled_pairs(pairs: tuple[WindowPair, ...], period: str, step: str) -> tuple[WindowPair, ...]:
    """Return the default pairs for another period: each window times period ÷ 30 d, to the nearest multiple of `step`.

    `step` is `TICK` or `STAGE`. A window may come out too short to be used, which the checks say.
    """
    if period == PERIOD:
        return pairs
    return tuple(_scaled_pair(pair, period, step) for pair in pairs)


def _scaled_pair(pair: WindowPair, period: str, step: str) -> WindowPair:
    long = _scaled(pair.long, period, step)
    share = pair.factor * milliseconds(long) / milliseconds(period)  # a rounded window spends a little more or less
    return WindowPair(long=long, short=_scaled(pair.short, period, step), budget_share=share, period=period)


def _scaled(window: str, period: str, step: str) -> str:
    unit = milliseconds(step)
    steps = round(milliseconds(window) * milliseconds(period) / milliseconds(PERIOD) / unit)
    return written_long(max(1, steps) * unit)
