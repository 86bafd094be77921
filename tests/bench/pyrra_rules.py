"""The rules of Pyrra for a ratio of one metric, written by hand: its module cannot be had from the Go module proxy.

The shapes are those of github.com/pyrra-dev/pyrra, slo/rules.go, at 00b38d0: `Windows`, `Burnrates`, `IncreaseRules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alerting.source.durations import written_long

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
PERIOD_DAYS = 30
FACTORS = (14, 7, 2, 1)
LONG_OF_28_DAYS = (1 * HOUR, 6 * HOUR, 1 * DAY, 4 * DAY)
SHORT_OF_28_DAYS = (5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR)
BURN_RATE_INTERVAL = "30s"
INCREASE_INTERVAL = "2m30s"
"""The interval for a period of 28 to 34 days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PyrraObjective:
    """An objective on `metric`, of the series with the label `service`; those whose `code` is a 5xx are errors."""

    service: str
    target: float
    metric: str = "http_requests_total"
    accurate: bool = True
    """Whether `performanceOverAccuracy` is off."""

    @property
    def name(self) -> str:
        """The name of the objective."""
        return f"{self.service}-requests"

    @property
    def base(self) -> str:
        """The name that recordings begin with."""
        return self.metric.removesuffix("_total")


def pyrra_groups(objective: PyrraObjective) -> list[Mapping[str, Any]]:
    """Return the two groups of rules of an objective of 30 days."""
    return [_burn_rate_group(objective), _increase_group(objective)]


def windows() -> list[tuple[str, str]]:
    """Return the long and the short window of each alert: those of 28 days, scaled and rounded to a minute."""
    return [(_scaled(long), _scaled(short)) for long, short in zip(LONG_OF_28_DAYS, SHORT_OF_28_DAYS, strict=True)]


def _scaled(seconds: int) -> str:
    minutes = round(seconds * PERIOD_DAYS / 28 / MINUTE)
    return written_long(minutes * MINUTE * 1000)


def _burn_rate_group(objective: PyrraObjective) -> Mapping[str, Any]:
    total = f'{objective.metric}{{service="{objective.service}"}}'
    errors = f'{objective.metric}{{code=~"5..",service="{objective.service}"}}'
    labels = {"slo": objective.name, "service": objective.service}
    own = f'{{service="{objective.service}",slo="{objective.name}"}}'
    rules: list[Mapping[str, Any]] = [
        {
            "record": f"{objective.base}:burnrate{window}",
            "expr": f"sum(rate({errors}[{window}])) / sum(rate({total}[{window}]))",
            "labels": labels,
        }
        for window in sorted({window for pair in windows() for window in pair})
    ]
    rules += [
        {
            "alert": "ErrorBudgetBurn",
            "expr": f"{objective.base}:burnrate{short}{own} > ({factor} * (1-{objective.target})) and "
            f"{objective.base}:burnrate{long}{own} > ({factor} * (1-{objective.target}))",
            "labels": labels | {"short": short, "long": long},
        }
        for factor, (long, short) in zip(FACTORS, windows(), strict=True)
    ]
    return {"name": objective.name, "interval": BURN_RATE_INTERVAL, "rules": rules}


def _increase_group(objective: PyrraObjective) -> Mapping[str, Any]:
    total = f'{objective.metric}{{service="{objective.service}"}}'
    labels = {"slo": objective.name, "service": objective.service}
    period = f"{PERIOD_DAYS}d"
    if objective.accurate:
        rules: list[Mapping[str, Any]] = [
            {
                "record": increase_name(objective),
                "expr": f"sum by (code) (increase({total}[{period}]))",
                "labels": labels,
            }
        ]
    else:
        short = f"{objective.base}:increase5m"
        rules = [
            {"record": short, "expr": f"sum by (code) (increase({total}[5m]))", "labels": labels},
            {
                "record": increase_name(objective),
                "expr": f'sum by (code) (sum_over_time({short}{{service="{objective.service}"}}[{period}:5m]))',
                "labels": labels,
            },
        ]
    rules.append({"alert": "SLOMetricAbsent", "expr": f"absent({total}) == 1", "labels": labels})
    return {"name": f"{objective.name}-increase", "interval": INCREASE_INTERVAL, "rules": rules}


def increase_name(objective: PyrraObjective) -> str:
    """Return the name of the recording of all events of the period."""
    return f"{objective.base}:increase{PERIOD_DAYS}d"
