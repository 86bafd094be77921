"""Metrics of the kubelet's cAdvisor and kube-state-metrics for the services' pods, containers and deployments."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sandbox.metrics.capacity_exporters import ClusterCapacity
from sandbox.metrics.exporters import ClusterView, Deployment, Pod, StatefulSet, is_broken
from sandbox.metrics.faults import Faults

MEMORY_SHARE = 0.4
LEAKING_MEMORY_SHARE = 0.95
CPU_SHARE = 0.2
BUSY_CPU_SHARE = 0.97
UNLIMITED_CORES = 0.1
"""What a container without a limit uses when it is not busy."""
PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
MAINTENANCE = ("monitoring", "cluster-maintenance")
ANOTHER_CONFIG_MAP = ("orion", "kube-root-ca.crt")


class ContainerAdvisor(Collector):
    """Says how much memory and CPU each container uses, as the kubelet's cAdvisor does.

    `now` is a clock in seconds.
    """

    def __init__(self, cluster: ClusterView, faults: Faults, now: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._faults = faults
        self._now = now
        self._lock = threading.Lock()
        self._leaking: dict[int, str] = {}
        self._last = now()
        self._cpu_seconds: dict[tuple[str, str], float] = {}

    def collect(self) -> Iterator[Metric]:
        """Yield the usage of every container."""
        pods = self._cluster.pods()
        with self._lock:
            yield from self._memory(pods)
            yield from self._cpu(pods)

    def _memory(self, pods: Sequence[Pod]) -> Iterator[Metric]:
        used = _container_gauge("container_memory_working_set_bytes", "Memory in use.")
        leaking = self._leaking_uids(pods)
        for pod in pods:
            share = LEAKING_MEMORY_SHARE if pod.uid in leaking else MEMORY_SHARE
            for container, limit_bytes in pod.memory_limit_bytes.items():
                where = [pod.namespace, pod.name, container]
                used.add_metric(where, share * (limit_bytes or 2**28))
        yield used

    def _cpu(self, pods: Sequence[Pod]) -> Iterator[Metric]:
        labels = ["namespace", "pod", "container"]
        used = CounterMetricFamily("container_cpu_usage_seconds", "CPU used.", labels=labels)
        now = self._now()
        seconds = now - self._last
        self._last = now
        for pod in pods:
            busy = self._faults.hits("containers are busy", service=pod.service, pod=pod.name)
            for container, cores in pod.cpu_limit_cores.items():
                where = [pod.namespace, pod.name, container]
                before = self._cpu_seconds.get((pod.uid, container), 0.0)
                share = BUSY_CPU_SHARE if busy else CPU_SHARE
                self._cpu_seconds[pod.uid, container] = before + seconds * (share * cores or UNLIMITED_CORES)
                used.add_metric(where, self._cpu_seconds[pod.uid, container])
        yield used

    def _leaking_uids(self, pods: Sequence[Pod]) -> set[str]:
        """Return the pods that leak: each fault picks one when it starts, and the pod's successor is sound."""
        starts = {number: one for one, number in self._faults.starts("memory leaks").items()}
        self._leaking = {number: uid for number, uid in self._leaking.items() if number in starts}
        for number in starts.keys() - self._leaking.keys():
            service, name = starts[number].at("service"), starts[number].at("pod")
            of_service = [pod for pod in pods if pod.service == service and name in (None, pod.name)]
            if of_service:
                self._leaking[number] = of_service[0].uid
        return set(self._leaking.values())


def _container_gauge(name: str, documentation: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, labels=["namespace", "pod", "container"])


class KubeState(Collector):
    """Says what kube-state-metrics says of the services' pods and deployments. `now` is a clock in Unix seconds."""

    def __init__(self, cluster: ClusterView, faults: Faults, now: Callable[[], float] = time.time) -> None:
        self._cluster = cluster
        self._faults = faults
        self._now = now
        self._lock = threading.Lock()
        self._capacity = ClusterCapacity(faults)
        self._restarts: dict[tuple[str, str], int] = {}
        self._started = now()
        self._maintenance_since: float | None = None

    def collect(self) -> Iterator[Metric]:
        """Yield the series that the rules read."""
        pods = self._cluster.pods()
        yield from self._pods(pods)
        yield from self._resources(pods)
        with self._lock:
            yield from self._containers(pods)
            yield from self._config_maps()
        deployments = self._cluster.deployments()
        yield from self._capacity.collect(pods, deployments)
        yield from self._deployments(deployments)
        yield from self._jobs(deployments)
        yield from self._stateful_sets(self._cluster.stateful_sets())

    def _pods(self, pods: Sequence[Pod]) -> Iterator[Metric]:
        created = _pod_gauge("kube_pod_created", "When a pod was made.")
        labelled = _pod_gauge("kube_pod_labels", "A pod's labels.", "label_app_kubernetes_io_name")
        ready = _pod_gauge("kube_pod_status_ready", "A pod's readiness.", "condition")
        phases = _pod_gauge("kube_pod_status_phase", "A pod's phase.", "phase")
        places = _pod_gauge("kube_pod_info", "A pod's node.", "node")
        for pod in pods:
            where = [pod.namespace, pod.name, pod.uid]
            created.add_metric(where, pod.created)
            labelled.add_metric([*where, pod.service], 1)
            places.add_metric([*where, pod.node], 1)
            broken = is_broken(pod, self._faults)
            for phase in PHASES:
                phases.add_metric([*where, phase], float(phase == pod.phase))
            if pod.ready is None:
                continue
            is_ready = pod.ready and not broken and not self._is_down(pod.service)
            for condition, holds in (("true", is_ready), ("false", not is_ready), ("unknown", False)):
                ready.add_metric([*where, condition], float(holds))
        yield from (created, labelled, ready, phases, places)

    def _containers(self, pods: Sequence[Pod]) -> Iterator[Metric]:
        """Yield restarts: a container that crashes has done so once more at each look."""
        labels = ["namespace", "pod", "uid", "container"]
        restarts = CounterMetricFamily("kube_pod_container_status_restarts", "Restarts.", labels=labels)
        waiting = _pod_gauge("kube_pod_container_status_waiting_reason", "Why it waits.", "container", "reason")
        for pod in pods:
            crashes = self._faults.hits("pods crash", service=pod.service, pod=pod.name)
            for container in pod.memory_limit_bytes:
                count = self._restarts.get((pod.uid, container), 0) + crashes
                self._restarts[pod.uid, container] = count
                where = [pod.namespace, pod.name, pod.uid, container]
                restarts.add_metric(where, count)
                if crashes:
                    waiting.add_metric([*where, "CrashLoopBackOff"], 1)
        yield from (restarts, waiting)

    def _resources(self, pods: Sequence[Pod]) -> Iterator[Metric]:
        """Yield what the containers request and are limited to: none of a container that has none."""
        labels = ("container", "node", "resource", "unit")
        limits = _pod_gauge("kube_pod_container_resource_limits", "Limits.", *labels)
        requests = _pod_gauge("kube_pod_container_resource_requests", "Requests.", *labels)
        for pod in pods:
            for amounts, resource, by_container in (
                (limits, ("memory", "byte"), pod.memory_limit_bytes),
                (limits, ("cpu", "core"), pod.cpu_limit_cores),
                (requests, ("memory", "byte"), pod.memory_request_bytes),
                (requests, ("cpu", "core"), pod.cpu_request_cores),
            ):
                for container, amount in by_container.items():
                    if amount:
                        amounts.add_metric([pod.namespace, pod.name, pod.uid, container, pod.node, *resource], amount)
        yield from (limits, requests)

    def _config_maps(self) -> Iterator[Metric]:
        created = GaugeMetricFamily("kube_configmap_created", "When it was made.", labels=["namespace", "configmap"])
        created.add_metric(ANOTHER_CONFIG_MAP, self._started)
        if self._faults.active("cluster is under maintenance"):
            self._maintenance_since = self._maintenance_since or self._now()
            created.add_metric(MAINTENANCE, self._maintenance_since)
        else:
            self._maintenance_since = None
        yield created

    def _deployments(self, deployments: Sequence[Deployment]) -> Iterator[Metric]:
        wanted = _deployment_gauge("kube_deployment_spec_replicas", "Wanted replicas.")
        available = _deployment_gauge("kube_deployment_status_replicas_available", "Available replicas.")
        pods = _deployment_gauge("kube_deployment_status_replicas", "Replicas of every revision.")
        updated = _deployment_gauge("kube_deployment_status_replicas_updated", "Replicas of the newest revision.")
        paused = _deployment_gauge("kube_deployment_spec_paused", "Whether its rollout is paused.")
        labelled = _deployment_gauge("kube_deployment_labels", "Its labels.", "label_app_kubernetes_io_name")
        annotated = _deployment_gauge(
            "kube_deployment_annotations", "Its annotations.", "annotation_deployment_kubernetes_io_revision"
        )
        for deployment in deployments:
            where = [deployment.namespace, deployment.name]
            refused = self._faults.hits("replicas are refused", service=deployment.service)
            wanted.add_metric(where, deployment.replicas + refused)
            available.add_metric(where, 0 if self._is_down(deployment.service) else deployment.replicas_available)
            pods.add_metric(where, deployment.pods)
            updated.add_metric(where, deployment.replicas_updated)
            paused.add_metric(where, deployment.paused)
            labelled.add_metric([*where, deployment.service], 1)
            annotated.add_metric([*where, deployment.revision], 1)
        yield from (wanted, available, pods, updated, paused, labelled, annotated)

    def _jobs(self, deployments: Sequence[Deployment]) -> Iterator[Metric]:
        """Yield a Job beside each deployment, made up. Only one that failed has that condition."""
        created = _job_gauge("kube_job_created", "When it was made.")
        labelled = _job_gauge("kube_job_labels", "Its labels.", "label_app_kubernetes_io_name")
        failed = _job_gauge("kube_job_failed", "Whether it failed.", "condition")
        for deployment in deployments:
            where = [deployment.namespace, f"{deployment.name}-report"]
            created.add_metric(where, self._started)
            labelled.add_metric([*where, deployment.service], 1)
            if self._faults.hits("job fails", service=deployment.service):
                for condition in ("true", "false", "unknown"):
                    failed.add_metric([*where, condition], float(condition == "true"))
        yield from (created, labelled, failed)

    def _stateful_sets(self, stateful_sets: Sequence[StatefulSet]) -> Iterator[Metric]:
        labels = ["namespace", "statefulset"]
        wanted = GaugeMetricFamily("kube_statefulset_replicas", "Wanted replicas.", labels=labels)
        ready = GaugeMetricFamily("kube_statefulset_status_replicas_ready", "Ready replicas.", labels=labels)
        lost = bool(self._faults.active("alerting lacks a replica"))
        for one in stateful_sets:
            where = [one.namespace, one.name]
            wanted.add_metric(where, one.replicas)
            ready.add_metric(where, max(one.replicas_ready - lost, 0))
        yield from (wanted, ready)

    def _is_down(self, service: str) -> bool:
        return self._faults.hits("service is down", service=service)


def _pod_gauge(name: str, documentation: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, labels=["namespace", "pod", "uid", *labels])


def _deployment_gauge(name: str, documentation: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, labels=["namespace", "deployment", *labels])


def _job_gauge(name: str, documentation: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, labels=["namespace", "job_name", *labels])
