"""The documents that change a deployment, against a real cluster's controllers: each acts once, or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sandbox.cluster.workloads import NAMESPACE
from sandbox.service import ServiceFailed
from tests.integration.deployment_harness import (
    deployment_of,
    image_of,
    is_settled,
    made_deployment,
    repairs_stage,
    replicas_of,
    revision_of,
    rolled_out,
)
from tests.integration.repair_harness import Stage
from tests.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with repairs_stage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


class TestScaleConsumers:
    def test_run_twice_at_once_and_again_it_acts_once(self, stage: Stage) -> None:
        made_deployment(stage, "twice")
        parameters = {"namespace": NAMESPACE, "deployment": "twice", "replicas": "2"}

        commands = [stage.send("orion-scale-consumers", parameters) for _ in range(3)]
        answers = [stage.ended(command) for command in commands]
        answers.append(stage.run("orion-scale-consumers", **parameters))

        outputs = [answer["StandardOutputContent"] for answer in answers]
        assert [answer["StandardErrorContent"] for answer in answers] == [""] * 4
        assert sum("scaled: deployment" in output for output in outputs) == 1, outputs
        assert sum(output.startswith("nothing done: ") for output in outputs) == 3, outputs
        assert outputs[-1].startswith("nothing done: deployment orion/twice has 4 replicas, and the alert saw 2")
        assert replicas_of(stage, "twice") == 4

    def test_it_stays_within_its_bound(self, stage: Stage) -> None:
        made_deployment(stage, "bound")
        stage.kubectl("scale", "deployment", "bound", f"--namespace={NAMESPACE}", "--replicas=5")

        answer = stage.run("orion-scale-consumers", namespace=NAMESPACE, deployment="bound", replicas="5")
        assert (answer["Status"], replicas_of(stage, "bound")) == ("Success", 8), answer

        answer = stage.run("orion-scale-consumers", namespace=NAMESPACE, deployment="bound", replicas="8")
        assert (answer["Status"], replicas_of(stage, "bound")) == ("Failed", 8), answer
        assert answer["StandardErrorContent"].startswith("refused: deployment orion/bound has 8 replicas, and 8 is")

    def test_one_that_is_gone_is_said_to_be(self, stage: Stage) -> None:
        answer = stage.run("orion-scale-consumers", namespace=NAMESPACE, deployment="never-was", replicas="2")

        assert answer["StandardOutputContent"] == "gone: deployment orion/never-was is not there any more\n"


class TestRollbackDeployment:
    def test_run_twice_at_once_and_again_it_acts_once(self, stage: Stage) -> None:
        made_deployment(stage, "back")
        good = image_of(stage, "back")
        revision = rolled_out(stage, "back", "registry.orion.example.com/back:2.0.0-bad")
        parameters = {"namespace": NAMESPACE, "deployment": "back", "revision": revision}
        refused = stage.run("orion-rollback-deployment", **parameters)
        assert refused["StandardErrorContent"].startswith(
            "refused: deployment orion/back has been rolled out at revision 2 for "
        ), refused
        # Ten minutes can't be waited for: the same script with none.
        document = stage.document_with(
            "rollback_deployment", "orion-rollback-at-once", revision_age_minutes=60, settled_seconds=0
        )

        commands = [stage.send(document, parameters) for _ in range(3)]
        answers = [stage.ended(command) for command in commands]
        answers.append(stage.run(document, **parameters))

        outputs = [answer["StandardOutputContent"] for answer in answers]
        assert [answer["StandardErrorContent"] for answer in answers] == [""] * 4
        assert sum("rolled back: deployment" in output for output in outputs) == 1, outputs
        assert sum(output.startswith("nothing done: ") for output in outputs) == 3, outputs
        assert outputs[-1].startswith("nothing done: deployment orion/back is at revision 3, and the alert saw 2")
        assert (image_of(stage, "back"), revision_of(stage, "back")) == (good, "3")
        assert "pod-template-hash" not in deployment_of(stage, "back")["spec"]["template"]["metadata"]["labels"]

    def test_a_rollback_is_not_rolled_back(self, stage: Stage) -> None:
        made_deployment(stage, "forth")
        rolled_out(stage, "forth", "registry.orion.example.com/forth:2.0.0")
        stage.kubectl("rollout", "undo", "deployment/forth", f"--namespace={NAMESPACE}")
        until("it is taken back", lambda: is_settled(stage, "forth") and revision_of(stage, "forth") == "3")
        image = image_of(stage, "forth")

        answer = stage.run("orion-rollback-deployment", namespace=NAMESPACE, deployment="forth", revision="3")

        assert answer["Status"] == "Failed"
        assert answer["StandardErrorContent"].startswith("refused: deployment orion/forth has been taken back once")
        assert (image_of(stage, "forth"), revision_of(stage, "forth")) == (image, "3")

    def test_a_change_in_between_is_refused_by_the_api_server_in_words_that_the_script_knows(
        self, stage: Stage
    ) -> None:
        made_deployment(stage, "between")
        patch = json.dumps([{"op": "test", "path": "/metadata/generation", "value": 999}])

        with pytest.raises(ServiceFailed, match="request is invalid"):
            stage.kubectl(
                "patch", "deployment", "between", f"--namespace={NAMESPACE}", "--type=json", f"--patch={patch}"
            )

    def test_a_paused_deployment_is_left_alone(self, stage: Stage) -> None:
        made_deployment(stage, "paused")
        revision = rolled_out(stage, "paused", "registry.orion.example.com/paused:2.0.0")
        stage.kubectl("rollout", "pause", "deployment/paused", f"--namespace={NAMESPACE}")
        until("that was seen", lambda: is_settled(stage, "paused"))

        answer = stage.run("orion-rollback-deployment", namespace=NAMESPACE, deployment="paused", revision=revision)

        assert answer["Status"] == "Failed"
        assert answer["StandardErrorContent"].startswith("refused: deployment orion/paused is paused")

    def test_a_deployment_that_is_being_rolled_out_is_left_alone(self, stage: Stage) -> None:
        made_deployment(stage, "rolling")
        patch = json.dumps({"spec": {"minReadySeconds": 500}})  # no new pod becomes available
        stage.kubectl("patch", "deployment", "rolling", f"--namespace={NAMESPACE}", f"--patch={patch}")
        image = "rolling=registry.orion.example.com/rolling:2.0.0"
        stage.kubectl("set", "image", "deployment/rolling", image, f"--namespace={NAMESPACE}")
        until("its rollout has begun", lambda: deployment_of(stage, "rolling")["status"].get("updatedReplicas", 0) == 1)

        answer = stage.run("orion-rollback-deployment", namespace=NAMESPACE, deployment="rolling", revision="2")

        assert answer["Status"] == "Failed"
        assert answer["StandardErrorContent"].startswith("refused: deployment orion/rolling is being rolled out: 1 of ")

    def test_a_deployment_that_never_was_another_is_left_alone(self, stage: Stage) -> None:
        revision = made_deployment(stage, "first")

        answer = stage.run("orion-rollback-deployment", namespace=NAMESPACE, deployment="first", revision=revision)

        assert answer["Status"] == "Failed"
        assert answer["StandardErrorContent"] == "refused: deployment orion/first has no revision before 1\n"

    def test_what_has_run_for_longer_is_not_the_cause(self, stage: Stage) -> None:
        """The bound of an hour can't be waited for: the same script with a bound of none."""
        made_deployment(stage, "old")
        revision = rolled_out(stage, "old", "registry.orion.example.com/old:2.0.0")
        document = stage.document_with(
            "rollback_deployment", "orion-rollback-of-nothing", revision_age_minutes=0, settled_seconds=0
        )

        answer = stage.run(document, namespace=NAMESPACE, deployment="old", revision=revision)

        assert answer["Status"] == "Failed"
        assert "only one younger than 0 minutes is taken back" in answer["StandardErrorContent"]
        assert revision_of(stage, "old") == revision

    def test_one_that_is_gone_is_said_to_be(self, stage: Stage) -> None:
        answer = stage.run("orion-rollback-deployment", namespace=NAMESPACE, deployment="never-was", revision="2")

        assert answer["StandardOutputContent"] == "gone: deployment orion/never-was is not there any more\n"


@pytest.mark.parametrize(
    ("document", "seen"), [("orion-scale-consumers", "replicas"), ("orion-rollback-deployment", "revision")]
)
def test_another_namespace_is_refused_by_the_script_itself(stage: Stage, document: str, seen: str) -> None:
    answer = stage.run(document, namespace="kube-system", deployment="coredns", **{seen: "2"})

    assert (answer["Status"], answer["ResponseCode"]) == ("Failed", 3)
    assert answer["StandardErrorContent"].startswith("refused: namespace kube-system")
