"""Our own rules of objectives: from the fixture's data, with as many services and objectives as are asked for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from alerting.build import load_platform
from alerting.rules.render import rules_text
from alerting.rules.series import SERVICE_ERROR_BUDGET
from cli.stack_config import read_settings
from tests.bench.catalog import ROOT, group_by_severity
from tests.bench.rule_bench import DAY, END, SCRAPE_SECONDS, MadeUpSeries

FIXTURE = ROOT / "tests" / "fixture"
DOMAIN = "orion-slo"
TEAM = "trading"
TARGET = 0.999
METRIC = "http_requests_total"
REQUESTS_OF_A_SCRAPE = 100.0
FAILED_OF_A_SCRAPE = 0.01
"""Well below what any alert waits for."""


def own_rules(folder: Path, *, services: int = 0, written: int = 0) -> list[Path]:
    """Write the rules of objectives, as they are deployed, and return their files.

    The rules of services' own objectives are the same however many there are. `written` objectives are written out, one
    of each of `services` more services in turn.
    """
    root = write_objectives(folder / "root", services=services, written=written)
    paths: list[Path] = []
    for file in load_platform(root, read_settings(ROOT, "prod")).rules:
        if file.name.startswith(DOMAIN):
            path = folder / f"{file.name}.yaml"
            path.write_text(rules_text(file))
            paths.append(path)
    return paths


def write_objectives(root: Path, *, services: int, written: int) -> Path:
    """Write the fixture's data with more services and objectives to a folder, and return it."""
    for name in ("catalog", "rules", "runbooks"):
        shutil.copytree(FIXTURE / name, root / name)
    group_by_severity(root / "catalog" / "routing.yaml")
    if services:
        entries = "".join(
            f"  {service_name(number)}:\n    description: One of many.\n    team: {TEAM}\n    namespace: orion\n"
            f"    objective: {TARGET}\n"
            for number in range(services)
        )
        catalog = root / "catalog" / "services.yaml"
        catalog.write_text(catalog.read_text().rstrip("\n") + "\n" + entries)
    if written:
        objectives = "".join(_written(number, service_name(number % services)) for number in range(written))
        (root / "rules" / "objectives" / "many.yaml").write_text(f"objectives:\n{objectives}")
    return root


def _written(number: int, service: str) -> str:
    return (
        f"  availability-{number}:\n    description: Requests that are not answered with a server error.\n"
        f"    service: {service}\n    objective: {TARGET}\n"
        f"    sli: {{ratio: {{total: {METRIC}, bad: '{METRIC}{{code=~\"5..\"}}'}}}}\n"
    )


def service_name(number: int) -> str:
    """Return the name of one of many services."""
    return f"service-{number}"


def requests(service: str, *, series: int, days: float) -> Iterator[MadeUpSeries]:
    """Yield the counters of a service, as many as are asked for, of which a third (at least one) counts failures."""
    failures = max(1, series // 3)
    for number in range(series):
        code, each = ("500", FAILED_OF_A_SCRAPE) if number < failures else ("200", REQUESTS_OF_A_SCRAPE)
        labels = {"__name__": METRIC, "service": service, "code": code, "instance": f"i-{number}"}
        yield MadeUpSeries(labels=labels, start=END - days * DAY + SCRAPE_SECONDS / 2, each=each)


def owned(services: Sequence[str], *, days: float) -> Iterator[MadeUpSeries]:
    """Yield the budgets of services, which rules of another domain record."""
    for service in services:
        labels: Mapping[str, str] = {"__name__": SERVICE_ERROR_BUDGET, "service": service, "team": TEAM}
        count = round(days * DAY / 30)
        yield MadeUpSeries(labels=labels, start=END - count * 30, step=30, values=[1 - TARGET] * (count + 1))
