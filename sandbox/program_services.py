"""Starts what the program stands on: the cluster with its operator and node agent, and the stand-ins for the clouds."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.clock import Clock
from sandbox.cluster.control_plane import ControlPlane
from sandbox.cluster.node_agent import NodeAgent
from sandbox.cluster.operator import Operator
from sandbox.cluster.workloads import NAMESPACE, Workloads
from sandbox.credentials import Credentials
from sandbox.emulators import PodIdentity, StandIns, metrics_source
from sandbox.journal import Journal
from sandbox.ports import address_of, listening_socket
from sandbox.runs import Run
from sandbox.service import Service, start_all

CLUSTER_NAME = "orion-sandbox"
START_SECONDS = 120.0


def _chart_file(setting: Mapping[str, Any]) -> Path | None:
    """Return the archive that a setting of the chart names, if it names one."""
    return Path(setting["path"]) if setting["source"] == "file" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that the program stands on, running: the cluster, and the stand-ins for the clouds."""

    journal: Journal
    credentials: Credentials
    plane: ControlPlane
    pagerduty: Service
    slack: Service
    aws: Service
    workloads: Workloads
    metrics: Service
    agent: NodeAgent
    function_listener: socket.socket
    others: tuple[Service, ...]

    def all(self) -> list[Service]:
        """Return every service that was started."""
        return [self.plane, self.pagerduty, self.slack, self.aws, self.metrics, self.agent, *self.others]


def start_services(
    clock: Clock, chart: Mapping[str, Any], run: Run, undo: ExitStack, tell: Callable[[str], None]
) -> Services:
    """Start them in the order in which they depend on one another; `undo` will stop them.

    `chart` is the program's own setting of where its chart comes from.
    """
    directory = run.directory
    journal, credentials = Journal(directory / "journal.jsonl"), Credentials.new()
    stand_ins = StandIns(journal=journal, clock=clock, directory=directory, credentials=credentials)
    plane = ControlPlane(f"orion-{directory.name.removeprefix('run-')}", directory / "control-plane")
    pagerduty, slack = stand_ins.pagerduty(), stand_ins.slack()
    tell("starting a Kubernetes control plane, PagerDuty and Slack")
    start_all((plane, pagerduty, slack), undo, timeout_seconds=START_SECONDS)
    workloads = Workloads(plane.kubeconfig, directory / "workloads")
    workloads.install()
    operator = Operator(plane.kubeconfig, directory)
    operator.install_definitions(_chart_file(chart))
    tell("starting AWS, the operator, the node agent and the metrics source")
    function_listener = listening_socket()
    undo.callback(function_listener.close)
    aws = stand_ins.aws(plane, CLUSTER_NAME, function_runtime=address_of(function_listener))
    metrics = metrics_source(plane.kubeconfig, NAMESPACE, journal)
    agent = NodeAgent(
        plane.kubeconfig,
        directory / "agent",
        journal,
        clock,
        PodIdentity(aws.address, CLUSTER_NAME, credentials).environment_for,
    )
    start_all((aws, operator, metrics, agent), undo, timeout_seconds=START_SECONDS)
    return Services(
        journal=journal,
        credentials=credentials,
        plane=plane,
        pagerduty=pagerduty,
        slack=slack,
        aws=aws,
        workloads=workloads,
        metrics=metrics,
        agent=agent,
        function_listener=function_listener,
        others=(operator,),
    )
