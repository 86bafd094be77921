"""Tells from an object's status whether it is ready, as pulumi-kubernetes waits for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.providers.kubernetes.cluster import Manifest

Waiting = str | None
"""What is still waited for, or None."""


class NeverReady(RuntimeError):
    """An object's own status says that it failed."""


def _conditions(manifest: Manifest) -> dict[str, dict[str, Any]]:
    return {one["type"]: one for one in manifest.get("status", {}).get("conditions") or []}


def _is_true(manifest: Manifest, condition: str) -> Waiting:
    found = _conditions(manifest).get(condition, {})
    if found.get("status") == "True":
        return None
    return found.get("message") or f"condition {condition} is not there yet"


def _observed(manifest: Manifest) -> Waiting:
    seen = manifest.get("status", {}).get("observedGeneration", 0)
    return None if seen >= manifest["metadata"].get("generation", 0) else "its controller has not seen it yet"


def _replicas(manifest: Manifest, *counts: str) -> Waiting:
    wanted = manifest["spec"].get("replicas", 1)
    status = manifest.get("status", {})
    for count in counts:
        if status.get(count, 0) < wanted:
            return f"{count}: {status.get(count, 0)} of {wanted}"
    if status.get("replicas", 0) > wanted:
        return f"{status['replicas'] - wanted} old replicas are still there"
    return None


def _deployment(manifest: Manifest) -> Waiting:
    progressing = _conditions(manifest).get("Progressing", {})
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        raise NeverReady(progressing.get("message", "its progress deadline is over"))
    return _observed(manifest) or _replicas(manifest, "updatedReplicas", "availableReplicas")


def _stateful_set(manifest: Manifest) -> Waiting:
    return _observed(manifest) or _replicas(manifest, "readyReplicas", "updatedReplicas")


def _daemon_set(manifest: Manifest) -> Waiting:
    status = manifest.get("status", {})
    wanted = status.get("desiredNumberScheduled", 0)
    ready = min(status.get("numberReady", 0), status.get("updatedNumberScheduled", 0))
    return _observed(manifest) or (None if ready >= wanted else f"ready on {ready} of {wanted} nodes")


def _job(manifest: Manifest) -> Waiting:
    failed = _conditions(manifest).get("Failed", {})
    if failed.get("status") == "True":
        raise NeverReady(failed.get("message", "it failed"))
    return _is_true(manifest, "Complete")


def _pod(manifest: Manifest) -> Waiting:
    phase = manifest.get("status", {}).get("phase")
    if phase == "Failed":
        raise NeverReady(manifest["status"].get("message", "it failed"))
    return None if phase == "Succeeded" else _is_true(manifest, "Ready")


def _service(manifest: Manifest) -> Waiting:
    """Its pods are not waited for: pulumi-kubernetes waits for those only that are starting already."""
    if manifest["spec"].get("type") != "LoadBalancer":
        return None
    has_address = manifest.get("status", {}).get("loadBalancer", {}).get("ingress")
    return None if has_address else "nothing has given it a load balancer's address yet"


def _custom_resource_definition(manifest: Manifest) -> Waiting:
    return _is_true(manifest, "Established")


_READY: Mapping[tuple[str, str], Callable[[Manifest], Waiting]] = {
    ("apps/v1", "Deployment"): _deployment,
    ("apps/v1", "StatefulSet"): _stateful_set,
    ("apps/v1", "DaemonSet"): _daemon_set,
    ("batch/v1", "Job"): _job,
    ("v1", "Pod"): _pod,
    ("v1", "Service"): _service,
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): _custom_resource_definition,
}


def waits_for(manifest: Manifest) -> Waiting:
    """Return what an object is not ready for yet, or None. Kinds that are not listed are ready at once.

    Raises `NeverReady` if its status says that it failed.
    """
    ready = _READY.get((manifest["apiVersion"], manifest["kind"]))
    return None if ready is None else ready(manifest)
