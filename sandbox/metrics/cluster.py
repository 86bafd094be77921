"""The cluster as the exporters see it: the services' pods and deployments, followed by watches."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Generic, TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool

from alerting.source.quantities import bytes_of
from sandbox.cluster.api_client import Api, JsonObject
from sandbox.cluster.node_agent.mirror import Mirror
from sandbox.metrics.exporters import Deployment, Pod, StatefulSet

SERVICE_LABEL = "app.kubernetes.io/name"
REVISION_ANNOTATION = "deployment.kubernetes.io/revision"
MONITORING = "monitoring"
"""The namespace of Prometheus and Alertmanager."""
STOP_SECONDS = 5.0

_Kept = TypeVar("_Kept", Pod, Deployment, StatefulSet)


class _Collection(Generic[_Kept]):
    """The objects of a collection, each read once for each change."""

    def __init__(self, api: Api, path: str, read: Callable[[JsonObject], _Kept]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._kept: Sequence[_Kept] | None = None
        self.mirror = Mirror(api, path, self._forget)

    def _forget(self) -> None:
        with self._lock:
            self._kept = None

    def all(self) -> Sequence[_Kept]:
        """Return the objects that are not being deleted, by name."""
        with self._lock:
            if self._kept is None:
                objects = [each for each in self.mirror.all() if not _is_ending(each)]
                self._kept = sorted(map(self._read, objects), key=lambda kept: kept.name)
            return self._kept


class KubernetesView:
    """Follows one namespace, and alerting's own. There is nothing to see until `running` has been entered."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self._api = Api(kubeconfig)
        self._pods = _Collection(self._api, f"/api/v1/namespaces/{namespace}/pods", _pod)
        self._deployments = _Collection(self._api, f"/apis/apps/v1/namespaces/{namespace}/deployments", _deployment)
        path = f"/apis/apps/v1/namespaces/{MONITORING}/statefulsets"
        self._stateful_sets = _Collection(self._api, path, _stateful_set)

    def pods(self) -> Sequence[Pod]:
        """Return the pods that are not being deleted, by name."""
        return self._pods.all()

    def deployments(self) -> Sequence[Deployment]:
        """Return the deployments, by name."""
        return self._deployments.all()

    def stateful_sets(self) -> Sequence[StatefulSet]:
        """Return the StatefulSets of the namespace monitoring, by name."""
        return self._stateful_sets.all()

    @asynccontextmanager
    async def running(self, _application: Starlette) -> AsyncGenerator[None]:
        """Follow the cluster while an application runs: its lifespan."""
        for mirror in self._mirrors():
            mirror.start()
        try:
            yield
        finally:
            await run_in_threadpool(self._stop)

    def _mirrors(self) -> tuple[Mirror, ...]:
        return (self._pods.mirror, self._deployments.mirror, self._stateful_sets.mirror)

    def _stop(self) -> None:
        for mirror in self._mirrors():
            mirror.stop()
        self._api.end_watches()
        for mirror in self._mirrors():
            mirror.join(STOP_SECONDS)
        self._api.close()


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
        node=pod["spec"].get("nodeName", ""),
        phase=status.get("phase", "Unknown"),
        ready=next((condition["status"] == "True" for condition in conditions if condition["type"] == "Ready"), None),
        memory_limit_bytes=_amounts(containers, "limits", "memory", _memory_bytes),
        cpu_limit_cores=_amounts(containers, "limits", "cpu", _cpu_cores),
        memory_request_bytes=_amounts(containers, "requests", "memory", _memory_bytes),
        cpu_request_cores=_amounts(containers, "requests", "cpu", _cpu_cores),
    )


def _amounts(
    containers: Sequence[JsonObject], kind: str, resource: str, read: Callable[[str | None], float]
) -> dict[str, float]:
    """Return what the containers request or are limited to of a resource, by container."""
    return {one["name"]: read(one.get("resources", {}).get(kind, {}).get(resource)) for one in containers}


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
