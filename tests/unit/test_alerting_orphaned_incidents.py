"""Incidents that a change orphans are found, and named by the keys that PagerDuty has."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from alerting.build import load_catalog
from alerting.loader import read_catalog
from alerting.oncall.event_orchestration import key_name
from alerting.routing.group_key import deduplication_key, route_key
from alerting.routing.orphaned_incidents import Deployment, Orphan, incident_of, orphans
from alerting.routing.routes import key_matcher
from alerting.settings import Environment
from cli import orphans as command
from tests.alerting_data import DATA, ROOT, changed, copied_root, settings

SERVICES, ROUTING = "catalog/services.yaml", "catalog/routing.yaml"


def deployment(root: Path = DATA, *, paging: bool = True) -> Deployment:
    return Deployment(catalog=load_catalog(root), settings=settings(Environment.DEV, paging=paging))


def edited(folder: Path, file: str, edit: Callable[[dict[str, Any]], None]) -> Deployment:
    root = copied_root(folder)
    path = root / file
    data = yaml.load(path.read_text(), Loader=yaml.BaseLoader)  # noqa: S506 - texts only: no date is read as one
    edit(data)
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    # Not checked: a change may orphan incidents whatever else is wrong with it.
    return Deployment(catalog=read_catalog(root), settings=settings(Environment.DEV))


def fallback(data: dict[str, Any]) -> None:
    data["fallback_team"] = "database"


def moved(data: dict[str, Any]) -> None:
    data["services"]["orders"]["team"] = "platform"


def added(data: dict[str, Any]) -> None:
    data["services"]["settlement"] = {
        "description": "x", "team": "trading", "namespace": "orion", "objective": 0.999
    }  # fmt: skip


def renamed(data: dict[str, Any]) -> None:
    data["receivers"]["pagerduty-now"] = data["receivers"].pop("pagerduty-critical")
    for route in data["routes"]:
        if route["receiver"] == "pagerduty-critical":
            route["receiver"] = "pagerduty-now"


def merged(data: dict[str, Any]) -> None:
    """One route for critical and high alerts: other matchers, hence another route key."""
    for route in data["routes"]:
        if route["receiver"] == "pagerduty-critical":
            route["match"]["severity"] = ["critical", "high"]


def grouped(data: dict[str, Any]) -> None:
    data["default"]["group_by"].append("namespace")


def rotated(data: dict[str, Any]) -> None:
    data["integration_keys"] = [1, 2]


def summaries(found: tuple[Orphan, ...]) -> set[tuple[str, str, str]]:
    """Return the service label, and the PagerDuty service before and after."""
    return {
        (one.labels.get("service", ""), one.before.service, one.after.service if one.after else "") for one in found
    }


@pytest.mark.parametrize(
    ("file", "edit", "expected"),
    [
        (ROUTING, fallback, {("", "platform", "database")}),
        (SERVICES, moved, {("orders", "orders", "trading")}),
        (SERVICES, added, {("settlement", "platform", "settlement")}),
    ],
)
def test_what_changes_the_service_orphans_that_services_incidents(
    tmp_path: Path, file: str, edit: Callable[[dict[str, Any]], None], expected: set[tuple[str, str, str]]
) -> None:
    found = orphans(deployment(), edited(tmp_path / "root", file, edit))

    assert summaries(found) == expected


@pytest.mark.parametrize("edit", [merged, grouped, rotated])
def test_what_changes_the_key_orphans_incidents_of_every_service_of_the_route(
    tmp_path: Path, edit: Callable[[dict[str, Any]], None]
) -> None:
    found = orphans(deployment(), edited(tmp_path / "root", ROUTING, edit))

    assert {"gateway", "market-data"} <= {one.before.service for one in found}
    assert all(one.after is not None and one.after.service == one.before.service for one in found)


def test_paging_that_is_turned_off_orphans_all() -> None:
    found = orphans(deployment(), deployment(paging=False))

    assert {one.before.service for one in found} >= {"orders", "positions", "gateway", "market-data", "database"}
    assert {one.after for one in found} == {None}
    assert orphans(deployment(paging=False), deployment()) == ()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("rules/latency.yaml", "severity: critical", "severity: high"),
        ("catalog/routing.yaml", "repeat_interval: 30m", "repeat_interval: 40m"),
        ("catalog/services.yaml", "objective: 0.999", "objective: 0.99"),
    ],
)
def test_what_changes_no_key_orphans_none(tmp_path: Path, file: str, old: str, new: str) -> None:
    assert orphans(deployment(), deployment(changed(tmp_path / "root", file, old, new))) == ()


def test_a_renamed_receiver_orphans_none(tmp_path: Path) -> None:
    """Its name is part of no key."""
    assert orphans(deployment(), edited(tmp_path / "root", ROUTING, renamed)) == ()


def test_only_the_alerts_that_fire_are_named_if_they_are_known(tmp_path: Path) -> None:
    after = edited(tmp_path / "root", SERVICES, moved)
    labels = {"alertname": "CriticalLatency", "cluster": "blue", "severity": "critical", "team": "trading"}
    alerts = [{**labels, "service": "orders", "pod": pod} for pod in "ab"] + [{**labels, "service": "positions"}]
    (orphan,) = orphans(deployment(), after, alerts)
    group = {"alertname": "CriticalLatency", "cluster": "blue", "service": "orders", "severity": "critical"}

    incident = incident_of(deployment(), alerts[0])
    assert incident is not None
    assert orphan.deduplication_key == deduplication_key(incident.route, group)


def repository(folder: Path) -> Path:
    """Return a repository whose one commit is what is deployed."""
    root = copied_root(folder)
    shutil.copy(ROOT / "Pulumi.prod.yaml", root)
    for arguments in (
        ("init", "--quiet", "--initial-branch=main"),
        ("add", "."),
        ("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "--message=deployed"),
    ):
        subprocess.run(["/usr/bin/env", "git", *arguments], cwd=root, check=True)
    return root


def told(root: Path, **options: Any) -> tuple[bool, str]:
    said = io.StringIO()
    console = Console(file=said, soft_wrap=True)
    after = Deployment(catalog=load_catalog(root), settings=command.read_settings(root, "prod"))
    chosen = {"reference": None, "alertmanager": None, **options}
    return command.print_orphans(root, console, "prod", after, **chosen), said.getvalue()


def test_the_command_names_the_keys_of_a_change_that_is_not_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = repository(tmp_path / "root")
    unchanged = told(root)
    services = root / SERVICES
    services.write_text(services.read_text().replace("team: trading", "team: platform", 1))
    possible = told(root)
    monkeypatch.setattr(command, "firing", nothing_fires)
    open_ones = told(root, alertmanager="http://alertmanager.example.com")
    unknown = told(root, reference="nowhere")

    route = route_key([(), ('severity=~"critical|high"', 'team="trading"'), (key_matcher(key_name("orders")),)])
    labels = {
        "alertname": "CriticalLatency", "cluster": "orion-prod", "service": "orders", "severity": "critical"
    }  # fmt: skip
    assert "orphans none, of any alert" in unchanged[1]
    assert possible[0]
    assert "PagerDuty service orders, whose resolve would go to service trading" in possible[1]
    assert f"dedup_key {deduplication_key(route, labels)}" in possible[1]
    assert "orphans none, of alerts that fire now" in open_ones[1]
    assert not unknown[0]
    assert "--deployed: found no commit of nowhere" in unknown[1]


def nothing_fires(address: str) -> tuple[dict[str, str], ...]:
    assert address == "http://alertmanager.example.com"
    return ()


def test_without_a_repository_nothing_is_compared_and_it_says_so(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    shutil.copy(ROOT / "Pulumi.prod.yaml", root)

    compared, said = told(root, reference="HEAD")

    assert not compared
    assert "not compared with what is deployed" in said
