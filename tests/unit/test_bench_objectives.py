"""The figures of objectives: what is counted of rule groups, and what peers are given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from alerting.build import load_catalog
from alerting.rules.burn_rates import PAGE_PAIRS
from tests.bench import objective_rules
from tests.bench.backtests import ALERTS, alert_groups, queues
from tests.bench.counted_traffic import CountedTraffic, days_and_nights, noon
from tests.bench.delays import BURNS, Burn, burning_traffic, first_seen, workbook_query
from tests.bench.errors import percent_off
from tests.bench.generation import Process, least, measured
from tests.bench.objective_rules import requests, write_objectives
from tests.bench.pyrra_rules import PyrraObjective, pyrra_groups, windows
from tests.bench.rule_bench import DAY, END, GroupCost, per_minute, per_round
from tests.bench.sloth_rules import SlothObjective, one_document, write_sloth


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


def test_the_groups_of_all_of_sloths_documents_are_read() -> None:
    written = "".join(f"\n---\n# Generated.\n\ngroups:\n- name: {name}\n  rules: []\n" for name in "ab")

    read = yaml.safe_load(one_document(written))

    assert [group["name"] for group in read["groups"]] == ["a", "b"]


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


def test_counted_traffic_is_what_its_counters_say_after_resets_too() -> None:
    traffic = CountedTraffic(total=[10, 20, 30, 40], failed=[1, 0, 3, 4])

    answered, failed = traffic.counters("orders", resets=[2])

    assert answered.values == [9, 29, 27, 63]
    assert failed.values == [1, 1, 3, 7]
    assert answered.start + 3 * answered.step < END < answered.start + 4 * answered.step
    assert traffic.failed_share(2 * 15) == 7 / 70


def test_a_day_has_a_hundredfold_of_requests_at_noon_all_of_which_fail_in_an_outage() -> None:
    outage = noon(1, minutes=30)
    traffic = days_and_nights(3, [outage])

    assert len(outage) == 120
    assert 60 < max(traffic.total) / min(traffic.total) < 140
    assert all(traffic.failed[scrape] == traffic.total[scrape] > 800 for scrape in outage)
    assert len(traffic.total) == (2 * 24 + 15) * 240
    healthy = sum(traffic.failed) - sum(traffic.failed[scrape] for scrape in outage)
    assert 0.0002 < healthy / sum(traffic.total) < 0.001


def test_a_distance_is_a_share_of_what_is_exact() -> None:
    assert percent_off(0.99, 1.0) == pytest.approx(1)
    assert percent_off(1.01, 1.0) == pytest.approx(1)


def test_what_burns_is_preceded_by_healthy_days_and_ends_with_the_history() -> None:
    traffic = burning_traffic(Burn(name="outage", urgency="page", share=0.5, hours=1), 3600)

    assert set(traffic.failed[: 3 * DAY // 15]) == {0}
    assert set(traffic.failed[3 * DAY // 15 :]) == {5000}
    assert len(traffic.total) == (3 * DAY + 3600) // 15


def test_each_burn_is_over_a_factor_of_its_pairs_and_the_queries_are_the_workbooks() -> None:
    for burn in BURNS:
        assert burn.share / 0.001 > 1
    query = workbook_query(PAGE_PAIRS)

    assert "> 14.4 * 0.001 and" in query
    assert query.count("rate(http_requests_total{}[5m])") == 1
    assert query.count(" or ") == 1


def test_a_burn_that_nothing_sees_is_no_delay() -> None:
    answer = [({}, [(60.0, 1.0), (90.0, 1.0)]), ({}, [(30.0, 1.0)])]

    assert first_seen(answer, BURNS[0]) == 30.0
    with pytest.raises(ValueError, match="detection_delay_outage_page: nothing was seen within"):
        first_seen([], BURNS[0])


def test_of_several_runs_the_least_time_and_the_least_memory_count() -> None:
    runs = [Process(seconds=2, mebibytes=10), Process(seconds=1, mebibytes=20)]

    assert least(iter(runs)) == Process(seconds=1, mebibytes=10)


def test_a_process_is_measured_whole() -> None:
    small = measured([sys.executable, "-c", ""])
    large = measured([sys.executable, "-c", "bytearray(200 * 1024 * 1024)"])

    assert 190 < large.mebibytes - small.mebibytes < 220
    with pytest.raises(subprocess.CalledProcessError):
        measured([sys.executable, "-c", "raise SystemExit(3)"])


def test_promtool_is_given_the_expressions_of_the_alerts_of_a_backtest_as_recordings() -> None:
    alerts = [rule for group in alert_groups(ALERTS) for rule in group["rules"]]
    recordings = [rule for group in alert_groups(11, as_recordings=True) for rule in group["rules"]]

    assert len({rule["alert"] for rule in alerts}) == 1000
    assert len({rule["expr"] for rule in alerts}) == 1000
    assert [rule["expr"] for rule in recordings] == [rule["expr"] for rule in alerts[:11]]


def test_every_alert_of_a_backtest_fires_at_times() -> None:
    """The highest mean of ten samples of a queue is over each threshold, and the lowest is below."""
    series = next(queues())
    samples = list(series.values or ())[:480]
    means = [sum(samples[at : at + 10]) / 10 for at in range(len(samples) - 10)]
    thresholds = [int(rule["expr"].rpartition("> ")[2]) for group in alert_groups(ALERTS) for rule in group["rules"]]

    assert min(means) < min(thresholds) <= max(thresholds) < max(means)
