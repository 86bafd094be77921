"""Measures rule files by `orion-rule-bench`, a program on Prometheus' own engine (tools/go/prometheus/rulebench)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.bench.programs import bench_program

PROGRAM = "orion-rule-bench"
EVALUATION_SECONDS = 30
"""The evaluation interval of groups that have none: that of the deployed Prometheus."""
SCRAPE_SECONDS = 15
END = 1_800_000_000
"""The end of all made-up histories, in Unix seconds: a multiple of every interval."""
DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeUpSeries:
    """Samples at equal steps: the `values`, or a counter that rises by `each` with every sample until `END`."""

    labels: Mapping[str, str]
    start: float
    step: float = SCRAPE_SECONDS
    values: Sequence[float] | None = None
    each: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCost:
    """One evaluation of a group: the samples that it reads, or the `seconds` of processor time that it takes."""

    name: str
    interval: float
    rules: int
    samples: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeQuery:
    """A query of what rules record, or of the series themselves; at its end only, if it has no start."""

    expression: str
    start: float = END
    end: float = END
    step: float = EVALUATION_SECONDS


Answer = list[tuple[dict[str, str], list[tuple[float, float]]]]
"""Labels, and times and values, of each series that a query returns."""


def samples_of(rules: Sequence[Path], series: Sequence[MadeUpSeries]) -> list[GroupCost]:
    """Return the samples that one evaluation of each group reads at `END`, with 32 days of what the rules record."""
    return _costs(_run({"mode": "samples"}, rules, series))


def rounds_of(
    rules: Sequence[Path], series: Sequence[MadeUpSeries], *, days: float, rounds: int = 3
) -> list[GroupCost]:
    """Return the processor time of Prometheus' rule manager for one evaluation of each group, the median of some."""
    return _costs(_run({"mode": "rounds", "history": days * DAY, "rounds": rounds}, rules, series))


def answers_of(rules: Sequence[Path], series: Sequence[MadeUpSeries], queries: Sequence[RangeQuery]) -> list[Answer]:
    """Return the answers of queries, after the rules that they need were evaluated as far back as they need them."""
    scenario = {"mode": "history", "queries": [asdict(query) for query in queries]}
    return [
        [(one["labels"], [(time, value) for time, value in one["values"]]) for one in answer]
        for answer in _run(scenario, rules, series)["answers"]
    ]


def write_block(folder: Path, series: Sequence[MadeUpSeries]) -> None:
    """Write series as a block of Prometheus' database into a data folder."""
    folder.mkdir()
    _run({"mode": "block", "folder": str(folder)}, (), series)


def per_minute(costs: Sequence[GroupCost]) -> float:
    """Return the samples that all groups read in a minute, each group at its own interval."""
    return sum(cost.samples * 60 / cost.interval for cost in costs)


def per_round(costs: Sequence[GroupCost]) -> float:
    """Return the seconds that all groups take within an evaluation interval, each group at its own interval."""
    return sum(cost.seconds * EVALUATION_SECONDS / cost.interval for cost in costs)


def write_rules(path: Path, groups: Sequence[Mapping[str, Any]]) -> Path:
    """Write a rule file. JSON is YAML too."""
    path.write_text(json.dumps({"groups": groups}))
    return path


def _costs(result: Mapping[str, Any]) -> list[GroupCost]:
    return [GroupCost(**group) for group in result["groups"]]


def _run(scenario: Mapping[str, Any], rules: Sequence[Path], series: Sequence[MadeUpSeries]) -> dict[str, Any]:
    given = {
        **scenario,
        "rules": [str(path) for path in rules],
        "interval": EVALUATION_SECONDS,
        "end": END,
        "series": [asdict(one) for one in series],
    }
    done = subprocess.run(
        [bench_program(PROGRAM)], input=json.dumps(given), stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)
