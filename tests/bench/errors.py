"""error_burn_3d and error_budget_30d: how far burn rates and budgets are from exact counting."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alerting.rules.series import OBJECTIVE_REMAINING
from alerting.source.durations import milliseconds
from tests.bench.counted_traffic import CountedTraffic, days_and_nights, noon
from tests.bench.figures import Figure
from tests.bench.objective_rules import TARGET, own_rules, owned
from tests.bench.pyrra_rules import PERIOD_DAYS, PyrraObjective, increase_name, pyrra_groups, windows
from tests.bench.rule_bench import MadeUpSeries, RangeQuery, answers_of, write_rules
from tests.bench.sloth_rules import SlothObjective, sloth_rules

BURN, BUDGET = "error_burn_3d", "error_budget_30d"
PEERS = ("sloth", "pyrra", "pyrra_fast")
ERROR_FIGURES = tuple(f"{figure}_{peer}" for figure in (BURN, BUDGET) for peer in PEERS)
SERVICE = "orders"
DAYS = 32
OUTAGES = (noon(20, minutes=30), noon(30, minutes=30))
"""One that the period alone holds, and one within three days."""
PERIOD_SECONDS = PERIOD_DAYS * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Rules, what they say of the share that failed in the long window and in the period, and that window."""

    rules: Sequence[Path]
    burn: str
    spent: str
    window: str = "3d"


def errors(wanted: Callable[[str], bool]) -> Iterator[Figure]:
    """Compare what ours and the peers' rules record at the end of 32 days with exact counting."""
    if not any(map(wanted, ERROR_FIGURES)):
        return
    traffic = days_and_nights(DAYS, OUTAGES)
    series = [*traffic.counters(SERVICE), *owned([SERVICE], days=DAYS)]
    with tempfile.TemporaryDirectory(prefix="orion-bench-") as directory:
        folder = Path(directory)
        ours = _distances(_own(folder), series, traffic)
        for peer in PEERS:
            names = (f"{BURN}_{peer}", f"{BUDGET}_{peer}")
            if any(map(wanted, names)):
                theirs = _distances(_peer(folder, peer), series, traffic)
                for name, value, peer_value in zip(names, ours, theirs, strict=True):
                    if wanted(name):
                        yield Figure(name=name, value=value, unit="%", peer=_named(peer), peer_value=peer_value)


def _named(peer: str) -> str:
    return peer.replace("_fast", ", performanceOverAccuracy")


def _own(folder: Path) -> Measured:
    return Measured(
        rules=own_rules(folder),
        burn="last_over_time(orion:objective:error_ratio3d[10m])",
        spent=f"(1 - {OBJECTIVE_REMAINING}) * {1 - TARGET:.10g}",
    )


def _peer(folder: Path, peer: str) -> Measured:
    if peer == "sloth":
        return Measured(
            rules=[sloth_rules(folder, [SlothObjective(service=SERVICE, target=TARGET)])],
            burn="slo:sli_error:ratio_rate3d",
            spent=f"(1 - slo:period_error_budget_remaining:ratio) * {1 - TARGET:.10g}",
        )
    objective = PyrraObjective(service=SERVICE, target=TARGET, accurate=peer == "pyrra")
    window = windows()[-1][0]
    increase = increase_name(objective)
    return Measured(
        rules=[write_rules(folder / f"{peer}.yaml", pyrra_groups(objective))],
        burn=f"{objective.base}:burnrate{window}",
        spent=f'sum({increase}{{code=~"5.."}}) / sum({increase})',
        window=window,
    )


def _distances(measured: Measured, series: Sequence[MadeUpSeries], traffic: CountedTraffic) -> tuple[float, float]:
    """Return by how many percent the share of the long window and that of the period differ from exact counting."""
    queries = [RangeQuery(expression=measured.burn), RangeQuery(expression=measured.spent)]
    burn, spent = (
        _value(answer, query.expression)
        for answer, query in zip(answers_of(measured.rules, series, queries), queries, strict=True)
    )
    return (
        percent_off(burn, traffic.failed_share(milliseconds(measured.window) / 1000)),
        percent_off(spent, traffic.failed_share(PERIOD_SECONDS)),
    )


def _value(answer: Sequence[tuple[object, Sequence[tuple[float, float]]]], expression: str) -> float:
    values = [value for _, samples in answer for _, value in samples]
    if len(values) != 1:
        raise ValueError(f"{expression}: found {len(values)} values; one is expected")
    return values[0]


def percent_off(value: float, exact: float) -> float:
    """Return how far a value is from the exact one, in percent of that."""
    return abs(value - exact) / exact * 100
