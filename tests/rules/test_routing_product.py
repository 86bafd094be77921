"""Every alert, whatever its labels, reaches exactly one receiver, and it is the one that was meant."""

from __future__ import annotations

import itertools
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from alerting.build import load_platform
from alerting.oncall.event_orchestration import KEY_NAMES, key_name
from tests.alerting_data import DATA, settings, write_alertmanager
from tools.paths import tool

SEVERITIES = ("critical", "high", "warning", "info", "none", "")
SERVICES = ("orders", "positions", "market-data", "gateway", "trading", "database", "platform", "unknown", "")
TEAMS = ("trading", "platform", "database", "unknown", "")


def meant(severity: str, service: str, team: str) -> str:
    """Say in the story's words where an alert belongs."""
    if severity in {"critical", "high"}:
        by_team = {"trading": "pagerduty-trading", "database": f"pagerduty-{severity}-database"}
        receiver, key = by_team.get(team, f"pagerduty-{severity}"), key_name(service)
        return receiver if key == KEY_NAMES[0] else f"{receiver}-{key}"
    if severity in {"warning", "info"}:
        return f"slack-{severity}-database" if team == "database" else f"slack-{severity}"
    return "default-receiver"


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_alertmanager(load_platform(DATA, settings()).alertmanager, tmp_path_factory.mktemp("alertmanager"))


def reached(configuration: Path, labels: dict[str, str]) -> str:
    command = [tool("amtool"), "config", "routes", "test", "--config.file", configuration]
    command += [f"{name}={value}" for name, value in labels.items() if value]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_each_alert_reaches_the_receiver_that_was_meant_and_no_other(configuration: Path) -> None:
    product = list(itertools.product(SEVERITIES, SERVICES, TEAMS))
    alerts = [
        {"alertname": "Any", "severity": severity, "service": service, "team": team}
        for severity, service, team in product
    ]

    with ThreadPoolExecutor(4) as pool:
        receivers = list(pool.map(partial(reached, configuration), alerts))

    assert dict(zip(product, receivers, strict=True)) == {labels: meant(*labels) for labels in product}


@pytest.mark.parametrize(("alert", "receiver"), [("Watchdog", "watchdog"), ("InfoInhibitor", "nobody")])
def test_alerts_about_alerting_have_receivers_of_their_own(configuration: Path, alert: str, receiver: str) -> None:
    for severity, team in itertools.product(SEVERITIES, ("platform", "trading", "database")):
        assert reached(configuration, {"alertname": alert, "severity": severity, "team": team}) == receiver
