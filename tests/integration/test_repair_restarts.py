"""The documents that restart a deployment and cordon a node, against a real cluster: each acts once, or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from sandbox.cluster.kubectl import apply
from sandbox.cluster.workloads import NAMESPACE
from sandbox.service import ServiceFailed
from tests.integration.deployment_harness import (
    deployment_of,
    is_settled,
    made_deployment,
    repairs_stage,
    revision_of,
    rolled_out,
)
from tests.integration.repair_harness import Stage
from tests.waiting import until

pytestmark = pytest.mark.integration

RESTART, CORDON = "orion-restart-deployment", "orion-cordon-node"
NODE_INFO = (
    *("architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion", "kubeletVersion"),
    *("machineID", "operatingSystem", "osImage"),
)
"""What a node has to say of itself; nothing here reads it."""
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with repairs_stage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


def _annotations(stage: Stage, name: str) -> dict[str, str]:
    return deployment_of(stage, name)["spec"]["template"]["metadata"].get("annotations", {})


class TestRestartDeployment:
    @pytest.mark.parametrize("annotations", [{}, {"prometheus.io/scrape": "true"}])
    def test_run_twice_at_once_and_again_it_acts_once(self, stage: Stage, annotations: dict[str, str]) -> None:
        name = f"restarted-{len(annotations)}"
        made_deployment(stage, name)
        patch = {"spec": {"template": {"metadata": {"annotations": annotations or None}}}}
        stage.kubectl("patch", "deployment", name, f"--namespace={NAMESPACE}", f"--patch={json.dumps(patch)}")
        until("that was rolled out", lambda: is_settled(stage, name))
        revision = revision_of(stage, name)
        parameters = {"namespace": NAMESPACE, "deployment": name, "revision": revision}

        commands = [stage.send(RESTART, parameters) for _ in range(3)]
        answers = [stage.ended(command) for command in commands]
        answers.append(stage.run(RESTART, **parameters))

        outputs = [answer["StandardOutputContent"] for answer in answers]
        errors = [answer["StandardErrorContent"] for answer in answers]
        assert sum("restarted: deployment" in output for output in outputs) == 1, (outputs, errors)
        # Whoever comes while it goes on sees another revision, or the rollout.
        others = sum(output.startswith("nothing done: ") for output in outputs)
        assert others + sum("is being rolled out" in error for error in errors) == 3, (outputs, errors)
        assert outputs[-1].startswith(f"nothing done: deployment orion/{name} is at revision ")
        assert int(revision_of(stage, name)) == int(revision) + 1
        assert _annotations(stage, name).keys() == {*annotations, RESTARTED_AT}

    def test_another_revision_than_the_alert_saw_is_left_alone(self, stage: Stage) -> None:
        revision = made_deployment(stage, "moved-on")
        rolled_out(stage, "moved-on", "registry.orion.example.com/moved-on:2.0.0")

        answer = stage.run(RESTART, namespace=NAMESPACE, deployment="moved-on", revision=revision)

        assert answer["StandardOutputContent"] == (
            "nothing done: deployment orion/moved-on is at revision 2, and the alert saw 1\n"
        )
        assert RESTARTED_AT not in _annotations(stage, "moved-on")

    def test_a_deployment_that_is_being_rolled_out_is_left_alone(self, stage: Stage) -> None:
        made_deployment(stage, "underway")
        patch = json.dumps({"spec": {"minReadySeconds": 500}})  # no new pod becomes available
        stage.kubectl("patch", "deployment", "underway", f"--namespace={NAMESPACE}", f"--patch={patch}")
        image = "underway=registry.orion.example.com/underway:2.0.0"
        stage.kubectl("set", "image", "deployment/underway", image, f"--namespace={NAMESPACE}")
        until("it has begun", lambda: deployment_of(stage, "underway")["status"].get("updatedReplicas", 0) == 1)

        answer = stage.run(RESTART, namespace=NAMESPACE, deployment="underway", revision="2")

        assert answer["Status"] == "Failed"
        assert answer["StandardErrorContent"].startswith(
            "refused: deployment orion/underway is being rolled out: 1 of "
        )
        assert RESTARTED_AT not in _annotations(stage, "underway")

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (("rollout", "pause", "deployment/{name}"), "is paused: "),
            (("scale", "deployment/{name}", "--replicas=0"), "is scaled to no replicas: "),
        ],
    )
    def test_a_deployment_that_somebody_holds_is_left_alone(
        self, stage: Stage, change: tuple[str, ...], reason: str
    ) -> None:
        name = f"held-{change[0]}"
        revision = made_deployment(stage, name)
        stage.kubectl(*(part.format(name=name) for part in change), f"--namespace={NAMESPACE}")
        until("that was seen", lambda: is_settled(stage, name))

        answer = stage.run(RESTART, namespace=NAMESPACE, deployment=name, revision=revision)

        assert answer["Status"] == "Failed"
        assert answer["StandardErrorContent"].startswith(f"refused: deployment orion/{name} {reason}")

    def test_one_that_is_gone_is_said_to_be(self, stage: Stage) -> None:
        answer = stage.run(RESTART, namespace=NAMESPACE, deployment="never-was", revision="2")

        assert answer["StandardOutputContent"] == "gone: deployment orion/never-was is not there any more\n"

    def test_another_namespace_is_refused_by_the_script_itself(self, stage: Stage) -> None:
        answer = stage.run(RESTART, namespace="kube-system", deployment="coredns", revision="2")

        assert (answer["Status"], answer["ResponseCode"]) == ("Failed", 3)
        assert answer["StandardErrorContent"].startswith("refused: namespace kube-system")


@pytest.fixture
def nodes(stage: Stage) -> Iterator[dict[str, str]]:
    """Three nodes that take pods, with their machines' UUIDs."""
    machines = [str(uuid4()) for _ in range(3)]
    made = {f"node-{machine[:8]}": machine for machine in machines}
    apply(stage.plane.kubeconfig, [_node(name, machine) for name, machine in made.items()])
    until("they are ready", lambda: all(_is_ready(stage, name) for name in made))
    yield made
    stage.kubectl("delete", "node", *made)


def _node(name: str, machine: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "status": {"nodeInfo": dict.fromkeys(NODE_INFO, "") | {"systemUUID": machine}},
    }


def _seen(stage: Stage, name: str) -> dict[str, Any]:
    return json.loads(stage.kubectl("get", "node", name, "--output=json"))


def _is_ready(stage: Stage, name: str) -> bool:
    conditions = _seen(stage, name)["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _cordoned(stage: Stage, nodes: dict[str, str]) -> list[str]:
    return [name for name in nodes if _seen(stage, name)["spec"].get("unschedulable")]


class TestCordonNode:
    def test_run_twice_at_once_and_again_it_acts_once(self, stage: Stage, nodes: dict[str, str]) -> None:
        first = next(iter(nodes))
        parameters = {"node": first, "machine": nodes[first]}

        commands = [stage.send(CORDON, parameters) for _ in range(3)]
        answers = [stage.ended(command) for command in commands]
        answers.append(stage.run(CORDON, **parameters))

        outputs = [answer["StandardOutputContent"] for answer in answers]
        assert [answer["StandardErrorContent"] for answer in answers] == [""] * 4
        (done,) = (output for output in outputs if output.splitlines()[-1].startswith(f"cordoned: node {first} "))
        assert "=== before: its conditions\n" in done
        assert "(could not be read)" not in done
        assert sum(output.endswith("is cordoned already\n") for output in outputs) == 3, outputs
        assert _cordoned(stage, nodes) == [first]

    def test_of_many_at_once_as_many_are_cordoned_as_may_be(self, stage: Stage, nodes: dict[str, str]) -> None:
        commands = [stage.send(CORDON, {"node": name, "machine": machine}) for name, machine in nodes.items()]
        answers = [stage.ended(command) for command in commands]

        assert len(_cordoned(stage, nodes)) == 2
        (refusal,) = (answer["StandardErrorContent"] for answer in answers if answer["StandardErrorContent"])
        assert "is left alone: 2 nodes are cordoned already, and 2 is the most that is allowed" in refusal

    def test_another_machine_of_that_name_is_left_alone(self, stage: Stage, nodes: dict[str, str]) -> None:
        first, second, _ = nodes

        answer = stage.run(CORDON, node=first, machine=nodes[second])

        assert answer["StandardOutputContent"] == (
            f"nothing done: node {first} of machine {nodes[second]} is machine {nodes[first]} by now\n"
        )
        assert _cordoned(stage, nodes) == []

    def test_one_that_is_gone_is_said_to_be(self, stage: Stage) -> None:
        machine = str(uuid4())

        answer = stage.run(CORDON, node="never-was", machine=machine)

        assert answer["StandardOutputContent"] == f"gone: node never-was of machine {machine} is not there any more\n"

    def test_the_api_server_refuses_a_node_that_became_another_machine(
        self, stage: Stage, nodes: dict[str, str]
    ) -> None:
        """The words in which it refuses are those that the script knows."""
        first, second, _ = nodes
        condition = {"op": "test", "path": "/status/nodeInfo/systemUUID", "value": nodes[second]}
        change = {"op": "add", "path": "/spec/unschedulable", "value": True}

        with pytest.raises(ServiceFailed, match="request is invalid"):
            stage.kubectl("patch", "node", first, "--type=json", f"--patch={json.dumps([condition, change])}")

        assert _cordoned(stage, nodes) == []
