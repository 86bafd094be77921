"""A stack's preview without its account: the real engine, on clouds that hold what the stack's settings name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sandbox.clock import Clock
from sandbox.cluster.control_plane import ControlPlane
from sandbox.cluster.operator import Operator
from sandbox.credentials import Credentials
from sandbox.emulators import StandIns
from sandbox.engine import Engine, Progress, Result
from sandbox.journal import Journal
from sandbox.runs import Run
from sandbox.seed_data import Network, add_people
from sandbox.service import Service, start_all

START_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewPlan:
    """One stack, and what its settings take for granted.

    `configuration` and `secrets` are given to the engine over what the stack's file says: nobody here can read its
    secrets, and its cluster is a control plane on this machine. Without `people` there is no PagerDuty.
    """

    project: Path
    stack: str
    account_id: str
    region: str
    cluster_name: str
    network: Network
    people: tuple[str, ...]
    configuration: Mapping[str, Any]
    secrets: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The result of a preview: every step in its order, and the counts."""

    steps: tuple[Progress, ...]
    result: Result


class PreviewAccount:
    """The account, cluster and PagerDuty of one preview. Use as a context manager: on the way out all of it ends."""

    def __init__(self, plan: PreviewPlan, run: Run, tell: Callable[[str], None]) -> None:
        """`run` is where everything is kept; `tell` hears of each step in a person's words."""
        self._plan = plan
        self._directory = run.directory
        self._tell = tell
        self._undo = ExitStack()
        self._steps: list[Progress] = []
        self.plane = ControlPlane(f"orion-{run.directory.name.removeprefix('run-')}", run.directory / "control-plane")
        journal = Journal(run.directory / "journal.jsonl")
        self.credentials = Credentials.new()
        stand_ins = StandIns(journal=journal, clock=Clock(1.0), directory=run.directory, credentials=self.credentials)
        self.pagerduty = stand_ins.pagerduty()
        self.aws = stand_ins.aws(
            self.plane, plan.cluster_name, account_id=plan.account_id, region=plan.region, network=plan.network
        )

    def __enter__(self) -> Self:
        """Start everything. Raises `ServiceFailed` naming what did not come up."""
        with self._undo:
            self._start_services()
            self._undo = self._undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _start_services(self) -> None:
        plan = self._plan
        self._tell("starting a Kubernetes API server and the stand-ins for the clouds")
        self._start(self.plane)
        if plan.people:
            self._start(self.pagerduty)
            add_people(self.pagerduty.address, plan.people, self.credentials)
        # A chart brings them; here they are there, so that rules are held to them in the preview already.
        Operator(self.plane.kubeconfig, self._directory).install_definitions()
        self._start(self.aws)

    def _start(self, *services: Service) -> None:
        start_all(services, self._undo, timeout_seconds=START_SECONDS)

    def preview(self) -> Preview:
        """Have the engine say what `up` would do. Raises `DeploymentFailed`, `Interrupted`."""
        self._tell("asking the engine")
        engine = Engine(
            self._directory / "engine",
            {
                **self.credentials.aws_environment(self._plan.region),
                "AWS_ENDPOINT_URL": self.aws.address,
                "ORION_PAGERDUTY_API_URL": self.pagerduty.address,
                "KUBECONFIG": str(self.plane.kubeconfig),
            },
            project=self._plan.project,
            stack=self._plan.stack,
            on_progress=self._take,
        )
        cluster = {**self._plan.configuration.get("cluster", {}), "kubeconfig_path": str(self.plane.kubeconfig)}
        # The stack's own token is nobody's to read here; the stand-in takes the one of this run.
        token = {"pagerdutyToken": self.credentials.pagerduty_token} if self._plan.people else {}
        engine.configure({**self._plan.configuration, "cluster": cluster}, secret={**self._plan.secrets, **token})
        result = engine.preview()
        return Preview(steps=tuple(self._steps), result=result)

    def _take(self, progress: Progress) -> None:
        if progress.stage == "began":
            self._steps.append(progress)
