"""One pod: from its volumes over its init containers to its processes, and to its end."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from sandbox.clock import Clock
from sandbox.cluster.api_client import ApiRefused, JsonObject
from sandbox.cluster.node_agent.addresses import Addresses, PodPorts
from sandbox.cluster.node_agent.node_manifests import NODE_NAMES, node_address, pod_address, timestamp
from sandbox.cluster.node_agent.pod_status import ContainerReport, PodReport, pod_status
from sandbox.cluster.node_agent.probes import Probe
from sandbox.cluster.node_agent.processes import ContainerProcess
from sandbox.cluster.node_agent.programs import program_of
from sandbox.cluster.node_agent.small_disk import on_small_disk
from sandbox.cluster.node_agent.supported_fields import unsupported
from sandbox.cluster.node_agent.translate import Untranslatable, arguments, expanded
from sandbox.cluster.node_agent.volumes import NotMountable, Sources, Volumes
from sandbox.journal import Journal, Kind
from tools.paths import tool

SOURCE = "node agent"
RETRY_SECONDS = 0.3
SHORTEST_GRACE_SECONDS = 3.0
"""However fast the sandbox's clock runs, a program gets this long to end by itself."""

START_GAP_SECONDS = 0.4
"""Between two containers of a pod, as a container runtime takes it too.

Without it the config-reloader asks for its first reload before Alertmanager listens, tries again five seconds later,
and only then begins to watch: what changed in between it would see three minutes later."""

EnvironmentFor = Callable[[JsonObject], Mapping[str, str]]
"""What an identity webhook would add to a pod's environment, given the pod."""
Report = Callable[[JsonObject, str, str], None]
"""Tells the API server of an event: the pod, the reason, the message."""


class _Stage(Enum):
    MOUNTING = auto()
    INITIALISING = auto()
    RUNNING = auto()
    STOPPING = auto()
    REFUSED = auto()
    GONE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class PodEnvironment:
    """The environment that all pods of the agent share."""

    directory: Path
    sources: Sources
    addresses: Addresses
    journal: Journal
    clock: Clock
    executor: Executor
    environment_for: EnvironmentFor
    report: Report
    on_small_disk: Callable[[str], bool]


class _Container:
    """One container of a pod, with its process and its probes."""

    def __init__(self, specification: JsonObject, process: ContainerProcess) -> None:
        self.specification = specification
        self.process = process
        self.probes: dict[str, Probe] = {}
        self.message = ""

    @property
    def has_started(self) -> bool:
        startup = self.probes.get("startupProbe")
        return self.process.is_running and (startup is None or startup.passes is True)

    @property
    def is_ready(self) -> bool:
        readiness = self.probes.get("readinessProbe")
        return self.has_started and (readiness is None or readiness.passes is True)

    @property
    def is_ill(self) -> bool:
        return any(
            probe.passes is False
            for kind, probe in self.probes.items()
            if kind == "startupProbe" or (kind == "livenessProbe" and self.has_started)
        )


class PodRunner:
    """Carries out one pod, step by step, all from one thread."""

    def __init__(self, pod: JsonObject, sequence: int, pod_environment: PodEnvironment) -> None:
        """Take on a pod that was bound to one of the agent's nodes. `sequence` numbers the agent's pods."""
        self.pod = pod
        metadata = pod["metadata"]
        self.namespace, self.name, self.uid = metadata["namespace"], metadata["name"], metadata["uid"]
        self._around = pod_environment
        self.node_name: str = pod["spec"]["nodeName"]
        self._node = NODE_NAMES.index(self.node_name)
        self._address = pod_address(self._node, sequence)
        self.folder = pod_environment.directory / "pods" / f"{self.namespace}_{self.name}_{self.uid}"
        self.ports = PodPorts(pod_environment.addresses, self.namespace, self.name)
        self.volumes = Volumes(pod, self.folder, pod_environment.sources, self._field)
        self._init = [self._container(one) for one in pod["spec"].get("initContainers", [])]
        self._main = [self._container(one) for one in pod["spec"]["containers"]]
        self._stage = _Stage.MOUNTING
        self._start_time = timestamp()
        self._message = ""
        self._try_at = 0.0
        self._kill_at = 0.0
        self._next_start = 0.0

    @property
    def is_gone(self) -> bool:
        """True when nothing is left to do and the API server may delete the pod."""
        return self._stage is _Stage.GONE

    @property
    def is_refused(self) -> bool:
        """True if the pod uses a feature that the agent does not support."""
        return self._stage is _Stage.REFUSED

    def processes(self) -> dict[str, int]:
        """Return the ids of the running processes, by container."""
        every = [*self._init, *self._main]
        return {one.specification["name"]: one.process.pid for one in every if one.process.pid is not None}

    def status_key(self) -> object:
        """Return a value that is another one whenever `status` may be: far cheaper, for an agent that asks often."""
        containers = [
            (one.process.pid, one.process.last, one.process.restarts, one.has_started, one.is_ready)
            for one in [*self._init, *self._main]
        ]
        return self.pod["metadata"]["resourceVersion"], self._stage, self._message, containers

    def status(self) -> JsonObject:
        """Return the pod's status as it is now."""
        return pod_status(
            self.pod,
            PodReport(
                host_address=node_address(self._node),
                pod_address=self._address,
                start_time=self._start_time,
                initialised=self._stage is _Stage.RUNNING or (self._stage is _Stage.STOPPING and self._init_done),
                init_containers=[self._report(one, init=True) for one in self._init],
                containers=[self._report(one, init=False) for one in self._main],
                message=self._message,
            ),
        )

    def step(self, now: float) -> None:
        """Do what can be done at once."""
        for one in [*self._init, *self._main]:
            self._notice_ending(one, now)
        match self._stage:
            case _Stage.MOUNTING:
                self._mount(now)
            case _Stage.INITIALISING:
                self._initialise(now)
            case _Stage.RUNNING:
                self._run(now)
            case _Stage.STOPPING:
                self._stop(now)
            case _Stage.REFUSED | _Stage.GONE:
                pass

    def refresh(self) -> None:
        """Bring the contents of mounted Secrets and ConfigMaps up to date."""
        if self._stage in (_Stage.INITIALISING, _Stage.RUNNING):
            try:
                self.volumes.refresh()
            except Untranslatable as error:
                self._tell("FailedMount", str(error))

    def begin_stop(self, grace_seconds: float, now: float) -> None:
        """Ask every process to end within its grace (story seconds). May be called again; only the first counts."""
        if self._stage in (_Stage.STOPPING, _Stage.GONE):
            return
        self._stage = _Stage.STOPPING
        self._kill_at = now + max(self._around.clock.real(grace_seconds), SHORTEST_GRACE_SECONDS)
        for one in [*self._init, *self._main]:
            one.process.terminate()

    def kill(self) -> None:
        """End every process at once."""
        for one in [*self._init, *self._main]:
            one.process.kill()

    def forget(self) -> None:
        """Remove the pod's folder; its logs are elsewhere."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _init_done(self) -> bool:
        return all(one.process.last is not None and one.process.last.code == 0 for one in self._init)

    def _container(self, specification: JsonObject) -> _Container:
        name = specification["name"]
        return _Container(
            specification,
            ContainerProcess(
                f"{self.name}/{name}",
                log_path=self._around.directory / "logs" / self.namespace / self.name / f"{name}.log",
                pid_path=self.folder / f"{name}.pid",
                clock=self._around.clock,
            ),
        )

    def _mount(self, now: float) -> None:
        if now < self._try_at:
            return
        wrong = unsupported(self.pod)
        if wrong:
            self._refuse("; ".join(wrong))
            return
        try:
            for one in [*self._init, *self._main]:
                self._command(one)
            self.volumes.mount()
        except Untranslatable as error:
            self._refuse(str(error))
        except (NotMountable, ApiRefused) as error:
            self._message = str(error)
            self._tell("FailedMount", str(error))
            self._try_at = now + RETRY_SECONDS
        else:
            self._message = ""
            self._stage = _Stage.INITIALISING

    def _refuse(self, message: str) -> None:
        self._stage = _Stage.REFUSED
        self._message = f"the sandbox's node agent does not carry this out: {message}"
        self._tell("UnsupportedByNodeAgent", self._message)

    def _initialise(self, now: float) -> None:
        for one in self._init:
            if one.process.last is not None and one.process.last.code == 0 and not one.process.is_running:
                continue
            if not one.process.is_running and one.process.may_start(now):
                self._start(one, now)
            return
        self._stage = _Stage.RUNNING
        self._run(now)

    def _run(self, now: float) -> None:
        for one in self._main:
            if not one.process.is_running:
                if one.process.may_start(now) and now >= self._next_start:
                    self._start(one, now)
                    self._next_start = now + START_GAP_SECONDS
                continue
            for kind, probe in one.probes.items():
                if kind == "startupProbe" and probe.passes:
                    continue
                if kind != "startupProbe" and not one.has_started:
                    continue
                probe.step(self._around.executor, now=now)
            if one.is_ill:
                failing = next(probe.message for probe in one.probes.values() if probe.passes is False)
                self._tell("Unhealthy", f"container {one.specification['name']} is restarted: {failing}")
                one.probes = {}
                one.process.kill()

    def _stop(self, now: float) -> None:
        running = [one for one in [*self._init, *self._main] if one.process.is_running]
        if not running:
            self._stage = _Stage.GONE
        elif now >= self._kill_at:
            for one in running:
                one.process.kill()

    def _start(self, one: _Container, now: float) -> None:
        command, environment = self._command(one)
        if one.specification["name"] == "prometheus" and self._around.on_small_disk(self.name):
            command = on_small_disk(command)
        one.process.start(command, environment, folder=self.folder, now=now)
        self._around.journal.append(SOURCE, Kind.PROCESS_STARTED, {"name": one.process.name}, pid=one.process.pid)
        one.probes = {
            kind: Probe(one.specification[kind], self._probe_port(one, kind), self._around.clock, now=now)
            for kind in ("startupProbe", "livenessProbe", "readinessProbe")
            if kind in one.specification
        }

    def _notice_ending(self, one: _Container, now: float) -> None:
        ending = one.process.ended(now=now)
        if ending is None:
            return
        one.probes = {}
        self._around.journal.append(SOURCE, Kind.PROCESS_ENDED, {"name": one.process.name}, code=ending.code)
        if self._stage is _Stage.RUNNING:
            name, waits = one.specification["name"], one.process.waits
            self._tell("BackOff", f"container {name} ended with code {ending.code}; restarted in {waits:.1f} s")

    def _command(self, one: _Container) -> tuple[list[str], dict[str, str]]:
        specification = one.specification
        program = program_of(specification["image"])
        if program is None:
            raise Untranslatable(f"image {specification['image']}: no such program here")
        declared: dict[str, str] = {}
        for variable in specification.get("env", []):
            if "valueFrom" in variable:
                declared[variable["name"]] = self._field(variable["valueFrom"]["fieldRef"]["fieldPath"])
            else:
                declared[variable["name"]] = expanded(variable.get("value", ""), declared)
        command: list[str] = specification.get("command", [f"/bin/{program.binary}"])
        if len(command) != 1 or Path(command[0]).name != program.binary:
            raise Untranslatable(f"command {' '.join(command)}: allowed: {program.binary}")
        given = [expanded(argument, declared) for argument in specification.get("args", [])]
        environment = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin", "HOSTNAME": self.name}
        return (
            [str(tool(program.binary)), *arguments(program, given, self.volumes.root, self.ports)],
            environment | dict(self._around.environment_for(self.pod)) | declared,
        )

    def _probe_port(self, one: _Container, kind: str) -> int:
        wanted = one.specification[kind]["httpGet"]["port"]
        for port in one.specification.get("ports", []):
            if wanted in (port.get("name"), port["containerPort"]):
                return self.ports.own(port["containerPort"])
        return self.ports.own(int(wanted))

    def _field(self, path: str) -> str:
        metadata, spec = self.pod["metadata"], self.pod["spec"]
        fields: dict[str, str] = {
            "metadata.name": metadata["name"],
            "metadata.namespace": metadata["namespace"],
            "metadata.uid": metadata["uid"],
            "spec.nodeName": spec["nodeName"],
            "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
            "status.hostIP": node_address(self._node),
            "status.podIP": self._address,
        }
        if path not in fields:
            raise Untranslatable(f"field {path}: not known to the node agent")
        return fields[path]

    def _report(self, one: _Container, *, init: bool) -> ContainerReport:
        waiting = "PodInitializing"
        if self._stage is _Stage.REFUSED:
            waiting = "CreateContainerConfigError"
        elif self._stage is _Stage.MOUNTING:
            waiting = "ContainerCreating"
        elif one.process.last is not None:
            waiting = "CrashLoopBackOff"
        completed = init and one.process.last is not None and one.process.last.code == 0
        return ContainerReport(
            specification=one.specification,
            process=one.process,
            ready=completed or (one.is_ready and not init),
            started=one.has_started and not init,
            waiting=waiting,
            message=self._message if self._stage in (_Stage.REFUSED, _Stage.MOUNTING) else "",
            completed=completed or self._stage in (_Stage.STOPPING, _Stage.GONE),
        )

    def _tell(self, reason: str, message: str) -> None:
        self._around.report(self.pod, reason, message)
