"""`kubernetes:helm.sh/v3:Release` by the real helm."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from sandbox.providers.kubernetes.cluster import Cluster
from sandbox.providers.provider_table import (
    DEFAULTS,
    Created,
    Incomplete,
    Property,
    ProviderFailed,
    Request,
    ResourceType,
)
from sandbox.providers.provider_values import UNKNOWN, Asset, Properties, contains_unknown
from sandbox.service import dying_with_its_starter
from tools.paths import tool

TOKEN = "kubernetes:helm.sh/v3:Release"  # noqa: S105 - a type's name
TIMEOUT_SECONDS = 300
"""helm's own, and pulumi-kubernetes'."""
POLL_SECONDS = 0.1
_REPOSITORY_OPTIONS = ("repo",)


def _repository(options: Any) -> str | None:
    extra = sorted(set(options) - set(_REPOSITORY_OPTIONS)) if isinstance(options, dict) else [str(options)]
    return f"repositoryOpts: found {', '.join(extra)}; allowed here: repo" if extra else None


class Releases:
    """Installs, upgrades and uninstalls charts in one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        """Work on `cluster`."""
        self._cluster = cluster

    def described(self) -> ResourceType:
        """Return the description of a release."""
        return ResourceType(
            token=TOKEN,
            properties={
                "chart": Property(required=True),
                "name": Property(replaces=True),
                "namespace": Property(replaces=True),
                "version": Property(),
                "repositoryOpts": Property(check=_repository),
                "values": Property(),
                "valueYamlFiles": Property(),
                "createNamespace": Property(),
                "atomic": Property(),
                "cleanupOnFail": Property(),
                "dependencyUpdate": Property(),
                "description": Property(),
                "devel": Property(),
                "disableOpenapiValidation": Property(),
                "disableWebhooks": Property(),
                "forceUpdate": Property(),
                "maxHistory": Property(),
                "skipAwait": Property(),
                "skipCrds": Property(),
                "takeOwnership": Property(),
                "timeout": Property(),
                "waitForJobs": Property(),
                "compat": Property(),
            },
            name_property="name",
            computed=("status", "resourceNames"),
            prepare=self._prepare,
            create=self._create,
            read=self._read,
            update=self._update,
            delete=self._delete,
            runs_in_preview=True,
        )

    def _prepare(self, request: Request) -> Properties:
        if "namespace" in request.inputs or not self._cluster.is_known:
            return request.inputs
        return {**request.inputs, "namespace": self._cluster.namespace}

    def _create(self, request: Request) -> Created:
        if request.preview:
            return Created(id="", outputs=self._previewed(request))
        return Created(id=_id(request.inputs), outputs=self._upgrade(request))

    def _update(self, request: Request) -> Properties:
        return self._previewed(request) if request.preview else self._upgrade(request)

    def _previewed(self, request: Request) -> Properties:
        """Render the chart, so that values which it refuses are refused now. The cluster is only asked its version."""
        unknown: Properties = {"status": UNKNOWN, "resourceNames": UNKNOWN}
        if self._cluster.is_known and not contains_unknown(request.inputs):
            arguments = ["template", *self._chart(request.inputs), "--kube-version", self._cluster.version()]
            with self._values(request.inputs) as values:
                self._helm(request, [*arguments, *values, *_flags(request.inputs, rendering=True)], cluster=False)
        return unknown

    def _upgrade(self, request: Request) -> Properties:
        inputs = request.inputs
        self._clear_interrupted(request)
        arguments = ["upgrade", "--install", *self._chart(inputs), "--timeout", f"{_timeout(request)}s"]
        with self._values(inputs) as values:
            try:
                self._helm(request, [*arguments, *values, *_flags(inputs, rendering=False)])
            except ProviderFailed as error:
                status = self._status(request)
                if status is None:
                    raise
                given = {name: value for name, value in inputs.items() if name != DEFAULTS}
                outputs = {**given, "status": _status_outputs(status)}
                raise Incomplete(str(error), id=_id(inputs), outputs=outputs) from None
        status = self._status(request)
        if status is None:
            raise ProviderFailed(f"{_id(inputs)}: helm says that it is installed, and does not find it")
        return {"status": _status_outputs(status), "resourceNames": self._resource_names(request)}

    def _clear_interrupted(self, request: Request) -> None:
        """Put right what a killed helm left: a release for ever being installed, which helm does not touch again."""
        status = self._status(request)
        state = status["status"] if status else ""
        name = request.inputs["name"]
        if state == "pending-install":
            self._helm(request, ["uninstall", name, "--wait"])
        elif state.startswith("pending-"):
            self._helm(request, ["rollback", name])

    def _read(self, request: Request) -> Properties | None:
        namespace, _, name = request.id.rpartition("/")
        at = _at(request, namespace, name)
        status = self._status(at)
        if status is None:
            return None
        values = json.loads(self._helm(at, ["get", "values", name, "--output", "json"])) or {}
        found: Properties = {"name": name, "namespace": namespace, "status": _status_outputs(status)}
        # Values that came from files are among helm's, and are not the program's `values`.
        return found if request.inputs.get("valueYamlFiles") else {**found, "values": values}

    def _delete(self, request: Request) -> None:
        namespace, _, name = request.id.rpartition("/")
        timeout = f"{_timeout(request)}s"
        self._helm(
            _at(request, namespace, name), ["uninstall", name, "--wait", "--ignore-not-found", "--timeout", timeout]
        )

    def _chart(self, inputs: Properties) -> list[str]:
        arguments = [inputs["name"], inputs["chart"]]
        if inputs.get("version"):
            arguments += ["--version", inputs["version"]]
        if inputs.get("repositoryOpts", {}).get("repo"):
            arguments += ["--repo", inputs["repositoryOpts"]["repo"]]
        return arguments

    @contextmanager
    def _values(self, inputs: Properties) -> Generator[list[str]]:
        """Write the values where only this user can read them."""
        files = [asset.read().decode() for asset in inputs.get("valueYamlFiles", []) if isinstance(asset, Asset)]
        files.append(yaml.safe_dump(inputs.get("values", {})))
        with tempfile.TemporaryDirectory() as folder:
            arguments: list[str] = []
            for index, text in enumerate(files):
                path = Path(folder) / f"values-{index}.yaml"
                path.touch(mode=0o600)
                path.write_text(text)
                arguments += ["--values", str(path)]
            yield arguments

    def _status(self, request: Request) -> dict[str, Any] | None:
        try:
            return json.loads(self._helm(request, ["get", "metadata", request.inputs["name"], "--output", "json"]))
        except ProviderFailed as error:
            if "not found" in str(error):
                return None
            raise

    def _resource_names(self, request: Request) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        text = self._helm(request, ["get", "manifest", request.inputs["name"]])
        for manifest in yaml.load_all(text, Loader=_Loader):
            if manifest:
                metadata = manifest["metadata"]
                where = metadata.get("namespace")
                name = f"{where}/{metadata['name']}" if where else metadata["name"]
                names.setdefault(f"{manifest['kind']}.{manifest['apiVersion']}", []).append(name)
        return {kind: sorted(found) for kind, found in sorted(names.items())}

    def _helm(self, request: Request, arguments: list[str], *, cluster: bool = True) -> str:
        """Run helm and return what it prints. Raises `ProviderFailed` with its own message."""
        with tempfile.TemporaryDirectory() as folder:
            where = ["--namespace", request.inputs.get("namespace") or "default"]
            if cluster:
                kubeconfig = Path(folder) / "kubeconfig"
                kubeconfig.touch(mode=0o600)
                kubeconfig.write_text(self._cluster.kubeconfig())
                where += ["--kubeconfig", str(kubeconfig), "--kube-context", self._cluster.context]
            process = subprocess.Popen(
                dying_with_its_starter([str(tool("helm")), *arguments, *where]),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ,
            )
            output, errors = _finished(process, request)
        if process.returncode != 0:
            message = errors.strip().removeprefix("Error: ") or f"helm ended with code {process.returncode}"
            raise ProviderFailed(f"helm {arguments[0]}: {message}")
        return output


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _finished(process: subprocess.Popen[str], request: Request) -> tuple[str, str]:
    """Return what a process printed when it has ended; it is interrupted when the user wants to stop."""
    interrupted = False
    while True:
        try:
            return process.communicate(timeout=POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if request.cancelled.is_set() and not interrupted:
                process.terminate()
                interrupted = True


def _id(inputs: Properties) -> str:
    return f"{inputs['namespace']}/{inputs['name']}"


def _at(request: Request, namespace: str, name: str) -> Request:
    inputs = {**request.inputs, "namespace": namespace, "name": name}
    return Request(token=request.token, name=request.name, id=request.id, inputs=inputs, cancelled=request.cancelled)


def _timeout(request: Request) -> int:
    return int(request.inputs.get("timeout") or request.timeout_seconds or TIMEOUT_SECONDS)


def _flags(inputs: Properties, *, rendering: bool) -> list[str]:
    both = {
        "dependencyUpdate": "--dependency-update",
        "devel": "--devel",
        "disableOpenapiValidation": "--disable-openapi-validation",
        "disableWebhooks": "--no-hooks",
        "skipCrds": "--skip-crds",
    }
    upgrading = {
        "cleanupOnFail": "--cleanup-on-fail",
        "createNamespace": "--create-namespace",
        "forceUpdate": "--force",
        "takeOwnership": "--take-ownership",
        "waitForJobs": "--wait-for-jobs",
    }
    flags = [flag for name, flag in (both if rendering else {**both, **upgrading}).items() if inputs.get(name)]
    if rendering:
        return flags
    if inputs.get("atomic"):
        flags.append("--atomic")
    elif not inputs.get("skipAwait"):
        flags.append("--wait")
    if inputs.get("description"):
        flags += ["--description", inputs["description"]]
    if inputs.get("maxHistory") is not None:
        flags += ["--history-max", str(inputs["maxHistory"])]
    return flags


def _status_outputs(metadata: dict[str, Any]) -> Properties:
    names = ("name", "namespace", "revision", "status", "chart", "version", "appVersion")
    return {name: metadata.get(name) for name in names}
