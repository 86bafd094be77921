"""A real Kubernetes control plane on loopback ports: etcd, API server, controllers, scheduler, and kwok's nodes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import yaml

from sandbox import process_reaper
from sandbox.ports import LOOPBACK, free_ports
from sandbox.service import ServiceFailed, end_recorded_processes, record_process
from tools.paths import tool, tools_folder

COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "etcd": ("etcdPort", "etcdPeerPort"),
    "kube-apiserver": ("kubeApiserverPort",),
    "kube-controller-manager": ("kubeControllerManagerPort",),
    "kube-scheduler": ("kubeSchedulerPort",),
    "kwok-controller": ("kwokControllerPort",),
}
"""The daemons, and kwokctl's options for the ports that each listens on."""
FAKE_NODE_ANNOTATION = "kwok.x-k8s.io/node"
"""kwok's controller runs only the nodes that carry this annotation with the value `fake`."""
EXTRA_ARGUMENTS: Mapping[str, Mapping[str, str]] = {
    "etcd": {
        # etcd asks nobody for a key: by its JSON gateway a web page could read Secrets and write pods and roles.
        "enable-grpc-gateway": "false",
        # What the cluster stores goes with it.
        "unsafe-no-fsync": "true",
    },
    # There is one of each: a lease that it renews every two seconds would only cost time.
    "kube-controller-manager": {"leader-elect": "false"},
    "kube-scheduler": {"leader-elect": "false"},
    # Other nodes than kwok's own belong to the node agent.
    "kwok-controller": {
        "manage-all-nodes": "false",
        "manage-nodes-with-annotation-selector": f"{FAKE_NODE_ANNOTATION}=fake",
    },
}
HEAP_GROWTH = "300"
"""GOGC: the percentage by which a component's heap grows before a collection. Time is scarcer than memory."""
START_ATTEMPTS = 3
"""A port can be taken between the moment it was found free and its program's start; the cluster is then made anew.

kwokctl does not notice where the scheduler, the controllers or kwok itself met that.
"""
START_TIMEOUT_SECONDS = 60


class ControlPlane:
    """One cluster made by `kwokctl`, in `directory` and nowhere else. Two at once don't meet.

    `kwokctl` leaves daemons. A keeper adopts them and ends them when this process ends, however that happens; where it
    cannot (elsewhere than on Linux), their pids are recorded as they appear, and the next run ends them.
    """

    def __init__(self, name: str, directory: Path, *, node_grace_seconds: int | None = None) -> None:
        """Describe the cluster. `directory` is made when it is not there, and is this cluster's own.

        A node that has been silent for `node_grace_seconds` counts as unreachable; None leaves kwokctl's hour.
        """
        self.name = name
        self.directory = directory.resolve()
        self.kubeconfig = self.directory / "kubeconfig"
        self._workdir = self.directory / "kwok"
        self._cluster = self._workdir / "clusters" / name
        self._log_path = self.directory / "kwokctl.log"
        self._result = self.directory / "kwokctl.code"
        self._node_grace_seconds = node_grace_seconds
        self._starter: subprocess.Popen[bytes] | None = None
        self._attempts = 0
        self._ports: dict[str, int] = {}
        self._is_ready = False

    @property
    def pki(self) -> Path:
        """The folder with the cluster's authority: ca.crt and ca.key."""
        return self._cluster / "pki"

    @property
    def logs(self) -> Path:
        """The folder with a log file for each component."""
        return self._cluster / "logs"

    @property
    def address(self) -> str:
        """The path of the administrator's kubeconfig."""
        return str(self.kubeconfig)

    def start(self) -> None:
        """Begin making the cluster, after ending what an earlier run may have left in the same folder."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._end_everything()
        self._attempts = 0
        self._begin()

    def ready(self) -> bool:
        """Say whether the API server answers and every component runs.

        Raises `ServiceFailed` if the cluster could not be made or a component has ended since.
        """
        if self._starter is None:
            return False
        self._record_daemons()
        code = self._exit_code(self._starter)
        if code is None:
            return False
        failure = self._ended_daemon()
        if self._starter.poll() is not None:
            failure = f"{self.name}: the keeper of its components has ended"
        if code != 0:
            failure = f"{self.name}: kwokctl ended with code {code}; {self._log_path} ends with:\n{self._log_tail()}"
        if failure is None:
            self._is_ready = self._is_ready or all(self._listens(component) for component in COMPONENTS)
            return self._is_ready
        if self._is_ready or self._attempts >= START_ATTEMPTS:
            raise ServiceFailed(failure)
        self._end_everything()
        self._begin()
        return False

    def stop(self) -> None:
        """End every component and delete what the cluster stored."""
        self._is_ready = False
        self._record_daemons()
        self._end_everything()

    def _begin(self) -> None:
        self._attempts += 1
        configuration = self.directory / "kwokctl.yaml"
        options = [option for options in COMPONENTS.values() for option in options]
        self._ports = dict(zip(options, free_ports(len(options)), strict=True))
        configuration.write_text(yaml.safe_dump(_configuration(self._ports, self._node_grace_seconds)))
        command: list[str] = [
            *("--name", self.name, "--config", str(configuration), "create", "cluster", "--runtime", "binary"),
            *("--kubeconfig", str(self.kubeconfig), "--wait", f"{START_TIMEOUT_SECONDS}s"),
            *("--kube-authorization", "--kube-admission"),
            *("--etcd-binary", str(tool("etcd"))),
            *("--kube-apiserver-binary", str(tool("kube-apiserver"))),
            *("--kube-controller-manager-binary", str(tool("kube-controller-manager"))),
            *("--kube-scheduler-binary", str(tool("kube-scheduler"))),
            *("--kwok-controller-binary", str(tool("kwok"))),
        ]
        tool("kubectl")  # kwokctl downloads one when there is none on its PATH
        self._result.unlink(missing_ok=True)
        with self._log_path.open("wb") as log:
            self._starter = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    process_reaper.__file__,
                    str(self._result),
                    "--",
                    str(tool("kwokctl")),
                    *command,
                ],
                stdin=subprocess.PIPE,  # it is never written to: the keeper reads that this process has ended
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(),
                start_new_session=True,
            )
        record_process(self.directory / "kwokctl.pid", self._starter.pid)

    def _exit_code(self, starter: subprocess.Popen[bytes]) -> int | None:
        """Return the exit code of kwokctl, or of its keeper if that has ended; None while both run."""
        if self._result.exists():
            return int(self._result.read_text())
        return starter.poll()

    def _environment(self) -> dict[str, str]:
        path = f"{tools_folder()}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {**os.environ, "PATH": path, "KWOK_WORKDIR": str(self._workdir)}

    def _daemon_pid(self, component: str) -> int | None:
        try:
            return int((self._cluster / "pids" / f"{component}.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None  # not started yet, or its file is being written

    def _record_daemons(self) -> None:
        for component in COMPONENTS:
            record = self.directory / f"{component}.pid"
            pid = self._daemon_pid(component)
            if pid is None or record.exists():
                continue
            try:
                record_process(record, pid)
            except psutil.NoSuchProcess:
                continue  # ended at once; `_ended_daemon` or kwokctl says so

    def _listens(self, component: str) -> bool:
        """Say whether a component itself has its ports: another program may have been quicker."""
        pid = self._daemon_pid(component)
        if pid is None:
            return False
        try:
            connections = psutil.Process(pid).net_connections("tcp")
        except psutil.NoSuchProcess:
            return False  # `_ended_daemon` says so next time
        listening = {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN and one.laddr}
        return {self._ports[option] for option in COMPONENTS[component]} <= listening

    def _ended_daemon(self) -> str | None:
        """Say which component has ended, if one has, and what its log ends with."""
        for component in COMPONENTS:
            pid = self._daemon_pid(component)
            if pid is None or not psutil.pid_exists(pid):
                log = self.logs / f"{component}.log"
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-12:]) if log.exists() else "(nothing)"
                return f"{self.name}: {component} has ended; its log ({log}) ends with:\n{tail}"
        return None

    def _end_everything(self) -> None:
        if self._starter is not None:
            if self._starter.stdin is not None:
                self._starter.stdin.close()
            self._starter.wait()
            self._starter = None
        # kwokctl is not asked to: it would end whatever has a pid of its files now, and keeps quiet about failures.
        shutil.rmtree(self._cluster / "pids", ignore_errors=True)
        end_recorded_processes(self.directory)
        shutil.rmtree(self._workdir, ignore_errors=True)
        self.kubeconfig.unlink(missing_ok=True)

    def _log_tail(self) -> str:
        return "\n".join(self._log_path.read_text(errors="replace").splitlines()[-12:])


def _configuration(ports: Mapping[str, int], node_grace_seconds: int | None) -> dict[str, object]:
    # Left to itself, kwokctl binds 0.0.0.0 and counts down from port 32767, where two clusters started at once meet.
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokctlConfiguration",
        "options": {
            "bindAddress": LOOPBACK,
            **ports,
            **({} if node_grace_seconds is None else _node_monitoring(node_grace_seconds)),
        },
        "componentsPatches": [_patch(component) for component in COMPONENTS],
    }


def _patch(component: str) -> dict[str, object]:
    arguments = EXTRA_ARGUMENTS.get(component, {})
    return {
        "name": component,
        "extraArgs": [{"key": key, "value": value} for key, value in arguments.items()],
        "extraEnvs": [{"name": "GOGC", "value": HEAP_GROWTH}],
    }


def _node_monitoring(grace_seconds: int) -> dict[str, int]:
    option = "kubeControllerManagerNodeMonitor"
    return {f"{option}PeriodMilliseconds": 1000, f"{option}GracePeriodMilliseconds": grace_seconds * 1000}
