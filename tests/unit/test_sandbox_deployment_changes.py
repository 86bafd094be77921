"""The functions' runtime reads what is deployed after a change of it, and not after each message."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import loopback
from sandbox.clock import Clock
from sandbox.clouds.aws.deployment_changes import changes_deployment
from sandbox.clouds.aws.protocol import Request
from sandbox.clouds.aws.server import AwsServer
from sandbox.credentials import Credentials
from sandbox.functions.schedules import Schedules
from sandbox.journal import Journal

SQS, EVENTS = "AmazonSQS", "AWSEvents"
FUNCTION = ("2015-03-31", "functions", "f")


def request(service: str, operation: str = "", *, method: str = "POST", path: tuple[str, ...] = ()) -> Request:
    return Request(method=method, path=path, query={}, service=service, target=operation, body=b"")


@pytest.mark.parametrize(
    "changing",
    [
        request("lambda", path=("2015-03-31", "event-source-mappings")),
        request("lambda", method="PUT", path=(*FUNCTION, "code")),
        request("lambda", method="DELETE", path=FUNCTION),
        request("sqs", f"{SQS}.CreateQueue"),
        request("sqs", f"{SQS}.SetQueueAttributes"),
        request("sqs", f"{SQS}.DeleteQueue"),
        request("events", f"{EVENTS}.PutRule"),
        request("events", f"{EVENTS}.PutTargets"),
        request("events", f"{EVENTS}.DisableRule"),
        request("sqs"),
    ],
)
def test_what_changes_a_deployment_counts(changing: Request) -> None:
    assert changes_deployment(changing)


@pytest.mark.parametrize(
    "other",
    [
        request("lambda", method="GET", path=FUNCTION),
        request("lambda", path=(*FUNCTION, "invocations")),
        request("sqs", f"{SQS}.ReceiveMessage"),
        request("sqs", f"{SQS}.SendMessageBatch"),
        request("sqs", f"{SQS}.ChangeMessageVisibility"),
        request("sqs", f"{SQS}.GetQueueAttributes"),
        request("sqs", f"{SQS}.ListQueues"),
        request("events", f"{EVENTS}.ListRules"),
        request("events", f"{EVENTS}.PutEvents"),
        request("sns", "Publish"),
    ],
)
def test_messages_invocations_and_reads_do_not_count(other: Request) -> None:
    assert not changes_deployment(other)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[AwsServer, Credentials]]:
    credentials = Credentials.new()
    server = AwsServer(journal=Journal(tmp_path / "aws.jsonl"), credentials=credentials)
    server.start()
    yield server, credentials
    server.stop()


def test_the_stand_in_counts_a_new_queue_and_no_message(server: tuple[AwsServer, Credentials]) -> None:
    address, credentials = server[0].address, server[1]
    sqs = credentials.session().client("sqs", endpoint_url=address)

    def count() -> int:
        page = f"{address}/sandbox/deployment-changes"
        return loopback.get(page, headers=credentials.signed(page)).raise_for_status().json()["count"]

    before = count()
    url = sqs.create_queue(QueueName="changes")["QueueUrl"]
    created = count()
    sqs.send_message(QueueUrl=url, MessageBody="no change")
    sqs.receive_message(QueueUrl=url)
    used = count()
    sqs.delete_queue(QueueUrl=url)

    assert (created - before, used - created, count() - used) == (1, 0, 1)


class _Rules:
    """EventBridge with one rule and one queue, and SQS, which keeps what it was sent."""

    def __init__(self) -> None:
        self.rules = [{"Name": "sweep", "Arn": "", "State": "ENABLED", "ScheduleExpression": "rate(1 minute)"}]
        self.reads = 0
        self.sent: list[str] = []

    def list_rules(self) -> dict[str, Any]:
        self.reads += 1
        return {"Rules": self.rules}

    def list_targets_by_rule(self, **_: str) -> dict[str, Any]:
        return {"Targets": [{"Arn": "arn:aws:sqs:us-east-1:123456789012:q", "Input": "due"}]}

    def get_queue_url(self, **_: str) -> dict[str, Any]:
        return {"QueueUrl": "q"}

    def send_message(self, *, MessageBody: str, **_: str) -> None:  # noqa: N803 - SQS' own name
        self.sent.append(MessageBody)


def test_a_schedule_is_kept_without_reading_its_rule_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("sandbox.functions.schedules.time.monotonic", lambda: now)
    account: Any = _Rules()
    schedules = Schedules(events=account, sqs=account, clock=Clock(1), journal=Journal(tmp_path / "journal"))

    schedules.read()
    for now in (1059.0, 1060.0, 1119.0, 1120.0):  # noqa: B007 - read by the clock above
        schedules.turn()
    read_again_at = len(account.sent)
    schedules.read()
    now = 1180.0
    schedules.turn()
    account.rules = []
    schedules.read()
    now = 1240.0
    schedules.turn()

    assert read_again_at == 2
    assert account.sent == ["due"] * 3
    assert account.reads == 3
