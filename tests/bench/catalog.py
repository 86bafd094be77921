"""A repository's data of any size: this repository's own, with as many more services, teams, alerts and pages."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
ALERTS_OF_A_SERVICE = 10
SERVICES_OF_A_TEAM = 10
ALERTS_OF_A_FILE = 250
ALERTS_OF_A_GROUP = 25
COPIED_ALERT = "CriticalLatency"
COPIED_SERVICE = "orders"


def write_catalog(folder: Path, alerts: int, *, services: int | None = None) -> None:
    """Write catalog, rules and runbooks with `alerts` alerts besides this repository's own below `folder`.

    Whatever is added is a copy of something that is there, under another name: a service for every ten alerts, a team
    for every ten services, a page for every alert. `services` is another number of them.
    """
    for name in ("catalog", "rules", "runbooks"):
        shutil.copytree(ROOT / name, folder / name)
    services = services or max(1, alerts // ALERTS_OF_A_SERVICE)
    teams = max(1, services // SERVICES_OF_A_TEAM)
    _add_teams(folder / "catalog" / "teams.yaml", teams)
    _add_services(folder / "catalog" / "services.yaml", services, teams)
    group_by_severity(folder / "catalog" / "routing.yaml")
    _add_alerts(folder, alerts, services)


def _load(path: Path) -> dict[str, Any]:
    return yaml.load(path.read_text(), yaml.CSafeLoader)


def _save(path: Path, document: dict[str, Any]) -> None:
    path.write_text(yaml.dump(document, sort_keys=False, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)))


def _add_teams(path: Path, count: int) -> None:
    document = _load(path)
    source = next(iter(document["teams"].values()))
    for number in range(count):
        # Its people and schedules are its own too, or one person would be on call for everybody.
        names = {name: f"team-{number}-{index}" for index, name in enumerate(source["schedules"])}
        names |= {one: f"team-{number}-{index}@orion.example.com" for index, one in enumerate(source["people"])}
        document["teams"][f"team-{number}"] = _renamed(source, names)
    _save(path, document)


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, names) for inner in value]
    return names.get(value, value) if isinstance(value, str) else value


def _add_services(path: Path, count: int, teams: int) -> None:
    document = _load(path)
    source = document["services"][COPIED_SERVICE]
    for number in range(count):
        document["services"][f"service-{number}"] = {**source, "team": f"team-{number % teams}"}
    _save(path, document)


def group_by_severity(path: Path) -> None:
    """Have Slack get a message per severity: with a group for each alert and service no channel could keep up.

    What pages has a group for each, and goes to PagerDuty alone.
    """
    document = _load(path)
    for receiver in document["receivers"].values():
        if "page" in receiver:
            receiver.pop("slack", None)
    for route in document["routes"]:
        if "page" not in document["receivers"][route["receiver"]] and "alertname" not in route["match"]:
            route["group_by"] = ["severity"]
    _save(path, document)


def _add_alerts(folder: Path, count: int, services: int) -> None:
    files = {path: _load(path) for path in sorted((folder / "rules").glob("*.yaml"))}
    rules = [rule for file in files.values() for group in file.get("groups", ()) for rule in group["rules"]]
    source = next(rule for rule in rules if rule.get("alert") == COPIED_ALERT)
    page = (folder / "runbooks" / f"{COPIED_ALERT}.md").read_text()
    for first in range(0, count, ALERTS_OF_A_FILE):
        numbers = range(first, min(count, first + ALERTS_OF_A_FILE))
        groups = [
            {
                "name": f"bench.{start}",
                "rules": [_alert(source, number, services) for number in numbers[start - first :][:ALERTS_OF_A_GROUP]],
            }
            for start in numbers[::ALERTS_OF_A_GROUP]
        ]
        _save(folder / "rules" / f"bench-{first}.yaml", {"groups": groups})
    for number in range(count):
        (folder / "runbooks" / f"{_name(number)}.md").write_text(page.replace(COPIED_ALERT, _name(number)))


def _name(number: int) -> str:
    return f"Bench{number}"


def _alert(source: dict[str, Any], number: int, services: int) -> dict[str, Any]:
    rule = copy.deepcopy(source)
    rule["alert"] = _name(number)
    rule["expr"] = rule["expr"].replace(
        "orion:http_latency:p95", f'orion:http_latency:p95{{service="service-{number % services}"}}'
    )
    return rule
