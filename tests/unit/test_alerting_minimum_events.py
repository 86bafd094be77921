"""An alert on a share of events, or on a percentile, states how many events it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.alerting_data import changed, problems

CPU = "max by (dbinstance_identifier) (last_over_time(aws_rds_cpuutilization_average[5m])) > 80"
"""An alert's expression, which the cases replace. They keep its label by `on ()`, since no label is at issue."""

FAILURES = 'sum(increase(http_requests_total{code="500"}[1h]))'
REQUESTS = "sum(increase(http_requests_total[1h]))"
SHARE = f"({FAILURES} / {REQUESTS} > 0.1)"
PERCENTILE = "(histogram_quantile(0.9, sum by (le) (rate(http_request_duration_seconds_bucket[5m]))) > 1)"
FRACTION = "(histogram_fraction(0, 1, sum by (le) (rate(http_request_duration_seconds_bucket[5m]))) < 0.9)"
MINIMUM = f"{FAILURES} > 4.5"

WITHOUT = [
    SHARE,
    PERCENTILE,
    FRACTION,
    "sum(orion:http_errors:rate5m) > 0.1",
    "max_over_time(orion:http_errors:rate5m[25m]) > 0.1",
    "orion:http_errors:rate5m * on (service) group_left (team) orion:service:owner > 0.1",
    # What is compared must be a count of events, and the number one that a single event does not reach.
    f"{SHARE} and {PERCENTILE}",
    f"{SHARE} and {FAILURES} > 0",
    f"{SHARE} and ({MINIMUM} or {FAILURES} > 0)",
    f"{SHARE} and on () orion:http_errors:rate5m > 2",
    f"{SHARE} and on () max(aws_rds_cpuutilization_average) > 5",
    f"{SHARE} unless {MINIMUM}",
    # One alternative has a minimum, the other has none.
    f"({SHARE} and {MINIMUM}) or {PERCENTILE}",
]
WITH = [
    f"{SHARE} and {MINIMUM}",
    f"{SHARE} and {FAILURES} >= 5",
    f"{SHARE} and ({MINIMUM} or {FAILURES} >= 5)",
    f"({SHARE} and ({MINIMUM})) or ({PERCENTILE} and {MINIMUM})",
    f"{SHARE} and {PERCENTILE} and {MINIMUM}",
    f"{SHARE} and on () sum(orion:http_over_5s:increase30m) > 4.5",
    "(orion:http_errors:rate5m and on (service) orion:http_failures:increase30m > 4.5) * 2 > 0.1",
    # Neither is a share of events: a rate beside a limit, a count alone, and what only excludes.
    "sum(rate(container_cpu_usage_seconds_total[5m])) / sum(kube_pod_container_resource_limits) > 0.9",
    f"{FAILURES} > 0",
    f"sum(http_requests_total) > 0 unless {SHARE}",
]


def said(tmp_path: Path, expression: str) -> list[str]:
    root = changed(tmp_path / "root", "rules/database.yaml", CPU, f"'{expression}'")
    return [problem for problem in problems(root) if "AuroraHighCPU reads a share" in problem]


@pytest.mark.parametrize("expression", WITHOUT)
def test_an_alert_that_one_event_sets_off_is_refused(tmp_path: Path, expression: str) -> None:
    (problem,) = said(tmp_path, expression)

    assert problem.startswith("rules/database.yaml:")
    assert ".expr: alert AuroraHighCPU reads a share of events" in problem
    assert "`and on (service) orion:http_failures:increase30m > 4.5`. Add one" in problem


@pytest.mark.parametrize("expression", WITH)
def test_an_alert_with_a_minimum_of_events_is_taken(tmp_path: Path, expression: str) -> None:
    assert said(tmp_path, expression) == []


def test_a_minimum_inside_a_recording_counts_and_a_recording_of_itself_ends(tmp_path: Path) -> None:
    record = "      - record: orion:test:share\n        expr: '{}'\n      - alert: AuroraHighCPU\n"
    guarded = f"({SHARE} and {MINIMUM}) or last_over_time(orion:test:share[1h])"
    for expression, found in ((guarded, 0), (f"{SHARE} or last_over_time(orion:test:share[1h])", 1)):
        root = changed(tmp_path / str(found), "rules/database.yaml", CPU, "orion:test:share > 0.1")
        path = root / "rules" / "database.yaml"
        path.write_text(path.read_text().replace("      - alert: AuroraHighCPU\n", record.format(expression)))

        assert len([one for one in problems(root) if "AuroraHighCPU reads a share" in one]) == found
