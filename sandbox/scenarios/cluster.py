"""A cluster of the services' pods that follows a simulated clock: rollouts, pods that are replaced, and faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

from sandbox.metrics.exporters import Deployment, Pod, StatefulSet, is_broken
from sandbox.metrics.faults import Faults

NAMESPACE = "orion"
MEMORY_LIMIT_BYTES = 512.0 * 2**20
CPU_LIMIT_CORES = 0.5
NODES = 3
READY_AFTER_SECONDS = 25.0
"""How long a new pod takes to be ready."""
REPLACED_EVERY_SECONDS = 45.0
"""How long a rollout takes for each pod."""
ALERTING = {
    "alertmanager-prometheus-kube-prometheus-alertmanager": 3,
    "prometheus-prometheus-kube-prometheus-prometheus": 2,
}
FIRST_POD = "first"
"""The value of a fault's label `pod` for the first pod of its service."""


@dataclass(slots=True, kw_only=True)
class _Pod:
    """A pod from `created` until `ends`, ready from `ready_at` on. Times are Unix seconds."""

    name: str
    number: int
    service: str
    revision: int
    created: float
    ready_at: float
    ends: float = inf


class SimulatedCluster:
    """Services with a Deployment each, whose pods come and go as events have it. `now` is the clock."""

    def __init__(self, services: Sequence[str], replicas: int, faults: Faults, now: Callable[[], float]) -> None:
        self._services = tuple(services)
        self._replicas = replicas
        self._faults = faults
        self._now = now
        self._numbers = dict.fromkeys(services, 0)
        self._revisions = dict.fromkeys(services, 1)
        self._seen_at: object = None
        self._deployments: list[Deployment] = []
        self._missing = dict.fromkeys(ALERTING, (0.0, 0.0))
        begun = now() - 7 * 86400
        self._pods = [self._made(service, begun, begun) for service in services for _ in range(replicas)]

    def first_pod(self, service: str) -> str:
        """Return the name of a service's first pod."""
        return next(pod.name for pod in self.pods() if pod.service == service)

    def roll_out(self, service: str, *, halfway: bool = False) -> None:
        """Replace a service's pods by those of a new revision, one after the other.

        `halfway` is a rollout that stops there: the next pod never becomes ready.
        """
        self._revisions[service] += 1
        pods = [pod for pod in self._pods if pod.service == service and pod.ends == inf]
        for number, old in enumerate(pods):
            begins = self._now() + number * REPLACED_EVERY_SECONDS
            stuck = halfway and number >= len(pods) // 2
            new = self._made(service, begins, inf if stuck else begins + READY_AFTER_SECONDS)
            self._pods.append(new)
            if stuck:
                return
            old.ends = new.ready_at

    def drain_node(self) -> None:
        """Replace one pod of each service: it ends before the next is there, as by an eviction."""
        for service in self._services:
            old = next(pod for pod in self._pods if pod.service == service and pod.ends == inf)
            old.ends = self._now()
            self._pods.append(self._made(service, self._now(), self._now() + READY_AFTER_SECONDS))

    def restart_replica(self, stateful_set: str, seconds: float) -> None:
        """Have a StatefulSet of alerting itself lack a replica for some seconds."""
        self._missing[stateful_set] = (self._now(), self._now() + seconds)

    def pods(self) -> Sequence[Pod]:
        """Return the pods that are there now, by name."""
        return sorted((self._seen(pod) for pod in self._present()), key=lambda pod: pod.name)

    def deployments(self) -> Sequence[Deployment]:
        """Return the services' Deployments: a pod that a fault breaks is not available."""
        state = self._now(), tuple(self._faults.all_active()), len(self._pods)
        if self._seen_at != state:  # each collector asks at each scrape
            self._seen_at, self._deployments = state, [self._deployment(service) for service in self._services]
        return self._deployments

    def stateful_sets(self) -> Sequence[StatefulSet]:
        """Return the StatefulSets of alerting itself."""
        now = self._now()
        return [
            StatefulSet(
                namespace="monitoring", name=name, replicas=count, replicas_ready=count - (since <= now < until)
            )
            for name, count in ALERTING.items()
            for since, until in (self._missing[name],)
        ]

    def _made(self, service: str, created: float, ready_at: float) -> _Pod:
        self._numbers[service] += 1
        number, revision = self._numbers[service], self._revisions[service]
        name = f"{service}-{number:03}"
        return _Pod(name=name, number=number, service=service, revision=revision, created=created, ready_at=ready_at)

    def _present(self) -> list[_Pod]:
        return [pod for pod in self._pods if pod.created <= self._now() < pod.ends]

    def _seen(self, pod: _Pod) -> Pod:
        return Pod(
            namespace=NAMESPACE,
            name=pod.name,
            uid=f"uid-{pod.name}",
            created=pod.created,
            service=pod.service,
            phase="Running",
            ready=self._now() >= pod.ready_at,
            node=f"node-{pod.number % NODES}",
            memory_limit_bytes={"app": MEMORY_LIMIT_BYTES},
            memory_request_bytes={"app": MEMORY_LIMIT_BYTES / 2},
            cpu_limit_cores={"app": CPU_LIMIT_CORES},
            cpu_request_cores={"app": CPU_LIMIT_CORES / 2},
        )

    def _deployment(self, service: str) -> Deployment:
        pods = [pod for pod in self._present() if pod.service == service]
        seen = map(self._seen, pods)
        available = sum(bool(pod.ready) and not is_broken(pod, self._faults) for pod in seen)
        return Deployment(
            namespace=NAMESPACE,
            name=service,
            service=service,
            replicas=self._replicas,
            replicas_available=available,
            pods=len(pods),
            replicas_updated=sum(pod.revision == self._revisions[service] for pod in pods),
            paused=False,
            revision=str(self._revisions[service]),
        )
