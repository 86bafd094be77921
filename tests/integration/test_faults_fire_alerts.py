"""Every fault of the sandbox sets its alert off, in a real Prometheus with the program's rules, sixty times faster."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from alerting.build import load_platform
from alerting.settings import Environment, MonitoringSettings, ScrapeTarget
from components.monitoring_values import scrape_configurations
from sandbox import loopback
from sandbox.journal import Journal
from sandbox.metrics.application import create_application
from sandbox.metrics.exporters import Deployment, Pod, StatefulSet
from sandbox.metrics.fault_kinds import FAULT_OF_ALERT, FAULTS, WITHOUT_A_FAULT
from sandbox.metrics.faults import Faults
from sandbox.metrics.targets import scrape_targets
from sandbox.ports import LOOPBACK, free_port
from sandbox.service import HttpService, ProcessService, wait_until_ready
from tests.alerting_data import DATA, settings, write_rules
from tests.waiting import says_ready, until
from tools.paths import tool

SCALE = 60.0
INTERVAL = "500ms"
"""The story's thirty seconds, sixty times faster."""
PATIENCE_SECONDS = 90.0

SIDE_BY_SIDE: Mapping[str, Mapping[str, str]] = {
    "requests fail": {"service": "gateway"},
    "half of requests fail": {"service": "gateway"},
    "one replica fails": {"service": "gateway"},
    "a tenth of requests fail": {"service": "gateway"},
    "few requests fail": {"service": "positions"},
    "a revision fails": {"service": "market-data", "revision": "2"},
    "requests are slow": {"service": "positions"},
    "some requests are slow": {"service": "orders"},
    "memory leaks": {"service": "orders"},
    "containers are busy": {"service": "orders"},
    "pods crash": {"service": "gateway"},
    "pods are not ready": {"service": "market-data"},
    "service is down": {"service": "positions"},
    "replicas are refused": {"service": "orders"},
    "job fails": {"service": "orders"},
    "broker is gone": {},
    "database is busy": {"dbinstance_identifier": "orion-aurora-0"},
    "reader lags": {"dbinstance_identifier": "orion-aurora-1"},
    "connection pool is full": {"service": "orders"},
    "redis fills up": {},
    "consumers lag": {"service": "orders"},
    "consumers lag far": {"service": "gateway"},
    "orders are rejected": {"service": "orders"},
    "rules fail": {},
    "rules are slow": {},
    "evaluations are left out": {},
    "alertmanagers are split": {},
    "remote write is behind": {},
    "remote write loses samples": {},
    "notifications fail": {},
    "alerting lacks a replica": {},
    "configuration does not load": {},
    "configuration is refused": {},
    "samples are not stored": {},
    "alerting's volume fills up": {},
    "volume fills up": {"service": "orders"},
    "volume is full": {"service": "gateway"},
    "quota is nearly used": {},
    "cluster has no room": {},
    "node is full": {},
    "node is under pressure": {},
    "autoscaler is at its maximum": {"service": "orders"},
    "connection pool fills up": {"service": "gateway"},
    "database's storage fills up": {"dbinstance_identifier": "orion-aurora-0"},
    "connections leak": {"service": "gateway"},
    "consumers fall behind": {"service": "positions"},
    "consumers are too slow": {"service": "orders"},
    "certificate is not renewed": {},
    "cluster is under maintenance": {},
}
THEN: Mapping[str, Mapping[str, str]] = {
    "service serves no metrics": {"service": "market-data"},
    "redis is full": {},
    "alerting's volume is full": {},
    "orders stop": {"service": "orders"},
    "exporter is silent": {"exporter": "kafka"},
    "failures have no code": {"service": "positions"},
}
"""What would hide one of those before."""
LAST: Mapping[str, Mapping[str, str]] = {"redis is down": {}}


class Cluster:
    """Four services with a pod each."""

    services = ("gateway", "market-data", "orders", "positions")

    def __init__(self) -> None:
        self.revisions: dict[str, str] = {}

    def pods(self) -> Sequence[Pod]:
        return [
            Pod(
                namespace="orion",
                name=f"{service}-0",
                uid=service,
                created=1000.0,
                service=service,
                node="orion-0",
                phase="Running",
                ready=True,
                memory_limit_bytes={"app": 1000.0},
                cpu_limit_cores={"app": 0.5},
                memory_request_bytes={"app": 800.0},
                cpu_request_cores={"app": 0.25},
            )
            for service in self.services
        ]

    def deployments(self) -> Sequence[Deployment]:
        return [
            Deployment(
                namespace="orion",
                name=service,
                service=service,
                replicas=1,
                replicas_available=1,
                pods=1,
                replicas_updated=1,
                paused=False,
                revision=self.revisions.get(service, "1"),
            )
            for service in self.services
        ]

    def stateful_sets(self) -> Sequence[StatefulSet]:
        return [StatefulSet(namespace="monitoring", name="alertmanager-orion", replicas=3, replicas_ready=3)]


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def source(tmp_path: Path, cluster: Cluster) -> Iterator[HttpService]:
    service = HttpService("metrics", create_application(cluster, Faults(Journal(tmp_path / "journal"))))
    service.start()
    wait_until_ready(service, timeout_seconds=10)
    yield service
    service.stop()


@pytest.fixture
def prometheus(tmp_path: Path, source: HttpService) -> Iterator[ProcessService]:
    platform = load_platform(DATA, settings(Environment.SANDBOX, time_scale=SCALE))
    (tmp_path / "rules").mkdir()
    targets = scrape_targets(source.address.removeprefix("http://"), Cluster.services, "orion")
    monitoring = MonitoringSettings(extra_scrape_targets=tuple(ScrapeTarget(**target) for target in targets))
    configuration = {
        "global": {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "evaluation_interval": INTERVAL},
        "rule_files": [str(path) for path in write_rules(platform, tmp_path / "rules")],
        "scrape_configs": scrape_configurations(monitoring),
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(configuration))
    port = free_port()
    service = ProcessService(
        "prometheus",
        [
            tool("prometheus"),
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={LOOPBACK}:{port}",
        ],
        directory=tmp_path,
        is_ready=lambda: says_ready(f"http://{LOOPBACK}:{port}"),
        address=f"http://{LOOPBACK}:{port}",
    )
    service.start()
    wait_until_ready(service, timeout_seconds=30)
    yield service
    service.stop()


def firing(prometheus: ProcessService) -> set[str]:
    """Return the alerts that have fired, whether they still do or not."""
    query = 'count by (alertname) (last_over_time(ALERTS{alertstate="firing"}[10m]))'
    answer = loopback.get(f"{prometheus.address}/api/v1/query", params={"query": query}, timeout=10).json()
    return {one["metric"]["alertname"] for one in answer["data"]["result"]}


def wait_for(prometheus: ProcessService, alerts: set[str]) -> None:
    until(
        "every alert fires",
        lambda: alerts <= firing(prometheus),
        seconds=PATIENCE_SECONDS,
        otherwise=lambda: sorted(alerts - firing(prometheus)),
    )


def start(source: HttpService, faults: Mapping[str, Mapping[str, str]]) -> set[str]:
    for name, labels in faults.items():
        answer = loopback.post(f"{source.address}/faults", json={"fault": name, "labels": labels}, timeout=10)
        assert answer.status_code == 200, answer.text
    return {FAULTS[name].alert for name in faults}


@pytest.mark.integration
def test_every_fault_sets_its_alert_off_and_nothing_fires_without(
    source: HttpService, prometheus: ProcessService, cluster: Cluster
) -> None:
    """Ten minutes of the story pass first, in which only what always fires does."""
    ends = time.monotonic() + 10 * 60 / SCALE

    def is_over() -> bool:
        assert firing(prometheus) <= {"Watchdog"}
        return time.monotonic() >= ends

    until("ten minutes of the story have passed", is_over)

    started = start(source, SIDE_BY_SIDE)
    cluster.revisions["market-data"] = "2"
    wait_for(prometheus, started)
    wait_for(prometheus, start(source, THEN))
    wait_for(prometheus, start(source, LAST))


def test_each_alert_has_a_fault_or_a_reason_for_none() -> None:
    alerts = {
        rule["alert"]
        for file in load_platform(DATA, settings()).rules
        for group in file.groups
        for rule in group["rules"]
        if "alert" in rule
    }

    assert alerts == set(FAULT_OF_ALERT) | set(WITHOUT_A_FAULT)
    assert set(FAULTS) == set(SIDE_BY_SIDE) | set(THEN) | set(LAST)
