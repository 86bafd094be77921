"""The cluster as the exporters see it: a short-lived picture of the services' pods and deployments."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from lightkube import Client, KubeConfig
from lightkube.models.core_v1 import Container
from lightkube.resources.apps_v1 import Deployment as DeploymentResource
from lightkube.resources.apps_v1 import StatefulSet as StatefulSetResource
from lightkube.resources.core_v1 import Pod as PodResource
from lightkube.utils.quantity import parse_quantity

from sandbox.metrics.exporters import Deployment, Pod, StatefulSet

SERVICE_LABEL = "app.kubernetes.io/name"
REVISION_ANNOTATION = "deployment.kubernetes.io/revision"
FRESH_SECONDS = 0.25
MONITORING = "monitoring"
"""The namespace of Prometheus and Alertmanager."""


class KubernetesView:
    """Reads one namespace, and alerting's own; a picture serves every exporter that is scraped about then."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self._client = Client(config=KubeConfig.from_file(kubeconfig), namespace=namespace)
        self._lock = threading.Lock()
        self._taken = float("-inf")
        self._pods: list[Pod] = []
        self._deployments: list[Deployment] = []
        self._stateful_sets: list[StatefulSet] = []

    def pods(self) -> Sequence[Pod]:
        """Return the pods that are not being deleted, by name."""
        with self._lock:
            self._refresh()
            return self._pods

    def deployments(self) -> Sequence[Deployment]:
        """Return the deployments, by name."""
        with self._lock:
            self._refresh()
            return self._deployments

    def stateful_sets(self) -> Sequence[StatefulSet]:
        """Return the StatefulSets of the namespace monitoring, by name."""
        with self._lock:
            self._refresh()
            return self._stateful_sets

    def _refresh(self) -> None:
        if time.monotonic() - self._taken < FRESH_SECONDS:
            return
        pods = [_pod(pod) for pod in self._client.list(PodResource) if not _is_ending(pod)]
        self._pods = sorted(pods, key=lambda pod: pod.name)
        deployments = [_deployment(deployment) for deployment in self._client.list(DeploymentResource)]
        self._deployments = sorted(deployments, key=lambda deployment: deployment.name)
        listed = [_stateful_set(one) for one in self._client.list(StatefulSetResource, namespace=MONITORING)]
        self._stateful_sets = sorted(listed, key=lambda one: one.name)
        self._taken = time.monotonic()


def _is_ending(pod: PodResource) -> bool:
    return pod.metadata is not None and pod.metadata.deletionTimestamp is not None


def _service(labels: Mapping[str, str] | None) -> str:
    return (labels or {}).get(SERVICE_LABEL, "")


def _pod(pod: PodResource) -> Pod:
    metadata, spec, status = pod.metadata, pod.spec, pod.status
    if metadata is None or spec is None:
        raise ValueError("the API server answered with a pod that has no metadata or no spec")
    conditions = (status.conditions or []) if status is not None else []
    return Pod(
        namespace=metadata.namespace or "",
        name=metadata.name or "",
        uid=metadata.uid or "",
        created=metadata.creationTimestamp.timestamp() if metadata.creationTimestamp is not None else 0.0,
        service=_service(metadata.labels),
        phase=(status.phase or "Unknown") if status is not None else "Unknown",
        ready=next((condition.status == "True" for condition in conditions if condition.type == "Ready"), None),
        memory_limit_bytes={container.name: _limit(container, "memory") for container in spec.containers},
        cpu_limit_cores={container.name: _limit(container, "cpu") for container in spec.containers},
    )


def _limit(container: Container, resource: str) -> float:
    limits = container.resources.limits if container.resources is not None else None
    quantity = parse_quantity((limits or {}).get(resource))
    return float(quantity) if quantity is not None else 0.0


def _deployment(deployment: DeploymentResource) -> Deployment:
    metadata, spec, status = deployment.metadata, deployment.spec, deployment.status
    if metadata is None:
        raise ValueError("the API server answered with a deployment that has no metadata")
    return Deployment(
        namespace=metadata.namespace or "",
        name=metadata.name or "",
        service=_service(metadata.labels),
        replicas=spec.replicas or 0,
        replicas_available=(status.availableReplicas or 0) if status is not None else 0,
        pods=(status.replicas or 0) if status is not None else 0,
        replicas_updated=(status.updatedReplicas or 0) if status is not None else 0,
        paused=bool(spec.paused),
        revision=(metadata.annotations or {}).get(REVISION_ANNOTATION, ""),
    )


def _stateful_set(stateful_set: StatefulSetResource) -> StatefulSet:
    metadata, spec, status = stateful_set.metadata, stateful_set.spec, stateful_set.status
    if metadata is None:
        raise ValueError("the API server answered with a StatefulSet that has no metadata")
    return StatefulSet(
        namespace=metadata.namespace or "",
        name=metadata.name or "",
        replicas=spec.replicas or 0,
        replicas_ready=(status.readyReplicas or 0) if status is not None else 0,
    )
