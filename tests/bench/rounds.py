"""evaluation_time_1000 and growth_*: what rounds of many objectives take Prometheus, and how that grows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.generation import OBJECTIVES_OF_A_SERVICE, own_generation
from tests.bench.objective_rules import TARGET, own_rules, owned, requests, service_name
from tests.bench.rule_bench import GroupCost, MadeUpSeries, per_round, rounds_of
from tests.bench.sloth_rules import SlothObjective, sloth_rules

EVALUATION = "evaluation_time_1000"
SERVICES = 500
"""Two series each, the short form's objective and one that is written out."""
DAYS = 3
SMALL, LARGE = 1000, 10_000
GROWTH_RULES, GROWTH_GENERATION, GROWTH_EVALUATION = "growth_rules", "growth_generation", "growth_evaluation"
ROUND_FIGURES = (EVALUATION, GROWTH_RULES, GROWTH_GENERATION, GROWTH_EVALUATION)
GROWTH_DAYS = 0.25
GROWTH_PEER = f"{LARGE // SMALL} x {SMALL} objectives"


def rounds(wanted: Callable[[str], bool]) -> Iterator[Figure]:
    """Measure a round of 1,000 objectives beside Sloth's, and rounds of 10,000 beside ten times those of 1,000."""
    if wanted(EVALUATION):
        yield _evaluation()
    if wanted(GROWTH_GENERATION):
        small, large = (_generation(size) for size in (SMALL, LARGE))
        yield _growth(GROWTH_GENERATION, "s", small, large)
    if wanted(GROWTH_RULES) or wanted(GROWTH_EVALUATION):
        small_costs, large_costs = (_many(size) for size in (SMALL, LARGE))
        if wanted(GROWTH_RULES):
            yield _growth(GROWTH_RULES, "rules", _rules(small_costs), _rules(large_costs))
        if wanted(GROWTH_EVALUATION):
            yield _growth(GROWTH_EVALUATION, "s", per_round(small_costs), per_round(large_costs))


def _growth(name: str, unit: str, small: float, large: float) -> Figure:
    return Figure(name=name, value=large, unit=unit, peer=GROWTH_PEER, peer_value=small * LARGE / SMALL)


def _evaluation() -> Figure:
    with tempfile.TemporaryDirectory(prefix="orion-bench-") as directory:
        folder = Path(directory)
        services = [service_name(number) for number in range(SERVICES)]
        series = [one for service in services for one in requests(service, series=2, days=DAYS)]
        ours = own_rules(folder, services=SERVICES, written=SERVICES)
        objectives = (
            SlothObjective(service=service, name=name, target=TARGET)
            for service in services
            for name in ("requests", "availability")
        )
        theirs = [sloth_rules(folder, objectives)]
        return Figure(
            name=EVALUATION,
            value=per_round(rounds_of(ours, [*series, *owned(services, days=DAYS)], days=DAYS)),
            unit="s",
            peer="sloth",
            peer_value=per_round(rounds_of(theirs, series, days=DAYS)),
        )


def _generation(objectives: int) -> float:
    with tempfile.TemporaryDirectory(prefix="orion-bench-") as directory:
        return own_generation(Path(directory), objectives).seconds


def _many(objectives: int) -> list[GroupCost]:
    services = [service_name(number) for number in range(objectives // OBJECTIVES_OF_A_SERVICE)]
    series: list[MadeUpSeries] = [one for name in services for one in requests(name, series=2, days=GROWTH_DAYS)]
    with tempfile.TemporaryDirectory(prefix="orion-bench-") as directory:
        rules = own_rules(Path(directory), services=len(services), written=objectives)
        return rounds_of(rules, [*series, *owned(services, days=GROWTH_DAYS)], days=GROWTH_DAYS)


def _rules(costs: list[GroupCost]) -> int:
    return sum(cost.rules for cost in costs)
