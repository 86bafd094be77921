"""The sandbox's Python client of a Kubernetes API server: requests and watches on plain JSON.

Nothing is parsed into typed objects, so that the node agent sees every field of a pod, those that it does not know too.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import tempfile
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import yaml

JsonObject = dict[str, Any]

REQUEST_SECONDS = 10.0
WATCH_SECONDS = 300
QUIET_SECONDS = 5.0
"""A watch that says nothing for so long is begun again where it was: its connection may be a dead one."""
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
FIELD_MANAGER = "orion-node-agent"


class ApiRefused(RuntimeError):
    """The API server refused a request; `code` is its HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def is_passing(self) -> bool:
        """True if the same request may succeed a moment later."""
        return self.code >= HTTPStatus.INTERNAL_SERVER_ERROR or self.code == HTTPStatus.TOO_MANY_REQUESTS


def http_client(kubeconfig: Path, *, timeout_seconds: float = REQUEST_SECONDS) -> httpx.Client:
    """Return an HTTP client of the API server in the kubeconfig's current context, without a proxy.

    Raises `ValueError` if the context has no client certificate.
    """
    server, context = _connection(kubeconfig)
    return httpx.Client(
        base_url=server,
        verify=context,
        trust_env=False,
        timeout=timeout_seconds,
        limits=httpx.Limits(max_connections=64),
    )


class Api:
    """An API server, spoken to with a kubeconfig's client certificate. Safe for many threads."""

    def __init__(self, kubeconfig: Path) -> None:
        """Read the kubeconfig's current context. Raises `ValueError` if it has no client certificate."""
        self._http = http_client(kubeconfig)
        self._watched: set[socket.socket] = set()
        self._watching = threading.Lock()
        self._may_watch = True

    def end_watches(self) -> None:
        """Have every watch end now, and none begin any more. Whoever watches is to end before `close`."""
        with self._watching:
            self._may_watch = False
            for connection in self._watched:
                with suppress(OSError):  # the server has ended it already
                    # The socket's own: that of an SSL socket would pull the rug from under its reader.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close every connection, of which none may be in use.

        OpenSSL keeps the number of the descriptor: a thread that still reads takes bytes from whatever has it next.
        """
        self._http.close()

    def get(self, path: str) -> JsonObject | None:
        """Return an object or a list, or None when it is not there."""
        try:
            return self._request("GET", path)
        except ApiRefused as refused:
            if refused.code == HTTPStatus.NOT_FOUND:
                return None
            raise

    def items(self, path: str) -> list[JsonObject]:
        """Return the objects of the collection at `path`."""
        items: list[JsonObject] = self._request("GET", path)["items"]
        return items

    def create(self, path: str, body: Mapping[str, Any]) -> JsonObject:
        """Create an object in the collection at `path`."""
        return self._request("POST", path, body)

    def apply(self, path: str, body: Mapping[str, Any]) -> JsonObject:
        """Apply an object on the server, as its owner."""
        query = f"?fieldManager={FIELD_MANAGER}&force=true"
        return self._request("PATCH", f"{path}{query}", body, content_type=APPLY_PATCH)

    def merge(self, path: str, body: Mapping[str, Any]) -> JsonObject:
        """Merge `body` into the object at `path`."""
        return self._request("PATCH", path, body, content_type=MERGE_PATCH)

    def delete_now(self, path: str, uid: str) -> None:
        """Remove the object with this UID, without a grace period. One that is gone already is fine."""
        try:
            self._request("DELETE", path, {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}})
        except ApiRefused as refused:
            if refused.code not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise

    def watch(self, path: str, resource_version: str) -> Iterator[tuple[str, JsonObject]]:
        """Yield (event's type, object) until the server or a quiet spell ends the watch.

        Raises `ApiRefused` if the version is too old, and `httpx.TransportError` when the connection breaks.
        """
        query = {"watch": "1", "resourceVersion": resource_version, "timeoutSeconds": str(WATCH_SECONDS)}
        timeout = httpx.Timeout(REQUEST_SECONDS, read=QUIET_SECONDS)
        try:
            with self._http.stream("GET", path, params=query, timeout=timeout) as response:
                if response.is_error:
                    raise ApiRefused(response.status_code, response.read().decode(errors="replace"))
                with self._ended_by_us(response):
                    for line in response.iter_lines():
                        event: JsonObject = json.loads(line)
                        if event["type"] == "ERROR":
                            raise ApiRefused(int(event["object"].get("code", 500)), str(event["object"].get("message")))
                        yield event["type"], event["object"]
        except httpx.ReadTimeout:
            return

    @contextmanager
    def _ended_by_us(self, response: httpx.Response) -> Generator[None]:
        """Let `end_watches` end what reads this response. Raises `httpx.ReadError` if it has been called already."""
        connection: socket.socket = response.extensions["network_stream"].get_extra_info("socket")
        with self._watching:
            if not self._may_watch:
                raise httpx.ReadError("watches have been ended")
            self._watched.add(connection)
        try:
            yield
        finally:
            with self._watching:
                self._watched.discard(connection)

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, content_type: str = "application/json"
    ) -> JsonObject:
        content = None if body is None else json.dumps(body)
        response = self._http.request(method, path, content=content, headers={"Content-Type": content_type})
        if response.is_error:
            raise ApiRefused(response.status_code, f"{method} {path}: {_reason(response)}")
        answer: JsonObject = response.json()
        return answer


def _reason(response: httpx.Response) -> str:
    try:
        answer: JsonObject = response.json()
    except json.JSONDecodeError:
        return response.text
    return str(answer.get("message", response.text))


def _connection(kubeconfig: Path) -> tuple[str, ssl.SSLContext]:
    document: JsonObject = yaml.safe_load(kubeconfig.read_text())
    context = _named(document, "contexts", document["current-context"])["context"]
    cluster = _named(document, "clusters", context["cluster"])["cluster"]
    user = _named(document, "users", context["user"])["user"]
    tls = ssl.create_default_context(cadata=_text(cluster, "certificate-authority"))
    with tempfile.TemporaryDirectory() as folder:  # the ssl module reads a certificate from files only
        certificate, key = Path(folder, "client.crt"), Path(folder, "client.key")
        certificate.write_text(_text(user, "client-certificate"))
        key.touch(mode=0o600)
        key.write_text(_text(user, "client-key"))
        tls.load_cert_chain(certificate, key)
    return str(cluster["server"]), tls


def _named(document: JsonObject, kind: str, name: str) -> JsonObject:
    return next(entry for entry in document[kind] if entry["name"] == name)


def _text(holder: JsonObject, key: str) -> str:
    if f"{key}-data" in holder:
        return base64.b64decode(holder[f"{key}-data"]).decode()
    if key in holder:
        return Path(holder[key]).read_text()
    message = f"kubeconfig: {key} is missing; the sandbox signs in with a client certificate"
    raise ValueError(message)
