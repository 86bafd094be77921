"""A real Alertmanager pages and posts to the stand-ins, each a process of its own as in the sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sandbox import loopback
from sandbox.clouds.serving import SCALE_VARIABLE
from sandbox.credentials import TOKEN_VARIABLE
from sandbox.journal import JOURNAL_VARIABLE, Event, Journal, Kind
from sandbox.ports import LOOPBACK, free_port, listens
from sandbox.service import ProcessService, wait_until_ready
from tests.pagerduty_account import TOKEN, routing_key
from tests.waiting import says_ready
from tools.paths import tool

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = """
global: {{resolve_timeout: 1m, pagerduty_url: "{pagerduty}/v2/enqueue"}}
route: {{receiver: everybody, group_by: [alertname, service], group_wait: 0s, group_interval: 1s}}
receivers:
- name: everybody
  pagerduty_configs:
  - routing_key: {key}
    severity: '{{{{ .CommonLabels.severity }}}}'
    description: '{{{{ .CommonLabels.alertname }}}} {{{{ .CommonLabels.service }}}}'
    links: [{{href: https://runbooks.example.com/x, text: Runbook}}]
  slack_configs:
  - api_url: {webhook}
    color: '{{{{ if eq .Status "firing" }}}}danger{{{{ else }}}}good{{{{ end }}}}'
    title: '[{{{{ .Status | toUpper }}}}] {{{{ .CommonLabels.alertname }}}}'
    text: '{{{{ .CommonAnnotations.summary }}}}'
"""


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


def stand_in(name: str, folder: Path, journal: Journal) -> ProcessService:
    port = free_port()
    service = ProcessService(
        name,
        [sys.executable, "-m", f"sandbox.clouds.{name}", "--port", str(port)],
        directory=folder,
        is_ready=lambda: service.process is not None and listens(service.process.pid, port),
        address=f"http://{LOOPBACK}:{port}",
        environment={**os.environ, JOURNAL_VARIABLE: str(journal.path), SCALE_VARIABLE: "20", TOKEN_VARIABLE: TOKEN},
        working_directory=ROOT,
    )
    service.start()
    wait_until_ready(service, timeout_seconds=30)
    return service


@pytest.fixture
def pagerduty(tmp_path: Path, journal: Journal) -> Iterator[ProcessService]:
    service = stand_in("pagerduty", tmp_path, journal)
    yield service
    service.stop()


@pytest.fixture
def slack(tmp_path: Path, journal: Journal) -> Iterator[ProcessService]:
    service = stand_in("slack", tmp_path, journal)
    yield service
    service.stop()


def wait(journal: Journal, kind: Kind, **ids: str) -> Event:
    found = journal.wait_for(lambda event: event.matches(kind, ids), timeout_seconds=30)
    assert found is not None, f"no {kind} with {ids} among {[(each.kind, each.ids) for each in journal.events()]}"
    return found


def test_an_alert_pages_escalates_posts_and_resolves(
    tmp_path: Path, journal: Journal, pagerduty: ProcessService, slack: ProcessService
) -> None:
    key = routing_key(pagerduty.address, "ann", "bob")
    webhook = loopback.post(f"{slack.address}/sandbox/webhooks", json={"channel": "#orion-alerts"}).json()["url"]
    configuration = tmp_path / "alertmanager.yaml"
    configuration.write_text(CONFIGURATION.format(pagerduty=pagerduty.address, key=key, webhook=webhook))
    port = free_port()
    alertmanager = ProcessService(
        "alertmanager",
        [
            tool("alertmanager"),
            f"--config.file={configuration}",
            f"--storage.path={tmp_path / 'data'}",
            f"--web.listen-address={LOOPBACK}:{port}",
            "--cluster.listen-address=",
        ],
        directory=tmp_path,
        is_ready=lambda: says_ready(f"http://{LOOPBACK}:{port}"),
        address=f"http://{LOOPBACK}:{port}",
    )
    alertmanager.start()
    try:
        wait_until_ready(alertmanager, timeout_seconds=30)
        labels = {"alertname": "CriticalLatency", "service": "orders", "severity": "critical"}
        alert: dict[str, object] = {"labels": labels, "annotations": {"summary": "slow &lt;orders&gt; & 'more'"}}
        loopback.post(f"{alertmanager.address}/api/v2/alerts", json=[alert]).raise_for_status()
        incident = wait(journal, Kind.INCIDENT_TRIGGERED, service="orders")
        first = wait(journal, Kind.PERSON_NOTIFIED, incident=incident.ids["incident"], person="ann@example.com")
        second = wait(journal, Kind.PERSON_NOTIFIED, incident=incident.ids["incident"], person="bob@example.com")
        posted = wait(journal, Kind.MESSAGE_POSTED, channel="#orion-alerts")
        ended = {**alert, "endsAt": "2020-01-01T00:00:00Z", "startsAt": "2019-01-01T00:00:00Z"}
        loopback.post(f"{alertmanager.address}/api/v2/alerts", json=[ended]).raise_for_status()
        wait(journal, Kind.INCIDENT_RESOLVED, incident=incident.ids["incident"])
    finally:
        alertmanager.stop()

    assert len(incident.ids["dedup_key"]) == 64
    assert (incident.details["severity"], incident.details["summary"]) == ("critical", "CriticalLatency orders")
    assert incident.details["links"] == [{"href": "https://runbooks.example.com/x", "text": "Runbook"}]
    assert "CriticalLatency" in str(incident.details["custom_details"])
    assert (first.ids["level"], second.ids["level"]) == ("1", "2")
    assert second.time - first.time == pytest.approx(3, abs=2)  # a minute, twenty times as fast
    assert (posted.details["title"], posted.details["color"]) == ("[FIRING] CriticalLatency", "danger")
    assert posted.details["text"] == "slow <orders> & 'more'"
    assert journal.find(Kind.REQUEST_REFUSED) == []


@pytest.mark.parametrize("name", ["pagerduty", "slack"])
def test_a_stand_in_listens_on_loopback_only(tmp_path: Path, journal: Journal, name: str) -> None:
    service = stand_in(name, tmp_path, journal)
    try:
        assert service.process is not None
        connections = psutil.Process(service.process.pid).net_connections()
        listening = [each.laddr for each in connections if each.status == psutil.CONN_LISTEN]
    finally:
        service.stop()

    assert [address[0] for address in listening] == [LOOPBACK]


def test_without_a_journal_a_stand_in_says_what_is_missing() -> None:
    environment = {name: value for name, value in os.environ.items() if name != JOURNAL_VARIABLE}
    command = [sys.executable, "-m", "sandbox.clouds.pagerduty", "--port", str(free_port())]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)

    assert ended.returncode != 0
    assert JOURNAL_VARIABLE in ended.stderr
