"""The fields of a pod that the agent supports or may ignore. Any other is rejected by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.cluster.api_client import JsonObject
from sandbox.cluster.node_agent.node_manifests import MANAGED_BY_LABEL, OPERATOR
from sandbox.cluster.node_agent.programs import PROGRAMS, program_of

_POD_HANDLED = {
    "containers",
    "hostname",
    "initContainers",
    "nodeName",
    "restartPolicy",
    "serviceAccountName",
    "subdomain",
    "terminationGracePeriodSeconds",
    "volumes",
}
_POD_WITHOUT_MEANING = {
    "affinity",  # the scheduler's, as the next ones are
    "nodeSelector",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "schedulerName",
    "tolerations",
    "topologySpreadConstraints",
    "automountServiceAccountToken",  # admission has made a volume of it
    "serviceAccount",  # the older name of serviceAccountName
    "dnsPolicy",  # names are translated, not looked up
    "enableServiceLinks",  # variables that none of the programs reads
    "imagePullSecrets",  # nothing is pulled
    "securityContext",  # users, groups and capabilities are the container runtime's
}
_CONTAINER_HANDLED = {
    "args",
    "command",
    "env",
    "image",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "startupProbe",
    "volumeMounts",
}
_CONTAINER_WITHOUT_MEANING = {
    "imagePullPolicy",
    "resources",  # limits are cgroups'
    "securityContext",
    "terminationMessagePath",
    "terminationMessagePolicy",
}
_PROBE = {
    "failureThreshold",
    "httpGet",
    "initialDelaySeconds",
    "periodSeconds",
    "successThreshold",
    "timeoutSeconds",
}
_HTTP_GET = {"path", "port", "scheme"}
_MOUNT = {"mountPath", "name", "readOnly", "subPath"}
_VOLUME_SOURCES = {
    "configMap": {"defaultMode", "items", "name", "optional"},
    "emptyDir": {"medium", "sizeLimit"},
    "persistentVolumeClaim": {"claimName", "readOnly"},
    "projected": {"defaultMode", "sources"},
    "secret": {"defaultMode", "items", "optional", "secretName"},
}
_PROJECTED_SOURCES = {
    "configMap": {"items", "name", "optional"},
    "downwardAPI": {"items"},
    "secret": {"items", "name", "optional"},
    "serviceAccountToken": {"audience", "expirationSeconds", "path"},
}
FIELDS = {
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.podIP",
}


def unsupported(pod: JsonObject) -> list[str]:
    """Return what the agent cannot carry out in a pod, each as the path of a field and what was found there."""
    return list(_pod(pod))


def _pod(pod: JsonObject) -> Iterator[str]:
    spec: JsonObject = pod["spec"]
    managed_by = pod["metadata"].get("labels", {}).get(MANAGED_BY_LABEL)
    if managed_by != OPERATOR:
        yield f"metadata.labels[{MANAGED_BY_LABEL}]: found {managed_by}; only the operator's pods run on this node"
    yield from _unknown("spec", spec, _POD_HANDLED | _POD_WITHOUT_MEANING | {"shareProcessNamespace"})
    if spec.get("shareProcessNamespace"):
        yield "spec.shareProcessNamespace: found true"
    if spec.get("restartPolicy", "Always") != "Always":
        yield f"spec.restartPolicy: found {spec['restartPolicy']}"
    for kind in ("initContainers", "containers"):
        for number, container in enumerate(spec.get(kind, [])):
            yield from _container(f"spec.{kind}[{number}]", container)
    for number, volume in enumerate(spec.get("volumes", [])):
        yield from _volume(f"spec.volumes[{number}]", volume)
    yield from _mounts(spec)


def _container(path: str, container: JsonObject) -> Iterator[str]:
    yield from _unknown(path, container, _CONTAINER_HANDLED | _CONTAINER_WITHOUT_MEANING)
    if program_of(container["image"]) is None:
        yield f"{path}.image: found {container['image']}; allowed: images named {', '.join(sorted(PROGRAMS))}"
    for number, variable in enumerate(container.get("env", [])):
        source = variable.get("valueFrom")
        if source is None:
            continue
        field = source.get("fieldRef", {}).get("fieldPath")
        if set(source) != {"fieldRef"} or field not in FIELDS:
            found = field or ", ".join(source)
            yield f"{path}.env[{number}].valueFrom: found {found}; allowed: fieldRef of {', '.join(sorted(FIELDS))}"
    for kind in ("livenessProbe", "readinessProbe", "startupProbe"):
        if kind in container:
            yield from _unknown(f"{path}.{kind}", container[kind], _PROBE)
            yield from _unknown(f"{path}.{kind}.httpGet", container[kind].get("httpGet", {}), _HTTP_GET)
    for number, mount in enumerate(container.get("volumeMounts", [])):
        yield from _unknown(f"{path}.volumeMounts[{number}]", mount, _MOUNT)


def _volume(path: str, volume: JsonObject) -> Iterator[str]:
    for kind, source in volume.items():
        if kind == "name":
            continue
        if kind not in _VOLUME_SOURCES:
            yield f"{path}.{kind}: this kind of volume"
            continue
        yield from _unknown(f"{path}.{kind}", source, _VOLUME_SOURCES[kind])
        for number, projected in enumerate(source.get("sources", []) if kind == "projected" else []):
            for name, inner in projected.items():
                where = f"{path}.projected.sources[{number}].{name}"
                if name not in _PROJECTED_SOURCES:
                    yield f"{where}: this kind of source"
                else:
                    yield from _unknown(where, inner, _PROJECTED_SOURCES[name])


def _mounts(spec: JsonObject) -> Iterator[str]:
    """Containers share one root folder here, so that a path must mean the same in all of them."""
    seen: dict[str, tuple[str, str]] = {}
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        for mount in container.get("volumeMounts", []):
            what = (mount["name"], mount.get("subPath", ""))
            if seen.setdefault(mount["mountPath"], what) != what:
                yield f"volumeMounts at {mount['mountPath']}: two volumes in two containers"


def _unknown(path: str, found: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    for name in sorted(set(found) - known):
        if found[name] not in (None, False, [], {}):
            yield f"{path}.{name}: this field"
