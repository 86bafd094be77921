"""Exporters' metrics with and without faults are exactly those that the rules may read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from sandbox.journal import Journal, Kind
from sandbox.metrics.application import create_application
from sandbox.metrics.exporters import Deployment, Pod, StatefulSet
from sandbox.metrics.fault_kinds import FAULTS
from sandbox.metrics.fault_targets import EXPORTERS
from sandbox.metrics.faults import Faults, UnknownFault, fault, fault_of_alert
from sandbox.metrics.targets import scrape_targets
from tests.alerting_data import DATA, fixture_catalog

NATIVE_HISTOGRAM = "http_request_duration_seconds"


def pod(name: str, service: str, uid: str) -> Pod:
    return Pod(
        namespace="orion",
        name=name,
        uid=uid,
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


class Cluster:
    """Two services with two pods each."""

    def __init__(self) -> None:
        self.listed = [
            pod("gateway-0", "gateway", "g0"),
            pod("gateway-1", "gateway", "g1"),
            pod("orders-0", "orders", "o0"),
            pod("orders-1", "orders", "o1"),
        ]

    def pods(self) -> Sequence[Pod]:
        return self.listed

    def deployments(self) -> Sequence[Deployment]:
        return [
            Deployment(
                namespace="orion",
                name=name,
                service=name,
                replicas=2,
                replicas_available=2,
                pods=3,
                replicas_updated=2,
                paused=False,
                revision="2",
            )
            for name in ("gateway", "orders")
        ]

    def stateful_sets(self) -> Sequence[StatefulSet]:
        return [StatefulSet(namespace="monitoring", name="alertmanager-orion", replicas=3, replicas_ready=3)]


class Source:
    """The application, asked over HTTP."""

    def __init__(self, directory: Path) -> None:
        self.cluster = Cluster()
        self.journal = Journal(directory / "journal")
        self.client = TestClient(create_application(self.cluster, Faults(self.journal)))

    def samples(self, exporter: str, name: str) -> dict[frozenset[tuple[str, str]], float]:
        text = self.client.get(f"/{exporter}/metrics").text
        return {
            frozenset(sample.labels.items()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        }

    def value(self, exporter: str, name: str, **labels: str) -> float:
        (found,) = [value for key, value in self.samples(exporter, name).items() if set(labels.items()) <= set(key)]
        return found

    def change(self, method: str, kind: str, **labels: str) -> None:
        answer = self.client.request(method, "/faults", json={"fault": kind, "labels": labels})
        assert answer.status_code == 200, answer.text


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def test_the_exporters_serve_exactly_the_series_that_the_rules_may_read(source: Source) -> None:
    allowed: dict[str, dict[str, Any]] = yaml.safe_load((DATA / "rules" / "scraped_series.yaml").read_text())["series"]
    assert set(EXPORTERS) == {series["exporter"] for series in allowed.values()}
    source.change("POST", "pods crash", service="orders")  # a container that runs waits for nothing
    source.change("POST", "job fails", service="orders")  # one that has not failed has no such condition

    for name, series in allowed.items():
        if name == NATIVE_HISTOGRAM:  # the text format has none
            continue
        found = source.samples(series["exporter"], name)
        assert found, name
        assert {label for labels in found for label, _ in labels} == set(series["labels"]), name


def test_failing_requests_are_counted_as_such_and_only_there(source: Source) -> None:
    source.change("POST", "requests fail", service="orders")
    before = source.value("services", "http_requests_total", service="orders", code="200")
    failed = 0.0
    while failed == 0.0:
        failed = source.value("services", "http_requests_total", service="orders", code="500")

    assert source.value("services", "http_requests_total", service="orders", code="200") == before
    assert source.value("services", "http_requests_total", service="gateway", code="500") == 0


@pytest.mark.parametrize(("revision", "share"), [("1", 1 / 3), ("2", 2 / 3), ("3", 0)])
def test_requests_to_the_pods_of_a_failing_revision_fail(source: Source, revision: str, share: float) -> None:
    """Of three pods two are of revision 2, and one is still of the revision before."""
    source.change("POST", "a revision fails", service="orders", revision=revision)

    def counted() -> tuple[float, float]:
        samples = source.samples("services", "http_requests_total")
        of_orders = {labels: value for labels, value in samples.items() if ("service", "orders") in labels}
        return sum(of_orders.values()), sum(value for labels, value in of_orders.items() if ("code", "500") in labels)

    all_before, failed_before = counted()
    all_after, failed_after = counted()

    assert failed_after - failed_before == pytest.approx(share * (all_after - all_before))


def test_a_histogram_never_falls_and_ends_with_the_count(source: Source) -> None:
    source.change("POST", "requests are slow", service="orders")
    found = source.samples("services", "http_request_duration_seconds_bucket")
    buckets = sorted(
        (float(dict(labels)["le"]), value) for labels, value in found.items() if ("service", "orders") in labels
    )
    counts = [count for _, count in buckets]

    assert counts == sorted(counts)
    assert counts[-1] > counts[0] == 0  # every request since the fault took longer than the shortest bucket


def test_memory_leaks_in_one_pod_until_it_is_replaced(source: Source) -> None:
    source.change("POST", "memory leaks", service="orders")
    name = "container_memory_working_set_bytes"
    used = {dict(labels)["pod"]: value for labels, value in source.samples("cadvisor", name).items()}
    assert used == {"gateway-0": 400, "gateway-1": 400, "orders-0": 950, "orders-1": 400}

    source.cluster.listed[2] = pod("orders-2", "orders", "o2")
    used = {dict(labels)["pod"]: value for labels, value in source.samples("cadvisor", name).items()}

    assert used == {"gateway-0": 400, "gateway-1": 400, "orders-2": 400, "orders-1": 400}

    # Ended and begun again before anybody has looked: that is another leak, in what is the first pod by now.
    source.change("DELETE", "memory leaks", service="orders")
    source.change("POST", "memory leaks", service="orders")
    used = {dict(labels)["pod"]: value for labels, value in source.samples("cadvisor", name).items()}

    assert used == {"gateway-0": 400, "gateway-1": 400, "orders-2": 950, "orders-1": 400}


def test_a_container_without_a_limit_has_no_series_of_one(source: Source) -> None:
    source.cluster.listed[0] = replace(source.cluster.listed[0], memory_limit_bytes={"app": 0.0})
    limits = source.samples("kube-state-metrics", "kube_pod_container_resource_limits")
    pods = {
        resource: {labels["pod"] for labels in map(dict, limits) if labels["resource"] == resource}
        for resource in ("memory", "cpu")
    }

    assert pods == {"memory": {"gateway-1", "orders-0", "orders-1"}, "cpu": {one.name for one in source.cluster.listed}}


def test_a_pod_without_the_condition_has_a_phase_and_no_readiness(source: Source) -> None:
    source.cluster.listed[0] = replace(source.cluster.listed[0], phase="Pending", ready=None)
    ready = source.samples("kube-state-metrics", "kube_pod_status_ready")

    assert source.value("kube-state-metrics", "kube_pod_status_phase", pod="gateway-0", phase="Pending") == 1
    assert {dict(labels)["pod"] for labels in ready} == {"gateway-1", "orders-0", "orders-1"}


def test_a_service_that_is_down_has_no_replica_and_no_ready_pod(source: Source) -> None:
    source.change("POST", "service is down", service="gateway")
    exporter = "kube-state-metrics"

    assert source.value(exporter, "kube_deployment_status_replicas_available", deployment="gateway") == 0
    assert source.value(exporter, "kube_deployment_status_replicas_available", deployment="orders") == 2
    assert source.value(exporter, "kube_pod_status_ready", pod="gateway-1", condition="true") == 0
    assert source.value(exporter, "kube_pod_status_ready", pod="orders-1", condition="true") == 1

    source.change("POST", "replicas are refused", service="orders")
    assert source.value(exporter, "kube_deployment_spec_replicas", deployment="orders") == 3

    source.change("DELETE", "service is down", service="gateway")
    assert source.value(exporter, "kube_deployment_status_replicas_available", deployment="gateway") == 2


def test_a_fault_can_be_at_one_pod(source: Source) -> None:
    source.change("POST", "pods are not ready", service="orders", pod="orders-1")
    ready = source.samples("kube-state-metrics", "kube_pod_status_ready")

    broken = {dict(labels)["pod"] for labels, value in ready.items() if ("condition", "false") in labels and value == 1}
    assert broken == {"orders-1"}


def test_faults_are_journalled_once(source: Source) -> None:
    for _ in range(2):
        source.change("POST", "database is busy", dbinstance_identifier="orion-aurora-1")
    for _ in range(2):
        source.change("DELETE", "database is busy", dbinstance_identifier="orion-aurora-1")

    kinds = [event.kind for event in source.journal.events()]
    assert kinds == [Kind.FAULT_STARTED, Kind.FAULT_ENDED]


@pytest.mark.parametrize(
    ("kind", "labels", "words"),
    [
        ("requests fall", {"service": "orders"}, "requests fail"),
        ("requests fail", {}, "missing service"),
        ("requests fail", {"service": "orders", "pod": "x"}, "found label pod; allowed: service"),
    ],
)
def test_what_cannot_be_broken_is_refused(source: Source, kind: str, labels: dict[str, str], words: str) -> None:
    answer = source.client.post("/faults", json={"fault": kind, "labels": labels})

    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert source.client.post("/faults", content=b"{").status_code == 400
    with pytest.raises(UnknownFault):
        fault(kind, labels)


@pytest.mark.parametrize(
    ("kind", "labels", "words"),
    [
        ("requests fail", {"service": "nope"}, "found service=nope; allowed: gateway, orders"),
        ("pods crash", {"service": "orders", "pod": "gateway-0"}, "found pod=gateway-0; allowed: orders-0, orders-1"),
        ("database is busy", {"dbinstance_identifier": "x"}, "allowed: orion-aurora-0, orion-aurora-1"),
        # A writer lags behind nobody, and the gateway takes no orders.
        ("reader lags", {"dbinstance_identifier": "orion-aurora-0"}, "allowed: orion-aurora-1"),
        ("orders stop", {"service": "gateway"}, "found service=gateway; allowed: orders"),
        (
            "exporter is silent",
            {"exporter": "services"},
            "allowed: cadvisor, cloudwatch, kafka, kube-state-metrics, redis",
        ),
    ],
)
def test_nothing_can_be_broken_where_nothing_is(source: Source, kind: str, labels: dict[str, str], words: str) -> None:
    answer = source.client.post("/faults", json={"fault": kind, "labels": labels})

    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert source.client.get("/faults").json()["active"] == []


def test_a_fault_can_be_ended_where_nothing_is_any_more(source: Source) -> None:
    source.change("POST", "pods crash", service="orders", pod="orders-1")
    del source.cluster.listed[3]

    source.change("DELETE", "pods crash", service="orders", pod="orders-1")

    assert source.client.get("/faults").json()["active"] == []


@pytest.mark.parametrize(
    ("alert", "words"),
    [
        ("Watchdog", "nothing here sets Watchdog off: it fires as long as alerting works"),
        ("HighLatency", "found 'HighLatency'; allowed: AlertingReplicaMissing, AlertingVolumeFillingUp, "),
    ],
)
def test_an_alert_that_nothing_sets_off_is_told_why(alert: str, words: str) -> None:
    with pytest.raises(UnknownFault, match=re.escape(words)):
        fault_of_alert(alert)


def test_every_fault_sets_off_an_alert_that_there_is() -> None:
    assert {kind.alert for kind in FAULTS.values()} <= set(fixture_catalog().rules.alerts)


def test_a_service_is_a_target_of_its_own_that_is_down_while_it_serves_no_metrics(source: Source) -> None:
    targets = {target["job"]: target for target in scrape_targets("host:1", ("gateway", "orders"), "orion")}

    assert set(targets) == {*EXPORTERS, "gateway", "orders"} - {"services"}
    assert targets["orders"]["labels"] == {"namespace": "orion", "service": "orders"}
    families = text_string_to_metric_families(source.client.get(targets["orders"]["path"]).text)
    assert {sample.labels["service"] for family in families for sample in family.samples} == {"orders"}
    source.change("POST", "service serves no metrics", service="orders")
    assert source.client.get(targets["orders"]["path"]).status_code == 503
    assert source.client.get(targets["gateway"]["path"]).status_code == 200


def test_failures_without_a_code_are_counted_by_status(source: Source) -> None:
    source.change("POST", "failures have no code", service="orders")

    found = source.samples("services", "http_requests_total")

    assert frozenset({("service", "orders"), ("status", "500")}) in found
    assert frozenset({("service", "orders"), ("code", "500")}) not in found
    assert frozenset({("service", "gateway"), ("code", "500")}) in found
