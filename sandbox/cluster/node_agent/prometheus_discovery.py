"""Writes the agent's pods as service discovery files, in place of Prometheus' Kubernetes discovery.

Labels are the documented `__meta_kubernetes_*` ones, so that the operator's own relabelling decides, as it would in a
cluster. Nothing else of the cluster can be scraped here: it has no process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from sandbox.cluster.api_client import JsonObject
from sandbox.cluster.node_agent.addresses import Addresses
from sandbox.cluster.node_agent.changed_files import ChangedFiles
from sandbox.cluster.node_agent.node_manifests import node
from sandbox.cluster.node_agent.translate import DiscoveryRequest

Target = dict[str, object]


class DiscoveryFiles:
    """The files of every request. They are computed again when a pod, a Service or a request has changed."""

    def __init__(self, addresses: Addresses, files: ChangedFiles) -> None:
        self._addresses = addresses
        self._files = files
        self._written_for: object = None

    def update(
        self,
        requests: Sequence[tuple[Path, DiscoveryRequest]],
        services: Sequence[JsonObject],
        pods: Sequence[JsonObject],
    ) -> None:
        """Write the files, each at the path of its request, unless everything is as it was at the last call."""
        written_for = (frozenset(requests), frozenset(map(_version, services)), frozenset(map(_version, pods)))
        if written_for == self._written_for:
            return
        complete = True
        for path, request in requests:
            found = targets(request, services, pods, self._addresses)
            complete &= self._files.write(path, json.dumps(found, indent=1))
        self._written_for = written_for if complete else None


def _version(manifest: JsonObject) -> tuple[str, str]:
    """Return what is different for each object and for each change of it."""
    return manifest["metadata"]["uid"], manifest["metadata"]["resourceVersion"]


def targets(
    request: DiscoveryRequest, services: Sequence[JsonObject], pods: Sequence[JsonObject], addresses: Addresses
) -> list[Target]:
    """Return the targets for one request, in a fixed order; none for a role that has nothing of the agent's."""
    if request.role in {"endpoints", "endpointslice"}:
        found = _endpoints(services, pods, addresses)
    elif request.role == "pod":
        found = _pods(pods, addresses)
    else:
        return []
    chosen: list[Target] = [
        {"targets": [address], "labels": labels | (_node_labels(labels) if request.with_node_labels else {})}
        for address, labels in found
        if not request.namespaces or labels["__meta_kubernetes_namespace"] in request.namespaces
    ]
    return sorted(chosen, key=repr)


def _endpoints(
    services: Sequence[JsonObject], pods: Sequence[JsonObject], addresses: Addresses
) -> Iterator[tuple[str, dict[str, str]]]:
    for service in services:
        selector: dict[str, str] = service["spec"].get("selector") or {}
        for pod in pods:
            if not selector or pod["metadata"]["namespace"] != service["metadata"]["namespace"]:
                continue
            if not selector.items() <= pod["metadata"].get("labels", {}).items():
                continue
            for port in service["spec"].get("ports", []):
                yield from _endpoint(service, pod, port, addresses)


def _endpoint(
    service: JsonObject, pod: JsonObject, port: JsonObject, addresses: Addresses
) -> Iterator[tuple[str, dict[str, str]]]:
    if port.get("protocol", "TCP") != "TCP":
        return
    wanted = port.get("targetPort", port["port"])
    for container in pod["spec"]["containers"]:
        for own in container.get("ports", []):
            if wanted not in (own.get("name"), own["containerPort"]) or own.get("protocol", "TCP") != "TCP":
                continue
            ready = "true" if _is_ready(pod) else "false"
            labels = {**_pod_labels(pod), **_container_labels(container, own)}
            for prefix in ("endpoint", "endpointslice"):
                labels |= {
                    f"__meta_kubernetes_{prefix}_port_name": port.get("name", ""),
                    f"__meta_kubernetes_{prefix}_port_protocol": "TCP",
                    f"__meta_kubernetes_{prefix}_address_target_kind": "Pod",
                    f"__meta_kubernetes_{prefix}_address_target_name": pod["metadata"]["name"],
                }
            labels |= {
                "__meta_kubernetes_endpoint_ready": ready,
                "__meta_kubernetes_endpointslice_endpoint_conditions_ready": ready,
                "__meta_kubernetes_endpoints_name": service["metadata"]["name"],
                "__meta_kubernetes_service_name": service["metadata"]["name"],
                **_named("service_label", service["metadata"].get("labels", {})),
                **_named("service_annotation", service["metadata"].get("annotations", {})),
            }
            metadata = pod["metadata"]
            yield addresses.address(metadata["namespace"], metadata["name"], own["containerPort"]), labels


def _pods(pods: Sequence[JsonObject], addresses: Addresses) -> Iterator[tuple[str, dict[str, str]]]:
    for pod in pods:
        metadata = pod["metadata"]
        for container in pod["spec"]["containers"]:
            for own in container.get("ports", []):
                address = addresses.address(metadata["namespace"], metadata["name"], own["containerPort"])
                yield address, {**_pod_labels(pod), **_container_labels(container, own)}


def _container_labels(container: JsonObject, port: JsonObject) -> dict[str, str]:
    return {
        "__meta_kubernetes_pod_container_name": container["name"],
        "__meta_kubernetes_pod_container_image": container["image"],
        "__meta_kubernetes_pod_container_port_name": port.get("name", ""),
        "__meta_kubernetes_pod_container_port_number": str(port["containerPort"]),
        "__meta_kubernetes_pod_container_port_protocol": port.get("protocol", "TCP"),
        "__meta_kubernetes_pod_container_init": "false",
    }


def _pod_labels(pod: JsonObject) -> dict[str, str]:
    metadata, status = pod["metadata"], pod.get("status", {})
    owner: JsonObject = next(iter(metadata.get("ownerReferences", [])), {})
    return {
        "__meta_kubernetes_namespace": metadata["namespace"],
        "__meta_kubernetes_pod_name": metadata["name"],
        "__meta_kubernetes_pod_uid": metadata["uid"],
        "__meta_kubernetes_pod_ip": status.get("podIP", ""),
        "__meta_kubernetes_pod_node_name": pod["spec"].get("nodeName", ""),
        "__meta_kubernetes_pod_phase": status.get("phase", "Pending"),
        "__meta_kubernetes_pod_ready": "true" if _is_ready(pod) else "false",
        "__meta_kubernetes_pod_controller_kind": owner.get("kind", ""),
        "__meta_kubernetes_pod_controller_name": owner.get("name", ""),
        **_named("pod_label", metadata.get("labels", {})),
        **_named("pod_annotation", metadata.get("annotations", {})),
    }


def _node_labels(labels: dict[str, str]) -> dict[str, str]:
    name = labels["__meta_kubernetes_pod_node_name"]
    return {"__meta_kubernetes_node_name": name, **_named("node_label", node(name)["metadata"]["labels"])}


def _named(kind: str, values: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in values.items():
        safe = re.sub(r"[^A-Za-z0-9_]", "_", name)
        present = kind.replace("label", "labelpresent").replace("annotation", "annotationpresent")
        found[f"__meta_kubernetes_{kind}_{safe}"] = value
        found[f"__meta_kubernetes_{present}_{safe}"] = "true"
    return found


def _is_ready(pod: JsonObject) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
