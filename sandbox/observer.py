"""Writes into the journal what no stand-in can: when an alert changes its state, and when a pod comes or goes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from sandbox.cluster.api_client import Api, ApiRefused
from sandbox.journal import Journal, Kind
from sandbox.service import ServiceFailed

POLL_SECONDS = 0.1
REQUEST_TIMEOUT_SECONDS = 5.0


class _Poller:
    """Calls `look` again and again in a thread of its own until it is stopped."""

    def __init__(self, name: str, look: Callable[[], None]) -> None:
        self.name = name
        self._look = look
        self._stopped = threading.Event()
        self._seen = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin looking."""
        self._thread.start()

    def ready(self) -> bool:
        """Say whether it has looked at least once with success."""
        return self._seen.is_set()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(REQUEST_TIMEOUT_SECONDS)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._look()
                self._seen.set()
            except (httpx.HTTPError, ApiRefused, ServiceFailed):
                pass  # what is watched may be restarted by a drill; the next look sees it again
            self._stopped.wait(POLL_SECONDS)


class AlertObserver(_Poller):
    """Watches one Prometheus' alerts and journals each change of state, once."""

    def __init__(self, prometheus: Callable[[], str], journal: Journal) -> None:
        """`prometheus` returns its base address, which changes when its pod is replaced."""
        super().__init__("alert observer", self._compare)
        self._prometheus = prometheus
        self._journal = journal
        self._states: dict[frozenset[tuple[str, str]], str] = {}
        self._client = httpx.Client(timeout=REQUEST_TIMEOUT_SECONDS)

    @property
    def address(self) -> str:
        """The Prometheus that is watched."""
        return self._prometheus()

    def _compare(self) -> None:
        answer = self._client.get(f"{self._prometheus()}/api/v1/alerts")
        answer.raise_for_status()
        found: Mapping[frozenset[tuple[str, str]], Mapping[str, Any]] = {
            frozenset(alert["labels"].items()): alert for alert in answer.json()["data"]["alerts"]
        }
        for labels, alert in found.items():
            if self._states.get(labels) != alert["state"]:
                kind = Kind.ALERT_FIRING if alert["state"] == "firing" else Kind.ALERT_PENDING
                self._journal.append(
                    "prometheus", kind, dict(labels), active_at=alert["activeAt"], annotations=alert["annotations"]
                )
        for labels, state in self._states.items():
            if labels not in found and state == "firing":
                self._journal.append("prometheus", Kind.ALERT_RESOLVED, dict(labels))
        self._states = {labels: alert["state"] for labels, alert in found.items()}


class PodObserver(_Poller):
    """Watches the pods of one namespace and journals their creation, readiness and end."""

    def __init__(self, kubeconfig: Path, namespace: str, journal: Journal) -> None:
        super().__init__("pod observer", self._compare)
        self._api = Api(kubeconfig)
        self._kubeconfig = kubeconfig
        self._namespace = namespace
        self._journal = journal
        self._known: dict[str, tuple[str, bool]] = {}

    @property
    def address(self) -> str:
        """The kubeconfig of the cluster that is watched."""
        return str(self._kubeconfig)

    def _compare(self) -> None:
        found: dict[str, tuple[str, bool]] = {}
        for pod in self._api.items(f"/api/v1/namespaces/{self._namespace}/pods"):
            if "deletionTimestamp" in pod["metadata"]:
                continue
            conditions = pod.get("status", {}).get("conditions", [])
            ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
            found[pod["metadata"]["uid"]] = (pod["metadata"]["name"], ready)
        for uid, (name, ready) in found.items():
            if uid not in self._known:
                self._write(Kind.POD_CREATED, name, uid)
            if ready and not self._known.get(uid, ("", False))[1]:
                self._write(Kind.POD_READY, name, uid)
        for uid, (name, _) in self._known.items():
            if uid not in found:
                self._write(Kind.POD_DELETED, name, uid)
        self._known = found

    def _write(self, kind: Kind, name: str, uid: str) -> None:
        self._journal.append("kubernetes", kind, {"namespace": self._namespace, "pod": name, "uid": uid})
