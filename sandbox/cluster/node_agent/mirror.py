"""A copy of one kind of object, kept current by a watch."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from http import HTTPStatus

import httpx

from sandbox.cluster.api_client import Api, ApiRefused, JsonObject

RETRY_SECONDS = 0.2

Key = tuple[str, str]
"""Namespace and name."""


class Mirror:
    """Every object of a collection, by namespace and name. Its thread lists, then watches, for ever."""

    def __init__(self, api: Api, path: str, changed: Callable[[], None]) -> None:
        """Mirror the collection at `path`; `changed` is called, from the mirror's thread, after every change."""
        self._api = api
        self._path = path
        self._changed = changed
        self._lock = threading.Lock()
        self._objects: dict[Key, JsonObject] = {}
        self._stopping = threading.Event()
        self._listed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"mirror {path}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def is_filled(self) -> bool:
        """True once the collection has been read."""
        return self._listed.is_set()

    def stop(self) -> None:
        """End with the watch: `Api.end_watches` ends it now."""
        self._stopping.set()

    def join(self, timeout_seconds: float) -> None:
        """Wait until it has ended."""
        self._thread.join(timeout_seconds)

    def get(self, namespace: str, name: str) -> JsonObject | None:
        """Return one object, or None when it is not there. It is not to be changed."""
        with self._lock:
            return self._objects.get((namespace, name))

    def all(self) -> list[JsonObject]:
        """Return every object."""
        with self._lock:
            return list(self._objects.values())

    def _run(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(httpx.TransportError, ApiRefused):
                self._follow(self._list())
            self._stopping.wait(RETRY_SECONDS)

    def _list(self) -> str:
        listed = self._api.get(self._path)
        if listed is None:
            raise ApiRefused(HTTPStatus.NOT_FOUND, self._path)
        with self._lock:
            self._objects = {_key(item): item for item in listed["items"]}
        self._listed.set()
        self._changed()
        return str(listed["metadata"]["resourceVersion"])

    def _follow(self, version: str) -> None:
        while not self._stopping.is_set():
            for kind, item in self._api.watch(self._path, version):
                version = item["metadata"]["resourceVersion"]
                with self._lock:
                    if kind == "DELETED":
                        self._objects.pop(_key(item), None)
                    else:
                        self._objects[_key(item)] = item
                self._changed()
                if self._stopping.is_set():
                    return


def _key(item: JsonObject) -> Key:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]
