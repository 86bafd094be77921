"""The whole program on the whole sandbox: what one changed line of the catalog does, and that nothing is lost by it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from alerting.build import load_catalog
from sandbox.clock import Clock
from sandbox.cluster.kubectl import kubectl
from sandbox.population import Population
from sandbox.runs import Run
from sandbox.stack import Plan, Sandbox
from tests.alerting_data import ROOT

WAIT_SECONDS = 60.0
PROJECT = ("__main__.py", "Pulumi.yaml", "Pulumi.sandbox.yaml", "catalog", "rules", "runbooks", "lambda")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the program and of what teams write."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in PROJECT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        else:
            shutil.copy(source, folder / name)
    return folder


@pytest.fixture
def sandbox(project: Path, tmp_path: Path) -> Iterator[Sandbox]:
    catalog = load_catalog(project)
    people = sorted({person for team in catalog.teams.values() for person in team.people})
    plan = Plan(
        project=project,
        population=Population(people=people, channels=sorted(catalog.routing.channels)),
        clock=Clock(20),
        chart={"source": "custom-resources"},
    )
    steps: list[str] = []
    with Run(tmp_path / "runs") as run, Sandbox(plan, run, steps.append, lambda _: None) as sandbox:
        yield sandbox


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not so within {WAIT_SECONDS:.0f} s"
        time.sleep(0.1)


def config_secret_uid(sandbox: Sandbox) -> str:
    arguments = ("get", "secret", "alertmanager-config", "--namespace=monitoring", "--output=json")
    return json.loads(kubectl(sandbox.plane.kubeconfig, *arguments))["metadata"]["uid"]


def loaded(sandbox: Sandbox) -> list[str]:
    """Return the configuration that each Alertmanager runs on."""
    return [httpx.get(f"{one}/api/v2/status").json()["config"]["original"] for one in sandbox.alertmanagers()]


@pytest.mark.sandbox
def test_a_changed_route_updates_the_secret_in_place_and_reaches_every_alertmanager(
    sandbox: Sandbox, project: Path
) -> None:
    sandbox.deploy()
    uid = config_secret_uid(sandbox)
    assert all("repeat_interval: 1m6s" not in text for text in loaded(sandbox))
    routing = project / "catalog" / "routing.yaml"
    before = "receiver: slack-warning\n    group_wait: 1m\n    repeat_interval: 4h"
    text = routing.read_text()
    assert before in text
    # 22 minutes are 66 s at the sandbox's scale, which no other wait is.
    routing.write_text(text.replace(before, before.replace("4h", "22m")))

    changed = sandbox.deploy_again()

    assert {operation: count for operation, count in changed.changes.items() if operation != "same"} == {"update": 1}
    assert config_secret_uid(sandbox) == uid
    until(lambda: [text.count("repeat_interval: 1m6s") for text in loaded(sandbox)] == [1, 1, 1])
    assert sandbox.alertmanagers_ready() == 3
