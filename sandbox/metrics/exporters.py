"""The four exporters of `rules/scraped_series.yaml`: services, cAdvisor, kube-state-metrics and CloudWatch.

What they say of pods and deployments is read off the real cluster; what they say of requests, memory and databases is
made up, and steady unless a fault is on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from sandbox.metrics.faults import Faults

REQUESTS_PER_SECOND = 40.0
DATABASE_INSTANCES = ("orion-aurora-0", "orion-aurora-1")
DATABASE_CPU_PER_CENT = 35.0
BUSY_DATABASE_CPU_PER_CENT = 92.0
MEMORY_SHARE = 0.4
LEAKING_MEMORY_SHARE = 0.95
BUCKETS_SECONDS = ("0.05", "0.1", "0.25", "0.5", "1.0", "2.0", "2.5", "5.0", "7.5", "10.0", "30.0", "+Inf")
FAST_SHARES = (0.55, 0.85, 0.97, 0.995, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
"""Which share of requests takes no longer than each bucket when all is well."""
SLOW_SHARES = (0.0,) * 9 + (1.0, 1.0, 1.0)
FAST_SECONDS = 0.07
SLOW_SECONDS = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod as the exporters see it. `memory_limit_bytes` maps each container to its limit, 0 without one."""

    namespace: str
    name: str
    uid: str
    node: str
    service: str
    ready: bool
    memory_limit_bytes: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deployment as the exporters see it."""

    namespace: str
    name: str
    service: str
    replicas_available: int


class ClusterView(Protocol):
    """Where the exporters learn of the cluster."""

    def pods(self) -> Sequence[Pod]:
        """Return the services' pods."""
        ...

    def deployments(self) -> Sequence[Deployment]:
        """Return the services' deployments."""
        ...


class Services(Collector):
    """Counts requests of each service, as its own /metrics would, summed over its pods."""

    def __init__(self, cluster: ClusterView, faults: Faults) -> None:
        self._cluster = cluster
        self._faults = faults
        self._lock = threading.Lock()
        self._last = time.monotonic()
        self._answered: dict[tuple[str, str], float] = {}
        self._buckets: dict[str, list[float]] = {}
        self._seconds: dict[str, float] = {}

    def collect(self) -> Iterator[Metric]:
        """Yield the counters as of now."""
        requests = CounterMetricFamily("http_requests", "Requests answered.", labels=["service", "code"])
        durations = HistogramMetricFamily("http_request_duration_seconds", "Time taken.", labels=["service"])
        with self._lock:
            self._advance()
            for (service, code), count in sorted(self._answered.items()):
                requests.add_metric([service, code], count)
            for service, counts in sorted(self._buckets.items()):
                buckets = list(zip(BUCKETS_SECONDS, counts, strict=True))
                durations.add_metric([service], buckets=buckets, sum_value=self._seconds[service])
        yield requests
        yield durations

    def _advance(self) -> None:
        """Count what was answered since the last look."""
        now = time.monotonic()
        count = (now - self._last) * REQUESTS_PER_SECOND
        self._last = now
        for service in {deployment.service for deployment in self._cluster.deployments()}:
            failing = self._faults.hits("requests fail", service=service)
            slow = self._faults.hits("requests are slow", service=service)
            for code in ("200", "500"):  # both are there from the start, so that no increase is missed
                self._answered.setdefault((service, code), 0.0)
            self._answered[service, "500" if failing else "200"] += count
            buckets = self._buckets.setdefault(service, [0.0] * len(BUCKETS_SECONDS))
            for index, share in enumerate(SLOW_SHARES if slow else FAST_SHARES):
                buckets[index] += count * share
            taken = self._seconds.setdefault(service, 0.0)
            self._seconds[service] = taken + count * (SLOW_SECONDS if slow else FAST_SECONDS)


class ContainerAdvisor(Collector):
    """Says how much memory each container uses, as the kubelet's cAdvisor does."""

    def __init__(self, cluster: ClusterView, faults: Faults) -> None:
        self._cluster = cluster
        self._faults = faults
        self._lock = threading.Lock()
        self._leaking: dict[tuple[str, str | None], str] = {}

    def collect(self) -> Iterator[Metric]:
        """Yield usage and limit of every container."""
        labels = ["namespace", "pod", "container"]
        used = GaugeMetricFamily("container_memory_working_set_bytes", "Memory in use.", labels=labels)
        limit = GaugeMetricFamily("container_spec_memory_limit_bytes", "Memory limit.", labels=labels)
        pods = self._cluster.pods()
        with self._lock:
            leaking = self._leaking_uids(pods)
        for pod in pods:
            share = LEAKING_MEMORY_SHARE if pod.uid in leaking else MEMORY_SHARE
            for container, limit_bytes in pod.memory_limit_bytes.items():
                where = [pod.namespace, pod.name, container]
                used.add_metric(where, share * (limit_bytes or 2**28))
                limit.add_metric(where, limit_bytes)
        yield used
        yield limit

    def _leaking_uids(self, pods: Sequence[Pod]) -> set[str]:
        """Return the pods that leak: each fault picks one when it starts, and the pod's successor is sound."""
        faults = {(one.at("service") or "", one.at("pod")) for one in self._faults.active("memory leaks")}
        self._leaking = {place: uid for place, uid in self._leaking.items() if place in faults}
        for service, name in faults - self._leaking.keys():
            of_service = [pod for pod in pods if pod.service == service and name in (None, pod.name)]
            if of_service:
                self._leaking[service, name] = of_service[0].uid
        return set(self._leaking.values())


class KubeState(Collector):
    """Says what kube-state-metrics says of the services' pods and deployments."""

    def __init__(self, cluster: ClusterView, faults: Faults) -> None:
        self._cluster = cluster
        self._faults = faults

    def collect(self) -> Iterator[Metric]:
        """Yield the series that the rules read."""
        yield from self._pods()
        yield from self._deployments()

    def _pods(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("kube_pod_info", "A pod.", labels=["namespace", "pod", "uid", "node"])
        labelled = GaugeMetricFamily(
            "kube_pod_labels", "A pod's labels.", labels=["namespace", "pod", "uid", "label_app_kubernetes_io_name"]
        )
        ready = GaugeMetricFamily(
            "kube_pod_status_ready", "A pod's readiness.", labels=["namespace", "pod", "uid", "condition"]
        )
        for pod in self._cluster.pods():
            info.add_metric([pod.namespace, pod.name, pod.uid, pod.node], 1)
            labelled.add_metric([pod.namespace, pod.name, pod.uid, pod.service], 1)
            broken = self._faults.hits("pods are not ready", service=pod.service, pod=pod.name)
            is_ready = pod.ready and not broken and not self._is_down(pod.service)
            for condition, holds in (("true", is_ready), ("false", not is_ready), ("unknown", False)):
                ready.add_metric([pod.namespace, pod.name, pod.uid, condition], float(holds))
        yield from (info, labelled, ready)

    def _deployments(self) -> Iterator[Metric]:
        available = GaugeMetricFamily(
            "kube_deployment_status_replicas_available", "Available replicas.", labels=["namespace", "deployment"]
        )
        labelled = GaugeMetricFamily(
            "kube_deployment_labels",
            "A deployment's labels.",
            labels=["namespace", "deployment", "label_app_kubernetes_io_name"],
        )
        for deployment in self._cluster.deployments():
            count = 0 if self._is_down(deployment.service) else deployment.replicas_available
            available.add_metric([deployment.namespace, deployment.name], count)
            labelled.add_metric([deployment.namespace, deployment.name, deployment.service], 1)
        yield from (available, labelled)

    def _is_down(self, service: str) -> bool:
        return self._faults.hits("service is down", service=service)


class CloudWatch(Collector):
    """Says what the CloudWatch exporter says of the databases."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def collect(self) -> Iterator[Metric]:
        """Yield the CPU of every instance, of those too that only a fault names."""
        cpu = GaugeMetricFamily("aws_rds_cpuutilization_average", "CPU in per cent.", labels=["dbinstance_identifier"])
        busy = {one.at("dbinstance_identifier") or "" for one in self._faults.active("database is busy")}
        for instance in sorted({*DATABASE_INSTANCES, *busy}):
            cpu.add_metric([instance], BUSY_DATABASE_CPU_PER_CENT if instance in busy else DATABASE_CPU_PER_CENT)
        yield cpu
