"""The node agent computes a pod's status again only when its key changes, so each change of status changes the key."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.clock import Clock
from sandbox.cluster.api_client import JsonObject
from sandbox.cluster.node_agent.addresses import Addresses
from sandbox.cluster.node_agent.agent import nothing_more
from sandbox.cluster.node_agent.pod_runner import PodEnvironment, PodRunner
from sandbox.cluster.node_agent.processes import Ending
from sandbox.journal import Journal
from tests.unit.test_cluster_pods import POD


def no_report(_pod: JsonObject, _reason: str, _message: str) -> None:
    """Tell no API server of an event."""


@pytest.fixture
def runner(tmp_path: Path) -> PodRunner:
    unused: Any = None
    pod_environment = PodEnvironment(
        directory=tmp_path,
        sources=unused,
        addresses=Addresses(),
        journal=Journal(tmp_path / "journal.jsonl"),
        clock=Clock(1),
        executor=unused,
        environment_for=nothing_more,
        report=no_report,
        on_small_disk=lambda _: False,
    )
    pod: Any = copy.deepcopy(POD)
    pod["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    return PodRunner(pod, 1, pod_environment)


def new_version(runner: PodRunner) -> None:
    conditions = [{"type": "PodScheduled", "status": "True"}]
    runner.pod = {
        **runner.pod,
        "metadata": runner.pod["metadata"] | {"resourceVersion": "2"},
        "status": {"conditions": conditions},
    }


def refused(runner: PodRunner) -> None:
    runner.pod["spec"]["hostNetwork"] = True
    runner.step(0.0)


def container_ended(runner: PodRunner) -> None:
    container = runner._main[0]  # pyright: ignore[reportPrivateUsage]
    container.process.last = Ending(code=1, started="", finished="")


def container_restarted(runner: PodRunner) -> None:
    runner._main[0].process.restarts += 1  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("change", [new_version, refused, container_ended, container_restarted])
def test_a_change_of_the_status_changes_the_key(runner: PodRunner, change: Callable[[PodRunner], None]) -> None:
    key, status = runner.status_key(), runner.status()

    change(runner)

    assert runner.status() != status
    assert runner.status_key() != key


def test_the_key_stays_while_nothing_changes(runner: PodRunner) -> None:
    assert runner.status_key() == runner.status_key()
