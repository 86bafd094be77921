"""The API server that a provider's settings lead to: its kinds, and requests for objects."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml
from lightkube.config.client_adapter import Client, ConnectionParams
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.core.exceptions import ConfigError

from sandbox.providers.provider_table import ProviderFailed
from sandbox.providers.provider_values import UNKNOWN, Properties

REQUEST_TIMEOUT_SECONDS = 30
DEFAULT_NAMESPACE = "default"
_NOT_FOUND = 404
_CONFLICT = 409

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class KindOfObject:
    """One kind as the API server serves it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """Return where objects of the kind are, or one of them is."""
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        within = f"/namespaces/{namespace}" if self.namespaced else ""
        return f"{root}{within}/{self.plural}" + (f"/{name}" if name else "")


class Refused(ProviderFailed):
    """The API server refused something; `code` is the HTTP status, the message its own."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Cluster:
    """One API server. Requests may come from several threads."""

    def __init__(self) -> None:
        self._settings: Properties = {}
        self._client: httpx2.Client | None = None
        self._configuration: SingleConfig | None = None
        self._kinds: dict[str, dict[str, KindOfObject]] = {}
        self._lock = threading.Lock()

    def configure(self, settings: Properties) -> None:
        """Take the provider's settings. Raises `ProviderFailed` for client-side apply, which is not here."""
        if settings.get("enableServerSideApply") is False:
            raise ProviderFailed("enableServerSideApply: found False; allowed here: True")
        self._settings = settings

    @property
    def is_known(self) -> bool:
        """Say whether the settings are known already; in a preview they may come from a resource yet to be made."""
        return UNKNOWN not in self._settings.values()

    def flag(self, name: str) -> bool:
        """Return a setting that is on or off; off when it is not given."""
        return self._settings.get(name) is True

    @property
    def namespace(self) -> str:
        """The namespace of objects that name none."""
        return self._settings.get("namespace") or self._loaded().context.namespace or DEFAULT_NAMESPACE

    @property
    def context(self) -> str:
        """The kubeconfig's context in use."""
        return self._loaded().context_name

    def kubeconfig(self) -> str:
        """Return the kubeconfig's text. Raises `ProviderFailed` if there is none."""
        given = self._settings.get("kubeconfig") or os.environ.get("KUBECONFIG")
        if not given:
            raise ProviderFailed("kubeconfig: neither the provider's setting nor $KUBECONFIG is there")
        if "\n" in given or given.lstrip().startswith("{"):
            return str(given)
        path = Path(given).expanduser()
        try:
            return path.read_text()
        except OSError as error:
            raise ProviderFailed(f"kubeconfig: {path}: {error.strerror}") from None

    def _loaded(self) -> SingleConfig:
        if self._configuration is None:
            given = self._settings.get("kubeconfig") or os.environ.get("KUBECONFIG") or ""
            path = Path(given).expanduser() if given and "\n" not in given and not given.startswith("{") else None
            try:
                loaded = KubeConfig.from_dict(yaml.safe_load(self.kubeconfig()), path)
                self._configuration = loaded.get(self._settings.get("context"))
            except (ConfigError, KeyError, TypeError, yaml.YAMLError) as error:
                raise ProviderFailed(f"kubeconfig: can't be used: {error}") from None
        if self._configuration is None:
            raise ProviderFailed("kubeconfig: no context is chosen in it")
        return self._configuration

    def _request(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, str] | None = None,
        content: str | None = None,
        content_type: str = "application/json",
    ) -> Manifest:
        with self._lock:
            if self._client is None:
                timeout = httpx2.Timeout(REQUEST_TIMEOUT_SECONDS)
                self._client = Client(self._loaded(), ConnectionParams(timeout=timeout))
        try:
            answer = self._client.request(
                method, path, params=parameters, content=content, headers={"Content-Type": content_type}
            )
        except httpx2.TransportError as error:
            raise ProviderFailed(f"{self._loaded().cluster.server}: the API server can't be reached: {error}") from None
        if answer.is_success:
            return answer.json()
        try:
            message = answer.json().get("message")
        except json.JSONDecodeError:
            message = answer.text.strip()
        raise Refused(message or f"{method} {path}: {answer.status_code}", answer.status_code)

    def version(self) -> str:
        """Return the API server's version, such as v1.36.1."""
        return str(self._request("GET", "/version")["gitVersion"])

    def kinds(self, api_version: str, *, afresh: bool = False) -> Mapping[str, KindOfObject]:
        """Return the kinds of a group and version by name; none when the API server does not have it."""
        if afresh or api_version not in self._kinds:
            root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
            try:
                served = self._request("GET", root).get("resources", [])
            except Refused as error:
                if error.code != _NOT_FOUND:
                    raise
                served = []
            self._kinds[api_version] = {
                one["kind"]: KindOfObject(
                    api_version=api_version, kind=one["kind"], plural=one["name"], namespaced=one["namespaced"]
                )
                for one in served
                if "/" not in one["name"]  # a part of an object, such as its status
            }
        return self._kinds[api_version]

    def kind(self, api_version: str, kind: str) -> KindOfObject | None:
        """Return a kind, or None if it is not there (any more, or yet)."""
        found = self.kinds(api_version).get(kind)
        return found if found is not None else self.kinds(api_version, afresh=True).get(kind)

    def get(self, kind: KindOfObject, namespace: str | None, name: str) -> Manifest | None:
        """Return an object, or None if it is not there. Raises `Refused`."""
        try:
            return self._request("GET", kind.path(namespace, name))
        except Refused as error:
            if error.code == _NOT_FOUND:
                return None
            raise

    def apply(self, kind: KindOfObject, manifest: Manifest, *, manager: str, force: bool, dry_run: bool) -> Manifest:
        """Apply an object and return it as it is then; `dry_run` has it checked only. Raises `Refused`."""
        metadata = manifest["metadata"]
        parameters = {"fieldManager": manager, "fieldValidation": "Strict"}
        if force:
            parameters["force"] = "true"
        if dry_run:
            parameters["dryRun"] = "All"
        try:
            return self._request(
                "PATCH",
                kind.path(metadata.get("namespace"), metadata["name"]),
                parameters=parameters,
                content=json.dumps(manifest),
                content_type="application/apply-patch+yaml",
            )
        except Refused as error:
            if error.code == _CONFLICT and "conflict" in str(error).lower():
                message = f'{error}. If this program should have the fields, annotate it pulumi.com/patchForce: "true"'
                raise Refused(message, error.code) from None
            raise

    def delete(self, kind: KindOfObject, namespace: str | None, name: str, *, policy: str) -> None:
        """Ask for an object's end; none is there: nothing. Raises `Refused`."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy}
        try:
            self._request("DELETE", kind.path(namespace, name), content=json.dumps(options))
        except Refused as error:
            if error.code != _NOT_FOUND:
                raise
