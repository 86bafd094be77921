"""Metrics of the services themselves, and the view of the cluster that every exporter reads.

`cluster_exporters` and `data_exporters` hold the others of `rules/scraped_series.yaml`. What they say of pods and
deployments is read off the real cluster; what they say of requests, memory and databases is made up, and steady unless
a fault is on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from sandbox.metrics.faults import FaultAges, Faults

REQUESTS_PER_SECOND = 40.0
FAILING_SHARES: Mapping[str, float] = {
    "requests fail": 1.0,
    "half of requests fail": 0.5,
    "a tenth of requests fail": 0.1,
    "few requests fail": 0.005,
}
"""Which share of requests is answered with 500 while a fault is on."""
BUCKETS_SECONDS = ("0.05", "0.1", "0.25", "0.5", "1.0", "2.0", "2.5", "5.0", "7.5", "10.0", "30.0", "+Inf")
FAST_SHARES = (0.55, 0.85, 0.97, 0.995, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
"""Which share of requests takes no longer than each bucket when all is well."""
SOME_SLOW_SHARES = (0.55, 0.85, 0.97, 0.97, 0.97, 0.97, 0.97, 1.0, 1.0, 1.0, 1.0, 1.0)
SLOW_SHARES = (0.0,) * 9 + (1.0, 1.0, 1.0)
FAST_SECONDS = 0.07
SLOW_SECONDS = 8.0
ORDER_SERVICES = frozenset({"orders"})
ORDERS_PER_SECOND = 5.0
REJECTED_SHARE = 0.01
MANY_REJECTED_SHARE = 0.3
POOL = "aurora"
POOL_CONNECTIONS = 20.0
POOL_SHARE = 0.3
FULL_POOL_SHARE = 0.95
POOL_FILLS_PER_SECOND = 0.0003
POOL_LEAKS_PER_SECOND = 0.1 / 3600
"""Slow enough to take hours, which the detection matrix simulates."""
MOST_FILLED_POOL_SHARE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod as the exporters see it. `created` is in Unix seconds; limits and requests are by container, 0 without one.

    `ready` is None for a pod without the condition, as one that no node has taken: its `node` is empty.
    """

    namespace: str
    name: str
    uid: str
    created: float
    service: str
    node: str
    phase: str
    ready: bool | None
    memory_limit_bytes: Mapping[str, float]
    cpu_limit_cores: Mapping[str, float]
    memory_request_bytes: Mapping[str, float]
    cpu_request_cores: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deployment as the exporters see it. `revision` is that of its rollout, as its annotation says.

    `pods` are of every revision, `replicas_updated` of this one.
    """

    namespace: str
    name: str
    service: str
    replicas: int
    replicas_available: int
    pods: int
    replicas_updated: int
    paused: bool
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatefulSet:
    """A StatefulSet of the namespace monitoring as the exporters see it."""

    namespace: str
    name: str
    replicas: int
    replicas_ready: int


class ClusterView(Protocol):
    """The source from which the exporters read the cluster."""

    def pods(self) -> Sequence[Pod]:
        """Return the services' pods."""
        ...

    def deployments(self) -> Sequence[Deployment]:
        """Return the services' deployments."""
        ...

    def stateful_sets(self) -> Sequence[StatefulSet]:
        """Return the StatefulSets of alerting itself."""
        ...


def service_names(cluster: ClusterView) -> list[str]:
    """Return the services that have a deployment."""
    return sorted({deployment.service for deployment in cluster.deployments()} - {""})


def is_broken(pod: Pod, faults: Faults) -> bool:
    """Say whether a fault keeps a pod from being ready."""
    return any(faults.hits(kind, service=pod.service, pod=pod.name) for kind in ("pods are not ready", "pods crash"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The load of each service."""

    requests_per_second: float = REQUESTS_PER_SECOND
    orders_per_second: float = ORDERS_PER_SECOND


class ServiceMetrics(Collector):
    """Serves the metrics of one service only, as its own pods would."""

    def __init__(self, services: Services, service: str) -> None:
        self._services = services
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """Yield the service's counters as of now."""
        yield from self._services.collect_of([self._service])


class Services(Collector):
    """Counts requests and orders of each service, as its own /metrics would, summed over its pods.

    `now` is a clock in seconds.
    """

    def __init__(
        self,
        cluster: ClusterView,
        faults: Faults,
        now: Callable[[], float] = time.monotonic,
        traffic: Traffic | None = None,
    ) -> None:
        self._traffic = traffic or Traffic()
        self._cluster = cluster
        self._faults = faults
        self._now = now
        self._lock = threading.Lock()
        self._ages = FaultAges(faults, now)
        self._last = now()
        self._answered: dict[tuple[str, str], float] = {}
        self._buckets: dict[str, list[float]] = {}
        self._seconds: dict[str, float] = {}
        self._submitted: dict[str, float] = {}
        self._rejected: dict[str, float] = {}

    def collect(self) -> Iterator[Metric]:
        """Yield the counters as of now, of those services that serve metrics."""
        yield from self.collect_of(service_names(self._cluster))

    def collect_of(self, wanted: Sequence[str]) -> Iterator[Metric]:
        """Yield the counters as of now, of those services among `wanted` that serve metrics."""
        with self._lock:
            services = service_names(self._cluster)
            self._advance(services)
            served = [service for service in services if service in wanted and self.serves(service)]
            yield from self._requests(served)
            yield from self._orders(served)
        yield from self._pools(served)

    def restart(self, service: str) -> None:
        """Begin the counters of a service anew, as its processes do when they are started."""
        with self._lock:
            self._advance(service_names(self._cluster))
            for code in ("200", "500"):
                self._answered.pop((service, code), None)
            for counts in (self._buckets, self._seconds, self._submitted, self._rejected):
                counts.pop(service, None)

    def change_traffic(self, traffic: Traffic) -> None:
        """Have other traffic from now on: what was answered so far is counted at that until now."""
        with self._lock:
            self._advance(service_names(self._cluster))
            self._traffic = traffic

    def fail(self, service: str, count: int) -> None:
        """Count some more requests to a service that were answered with 500."""
        with self._lock:
            self._advance(service_names(self._cluster))
            self._answered[service, "500"] += count

    def serves(self, service: str) -> bool:
        """Say whether a service answers when its metrics are scraped."""
        return not self._faults.hits("service serves no metrics", service=service)

    def _requests(self, served: Sequence[str]) -> Iterator[Metric]:
        requests = CounterMetricFamily("http_requests", "Requests answered.", labels=["service", "code"])
        unreadable = CounterMetricFamily("http_requests", "Requests answered.", labels=["service", "status"])
        durations = HistogramMetricFamily("http_request_duration_seconds", "Time taken.", labels=["service"])
        for service in served:
            has_code = not self._faults.hits("failures have no code", service=service)
            requests.add_metric([service, "200"], self._answered[service, "200"])
            (requests if has_code else unreadable).add_metric([service, "500"], self._answered[service, "500"])
            buckets = list(zip(BUCKETS_SECONDS, self._buckets[service], strict=True))
            durations.add_metric([service], buckets=buckets, sum_value=self._seconds[service])
        requests.samples += unreadable.samples
        yield from (requests, durations)

    def _orders(self, served: Sequence[str]) -> Iterator[Metric]:
        submitted = CounterMetricFamily("orders_submitted", "Orders that came in.", labels=["service"])
        rejected = CounterMetricFamily("orders_rejected", "Orders that were not accepted.", labels=["service"])
        for service in sorted(ORDER_SERVICES.intersection(served)):
            submitted.add_metric([service], self._submitted[service])
            rejected.add_metric([service], self._rejected[service])
        yield from (submitted, rejected)

    def _pools(self, served: Sequence[str]) -> Iterator[Metric]:
        used = GaugeMetricFamily("db_pool_connections_used", "Connections lent out.", labels=["service", "pool"])
        most = GaugeMetricFamily("db_pool_connections_max", "Connections allowed.", labels=["service", "pool"])
        for service in served:
            seconds = self._ages.seconds("connection pool fills up", service=service) or 0.0
            leaks = self._ages.seconds("connections leak", service=service) or 0.0
            lent = POOL_FILLS_PER_SECOND * seconds + POOL_LEAKS_PER_SECOND * leaks
            share = min(MOST_FILLED_POOL_SHARE, POOL_SHARE + lent)
            if self._faults.hits("connection pool is full", service=service):
                share = FULL_POOL_SHARE
            used.add_metric([service, POOL], share * POOL_CONNECTIONS)
            most.add_metric([service, POOL], POOL_CONNECTIONS)
        yield from (used, most)

    def _advance(self, services: Sequence[str]) -> None:
        """Count what was answered since the last look."""
        now = self._now()
        seconds = now - self._last
        self._last = now
        for service in services:
            self._answer(service, seconds * self._traffic.requests_per_second)
            if service in ORDER_SERVICES:
                self._take_orders(service, seconds * self._traffic.orders_per_second)

    def _answer(self, service: str, count: float) -> None:
        failing = max(
            self._failing_revisions(service),
            self._failing_replica(service),
            *(share * self._faults.hits(kind, service=service) for kind, share in FAILING_SHARES.items()),
        )
        for code, share in (("200", 1 - failing), ("500", failing)):  # both from the start: no increase is missed
            self._answered[service, code] = self._answered.get((service, code), 0.0) + share * count
        slow = self._faults.hits("requests are slow", service=service)
        some_slow = self._faults.hits("some requests are slow", service=service)
        shares = SLOW_SHARES if slow else SOME_SLOW_SHARES if some_slow else FAST_SHARES
        buckets = self._buckets.setdefault(service, [0.0] * len(BUCKETS_SECONDS))
        for index, share in enumerate(shares):
            buckets[index] += count * share
        taken = self._seconds.setdefault(service, 0.0)
        self._seconds[service] = taken + count * (SLOW_SECONDS if slow else FAST_SECONDS)

    def _failing_revisions(self, service: str) -> float:
        """Return the share of a service's pods that are of a revision which fails."""
        pods = failing = 0
        for deployment in self._cluster.deployments():
            if deployment.service == service and deployment.revision.isdigit():
                pods += deployment.pods
                before = deployment.pods - deployment.replicas_updated
                revision = int(deployment.revision)
                for number, of_it in ((revision, deployment.replicas_updated), (revision - 1, before)):
                    failing += of_it * self._faults.hits("a revision fails", service=service, revision=str(number))
        return failing / pods if pods else 0.0

    def _failing_replica(self, service: str) -> float:
        """Return the share of a service's requests that one of its pods answers, if one fails."""
        if not self._faults.hits("one replica fails", service=service):
            return 0.0
        return 1 / max(1, sum(pod.service == service for pod in self._cluster.pods()))

    def _take_orders(self, service: str, count: float) -> None:
        taken = 0.0 if self._faults.hits("orders stop", service=service) else count
        share = MANY_REJECTED_SHARE if self._faults.hits("orders are rejected", service=service) else REJECTED_SHARE
        self._submitted[service] = self._submitted.get(service, 0.0) + taken
        self._rejected[service] = self._rejected.get(service, 0.0) + share * taken
