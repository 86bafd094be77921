"""Metrics of whatever can be full: nodes, quotas and autoscalers, the services' volumes, and certificates.

Nothing of it is read off the cluster but the names of nodes, pods and Deployments: it has room, unless a fault is on.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sandbox.metrics.exporters import ClusterView, Deployment, Pod, service_names
from sandbox.metrics.faults import FaultAges, Faults

LEAST_NODES = 3
NODE_RESOURCES = {("cpu", "core"): 4.0, ("memory", "byte"): 16.0 * 2**30, ("pods", "integer"): 58.0}
FULL_CLUSTER_CORES = 0.01
CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
QUOTA = ("orion", "services")
QUOTA_PODS = 200.0
QUOTA_SHARE = 0.3
NEARLY_USED_QUOTA_SHARE = 0.95
MORE_REPLICAS = 4
"""How many replicas an autoscaler may add to those that a Deployment has."""
VOLUME_BYTES = 20.0 * 2**30
VOLUME_INODES = 1_310_720.0
FREE_SHARE = 0.7
FILLING_LEAST_FREE_SHARE = 0.12
FILLING_PER_SECOND = 0.00003
"""Fast enough to be full within a day, slow enough not to be within four hours."""
FULL_FREE_SHARE = 0.01
DAY_SECONDS = 86400.0
CERTIFICATE = ("gateway-tls", "orion")


def filling_share(seconds: float | None) -> float:
    """Return which share is free of what has filled up for so long; None while it does not."""
    if seconds is None:
        return FREE_SHARE
    return max(FILLING_LEAST_FREE_SHARE, FREE_SHARE - FILLING_PER_SECOND * seconds)


def claim_of(service: str) -> str:
    """Return the name of the volume's claim that a service's first pod mounts."""
    return f"{service}-data"


class ClusterCapacity:
    """Says what kube-state-metrics says of nodes, quotas, autoscalers and claims."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def collect(self, pods: Sequence[Pod], deployments: Sequence[Deployment]) -> Iterator[Metric]:
        """Yield the series of a cluster with these pods and Deployments."""
        yield from self._nodes(pods)
        yield from self._quota()
        yield from self._autoscalers(deployments)
        yield from _claims(pods)

    def _nodes(self, pods: Sequence[Pod]) -> Iterator[Metric]:
        running = Counter(pod.node for pod in pods if pod.node)
        spare = (f"spare-{number}" for number in range(LEAST_NODES - len(running)))
        nodes = [*sorted(running), *spare]
        allocatable = _gauge("kube_node_status_allocatable", "node", "resource", "unit")
        condition = _gauge("kube_node_status_condition", "node", "condition", "status")
        unschedulable = _gauge("kube_node_spec_unschedulable", "node")
        for number, node in enumerate(nodes):
            is_first = number == 0
            for (resource, unit), amount in NODE_RESOURCES.items():
                has = amount
                if resource == "cpu" and self._faults.active("cluster has no room"):
                    has = FULL_CLUSTER_CORES
                if resource == "pods" and is_first and self._faults.active("node is full"):
                    has = float(running[node])
                allocatable.add_metric([node, resource, unit], has)
            pressed = is_first and bool(self._faults.active("node is under pressure"))
            for name in CONDITIONS:
                holds = name == "Ready" or (name == "DiskPressure" and pressed)
                for status, is_so in (("true", holds), ("false", not holds), ("unknown", False)):
                    condition.add_metric([node, name, status], float(is_so))
            unschedulable.add_metric([node], 0)
        yield from (allocatable, condition, unschedulable)

    def _quota(self) -> Iterator[Metric]:
        quota = _gauge("kube_resourcequota", "namespace", "resourcequota", "resource", "type")
        share = NEARLY_USED_QUOTA_SHARE if self._faults.active("quota is nearly used") else QUOTA_SHARE
        quota.add_metric([*QUOTA, "pods", "hard"], QUOTA_PODS)
        quota.add_metric([*QUOTA, "pods", "used"], share * QUOTA_PODS)
        yield quota

    def _autoscalers(self, deployments: Sequence[Deployment]) -> Iterator[Metric]:
        where = ("namespace", "horizontalpodautoscaler")
        target = _gauge("kube_horizontalpodautoscaler_info", *where, "scaletargetref_kind", "scaletargetref_name")
        most = _gauge("kube_horizontalpodautoscaler_spec_max_replicas", *where)
        fewest = _gauge("kube_horizontalpodautoscaler_spec_min_replicas", *where)
        wanted = _gauge("kube_horizontalpodautoscaler_status_desired_replicas", *where)
        for deployment in deployments:
            here = [deployment.namespace, deployment.name]
            is_at_maximum = self._faults.hits("autoscaler is at its maximum", service=deployment.service)
            target.add_metric([*here, "Deployment", deployment.name], 1)
            most.add_metric(here, deployment.replicas + MORE_REPLICAS)
            fewest.add_metric(here, 1)
            wanted.add_metric(here, deployment.replicas + MORE_REPLICAS * is_at_maximum)
        yield from (target, most, fewest, wanted)


def _claims(pods: Sequence[Pod]) -> Iterator[Metric]:
    mounted = _gauge(
        "kube_pod_spec_volumes_persistentvolumeclaims_info",
        *("namespace", "pod", "uid", "volume", "persistentvolumeclaim"),
    )
    mode = _gauge("kube_persistentvolumeclaim_access_mode", "namespace", "persistentvolumeclaim", "access_mode")
    first = {pod.service: pod for pod in reversed(pods) if pod.service}
    for service, pod in sorted(first.items()):
        mounted.add_metric([pod.namespace, pod.name, pod.uid, "data", claim_of(service)], 1)
        mode.add_metric([pod.namespace, claim_of(service), "ReadWriteOnce"], 1)
    yield from (mounted, mode)


class ServiceVolumes:
    """Says what the kubelet knows of the services' volumes. `now` is a clock in seconds."""

    def __init__(self, cluster: ClusterView, faults: Faults, now: Callable[[], float]) -> None:
        self._cluster = cluster
        self._faults = faults
        self._ages = FaultAges(faults, now)

    def shares(self) -> Iterator[tuple[str, str, float]]:
        """Yield the namespace and the claim of each volume, and the share of its bytes that is free."""
        namespaces = {deployment.service: deployment.namespace for deployment in self._cluster.deployments()}
        for service in service_names(self._cluster):
            is_full = self._faults.hits("volume is full", service=service)
            share = filling_share(self._ages.seconds("volume fills up", service=service))
            yield namespaces[service], claim_of(service), FULL_FREE_SHARE if is_full else share


class CertManager(Collector):
    """Says when cert-manager's one certificate expires. `now` is a clock in Unix seconds."""

    def __init__(self, faults: Faults, now: Callable[[], float] = time.time) -> None:
        self._faults = faults
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Yield when it expires, and when it is to be renewed."""
        is_overdue = bool(self._faults.active("certificate is not renewed"))
        expires = _gauge("certmanager_certificate_expiration_timestamp_seconds", "name", "exported_namespace")
        renewed = _gauge("certmanager_certificate_renewal_timestamp_seconds", "name", "exported_namespace")
        expires.add_metric([*CERTIFICATE], self._now() + DAY_SECONDS * (5 if is_overdue else 80))
        renewed.add_metric([*CERTIFICATE], self._now() + DAY_SECONDS * (-1 if is_overdue else 50))
        yield from (expires, renewed)


def _gauge(name: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, name, labels=labels)
