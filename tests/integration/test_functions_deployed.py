"""Both functions, as their zips hold them, in the sandbox's runtime: each is fed by its own queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import cast

import pytest

from sandbox.clock import Clock
from sandbox.clouds.aws.server import AwsServer
from sandbox.cluster.control_plane import ControlPlane
from sandbox.functions import FunctionRuntime
from sandbox.journal import Journal
from sandbox.service import wait_until_ready
from tests.integration.repair_harness import CREDENTIALS, FUNCTION, SWEEP, Stage, claimed_item
from tests.lambda_events import create_documents, notification
from tests.waiting import until


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    directory = tmp_path_factory.mktemp("functions")
    journal = Journal(directory / "journal.jsonl")
    server = AwsServer(journal=journal, credentials=CREDENTIALS)
    server.start()
    no_cluster = cast("ControlPlane", None)
    stage = Stage(server.address, no_cluster)
    stage.s3.create_bucket(Bucket="orion-diagnostics")
    stage.documents = create_documents(stage.ssm)
    stage.deploy_functions(directory / "packages", mode="dry-run")
    runtime = FunctionRuntime(server.address, CREDENTIALS, Clock(60), journal, directory / "runtime")
    runtime.start()
    try:
        wait_until_ready(runtime, timeout_seconds=30)
        yield stage
    finally:
        runtime.stop()
        server.stop()


def test_an_alert_is_answered_by_the_one_and_a_lost_repair_reported_by_the_other(stage: Stage) -> None:
    (topic,) = (one for one in stage.sns.list_topics()["Topics"] if "orion-alerts" in one.get("TopicArn", ""))
    stage.sns.publish(TopicArn=topic.get("TopicArn", ""), Message=message())
    stage.dynamodb.put_item(
        TableName="orion-state", Item=claimed_item("repair#00000000000000dd#restart_pod#0123456789abcdef")
    )

    until("the alert is answered", lambda: stage.messages("orion-notifications"))
    until("the team hears of the lost repair", lambda: stage.messages("orion-team-platform"))

    assert [told["status"] for told in stage.messages("orion-notifications")] == ["dry run"]
    assert [told["status"] for told in stage.messages("orion-team-platform")] == ["lost"]
    assert [stage.waiting(f"{function}-dead-letters") for function in (FUNCTION, SWEEP)] == [0, 0]


def message() -> str:
    """Return what Alertmanager publishes, without the envelope that SNS puts around it."""
    return json.loads(notification())["Message"]
