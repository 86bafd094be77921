"""Tests that are generated from objectives, run by promtool: of every kind, and for the project's own."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from alerting.build import build_platform, load_catalog
from alerting.catalog import Catalog
from tests.alerting_data import ROOT, copied_root, write_rules
from tests.alerting_data import settings as stack_settings
from tests.objective_events import instances
from tests.objective_promtool import OBJECTIVES, SCRAPED, evaluation_order, promtool, without_counts
from tests.objective_scenarios import scenarios

EVERY_KIND = """\
objectives:
  latency:
    description: Orders are answered within half a second.
    service: orders
    objective: 0.99
    sli: {latency: {histogram: http_request_duration_seconds_bucket, seconds: 0.5}}
  accepted:
    description: Orders are not rejected, told by those that are accepted.
    service: orders
    objective: 0.95
    tier: critical
    sli: {ratio: {total: http_requests_total, good: 'http_requests_total{code=~"2..|3.."}'}}
  native:
    description: Positions are told within half a second.
    service: positions
    objective: 0.99
    period: 28d
    sli: {latency: {histogram: http_request_seconds, seconds: 0.5, native: true}}
  pool:
    description: The pool has connections left.
    service: positions
    objective: 0.95
    group_by: [pool]
    sli: {threshold: {gauge: db_pool_connections_used, above: 90}}
  slices:
    description: In each minute nearly all prices are told.
    service: market-data
    objective: 0.95
    sli:
      slices: {length: 1m, target: 0.9, ratio: {total: http_requests_total, bad: 'http_requests_total{code!~"2.."}'}}
  by-the-week:
    description: Orders are taken.
    service: orders
    objective: 0.99
    period: 7d
    windows:
      page: [{long: 30m, short: 5m, budget_percent: 3}]
      ticket: [{long: 6h, short: 1h, budget_percent: 10}]
    sli: {ratio: {total: orders_submitted_total, bad: 'orders_submitted_total{instance="bad"}'}}
"""
NATIVE = """
  http_request_seconds:
    exporter: services
    type: native histogram
    labels: [service]
    description: Seconds that requests took.
"""


def refusals(catalog: Catalog, folder: Path) -> list[str]:
    """Write the rules and the generated tests of a catalog, and return what promtool says of those that fail."""
    write_rules(build_platform(catalog, stack_settings()), folder)
    by_evaluation: dict[str, list[dict[str, object]]] = {}
    for scenario in scenarios(instances(catalog)):
        by_evaluation.setdefault(scenario.evaluation, []).append(scenario.test())
    assert by_evaluation
    files = sorted(folder.glob("slo*.yaml"))
    without = [without_counts(path) for path in files]
    done: list[CompletedProcess[str]] = []
    for evaluation, tests in by_evaluation.items():
        counts = evaluation == "30s"
        file = {
            "rule_files": [str(path) for path in (files if counts else without)],
            "evaluation_interval": evaluation,
            "group_eval_order": evaluation_order(folder, ticks_first=not counts),
            "tests": tests,
        }
        path = folder / f"objectives_{evaluation}_test.json"
        path.write_text(json.dumps(file))
        done.append(promtool(path))
    return [one.stdout + one.stderr for one in done if one.returncode != 0]


def test_objectives_of_every_kind_do_what_follows_from_their_events(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    (root / OBJECTIVES).write_text(EVERY_KIND)
    (root / SCRAPED).write_text((root / SCRAPED).read_text() + NATIVE)
    folder = tmp_path / "rules"
    folder.mkdir()

    assert refusals(load_catalog(root), folder) == []


@pytest.mark.own_catalog
def test_the_objectives_of_the_project_do_what_follows_from_their_events(tmp_path: Path) -> None:
    assert refusals(load_catalog(ROOT), tmp_path) == []
