"""The detection matrix on the fixture: a fault is notified of once, and what is missed or noisy is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerting.build import load_catalog
from alerting.detection.scenarios import read_scenarios, runs
from alerting.detection.verdicts import Outcome, Verdict, totals
from cli.matrix_run import verdicts
from sandbox.scenarios.simulation import KNOWN_STEPS
from tests.alerting_data import DATA, changed, settings

pytestmark = pytest.mark.integration


def matrix(root: Path, *names: str) -> list[Verdict]:
    """Return the verdicts on scenarios of a folder, with the settings of a stack that pages."""
    catalog = load_catalog(root)
    scenarios = read_scenarios(root, catalog, KNOWN_STEPS)
    wanted = [run for run in runs(scenarios, catalog) if run.name in names]
    return verdicts(catalog, settings(), wanted, lambda _: None)


def test_a_fault_is_notified_of_once_and_a_rollout_not_at_all() -> None:
    outage, rollout = found = matrix(DATA, "total-outage", "rollout")

    assert (outage.outcome, outage.reason) == (Outcome.DETECTED, "")
    assert outage.expected is not None
    assert outage.expected.people == ("trading-secondary@orion.example.com",)
    assert 60 <= (outage.seconds or 0) <= 180
    assert (rollout.outcome, rollout.reason) == (Outcome.QUIET, "")
    assert (totals(found).precision, totals(found).recall) == (1.0, 1.0)


def test_an_alert_that_cannot_fire_is_named_as_missed(tmp_path: Path) -> None:
    root = changed(
        tmp_path,
        "rules/infrastructure.yaml",
        "expr: last_over_time(orion:service:replicas_available[1m]) == 0",
        "expr: last_over_time(orion:service:replicas_available[1m]) < 0",
    )

    (outage,) = matrix(root, "total-outage")

    assert outage.outcome is Outcome.MISSED
    assert outage.reason == "ServiceDown should have notified and did not: never pending"
    assert totals([outage]).recall == 0.0


def test_a_noisy_alert_is_named_as_a_false_alarm(tmp_path: Path) -> None:
    root = changed(
        tmp_path,
        "rules/infrastructure.yaml",
        "(uid, service, team) orion:pod:owner > 0.9\n        for: 5m",
        "(uid, service, team) orion:pod:owner > 0.3\n        for: 5m",
    )

    (rollout,) = matrix(root, "rollout")

    assert rollout.outcome is Outcome.FALSE_ALARM
    assert "ticket HighMemoryUsage of orders to trading" in rollout.reason
    assert totals([rollout]).precision == 0.0
