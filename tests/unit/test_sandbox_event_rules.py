"""The stand-in's event rules: an event goes to rules with its pattern, and none to a rule with a schedule only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from sandbox.clouds.aws.server import AwsServer
from sandbox.credentials import Credentials
from sandbox.journal import Journal


@pytest.fixture
def session(tmp_path: Path) -> Iterator[tuple[boto3.Session, str]]:
    credentials = Credentials.new()
    server = AwsServer(journal=Journal(tmp_path / "aws.jsonl"), credentials=credentials)
    server.start()
    yield credentials.session(), server.address
    server.stop()


def test_an_event_reaches_the_rule_with_its_pattern_and_no_schedule(session: tuple[boto3.Session, str]) -> None:
    account, address = session
    sqs, events = account.client("sqs", endpoint_url=address), account.client("events", endpoint_url=address)
    queues: dict[str, str] = {}
    events.put_rule(Name="event-rules-schedule", ScheduleExpression="rate(1 minute)")
    events.put_rule(Name="event-rules-pattern", EventPattern=json.dumps({"source": ["aws.ssm"]}))
    for name in ("event-rules-schedule", "event-rules-pattern"):
        queues[name] = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queues[name], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])

    events.put_events(Entries=[{"Source": "aws.ssm", "DetailType": "Command", "Detail": "{}"}])
    received = {name: sqs.receive_message(QueueUrl=url).get("Messages", []) for name, url in queues.items()}

    assert {name: len(messages) for name, messages in received.items()} == {
        "event-rules-schedule": 0,
        "event-rules-pattern": 1,
    }
