"""The node agent: what a kubelet on each of three nodes would do for the operator's two StatefulSets."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from sandbox.clock import Clock
from sandbox.cluster.api_client import Api, ApiRefused, JsonObject
from sandbox.cluster.node_agent.addresses import Addresses
from sandbox.cluster.node_agent.changed_files import ChangedFiles
from sandbox.cluster.node_agent.mirror import Mirror
from sandbox.cluster.node_agent.node_manifests import (
    HEARTBEAT_SECONDS,
    LEASE_NAMESPACE,
    NODE_NAMES,
    admission_policy,
    lease,
    node,
    node_status,
    timestamp,
)
from sandbox.cluster.node_agent.pod_runner import SOURCE, EnvironmentFor, PodEnvironment, PodRunner
from sandbox.cluster.node_agent.prometheus_discovery import DiscoveryFiles
from sandbox.cluster.node_agent.volumes import Sources
from sandbox.journal import Journal, Kind
from sandbox.service import ServiceFailed

STEP_SECONDS = 0.1
STOP_SECONDS = 15.0
PROBE_THREADS = 8
EVERY_VOLUME_SECONDS = 60.0
"""Volumes follow changes at once; this often they are looked over anyway, for tokens that run out."""
DEFAULT_GRACE_SECONDS = 30.0
"""Kubernetes' own."""


def nothing_more(_pod: JsonObject) -> Mapping[str, str]:
    """Add nothing to a pod's environment."""
    return {}


class NodeAgent:
    """Owns the nodes of `nodes.NODE_NAMES` and runs what the scheduler binds to them as processes on loopback."""

    def __init__(
        self,
        kubeconfig: Path,
        directory: Path,
        journal: Journal,
        clock: Clock,
        environment_for: EnvironmentFor = nothing_more,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        """Describe the agent of a running cluster. `directory` gets volumes, containers' logs and `addresses.json`."""
        self.name = "node-agent"
        self.directory = directory.resolve()
        self.addresses_path = self.directory / "addresses.json"
        self._journal = journal
        self._clock = clock
        self._environment_for = environment_for
        self._heartbeat_seconds = heartbeat_seconds
        self._lost: frozenset[str] = frozenset()
        self._on_small_disks: frozenset[str] = frozenset()
        self._addresses = Addresses()
        self._runners: dict[str, PodRunner] = {}
        self._finished: set[str] = set()
        self._reported: dict[str, tuple[object, JsonObject]] = {}
        self._told: dict[tuple[str, str], str] = {}
        self._sequence = 0
        self._files = ChangedFiles()
        self._discovery = DiscoveryFiles(self._addresses, self._files)
        self._written_table: JsonObject | None = None
        self._wake = threading.Event()
        self._content_changed = threading.Event()
        self._stopping = threading.Event()
        self._registered = threading.Event()
        self._failure: str | None = None
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._api = Api(kubeconfig)
        self._pods = Mirror(self._api, "/api/v1/pods", self._wake.set)
        self._services = Mirror(self._api, "/api/v1/services", self._wake.set)
        self._secrets = Mirror(self._api, "/api/v1/secrets", self._notice_content)
        self._config_maps = Mirror(self._api, "/api/v1/configmaps", self._notice_content)

    def start(self) -> None:
        """Register the nodes and begin to run pods."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for mirror in self._mirrors():
            mirror.start()
        # The kernel ends a process with the thread that started it: this one lives until `stop`.
        self._threads = [
            threading.Thread(target=self._run, name=self.name, daemon=True),
            threading.Thread(target=self._beat, name=f"{self.name} heartbeat", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def ready(self) -> bool:
        """Say whether the nodes are registered and ready. Raises `ServiceFailed` if the agent has ended by itself."""
        if self._failure is not None:
            message = f"{self.name}: {self._failure}"
            raise ServiceFailed(message)
        return self._registered.is_set() and all(mirror.is_filled for mirror in self._mirrors())

    @property
    def address(self) -> str:
        """The file with every pod's addresses and processes."""
        return str(self.addresses_path)

    def stop(self) -> None:
        """End every process, then the agent."""
        if not self._threads:
            return
        self._stopping.set()
        self._wake.set()
        for mirror in self._mirrors():
            mirror.stop()
        self._api.end_watches()
        for mirror in self._mirrors():
            mirror.join(STOP_SECONDS)
        for thread in self._threads:
            thread.join(STOP_SECONDS)
        self._threads = []
        self._api.close()

    def addresses(self) -> dict[str, dict[str, str]]:
        """Return the loopback address of every named port of every pod here, by `pod` and port name."""
        with self._lock:
            return {name: dict(entry["ports"]) for name, entry in self._table().items()}

    def processes(self) -> dict[str, dict[str, int]]:
        """Return the ids of the running processes, by pod and container."""
        with self._lock:
            return {name: dict(entry["processes"]) for name, entry in self._table().items()}

    def lose(self, node_name: str) -> None:
        """Let a node go without warning: its processes are killed, and nobody tells the API server of anything.

        That a node is silent is for the control plane to notice.
        """
        self._lost |= {node_name}
        self._wake.set()

    def recover(self, node_name: str) -> None:
        """Have a lost node back, as a machine that starts again: it runs what is bound to it now."""
        self._report_node(node_name)
        self._lost -= {node_name}
        self._wake.set()

    def use_small_disk(self, pod: str, *, small: bool) -> None:
        """Have a Prometheus' storage on a small, empty disk from its next start on, or on its volume again."""
        self._on_small_disks = self._on_small_disks | {pod} if small else self._on_small_disks - {pod}

    def logs(self, namespace: str, pod: str, container: str) -> Path:
        """Return the file that a container's output goes to."""
        return self.directory / "logs" / namespace / pod / f"{container}.log"

    def _mirrors(self) -> tuple[Mirror, ...]:
        return (self._pods, self._services, self._secrets, self._config_maps)

    def _notice_content(self) -> None:
        self._content_changed.set()
        self._wake.set()

    def _beat(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self._registered.is_set():
                    self._register()
                    self._registered.set()
                for name in NODE_NAMES:
                    if name not in self._lost:
                        self._renew(name)
            except (httpx.TransportError, ApiRefused) as error:
                if not self._registered.is_set():
                    self._failure = f"nodes could not be registered: {error}"
                    return
            self._stopping.wait(self._heartbeat_seconds)

    def _renew(self, node_name: str) -> None:
        path = f"/apis/coordination.k8s.io/v1/namespaces/{LEASE_NAMESPACE}/leases/{node_name}"
        self._api.apply(path, lease(node_name))

    def _report_node(self, node_name: str) -> None:
        self._api.merge(f"/api/v1/nodes/{node_name}/status", node_status(NODE_NAMES.index(node_name)))
        self._renew(node_name)

    def _register(self) -> None:
        group = "/apis/admissionregistration.k8s.io/v1"
        for manifest in admission_policy():
            plural = {
                "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
                "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
            }[manifest["kind"]]
            self._api.apply(f"{group}/{plural}/{manifest['metadata']['name']}", manifest)
        for name in NODE_NAMES:
            self._api.apply(f"/api/v1/nodes/{name}", node(name))
            self._report_node(name)

    def _run(self) -> None:
        with ThreadPoolExecutor(PROBE_THREADS, thread_name_prefix="probe") as executor:
            pod_environment = PodEnvironment(
                directory=self.directory,
                sources=Sources(api=self._api, secrets=self._secrets, config_maps=self._config_maps),
                addresses=self._addresses,
                journal=self._journal,
                clock=self._clock,
                executor=executor,
                environment_for=self._environment_for,
                report=self._tell,
                on_small_disk=lambda pod: pod in self._on_small_disks,
            )
            look_over = time.monotonic() + EVERY_VOLUME_SECONDS
            try:
                while not self._stopping.is_set():
                    self._wake.wait(STEP_SECONDS)
                    self._wake.clear()
                    if time.monotonic() >= look_over:
                        self._content_changed.set()
                        look_over = time.monotonic() + EVERY_VOLUME_SECONDS
                    # An API server that is away or busy for a moment is asked again at the next step.
                    with contextlib.suppress(httpx.TransportError):
                        try:
                            self._step(pod_environment)
                        except ApiRefused as refused:
                            if not refused.is_passing:
                                raise
            except (OSError, ApiRefused, KeyError, ValueError) as error:
                self._failure = f"{type(error).__name__}: {error}"
                raise
            finally:
                self._end_everything()

    def _step(self, pod_environment: PodEnvironment) -> None:
        if not self.ready():
            return
        if self._content_changed.is_set():
            self._content_changed.clear()
            for runner in self._runners.values():
                runner.refresh()
        bound = {pod["metadata"]["uid"]: pod for pod in self._pods.all() if pod["spec"].get("nodeName") in NODE_NAMES}
        self._finished &= bound.keys()  # what was removed stays in the mirror until the watch says so
        with self._lock:
            for uid, pod in bound.items():
                if uid not in self._runners and uid not in self._finished:
                    self._sequence += 1
                    self._runners[uid] = PodRunner(pod, self._sequence, pod_environment)
        for uid, runner in list(self._runners.items()):
            self._step_pod(runner, bound.get(uid), time.monotonic())
        self._write_discovery()
        self._write_addresses()

    def _step_pod(self, runner: PodRunner, pod: JsonObject | None, now: float) -> None:
        if runner.node_name in self._lost:
            runner.kill()
            # Others speak for the pod meanwhile: what was said last is to be said again.
            self._reported.pop(runner.uid, None)
            return
        if pod is None:
            runner.begin_stop(0.0, now)  # removed by force
        else:
            runner.pod = pod
            if "deletionTimestamp" in pod["metadata"]:
                grace = pod["metadata"].get("deletionGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
                runner.begin_stop(float(grace), now)
        runner.step(now)
        if runner.is_gone:
            self._finish(runner, is_known=pod is not None)
        elif pod is not None:
            self._report_status(runner)

    def _finish(self, runner: PodRunner, *, is_known: bool) -> None:
        if is_known:
            self._api.delete_now(_pod_path(runner.pod), runner.uid)
        runner.forget()
        self._finished.add(runner.uid)
        self._reported.pop(runner.uid, None)
        with self._lock:
            del self._runners[runner.uid]

    def _report_status(self, runner: PodRunner) -> None:
        key, reported = self._reported.get(runner.uid, (None, None))
        if key == runner.status_key():
            return
        status = runner.status()
        if reported == status:
            self._reported[runner.uid] = (runner.status_key(), status)
            return
        try:
            runner.pod = self._api.merge(f"{_pod_path(runner.pod)}/status", {"status": status})
        except ApiRefused as refused:
            if refused.code not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise
            return
        # Transition times come from the pod as it is known; with the answer they are stable.
        self._reported[runner.uid] = (runner.status_key(), runner.status())

    def _tell(self, pod: JsonObject, reason: str, message: str) -> None:
        metadata = pod["metadata"]
        if self._told.get((metadata["uid"], reason)) == message:
            return
        self._told[metadata["uid"], reason] = message
        if reason == "UnsupportedByNodeAgent":
            ids = {"namespace": metadata["namespace"], "pod": metadata["name"]}
            self._journal.append(SOURCE, Kind.REQUEST_REFUSED, ids, reason=message)
        now = timestamp()
        event: Mapping[str, Any] = {
            "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
            "type": "Warning",
            "reason": reason,
            "message": message[:1024],
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "source": {"component": self.name, "host": pod["spec"]["nodeName"]},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        with contextlib.suppress(ApiRefused):  # an event is a courtesy; its namespace may be ending
            self._api.create(f"/api/v1/namespaces/{metadata['namespace']}/events", event)

    def _write_discovery(self) -> None:
        runners = list(self._runners.values())
        requests = [
            (runner.volumes.discovery_folder / request.file_name, request)
            for runner in runners
            for request in runner.volumes.requests
        ]
        self._discovery.update(requests, self._services.all(), [runner.pod for runner in runners])

    def _write_addresses(self) -> None:
        with self._lock:
            table = self._table()
            if table != self._written_table:
                self._files.write(self.addresses_path, json.dumps(table, indent=1, sort_keys=True))
                self._written_table = table

    def _table(self) -> dict[str, JsonObject]:
        return {
            runner.name: {
                "namespace": runner.namespace,
                "uid": runner.uid,
                "ports": {
                    port["name"]: self._addresses.address(runner.namespace, runner.name, port["containerPort"])
                    for container in runner.pod["spec"]["containers"]
                    for port in container.get("ports", [])
                    if "name" in port and not runner.is_refused
                },
                "processes": runner.processes(),
            }
            for runner in self._runners.values()
        }

    def _end_everything(self) -> None:
        now = time.monotonic()
        for runner in self._runners.values():
            runner.begin_stop(0.0, now)
        while any(not runner.is_gone for runner in self._runners.values()):
            for runner in self._runners.values():
                runner.step(time.monotonic())
            time.sleep(STEP_SECONDS / 2)


def _pod_path(pod: JsonObject) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
