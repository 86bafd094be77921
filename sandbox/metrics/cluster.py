"""The cluster as the exporters see it: a short-lived picture of the services' pods and deployments."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from alerting.source.quantities import bytes_of
from sandbox.cluster.api_client import Api, JsonObject
from sandbox.metrics.exporters import Deployment, Pod, StatefulSet

SERVICE_LABEL = "app.kubernetes.io/name"
REVISION_ANNOTATION = "deployment.kubernetes.io/revision"
FRESH_SECONDS = 0.25
MONITORING = "monitoring"
"""The namespace of Prometheus and Alertmanager."""


class KubernetesView:
    """Reads one namespace, and alerting's own; a picture serves every exporter that is scraped about then."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self._api = Api(kubeconfig)
        self._namespace = namespace
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
        pods = self._api.items(f"/api/v1/namespaces/{self._namespace}/pods")
        self._pods = sorted((_pod(pod) for pod in pods if not _is_ending(pod)), key=lambda pod: pod.name)
        deployments = self._api.items(f"/apis/apps/v1/namespaces/{self._namespace}/deployments")
        self._deployments = sorted(map(_deployment, deployments), key=lambda deployment: deployment.name)
        stateful_sets = self._api.items(f"/apis/apps/v1/namespaces/{MONITORING}/statefulsets")
        self._stateful_sets = sorted(map(_stateful_set, stateful_sets), key=lambda stateful_set: stateful_set.name)
        self._taken = time.monotonic()


def _is_ending(pod: JsonObject) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _service(metadata: JsonObject) -> str:
    return metadata.get("labels", {}).get(SERVICE_LABEL, "")


def _pod(pod: JsonObject) -> Pod:
    metadata, status, containers = pod["metadata"], pod.get("status", {}), pod["spec"]["containers"]
    conditions = status.get("conditions", [])
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        created=datetime.fromisoformat(metadata["creationTimestamp"]).timestamp(),
        service=_service(metadata),
        phase=status.get("phase", "Unknown"),
        ready=next((condition["status"] == "True" for condition in conditions if condition["type"] == "Ready"), None),
        memory_limit_bytes={container["name"]: _memory_bytes(_limit(container, "memory")) for container in containers},
        cpu_limit_cores={container["name"]: _cpu_cores(_limit(container, "cpu")) for container in containers},
    )


def _limit(container: JsonObject, resource: str) -> str | None:
    return container.get("resources", {}).get("limits", {}).get(resource)


def _memory_bytes(quantity: str | None) -> float:
    return float(bytes_of(quantity)) if quantity is not None else 0.0


def _cpu_cores(quantity: str | None) -> float:
    """Return a number of CPU cores, of which the API server writes parts as thousandths, such as `250m`."""
    if quantity is None:
        return 0.0
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def _deployment(deployment: JsonObject) -> Deployment:
    metadata, spec, status = deployment["metadata"], deployment["spec"], deployment.get("status", {})
    return Deployment(
        namespace=metadata["namespace"],
        name=metadata["name"],
        service=_service(metadata),
        replicas=spec.get("replicas", 0),
        replicas_available=status.get("availableReplicas", 0),
        pods=status.get("replicas", 0),
        replicas_updated=status.get("updatedReplicas", 0),
        paused=spec.get("paused", False),
        revision=metadata.get("annotations", {}).get(REVISION_ANNOTATION, ""),
    )


def _stateful_set(stateful_set: JsonObject) -> StatefulSet:
    metadata, status = stateful_set["metadata"], stateful_set.get("status", {})
    return StatefulSet(
        namespace=metadata["namespace"],
        name=metadata["name"],
        replicas=stateful_set["spec"].get("replicas", 0),
        replicas_ready=status.get("readyReplicas", 0),
    )
