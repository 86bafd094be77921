"""Objectives on the page: what is left of each budget and how fast it burns, as Prometheus says, ready to be drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alerting.rules.burn_rates import PAGE_PAIRS
from alerting.rules.series import OBJECTIVE_BURN_RATE, OBJECTIVE_EXHAUSTED_IN, OBJECTIVE_REMAINING
from alerting.rules.sources.objective_budgets import A_TENTH, HALF

BURN_WINDOW = "1h"
BURN_RATE = OBJECTIVE_BURN_RATE + BURN_WINDOW
QUERY = f'{{__name__=~"{OBJECTIVE_REMAINING}|{BURN_RATE}|{OBJECTIVE_EXHAUSTED_IN}"}}'
DRAWN_STORY_SECONDS = 3 * 3600
"""How much of the past is drawn, by the story's clock."""
POINTS = 60
WIDTH, HEIGHT = 120.0, 28.0
"""The size of a drawn course, in its own units."""
FAST_BURN = PAGE_PAIRS[0].factor
"""The burn rate at which a page of the standard windows' first pair is due."""
BUDGET_COLOURS = ((0.0, "critical"), (A_TENTH, "high"), (HALF, "warning"))
"""What is left at most, and the class of that, as the alerts on budgets have it: none, a tenth, half."""
LEAST_TOP = 2.0
"""The least burn rate that a course's upper edge stands for, so that a steady one is no mountain range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveState:
    """An objective as it is now, and its burn rates over the past, the oldest first. None is what is not known."""

    service: str
    name: str
    left: float | None
    burn: float | None
    exhausted_in: float | None
    burns: tuple[tuple[float, float], ...]
    """The share of the drawn time that has passed, and the burn rate then."""

    @property
    def key(self) -> str:
        """The key of the row on the page."""
        return f"objective:{self.service}:{self.name}"

    @property
    def colour(self) -> str:
        """The class of what is left."""
        if self.left is None:
            return "other"
        return next((colour for limit, colour in BUDGET_COLOURS if self.left <= limit), "good")

    @property
    def burn_colour(self) -> str:
        """The class of the burn rate: over 1 the budget does not last, at `FAST_BURN` somebody is paged."""
        if self.burn is None:
            return "other"
        return "critical" if self.burn >= FAST_BURN else "warning" if self.burn > 1 else "good"

    @property
    def bar(self) -> float:
        """The width of the bar of what is left."""
        return round(WIDTH * min(1.0, max(0.0, self.left or 0.0)), 1)

    @property
    def top(self) -> float:
        """The burn rate that the upper edge of the course stands for."""
        return max([LEAST_TOP, *(rate for _, rate in self.burns)])

    @property
    def course(self) -> str:
        """The points of the drawn line."""
        return " ".join(f"{WIDTH * at:.1f},{self.height(rate):.1f}" for at, rate in self.burns)

    def height(self, rate: float) -> float:
        """Return where a burn rate is drawn, from the top."""
        return HEIGHT * (1 - min(rate, self.top) / self.top)


def range_parameters(now: float, scale: float) -> dict[str, str]:
    """Return the parameters of the question to `/api/v1/query_range`, for Unix seconds and the sandbox's scale."""
    length = DRAWN_STORY_SECONDS / scale
    return {"query": QUERY, "start": f"{now - length:.3f}", "end": f"{now:.3f}", "step": f"{length / POINTS:.3f}"}


def objective_states(answer: Mapping[str, Any]) -> list[ObjectiveState]:
    """Return the objectives in Prometheus' answer: the least that is left first, what is not known last."""
    results: Sequence[Mapping[str, Any]] = answer["data"]["result"]
    found: dict[tuple[str, str], dict[str, list[tuple[float, float]]]] = {}
    for result in results:
        labels = result["metric"]
        named = (str(labels.get("service", "")), str(labels.get("objective", "")))
        found.setdefault(named, {})[str(labels["__name__"])] = _numbers(result["values"])
    times = [time for series in found.values() for values in series.values() for time, _ in values]
    end = max(times, default=0.0)
    begin = min(times, default=0.0)
    return sorted(
        (_state(named, series, begin, end) for named, series in found.items()),
        key=lambda one: (one.left is None, one.left or 0.0, one.service, one.name),
    )


def _numbers(values: Iterable[tuple[float, str]]) -> list[tuple[float, float]]:
    return [(time, number) for time, text in values if math.isfinite(number := float(text))]


def _state(
    named: tuple[str, str], series: Mapping[str, Sequence[tuple[float, float]]], begin: float, end: float
) -> ObjectiveState:
    def last(name: str) -> float | None:
        values = series.get(name, ())
        # What has ended is no more so: a budget that burnt and does not any more is not gone at any time.
        return values[-1][1] if values and values[-1][0] >= end else None

    length = end - begin or 1.0
    return ObjectiveState(
        service=named[0],
        name=named[1],
        left=last(OBJECTIVE_REMAINING),
        burn=last(BURN_RATE),
        exhausted_in=last(OBJECTIVE_EXHAUSTED_IN),
        burns=tuple(((time - begin) / length, rate) for time, rate in series.get(BURN_RATE, ())),
    )
