"""Every alert, whatever its labels, reaches exactly one receiver of a real Alertmanager, and it is the one meant."""

from __future__ import annotations

import itertools
from pathlib import Path

import httpx
import pytest

from alerting.build import load_platform
from alerting.oncall.event_orchestration import KEY_NAMES, key_name
from tests.alerting_data import DATA, settings
from tests.alertmanager_sink import fire, silent_alertmanager

pytestmark = pytest.mark.integration

ALERTS = ("Any", "NotificationsFailing", "Watchdog", "InfoInhibitor")
SEVERITIES = ("critical", "high", "warning", "info", "none", "")
SERVICES = ("orders", "positions", "market-data", "gateway", "trading", "database", "platform", "unknown", "")
TEAMS = ("trading", "platform", "database", "unknown", "")
OF_ALERTING = {"Watchdog": "watchdog", "InfoInhibitor": "nobody"}
AHEAD = (
    "AutoscalerAtMaximum",
    "ConnectionPoolFillingUp",
    "DeploymentReplicasMissing",
    "ErrorBudgetExhausted",
    "ErrorBudgetNearlySpent",
    "HighCPUUsage",
    "JobFailed",
    "KafkaConsumerLagGrowing",
    "ServiceMetricsIncomplete",
    "SlowErrorBudgetBurn",
    "VolumeFillingUp",
)
AHEAD_OF_A_DATABASE = ("AuroraHighConnections", "AuroraStorageFillingUp")


def meant(alert: str, severity: str, service: str, team: str) -> str:
    """Say in the story's words where an alert belongs."""
    if alert in OF_ALERTING:
        return OF_ALERTING[alert]
    if (alert, service) == ("NotificationsFailing", "platform"):
        return carrying("pagerduty-notifications-failing", service)
    if severity in {"critical", "high"}:
        by_team = {"trading": "pagerduty-trading", "database": f"pagerduty-{severity}-database"}
        return carrying(by_team.get(team, f"pagerduty-{severity}"), service)
    if severity == "warning" and team == "database" and alert in (*AHEAD, *AHEAD_OF_A_DATABASE):
        return "slack-ahead-database"
    if severity == "warning" and alert in AHEAD:
        return "slack-ahead"
    if severity in {"warning", "info"}:
        return f"slack-{severity}-database" if team == "database" else f"slack-{severity}"
    return "default-receiver"


def carrying(receiver: str, service: str) -> str:
    """Return the receiver of a route that pages about a service: one for each key but the first."""
    key = key_name(service)
    return receiver if key == KEY_NAMES[0] else f"{receiver}-{key}"


def test_each_alert_reaches_the_receiver_that_was_meant_and_no_other(tmp_path: Path) -> None:
    names = ("alertname", "severity", "service", "team")
    ahead = itertools.product((*AHEAD, *AHEAD_OF_A_DATABASE), SEVERITIES, ("orders",), TEAMS)
    product = [*itertools.product(ALERTS, SEVERITIES, SERVICES, TEAMS), *ahead]
    alerts = [{name: value for name, value in zip(names, values, strict=True) if value} for values in product]

    with silent_alertmanager(load_platform(DATA, settings()).alertmanager, tmp_path) as address:
        fire(address, *alerts)
        told = httpx.get(f"{address}/api/v2/alerts").raise_for_status().json()

    reached = {
        tuple(one["labels"].get(name, "") for name in names): [receiver["name"] for receiver in one["receivers"]]
        for one in told
    }
    assert reached == {labels: [meant(*labels)] for labels in product}
