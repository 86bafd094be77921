"""From a topic's message to a replaced pod: AWS and its front, the deployed zip, and a real cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.clock import Clock
from sandbox.cluster.workloads import NAMESPACE, PodSummary
from sandbox.functions import FunctionRuntime
from sandbox.journal import Journal, Kind
from sandbox.service import wait_until_ready
from tests.integration.repair_harness import CREDENTIALS, QUEUE, Stage, claimed_item, running_aws, running_cluster
from tests.waiting import until

pytestmark = pytest.mark.integration

DUPLICATES = 10


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    return Journal(tmp_path_factory.mktemp("journal") / "journal.jsonl")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, journal: Journal) -> Iterator[Stage]:
    directory = tmp_path_factory.mktemp("stage")
    with running_cluster(directory / "cluster") as plane, running_aws(plane, directory, journal) as address:
        stage = Stage(address, plane)
        stage.deploy_bastion()
        # What hangs can't be waited for: one action is deployed as a script that does, for a second.
        stage.documents["rollback_deployment"] = stage.replace_document(
            "rollback_deployment", "sleep 60", timeout_seconds=1
        )
        stage.deploy_functions(directory / "packages")
        runtime = FunctionRuntime(address, CREDENTIALS, Clock(20), journal, directory / "functions")
        runtime.start()
        try:
            wait_until_ready(runtime, timeout_seconds=30)
            yield stage
        finally:
            runtime.stop()


def _message(pod: PodSummary, *, alert: str = "HighMemoryUsage", fingerprint: str = "0123456789abcdef") -> str:
    seen = {"pod": pod.name, "uid": pod.uid, "service": pod.service}
    return _alert(alert, fingerprint, namespace=pod.namespace, **seen)


def _alert(alert: str, fingerprint: str, replicas: str = "", **seen: str) -> str:
    labels = {"alertname": alert, "team": "trading", "severity": "warning", **seen}
    notification = {
        "receiver": "warning",
        "status": "firing",
        "notification_reason": "first notification",
        "groupLabels": {"alertname": alert},
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://127.0.0.1:9093",
        "alerts": [
            {
                "status": "firing",
                "labels": labels,
                "annotations": {"replicas": replicas},
                "startsAt": "2026-11-24T10:00:00.123Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "",
                "fingerprint": fingerprint,
            }
        ],
    }
    return json.dumps({"version": "1", "route": "{}", "total": 1, "notification": notification})


def _told(stage: Stage, topic: str, message: str) -> dict[str, Any]:
    """Publish an alert and return what the topic is told of its repair."""
    before = len(stage.messages(topic))
    stage.publish_alert(message)
    until(f"{topic} hears of it", lambda: len(stage.messages(topic)) > before)
    return stage.messages(topic)[-1]


def test_a_pod_is_replaced_once_however_often_its_alert_is_told(stage: Stage, journal: Journal) -> None:
    victim, other = stage.pods("positions")
    message = _message(victim)

    for _ in range(DUPLICATES):
        stage.publish_alert(message)
    until("the result is published", lambda: stage.messages("orion-notifications"))
    until("every message is dealt with", lambda: stage.waiting() == 0)

    (result,) = stage.messages("orion-notifications")
    assert result["subject"] == "Runbook Action Executed: restart_pod"
    assert result["status"] == "succeeded"
    assert result["parameters"] == {"namespace": NAMESPACE, "pod": victim.name, "uid": victim.uid}
    (started,) = journal.find(Kind.COMMAND_STARTED, document="orion-restart-pod")
    assert started.details["parameters"]["pod"] == victim.name
    after = stage.pods("positions")
    assert victim.uid not in {pod.uid for pod in after}
    assert other.uid in {pod.uid for pod in after}
    (new,) = (pod for pod in after if pod.uid != other.uid)
    assert new.ready
    assert new.uid in result["output"]
    assert victim.uid in result["output"]
    assert stage.waiting(f"{QUEUE}-dead-letters") == 0
    location = result["output_location"].split("amazonaws.com/orion-diagnostics/")[1]
    kept = stage.s3.get_object(Bucket="orion-diagnostics", Key=location)["Body"].read().decode()
    assert kept == result["output"]


def test_diagnostics_of_a_pod_are_published(stage: Stage) -> None:
    pod = stage.pods("orders")[0]
    before = len(stage.messages("orion-notifications"))

    stage.publish_alert(_message(pod, alert="PodCrashLooping", fingerprint="00000000000000aa"))
    until("the result is published", lambda: len(stage.messages("orion-notifications")) > before)

    result = stage.messages("orion-notifications")[-1]
    assert result["subject"] == "Runbook Action Executed: collect_diagnostics"
    for part in (
        "=== events",
        "=== description",
        "=== owner",
        "=== node",
        "=== logs",
        "=== logs of the containers before",
        f"Name:           {pod.name.rsplit('-', 1)[0]}",
        "kind: Node",
        f"Name:             {pod.name}",
        "ReplicaSet",
    ):
        assert part in result["output"], part
    assert pod.uid in {one.uid for one in stage.pods("orders")}


def test_a_pod_that_was_replaced_since_is_left_alone(stage: Stage) -> None:
    pod = stage.pods("orders")[0]
    before = len(stage.messages("orion-team-trading"))
    gone = PodSummary(
        namespace=pod.namespace,
        name=pod.name,
        uid="00000000-0000-4000-8000-000000000000",
        service=pod.service,
        node=pod.node,
        phase=pod.phase,
        ready=pod.ready,
        restarts=0,
    )

    stage.publish_alert(_message(gone, fingerprint="00000000000000bb"))
    until("the team hears of it", lambda: len(stage.messages("orion-team-trading")) > before)

    result = stage.messages("orion-team-trading")[-1]
    assert result["status"] == "nothing done"
    assert result["result"].startswith("nothing done: pod ")
    assert pod.uid in {one.uid for one in stage.pods("orders")}


def test_without_an_access_entry_the_repair_fails_and_the_team_hears_of_it(stage: Stage) -> None:
    pod = stage.pods("orders")[0]
    stage.eks.delete_access_entry(clusterName="orion", principalArn=stage.role_arn)
    try:
        before = len(stage.messages("orion-team-trading"))
        stage.publish_alert(_message(pod, fingerprint="00000000000000cc"))
        until("the failure is published", lambda: len(stage.messages("orion-team-trading")) > before)
    finally:
        stage.eks.create_access_entry(
            clusterName="orion", principalArn=stage.role_arn, kubernetesGroups=["orion:repairs"]
        )

    failure = stage.messages("orion-team-trading")[-1]
    assert failure["subject"] == "Runbook Action Failed: restart_pod"
    assert failure["status"] == "failed"
    assert "You must be logged in to the server" in failure["errors"]
    assert pod.uid in {one.uid for one in stage.pods("orders")}


def test_consumers_are_scaled_once_and_a_changed_number_or_a_missing_deployment_is_the_teams(stage: Stage) -> None:
    seen = {"namespace": NAMESPACE, "deployment": "market-data", "service": "market-data"}
    number = ("get", "deployment", "market-data", f"--namespace={NAMESPACE}", "--output=jsonpath={.spec.replicas}")

    def lags(fingerprint: str, **changes: str) -> str:
        return _alert("KafkaConsumerLag", fingerprint, replicas="2", **seen | changes)

    scaled = _told(stage, "orion-notifications", lags("00000000000000e1"))
    assert (scaled["status"], stage.kubectl(*number)) == ("succeeded", "4")
    changed = _told(stage, "orion-team-trading", lags("00000000000000e2"))
    gone = _told(stage, "orion-team-trading", lags("00000000000000e3", deployment="never-was"))

    assert stage.kubectl(*number) == "4"
    assert (changed["status"], gone["status"]) == ("nothing done", "gone")
    assert changed["result"].endswith("has 4 replicas, and the alert saw 2")
    assert gone["result"] == "gone: deployment orion/never-was is not there any more"
    assert stage.record("00000000000000e1")["status"] == "succeeded"
    assert stage.record("00000000000000e2")["status"] == "nothing done"
    assert stage.record("00000000000000e3")["status"] == "gone"


def test_a_command_that_hangs_is_ended_and_the_team_hears_of_it(stage: Stage) -> None:
    seen = {"namespace": NAMESPACE, "deployment": "orders", "revision": "1", "service": "orders"}

    failure = _told(stage, "orion-team-trading", _alert("HighErrorRate", "00000000000000f1", **seen))

    assert failure["subject"] == "Runbook Action Failed: rollback_deployment"
    assert (failure["status"], stage.record("00000000000000f1")["status"]) == ("timed out", "timed out")


def test_a_database_is_handed_to_its_team_without_a_command(stage: Stage, journal: Journal) -> None:
    commands = len(journal.find(Kind.COMMAND_STARTED))
    message = _alert("AuroraHighCPU", "00000000000000f2", service="database", dbinstance_identifier="orion-aurora-1")

    told = _told(stage, "orion-team-database", message)

    assert told["status"] == stage.record("00000000000000f2")["status"] == "handed over"
    assert "database:id=orion-aurora-1;" in told["link"]
    assert len(journal.find(Kind.COMMAND_STARTED)) == commands


def test_a_document_that_somebody_changed_is_not_run(stage: Stage) -> None:
    """The version that was deployed is, though another is the default one by now."""
    pod = stage.pods("gateway")[0]
    stage.replace_document("collect_diagnostics", "echo owned", timeout_seconds=5)

    told = _told(stage, "orion-notifications", _message(pod, alert="PodCrashLooping", fingerprint="00000000000000f3"))

    assert told["result"].startswith("collected: diagnostics of pod ")
    assert "owned" not in told["output"]


def test_the_sweep_comes_by_its_schedule(stage: Stage, journal: Journal) -> None:
    claimed = claimed_item("repair#00000000000000dd#2026-11-24T10:00:00Z#restart_pod")
    commands = len(journal.find(Kind.COMMAND_STARTED))

    stage.dynamodb.put_item(TableName="orion-state", Item=claimed)  # as a function leaves it that dies before it sends
    until("the team hears of it", lambda: stage.messages("orion-team-platform"))

    (lost,) = stage.messages("orion-team-platform")
    assert lost["status"] == "lost"
    assert len(journal.find(Kind.COMMAND_STARTED)) == commands
