"""The figures of objectives: what is counted of rule groups, and what peers are given."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from alerting.build import load_catalog
from tests.bench import objective_rules
from tests.bench.objective_rules import requests, write_objectives
from tests.bench.pyrra_rules import PyrraObjective, pyrra_groups, windows
from tests.bench.rule_bench import DAY, END, GroupCost, per_minute, per_round
from tests.bench.sloth_rules import SlothObjective, write_sloth


def cost(interval: float, samples: int = 0, seconds: float = 0.0) -> GroupCost:
    return GroupCost(name="group", interval=interval, rules=1, samples=samples, seconds=seconds)


def test_samples_of_a_minute_are_those_of_each_group_at_its_own_interval() -> None:
    assert per_minute([cost(30, 100), cost(300, 1000), cost(150, 10)]) == 2 * 100 + 1000 / 5 + 10 / 2.5


def test_a_round_holds_its_part_of_what_is_evaluated_less_often() -> None:
    assert per_round([cost(30, seconds=0.5), cost(300, seconds=2)]) == pytest.approx(0.7)


def test_pyrra_scales_the_windows_of_28_days_and_rounds_them_to_a_minute() -> None:
    assert windows() == [("1h4m", "5m"), ("6h26m", "32m"), ("1d1h43m", "2h9m"), ("4d6h51m", "6h26m")]


@pytest.mark.parametrize(("accurate", "read"), [(True, "http_requests_total{"), (False, "http_requests:increase5m{")])
def test_pyrra_reads_raw_counters_over_the_period_unless_it_is_told_not_to(read: str, *, accurate: bool) -> None:
    burn_rates, increases = pyrra_groups(PyrraObjective(service="orders", target=0.999, accurate=accurate))

    [of_period] = [rule["expr"] for rule in increases["rules"] if "[30d" in rule["expr"]]
    assert read in of_period
    assert [rule["record"] for rule in burn_rates["rules"] if "record" in rule] == [
        f"http_requests:burnrate{window}" for window in sorted({one for pair in windows() for one in pair})
    ]


def test_sloth_is_given_a_document_for_each_objective(tmp_path: Path) -> None:
    objectives = [SlothObjective(service=f"s{number}", target=0.999) for number in range(3)]

    documents = list(yaml.safe_load_all(write_sloth(tmp_path / "sloth.yml", objectives).read_text()))

    assert [(one["service"], one["slos"][0]["objective"]) for one in documents] == [
        ("s0", 99.9),
        ("s1", 99.9),
        ("s2", 99.9),
    ]
    queries = documents[0]["slos"][0]["sli"]["events"]
    assert queries["error_query"] == 'sum(rate(http_requests_total{service="s0",code=~"5.."}[{{.window}}]))'


def test_a_third_of_the_counters_are_of_failures_and_end_with_the_history() -> None:
    series = list(requests("orders", series=15, days=3))

    assert [one.labels["code"] for one in series].count("500") == 5
    assert len({one.labels["instance"] for one in series}) == 15
    assert {one.start < END - 3 * DAY + one.step for one in series} == {True}


def test_the_objectives_that_are_written_are_valid_and_as_many_as_were_asked_for(tmp_path: Path) -> None:
    catalog = load_catalog(write_objectives(tmp_path, services=5, written=20))

    assert catalog.objectives is not None
    assert len(list(catalog.objectives.named())) == 20
    assert {objective_rules.service_name(number) for number in range(5)} <= set(catalog.services)
