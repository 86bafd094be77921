"""The rendered configuration, held to Alertmanager's own tool and to a golden file that a reviewer can read."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path

import pytest
import yaml

from alerting.build import load_platform
from alerting.oncall.event_orchestration import KEY_NAMES, key_name
from alerting.settings import Environment
from cli.render import Part, render
from tests.alerting_data import DATA, ROOT, settings, write_alertmanager
from tools.paths import tool

GOLDEN = ROOT / "tests" / "golden"
SERVICES = {"orders": "trading", "positions": "trading", "market-data": "platform", "gateway": "platform"}


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_alertmanager(load_platform(DATA, settings()).alertmanager, tmp_path_factory.mktemp("alertmanager"))


def amtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tool("amtool"), *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("environment", "paging"),
    [(one, paging) for one in Environment for paging in (True, False) if paging or one is not Environment.PROD],
)
def test_alertmanager_takes_the_configuration(tmp_path: Path, environment: Environment, paging: bool) -> None:  # noqa: FBT001 - a parameter of the test
    files = load_platform(DATA, settings(environment, paging=paging)).alertmanager

    done = amtool("check-config", write_alertmanager(files, tmp_path))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def carrying(receiver: str, service: str) -> str:
    """Return the receiver of a route that pages about a service: one for each key but the first."""
    key = key_name(service)
    return receiver if key == KEY_NAMES[0] else f"{receiver}-{key}"


def _expected(severity: str, service: str, team: str) -> str:
    """Return the receiver that the story means for an alert."""
    if team == "trading" and severity in {"critical", "high"}:
        return carrying("pagerduty-trading", service)
    if severity in {"critical", "high"}:
        return carrying(f"pagerduty-{severity}", service)
    return f"slack-{severity}"


@pytest.mark.parametrize(
    ("severity", "service"), list(itertools.product(["critical", "high", "warning", "info"], sorted(SERVICES)))
)
def test_each_alert_reaches_exactly_the_receiver_meant(configuration: Path, severity: str, service: str) -> None:
    team = SERVICES[service]
    labels = ["alertname=CriticalLatency", f"severity={severity}", f"service={service}", f"team={team}"]

    done = amtool("config", "routes", "test", "--config.file", configuration, *labels)

    assert done.stdout.split() == [_expected(severity, service, team)], done.stderr


def test_a_database_warning_reaches_both_channels(configuration: Path) -> None:
    labels = ["alertname=AuroraHighCPU", "severity=warning", "service=database", "team=database"]

    done = amtool("config", "routes", "test", "--config.file", configuration, *labels)

    (receiver,) = done.stdout.split()
    receivers = {one["name"]: one for one in yaml.safe_load(configuration.read_text())["receivers"]}
    channels = {slack["channel"] for slack in receivers[receiver]["slack_configs"]}
    assert channels == {"#orion-alerts", "#orion-database-team"}


def test_that_notifications_fail_is_told_by_each_way(configuration: Path) -> None:
    labels = ["alertname=NotificationsFailing", "severity=high", "service=platform", "team=platform"]

    done = amtool("config", "routes", "test", "--config.file", configuration, *labels)

    (name,) = done.stdout.split()
    receivers = {one["name"]: one for one in yaml.safe_load(configuration.read_text())["receivers"]}
    (page,) = receivers[name]["pagerduty_configs"]
    assert page["routing_key_file"].endswith(f"/{key_name('platform')}")
    assert [slack["channel"] for slack in receivers[name]["slack_configs"]] == ["#orion-alerts"]
    assert len(receivers[name]["sns_configs"]) == 1


def test_pages_and_messages_to_the_alert_topic_share_a_receiver() -> None:
    receivers = load_platform(DATA, settings()).alertmanager.configuration["receivers"]
    paging = [receiver for receiver in receivers if receiver.get("pagerduty_configs")]

    assert len(paging) >= 5
    assert all(len(receiver["pagerduty_configs"]) == 1 for receiver in paging)
    assert all(len(receiver["sns_configs"]) == 1 for receiver in paging)


def test_no_secret_is_in_the_configuration() -> None:
    text = json.dumps(load_platform(DATA, settings()).alertmanager.configuration)

    assert '"routing_key"' not in text
    assert '"api_url"' not in text
    assert '"routing_key_file"' in text
    assert '"api_url_file"' in text


@pytest.mark.parametrize("part", [Part.ALERTMANAGER, Part.TEMPLATES])
def test_what_is_rendered_is_what_was_reviewed(part: Part) -> None:
    """Write the file anew with `render` and these settings after reading the difference."""
    name = {Part.ALERTMANAGER: "alertmanager.yaml", Part.TEMPLATES: "templates.tmpl"}[part]

    assert render(load_platform(DATA, settings()), part) == (GOLDEN / name).read_text()
