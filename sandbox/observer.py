"""Writes into the journal what no stand-in can: when an alert changes its state, and when a pod comes or goes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from sandbox.clock import Clock
from sandbox.cluster.api_client import Api, JsonObject
from sandbox.cluster.node_agent.mirror import Mirror
from sandbox.journal import Journal, Kind
from sandbox.service import ServiceFailed

POLL_STORY_SECONDS = 2.0
SHORTEST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.1, 0.5
REQUEST_TIMEOUT_SECONDS = 5.0


def poll_seconds(clock: Clock) -> float:
    """Return the real seconds between two looks at Prometheus, whose rules are evaluated by the same clock."""
    return min(LONGEST_POLL_SECONDS, max(SHORTEST_POLL_SECONDS, clock.real(POLL_STORY_SECONDS)))


class AlertObserver:
    """Polls one Prometheus' alerts and journals each change of state, once."""

    name = "alert observer"

    def __init__(self, prometheus: Callable[[], str], journal: Journal, clock: Clock) -> None:
        """`prometheus` returns its base address, which changes when its pod is replaced."""
        self._prometheus = prometheus
        self._journal = journal
        self._poll_seconds = poll_seconds(clock)
        self._states: dict[frozenset[tuple[str, str]], str] = {}
        self._client = httpx.Client(timeout=REQUEST_TIMEOUT_SECONDS)
        self._stopped = threading.Event()
        self._seen = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def ready(self) -> bool:
        """Say whether it has seen the alerts at least once."""
        return self._seen.is_set()

    @property
    def address(self) -> str:
        """The Prometheus that is watched."""
        return self._prometheus()

    def stop(self) -> None:
        """Poll no more."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(REQUEST_TIMEOUT_SECONDS)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._compare()
                self._seen.set()
            except (httpx.HTTPError, ServiceFailed):
                pass  # a drill may restart Prometheus; the next look sees it again
            self._stopped.wait(self._poll_seconds)

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


class PodObserver:
    """Watches the pods of one namespace and journals their creation, readiness and end."""

    name = "pod observer"

    def __init__(self, kubeconfig: Path, namespace: str, journal: Journal) -> None:
        self._api = Api(kubeconfig)
        self._kubeconfig = kubeconfig
        self._namespace = namespace
        self._journal = journal
        self._known: dict[str, tuple[str, bool]] = {}
        self._seen = threading.Event()
        self._started = False
        self._pods = Mirror(self._api, f"/api/v1/namespaces/{namespace}/pods", self._compare)

    def start(self) -> None:
        """Begin to watch."""
        self._started = True
        self._pods.start()

    def ready(self) -> bool:
        """Say whether it has seen the pods at least once."""
        return self._seen.is_set()

    @property
    def address(self) -> str:
        """The kubeconfig of the cluster that is watched."""
        return str(self._kubeconfig)

    def stop(self) -> None:
        """Watch no more."""
        if self._started:
            self._started = False
            self._pods.stop()
            self._api.end_watches()
            self._pods.join(REQUEST_TIMEOUT_SECONDS)
            self._api.close()

    def _compare(self) -> None:
        """Journal what has changed. The mirror calls this after each change, also when the API server is back."""
        found = {
            pod["metadata"]["uid"]: (pod["metadata"]["name"], _is_ready(pod))
            for pod in self._pods.all()
            if "deletionTimestamp" not in pod["metadata"]
        }
        for uid, (name, ready) in found.items():
            if uid not in self._known:
                self._write(Kind.POD_CREATED, name, uid)
            if ready and not self._known.get(uid, ("", False))[1]:
                self._write(Kind.POD_READY, name, uid)
        for uid, (name, _) in self._known.items():
            if uid not in found:
                self._write(Kind.POD_DELETED, name, uid)
        self._known = found
        self._seen.set()

    def _write(self, kind: Kind, name: str, uid: str) -> None:
        self._journal.append("kubernetes", kind, {"namespace": self._namespace, "pod": name, "uid": uid})


def _is_ready(pod: JsonObject) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
