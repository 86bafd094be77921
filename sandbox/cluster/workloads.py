"""The cluster's objects besides monitoring: kwok's nodes, the services' Deployments, storage for claims."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.cluster.control_plane import FAKE_NODE_ANNOTATION
from sandbox.cluster.kubectl import Manifest, apply, kubectl

NAMESPACE = "orion"
SERVICES = ("gateway", "market-data", "orders", "positions")
REPLICAS = 2
ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")
ZONE_LABEL = "topology.kubernetes.io/zone"
STORAGE_CLASS = "orion-local"
VOLUMES_IN_A_ZONE = 4
"""Every replica of Alertmanager and Prometheus claims one. A released one is not given out again, so some more."""
VOLUME_SIZE = "100Gi"
SERVICE_LABEL = "app.kubernetes.io/name"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSummary:
    """One pod as a person wants to read it. `service` is empty for a pod that belongs to none."""

    namespace: str
    name: str
    uid: str
    service: str
    node: str
    phase: str
    ready: bool
    restarts: int


class Workloads:
    """Puts the services and what they stand on into a cluster that is ready, and lists pods."""

    def __init__(self, kubeconfig: Path, directory: Path) -> None:
        """Use the cluster at `kubeconfig`; `directory` gets the folders of the persistent volumes."""
        self.kubeconfig = kubeconfig
        self.directory = directory.resolve()

    def install(self) -> None:
        """Apply everything and return; pods become ready within a second. Raises `ServiceFailed` if refused."""
        apply(
            self.kubeconfig,
            [
                *fake_nodes(),
                *storage(self.directory / "volumes"),
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
                *(manifest for service in SERVICES for manifest in service_manifests(service)),
            ],
        )

    def pods(self, namespace: str = NAMESPACE) -> list[PodSummary]:
        """Return the pods of a namespace, by name. Raises `ServiceFailed` if the API server does not answer."""
        listed = json.loads(kubectl(self.kubeconfig, "get", "pods", f"--namespace={namespace}", "--output=json"))
        return sorted((_summary(pod) for pod in listed["items"]), key=lambda pod: pod.name)

    def ready(self) -> bool:
        """Say whether every service has all its pods ready."""
        pods = self.pods()
        return all(sum(pod.ready for pod in pods if pod.service == service) >= REPLICAS for service in SERVICES)


def fake_nodes() -> Iterator[Manifest]:
    """Yield the nodes that kwok runs, one a zone: their pods are ready at once and run nothing."""
    capacity = {"cpu": "32", "memory": "256Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    for zone in ZONES:
        name = f"fake-{zone}"
        yield {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "annotations": {FAKE_NODE_ANNOTATION: "fake"},
                "labels": {
                    "kubernetes.io/hostname": name,
                    "kubernetes.io/os": "linux",
                    "kubernetes.io/arch": "arm64",
                    "topology.kubernetes.io/region": zone[:-1],
                    ZONE_LABEL: zone,
                    "type": "kwok",
                },
            },
            "status": {"capacity": capacity, "allocatable": capacity},
        }


def storage(folder: Path) -> Iterator[Manifest]:
    """Yield the default StorageClass and volumes of folders on this machine. Nothing provisions; claims bind.

    Each belongs to a zone, as a volume of EBS does: whoever has claimed it runs in that zone or not at all.
    """
    yield {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    for number, zone in enumerate(ZONES * VOLUMES_IN_A_ZONE):
        in_zone = {"key": ZONE_LABEL, "operator": "In", "values": [zone]}
        yield {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"{STORAGE_CLASS}-{number}"},
            "spec": {
                "capacity": {"storage": VOLUME_SIZE},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": STORAGE_CLASS,
                "hostPath": {"path": str(folder / str(number)), "type": "DirectoryOrCreate"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [in_zone]}]}},
            },
        }


def service_manifests(service: str) -> Iterator[Manifest]:
    """Yield a service's Deployment and Service. Its pods run on kwok's nodes: they are there, and do nothing."""
    labels = {SERVICE_LABEL: service, "app.kubernetes.io/part-of": "orion"}
    metadata = {"name": service, "namespace": NAMESPACE, "labels": labels}
    container = {
        "name": service,
        "image": f"registry.orion.example.com/{service}:1.0.0",
        "ports": [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9100}],
        "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
    }
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": {SERVICE_LABEL: service}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [container],
                    "terminationGracePeriodSeconds": 5,
                    "topologySpreadConstraints": [
                        {
                            "maxSkew": 1,
                            "topologyKey": ZONE_LABEL,
                            "whenUnsatisfiable": "ScheduleAnyway",
                            "labelSelector": {"matchLabels": {SERVICE_LABEL: service}},
                        }
                    ],
                },
            },
        },
    }
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "selector": {SERVICE_LABEL: service},
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    }


def _summary(pod: dict[str, Any]) -> PodSummary:
    status = pod.get("status", {})
    return PodSummary(
        namespace=pod["metadata"]["namespace"],
        name=pod["metadata"]["name"],
        uid=pod["metadata"]["uid"],
        service=pod["metadata"].get("labels", {}).get(SERVICE_LABEL, ""),
        node=pod["spec"].get("nodeName", ""),
        phase=status.get("phase", "Unknown"),
        ready="deletionTimestamp" not in pod["metadata"]
        and any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", [])),
        restarts=sum(one.get("restartCount", 0) for one in status.get("containerStatuses", [])),
    )
