"""The whole program on the whole sandbox: what one changed line of the catalog does, and that nothing is lost by it."""

from __future__ import annotations

import io
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from rich.console import Console

from alerting.build import load_catalog
from cli.oncall_arguments import Question
from cli.oncall_comparison import compare
from cli.sandbox import RUNS
from sandbox.clock import Clock
from sandbox.cluster.kubectl import kubectl
from sandbox.journal import Kind
from sandbox.listening import listeners
from sandbox.runs import Run
from sandbox.seed_data import SeedData
from sandbox.stack import Plan, Sandbox
from tests.alerting_data import ROOT
from tests.waiting import until

WAIT_SECONDS = 60.0
OF_ANOTHER_SITE = {"Host": "rebound.example.com", "Origin": "http://rebound.example.com"}
"""What a browser sends for a page whose name was made to resolve to 127.0.0.1."""
OPEN_TO_PAGES = {"prometheus", "alertmanager", "etcd", "operator"}
"""Programs that cannot refuse by `Host` (docs/security.md): what they hold is the sandbox's own and ends with it."""
DRILL = """
import signal, sys
from pathlib import Path
from rich.console import Console
from cli.sandbox import drill_by_hand
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(drill_by_hand(Path(sys.argv[1]), Console(width=200), "ServiceDown", ["service=gateway"]))
"""
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
def sandbox(project: Path) -> Iterator[Sandbox]:
    catalog = load_catalog(project)
    people = sorted({person for team in catalog.teams.values() for person in team.people})
    plan = Plan(
        project=project,
        seed_data=SeedData(people=people, channels=sorted(catalog.routing.channels)),
        clock=Clock(20),
        chart={"source": "custom-resources"},
    )
    steps: list[str] = []
    with Run(project / RUNS) as run, Sandbox.started(plan, run, steps.append, lambda _: None) as sandbox:
        yield sandbox


def config_secret_uid(sandbox: Sandbox) -> str:
    arguments = ("get", "secret", "alertmanager-config", "--namespace=monitoring", "--output=json")
    return json.loads(kubectl(sandbox.plane.kubeconfig, *arguments))["metadata"]["uid"]


def loaded(sandbox: Sandbox) -> list[str]:
    """Return the configuration that each Alertmanager runs on."""
    return [httpx.get(f"{one}/api/v2/status").json()["config"]["original"] for one in sandbox.alertmanagers().values()]


@pytest.mark.sandbox
def test_a_changed_route_updates_the_secret_in_place_and_reaches_every_alertmanager(
    sandbox: Sandbox, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.deploy()
    _no_page_of_another_site_is_answered(sandbox)
    _pagerduty_is_held_against_the_catalog(sandbox, project, monkeypatch)
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
    until(
        "every Alertmanager has read it",
        lambda: [text.count("repeat_interval: 1m6s") for text in loaded(sandbox)] == [1, 1, 1],
    )
    assert sandbox.alertmanagers_ready() == 3
    _an_alert_can_be_set_off_by_hand(sandbox, project)


def _no_page_of_another_site_is_answered(sandbox: Sandbox) -> None:
    """Every address at which anything of a running sandbox listens refuses what a web page could send it."""
    found = {(listener.program, listener.port) for listener in listeners(sandbox.run.directory)}
    answering = {program for program, port in found if _answers_a_page(port)}

    assert {"prometheus", "alertmanager", "kube-apiserver"} <= {program for program, _ in found}
    assert answering <= OPEN_TO_PAGES


def _answers_a_page(port: int) -> bool:
    """Say whether what listens on a port answers another site's page with success, in plain HTTP."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/", headers=OF_ANOTHER_SITE, follow_redirects=False)
    except httpx.HTTPError:
        return False  # it speaks TLS, gRPC or a protocol of its own, or closes the connection
    return answer.is_success or answer.is_redirect


def _pagerduty_is_held_against_the_catalog(sandbox: Sandbox, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`orion oncall --compare` finds what was deployed to be the catalog's, and what was not to be another's."""
    monkeypatch.setenv("PAGERDUTY_TOKEN", sandbox.credentials.pagerduty_token)
    monkeypatch.setenv("PAGERDUTY_API_URL", sandbox.pagerduty.address)
    teams = project / "catalog" / "teams.yaml"
    deployed = teams.read_text()
    question = Question(at=datetime.now(UTC), zone=ZoneInfo("UTC"), team=None, weeks=6)

    def compared() -> tuple[int, str]:
        said = io.StringIO()
        return compare(project, Console(file=said, width=200, soft_wrap=True), question), said.getvalue()

    same = compared()
    first, second = "trading-primary@orion.example.com", "trading-secondary@orion.example.com"
    one, other_way = f"people: [{first}, {second}]", f"people: [{second}, {first}]"
    assert (deployed.count(one), deployed.count(other_way)) == (1, 1)
    teams.write_text(deployed.replace(one, "<>").replace(other_way, one).replace("<>", other_way))
    other = compared()
    teams.write_text(deployed)

    assert same[0] == 0, same
    assert "PagerDuty has on call whom the catalog says" in same[1]
    assert other[0] == 1, other
    assert re.search(rf"trading-primary: .*: the catalog has {first}, PagerDuty has {second}", other[1])
    assert re.search(rf"trading-primary: .*: the catalog has {second}, PagerDuty has {first}", other[1])
    assert "platform" not in other[1]


def _an_alert_can_be_set_off_by_hand(sandbox: Sandbox, project: Path) -> None:
    """`orion drill` in another terminal breaks the service, tells what follows, and mends it on Ctrl-C."""
    drill = subprocess.Popen(
        [sys.executable, "-c", DRILL, str(project)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        until(
            "the incident is there",
            lambda: sandbox.journal.find(Kind.INCIDENT_TRIGGERED, service="gateway") != [],
            otherwise=lambda: [(event.kind.value, dict(event.ids)) for event in sandbox.journal.events()][-10:],
        )
        drill.send_signal(signal.SIGINT)
        said, _ = drill.communicate(timeout=WAIT_SECONDS)
    finally:
        drill.kill()
        drill.wait()

    assert drill.returncode == 0, said
    assert [event.ids["service"] for event in sandbox.journal.find(Kind.FAULT_ENDED)] == ["gateway"]
    assert re.search(r"PagerDuty +incident \w+ in gateway: ServiceDown", said)
    assert re.search(r"mended +service is down: service gateway", said)
