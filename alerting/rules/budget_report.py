"""Error budgets as a Prometheus has recorded them: what is left of each, how much is known, whether it is at risk."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from alerting.catalog import Catalog
from alerting.rules.objectives import OWN_OBJECTIVE
from alerting.rules.series import (
    CORRECTION,
    METRIC_NAME,
    OBJECTIVE,
    OBJECTIVE_BURN_RATE,
    OBJECTIVE_BURNING,
    OBJECTIVE_CORRECTED,
    OBJECTIVE_COVERAGE,
    OBJECTIVE_ERROR_BUDGET,
    OBJECTIVE_EXHAUSTED_IN,
    OBJECTIVE_REMAINING,
    PAIR,
    SERVICE,
    URGENCY,
)
from alerting.rules.sources.objective_budgets import A_TENTH, HORIZON_SECONDS, TRUSTED_COVERAGE
from alerting.rules.sources.objective_windows import KEPT
from alerting.source.durations import milliseconds

QUERIES: Mapping[str, str] = {
    "budget": OBJECTIVE_ERROR_BUDGET,
    "remaining": OBJECTIVE_REMAINING,
    "coverage": f"last_over_time({OBJECTIVE_COVERAGE}[{KEPT}])",
    "corrected": f"last_over_time({OBJECTIVE_CORRECTED}[{KEPT}])",
    "burn": f'last_over_time({{{METRIC_NAME}=~"{OBJECTIVE_BURN_RATE}.+"}}[{KEPT}])',
    "burning": OBJECTIVE_BURNING,
    "exhausted_in": OBJECTIVE_EXHAUSTED_IN,
}
"""The queries of a report, by what they are about."""
BURN_WINDOW = "1d"
"""A burn rate is that of the window nearest to this one: windows follow the period."""

Key = tuple[tuple[str, str], ...]
"""The labels of an error budget, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A value of an instant query, and its labels."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One error budget. `labels` are those that the objective is grouped by. What is None is not known.

    `corrected` are the shares of the period that corrections leave out, by name.
    `remaining` and `coverage` are shares, `exhausted_in_seconds` the time until nothing is left at the rate of the last
    day. `burning` are the pairs of windows that burn, with their urgency.
    """

    service: str
    objective: str
    labels: Mapping[str, str] = field(default_factory=dict)
    target: float | None = None
    remaining: float | None = None
    coverage: float | None = None
    burn_rate: float | None = None
    burn_window: str | None = None
    exhausted_in_seconds: float | None = None
    burning: tuple[str, ...] = ()
    corrected: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name in errors: the service, the objective and the labels."""
        return " ".join((self.service, self.objective, *(f"{key}={value}" for key, value in self.labels.items())))

    @property
    def is_idle(self) -> bool:
        """True if there were no events in what is known of the period: nothing is spent then."""
        return self.remaining is None and self.is_trusted

    @property
    def is_trusted(self) -> bool:
        """True if enough of the period is known to say what is left."""
        return self.coverage is not None and self.coverage >= TRUSTED_COVERAGE

    @property
    def is_at_risk(self) -> bool:
        """True if it burns, is nearly spent, or will be gone soon."""
        soon = self.exhausted_in_seconds is not None and self.exhausted_in_seconds < HORIZON_SECONDS
        nearly_spent = self.remaining is not None and self.is_trusted and self.remaining <= A_TENTH
        return bool(self.burning) or soon or nearly_spent


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Answer of a gate: budgets with less than is wanted, and those of which too little is known."""

    under: tuple[Budget, ...]
    not_known: tuple[Budget, ...]


def decide(budgets: Sequence[Budget], least: float) -> Decision:
    """Hold budgets to the least share that has to be left."""
    known = [each for each in budgets if each.is_trusted]
    return Decision(
        under=tuple(each for each in known if each.remaining is not None and each.remaining < least),
        not_known=tuple(each for each in budgets if not each.is_trusted),
    )


def expected(catalog: Catalog) -> frozenset[tuple[str, str]]:
    """Return service and name of each objective of a catalog."""
    own = {(service, OWN_OBJECTIVE) for service in catalog.services}
    written = () if catalog.objectives is None else catalog.objectives.named()
    return frozenset(own | {(one.service, name) for _, name, one in written})


def budgets(answers: Mapping[str, Sequence[Sample]], wanted: Iterable[tuple[str, str]]) -> tuple[Budget, ...]:
    """Return the budgets of the objectives that are wanted, sorted by name.

    `answers` are those to `QUERIES`. An objective that nothing is recorded of has a budget of which nothing is known.
    """
    targets = {_named(one.labels): 1 - one.value for one in answers["budget"]}
    found: list[Budget] = []
    by_key = {about: _by_key(answers[about]) for about in ("remaining", "coverage", "exhausted_in")}
    burns, burning = _burn_rates(answers["burn"]), _burning_pairs(answers["burning"])
    corrected = _corrected(answers["corrected"])
    keys: dict[tuple[str, str], list[Key]] = {}
    for key in sorted({key for values in by_key.values() for key in values}):
        keys.setdefault(_named(dict(key)), []).append(key)
    for service, objective in wanted:
        for key in keys.get((service, objective), [_key(service, objective)]):
            window, burn = burns.get(key, (None, None))
            found.append(
                Budget(
                    service=service,
                    objective=objective,
                    labels={name: value for name, value in key if name not in {SERVICE, OBJECTIVE}},
                    target=targets.get((service, objective)),
                    remaining=by_key["remaining"].get(key),
                    coverage=by_key["coverage"].get(key),
                    burn_rate=burn,
                    burn_window=window,
                    exhausted_in_seconds=by_key["exhausted_in"].get(key),
                    corrected=corrected.get(key, {}),
                    burning=tuple(pair for known, pair in burning if set(key) <= known),
                )
            )
    return tuple(sorted(found, key=lambda budget: budget.name))


def _by_key(samples: Iterable[Sample]) -> dict[Key, float]:
    return {_key_of(one.labels): one.value for one in samples if not math.isnan(one.value)}


def _key_of(labels: Mapping[str, str]) -> Key:
    return tuple(sorted((name, value) for name, value in labels.items() if name != METRIC_NAME))


def _key(service: str, objective: str) -> Key:
    return _key_of({SERVICE: service, OBJECTIVE: objective})


def _named(labels: Mapping[str, str]) -> tuple[str, str]:
    return labels.get(SERVICE, ""), labels.get(OBJECTIVE, "")


def _burn_rates(samples: Iterable[Sample]) -> dict[Key, tuple[str, float]]:
    """Return the burn rate of each budget in the window that is nearest to `BURN_WINDOW`."""
    day, nearest = milliseconds(BURN_WINDOW), dict[Key, tuple[str, float]]()
    for one in samples:
        if math.isnan(one.value):
            continue
        key, window = _key_of(one.labels), one.labels[METRIC_NAME].removeprefix(OBJECTIVE_BURN_RATE)
        known = nearest.get(key)
        if known is None or abs(milliseconds(window) - day) < abs(milliseconds(known[0]) - day):
            nearest[key] = (window, one.value)
    return nearest


def _corrected(samples: Iterable[Sample]) -> Mapping[Key, Mapping[str, float]]:
    found: dict[Key, dict[str, float]] = {}
    for one in samples:
        key = _key_of({name: value for name, value in one.labels.items() if name != CORRECTION})
        found.setdefault(key, {})[one.labels.get(CORRECTION, "")] = one.value
    return found


def _burning_pairs(samples: Iterable[Sample]) -> list[tuple[frozenset[tuple[str, str]], str]]:
    return [
        (frozenset(one.labels.items()), f"{one.labels.get(PAIR, '')} ({one.labels.get(URGENCY, '')})")
        for one in samples
    ]
