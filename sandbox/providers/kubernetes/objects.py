"""Any kind of object, by server-side apply. Previews are dry runs, so that what is wrong is refused in them already."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Iterable
from typing import Any

from sandbox.providers.kubernetes.cluster import Cluster, KindOfObject, Manifest, Refused
from sandbox.providers.kubernetes.waiting import NeverReady, waits_for
from sandbox.providers.provider_diff import Difference, differences
from sandbox.providers.provider_table import Created, Failure, Incomplete, ProviderFailed, Request, ResourceType
from sandbox.providers.provider_values import UNKNOWN, Path, Properties, contains_unknown, value_at

WAIT_SECONDS = 600.0
"""How long pulumi-kubernetes waits when no timeout is given."""
KIND_SECONDS = 30.0
"""How long a kind may take to be served whose definition was made a moment ago."""
POLL_SECONDS = 0.2
AUTONAMED = "pulumi.com/autonamed"
PATCH_FORCE = "pulumi.com/patchForce"
SKIP_AWAIT = "pulumi.com/skipAwait"
DELETION_POLICY = "pulumi.com/deletionPropagationPolicy"
_KNOWN_ANNOTATIONS = frozenset({AUTONAMED, PATCH_FORCE, SKIP_AWAIT, DELETION_POLICY})
_TOKEN = re.compile(r"kubernetes:(?P<api_version>[^:]+):(?P<kind>[A-Z][A-Za-z0-9]*)")
_NAMESPACE_MISSING = re.compile(r'namespaces "[^"]+" not found')
_NOT_FOUND = 404
_SERVER_SET = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink")

# What can't be changed in place, as pulumi-kubernetes has it for the kinds that a program here may use.
_POD_SPEC = (("spec",),)
_FIXED: dict[tuple[str, str], tuple[Path, ...]] = {
    ("v1", "PersistentVolumeClaim"): (
        ("spec", "accessModes"),
        ("spec", "selector"),
        ("spec", "storageClassName"),
        ("spec", "volumeName"),
    ),
    ("v1", "Pod"): _POD_SPEC,
    ("v1", "Secret"): (("type",),),
    ("apps/v1", "Deployment"): (("spec", "selector"),),
    ("apps/v1", "DaemonSet"): (("spec", "selector"),),
    ("apps/v1", "StatefulSet"): (
        ("spec", "podManagementPolicy"),
        ("spec", "revisionHistoryLimit"),
        ("spec", "selector"),
        ("spec", "serviceName"),
        ("spec", "volumeClaimTemplates"),
    ),
    ("batch/v1", "Job"): (("spec", "selector"), ("spec", "template")),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): (("roleRef",),),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): (("roleRef",),),
    ("storage.k8s.io/v1", "StorageClass"): (
        ("parameters",),
        ("provisioner",),
        ("reclaimPolicy",),
        ("volumeBindingMode",),
    ),
}
_DATA: dict[tuple[str, str], tuple[Path, ...]] = {
    ("v1", "Secret"): (("data",), ("stringData",)),
    ("v1", "ConfigMap"): (("data",), ("binaryData",)),
}
_MUTABLE_SETTING = {"Secret": "enableSecretMutable", "ConfigMap": "enableConfigMapMutable"}


class Objects:
    """Makes the description of every kind of object that a program may name."""

    def __init__(self, cluster: Cluster) -> None:
        """Work on `cluster`."""
        self._cluster = cluster

    def find(self, token: str) -> ResourceType | None:
        """Return the description of a type such as `kubernetes:apps/v1:Deployment`.

        Raises `ProviderFailed` for those that pulumi-kubernetes has and that are not here.
        """
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        kind = match["kind"]
        if kind.endswith(("Patch", "List")) or match["api_version"].startswith(("helm.sh/", "kustomize.", "yaml")):
            message = (
                f"there is no resource type {token} here; allowed: kubernetes:helm.sh/v3:Release, and single objects"
            )
            raise ProviderFailed(message)
        return ResourceType(
            token=token,
            properties=None,
            create=self._create,
            read=self._read,
            update=self._update,
            delete=self._delete,
            check=self._check,
            prepare=self._prepare,
            diff=self._diff,
            secret_outputs=("data", "stringData") if kind == "Secret" else (),
            runs_in_preview=True,
        )

    def _kind(self, request: Request, *, wait: bool = False) -> KindOfObject | None:
        api_version, kind = _api_version(request), _kind_name(request)
        deadline = time.monotonic() + KIND_SECONDS
        found = self._cluster.kind(api_version, kind)
        while found is None and wait and time.monotonic() < deadline and not request.cancelled.wait(POLL_SECONDS):
            found = self._cluster.kind(api_version, kind)
        return found

    def _check(self, request: Request) -> Iterable[Failure]:
        api_version, kind = _api_version(request), _kind_name(request)
        for name, wanted in (("apiVersion", api_version), ("kind", kind)):
            found = request.inputs.get(name, wanted)
            if found != wanted and found is not UNKNOWN:
                yield Failure(property=name, reason=f"{name}: found {found!r}; a {request.token} has {wanted!r}")
        metadata = request.inputs.get("metadata", {})
        if metadata is not UNKNOWN and not isinstance(metadata, dict):
            yield Failure(property="metadata", reason=f"metadata: found {metadata!r}; allowed: an object")
            return
        annotations = value_at(request.inputs, ("metadata", "annotations"))
        for name in annotations if isinstance(annotations, dict) else ():
            if name.startswith("pulumi.com/") and name not in _KNOWN_ANNOTATIONS:
                reason = f"annotation {name} is not supported here; allowed: {', '.join(sorted(_KNOWN_ANNOTATIONS))}"
                yield Failure(property="metadata.annotations", reason=reason)
        if self._cluster.is_known and _is_built_in(api_version):
            kinds = self._cluster.kinds(api_version)
            if kind not in kinds:
                there = (
                    f"allowed in {api_version}: {', '.join(sorted(kinds))}" if kinds else f"there is no {api_version}"
                )
                yield Failure(property="kind", reason=f"{request.token}: the API server has no {kind}; {there}")

    def _prepare(self, request: Request) -> Properties:
        """Return the object with kind, name and namespace."""
        made: Properties = {**request.inputs, "apiVersion": _api_version(request), "kind": _kind_name(request)}
        metadata = made.get("metadata", {})
        if metadata is UNKNOWN:
            return made
        metadata = dict(metadata)
        if metadata.get("name") is None and metadata.get("generateName") is None:
            metadata["name"] = _kept_name(request) or _made_up_name(request)
            annotations = metadata.get("annotations") or {}
            if annotations is not UNKNOWN:
                metadata["annotations"] = {**annotations, AUTONAMED: "true"}
        if self._cluster.is_known and metadata.get("namespace") is None:
            kind = self._kind(request)
            if kind is not None and kind.namespaced:
                metadata["namespace"] = self._cluster.namespace
        return {**made, "metadata": metadata}

    def _diff(self, request: Request) -> Difference:
        changes = differences(request.old_inputs, request.inputs)
        fixed = self._fixed(request)
        replaces = frozenset(
            path for path in changes if any(path[: len(one)] == one or one[: len(path)] == path for one in fixed)
        )
        return Difference(
            changes=changes,
            replaces=replaces,
            delete_before_replace=bool(replaces) and _same_fixed_name(request.old_inputs, request.inputs),
        )

    def _fixed(self, request: Request) -> tuple[Path, ...]:
        """Return the paths at which a change needs another object."""
        key = (_api_version(request), _kind_name(request))
        fixed = (("metadata", "name"), ("metadata", "namespace"), ("metadata", "generateName"), *_FIXED.get(key, ()))
        if key in _DATA:
            in_place = self._cluster.flag(_MUTABLE_SETTING[key[1]]) and request.old_inputs.get("immutable") is not True
            if not in_place:
                fixed = (*fixed, *_DATA[key])
                if request.old_inputs.get("immutable") is True:
                    fixed = (*fixed, ("immutable",))
        return fixed

    def _create(self, request: Request) -> Created:
        if request.preview:
            return Created(id="", outputs=self._previewed(request))
        applied = self._apply(request)
        return Created(id=_id(applied), outputs=self._ready(request, applied))

    def _update(self, request: Request) -> Properties:
        if request.preview:
            return self._previewed(request)
        return self._ready(request, self._apply(request))

    def _previewed(self, request: Request) -> Properties:
        """Return what would be there, having had the API server check it as far as it can be known now."""
        nothing_known = {**request.inputs, "status": UNKNOWN}
        if not self._cluster.is_known:
            return nothing_known
        kind = self._kind(request)
        if kind is None:
            request.warn(
                f"{_api_version(request)} {_kind_name(request)} is not defined in the cluster yet; "
                f"its fields are checked when it is deployed"
            )
            return nothing_known
        if contains_unknown(request.inputs):
            return nothing_known
        try:
            planned = self._applied(kind, request, dry_run=True)
        except Refused as error:
            if error.code == _NOT_FOUND and _NAMESPACE_MISSING.search(str(error)):
                return nothing_known  # the same run makes it
            raise
        return _as_planned(planned, request)

    def _apply(self, request: Request) -> Manifest:
        kind = self._kind(request, wait=True)
        if kind is None:
            api_version, name = _api_version(request), _kind_name(request)
            there = ", ".join(sorted(self._cluster.kinds(api_version))) or "none at all"
            raise ProviderFailed(f"the API server has no {api_version} {name}; kinds of {api_version}: {there}")
        return self._applied(kind, request, dry_run=False)

    def _applied(self, kind: KindOfObject, request: Request, *, dry_run: bool) -> Manifest:
        manifest = _manifest(request.inputs)
        metadata = manifest["metadata"]
        if "name" not in metadata:
            raise ProviderFailed("metadata.generateName: server-side apply needs metadata.name, or neither of both")
        if kind.namespaced:
            metadata.setdefault("namespace", self._cluster.namespace)
        force = self._cluster.flag("enablePatchForce") or _annotation(request.inputs, PATCH_FORCE) == "true"
        return self._cluster.apply(kind, manifest, manager=_manager(request), force=force, dry_run=dry_run)

    def _ready(self, request: Request, applied: Manifest) -> Properties:
        """Return the object when it is ready. Raises `Incomplete` when it will not be, or not in time."""
        kind = self._kind(request)
        if kind is None or _annotation(request.inputs, SKIP_AWAIT) == "true":
            return _outputs(applied)
        metadata = applied["metadata"]
        seconds = request.timeout_seconds or WAIT_SECONDS
        deadline = time.monotonic() + seconds
        current = applied
        while True:
            try:
                waiting = waits_for(current)
            except NeverReady as error:
                raise Incomplete(f"{_id(applied)}: {error}", id=_id(applied), outputs=_outputs(current)) from None
            if waiting is None:
                return _outputs(current)
            if time.monotonic() >= deadline or request.cancelled.wait(POLL_SECONDS):
                message = f"{_id(applied)}: not ready after {seconds:.0f} s: {waiting}"
                raise Incomplete(message, id=_id(applied), outputs=_outputs(current))
            current = self._cluster.get(kind, metadata.get("namespace"), metadata["name"]) or current

    def _read(self, request: Request) -> Properties | None:
        kind = self._kind(request)
        if kind is None:
            return None
        namespace, name = _parts(request.id)
        found = self._cluster.get(kind, namespace, name)
        if found is None:
            return None
        if request.inputs:
            return _outputs(found)
        metadata = {key: value for key, value in found["metadata"].items() if key not in _SERVER_SET}
        return {**{key: value for key, value in found.items() if key != "status"}, "metadata": metadata}

    def _delete(self, request: Request) -> None:
        kind = self._kind(request)
        if kind is None:
            return  # gone with its definition
        namespace, name = _parts(request.id)
        policy = (_annotation(request.inputs, DELETION_POLICY) or "foreground").capitalize()
        before = self._cluster.get(kind, namespace, name)
        self._cluster.delete(kind, namespace, name, policy=policy)
        seconds = request.timeout_seconds or WAIT_SECONDS
        deadline = time.monotonic() + seconds
        while True:
            found = self._cluster.get(kind, namespace, name)
            if found is None or (before is not None and found["metadata"]["uid"] != before["metadata"]["uid"]):
                return
            if time.monotonic() >= deadline or request.cancelled.wait(POLL_SECONDS):
                holding = ", ".join(found["metadata"].get("finalizers") or ["nothing that it names"])
                raise ProviderFailed(f"{request.id}: still there after {seconds:.0f} s; what holds it: {holding}")


def _api_version(request: Request) -> str:
    _, api_version, _ = request.token.split(":")
    return api_version.removeprefix("core/")


def _kind_name(request: Request) -> str:
    return request.token.rpartition(":")[2]


def _is_built_in(api_version: str) -> bool:
    """Say whether a group is Kubernetes' own, so that its kinds are there before any program runs."""
    group = api_version.rpartition("/")[0]
    return "." not in group or (group.endswith(".k8s.io") and not group.endswith(".x-k8s.io"))


def _annotation(inputs: Properties, name: str) -> Any:
    return value_at(inputs, ("metadata", "annotations", name))


def _kept_name(request: Request) -> str | None:
    if _annotation(request.old_inputs, AUTONAMED) != "true":
        return None
    return value_at(request.old_inputs, ("metadata", "name"))


def _made_up_name(request: Request) -> str:
    return f"{request.name.lower()}-{hashlib.sha256(request.seed + request.name.encode()).hexdigest()[:8]}"


def _same_fixed_name(old: Properties, new: Properties) -> bool:
    if _annotation(new, AUTONAMED) == "true":
        return False
    paths: tuple[Path, ...] = (("metadata", "name"), ("metadata", "namespace"))
    return all(value_at(old, path) == value_at(new, path) for path in paths)


def _manager(request: Request) -> str:
    """Return who owns the fields: each resource for itself, the same at every run."""
    return f"pulumi-kubernetes-{hashlib.sha256(request.urn.encode()).hexdigest()[:8]}"


def _manifest(inputs: Properties) -> Manifest:
    """Return the object as it is applied. A Secret's `stringData` is encoded here, so that what leaves it goes."""
    manifest = {name: value for name, value in inputs.items() if name != "status" and not name.startswith("__")}
    manifest["metadata"] = {**manifest.get("metadata", {})}
    if manifest["apiVersion"] == "v1" and manifest["kind"] == "Secret" and "stringData" in manifest:
        texts = manifest.pop("stringData")
        encoded = {key: base64.b64encode(str(text).encode()).decode() for key, text in texts.items()}
        manifest["data"] = {**manifest.get("data", {}), **encoded}
    return manifest


def _outputs(manifest: Manifest) -> Properties:
    metadata = {name: value for name, value in manifest["metadata"].items() if name != "managedFields"}
    return {**manifest, "metadata": metadata}


def _as_planned(planned: Manifest, request: Request) -> Properties:
    """Return the outcome of a dry run; what only the real one tells is unknown, and what is there already stays."""
    outputs = _outputs(planned)
    state = request.state
    metadata = {
        **outputs["metadata"],
        **{
            name: value_at(state, ("metadata", name)) or UNKNOWN
            for name in ("uid", "creationTimestamp")
            if name in outputs["metadata"]
        },
        **{name: UNKNOWN for name in ("resourceVersion", "generation") if name in outputs["metadata"]},
    }
    if not state and isinstance(outputs.get("spec"), dict):
        # The server allocates these (cluster addresses, ports, volume names) anew at the real run.
        given = request.inputs.get("spec", {})
        allocated = {name: UNKNOWN for name in ("clusterIP", "clusterIPs", "healthCheckNodePort") if name not in given}
        outputs["spec"] = {name: allocated.get(name, value) for name, value in outputs["spec"].items()}
    return {**outputs, "metadata": metadata, "status": UNKNOWN}


def _id(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else str(metadata["name"])


def _parts(identity: str) -> tuple[str | None, str]:
    namespace, _, name = identity.rpartition("/")
    return namespace or None, name
