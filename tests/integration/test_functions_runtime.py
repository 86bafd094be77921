"""The functions' runtime on a queue: partial failures, the dead-letter queue, new code, and what moto leaves alone."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox.clock import Clock
from sandbox.clouds.aws.server import AwsServer
from sandbox.credentials import Credentials
from sandbox.functions import FunctionRuntime
from sandbox.journal import Journal, Kind
from sandbox.service import wait_until_ready
from tests.waiting import until

CODE = """
import json
def handler(event, context):
    failed = [one for one in event["Records"] if json.loads(one["body"]).get("fail")]
    return {"batchItemFailures": [{"itemIdentifier": one["messageId"]} for one in failed]}
"""


@dataclass(frozen=True)
class _Account:
    journal: Journal
    runtime: FunctionRuntime
    sqs: Any
    s3: Any
    functions: Any
    events: Any

    def queue(self, name: str, **attributes: str) -> tuple[str, str]:
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url, f"arn:aws:sqs:us-east-1:123456789012:{name}"

    def code(self, text: str) -> dict[str, str]:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("app.py", text)
        version = self.s3.put_object(Bucket="functions", Key="f.zip", Body=buffer.getvalue())["VersionId"]
        return {"S3Bucket": "functions", "S3Key": "f.zip", "S3ObjectVersion": version}

    def count(self, url: str) -> int:
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return sum(int(attributes[name]) for name in names)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Account]:
    directory = tmp_path_factory.mktemp("functions")
    journal = Journal(directory / "journal.jsonl")
    credentials = Credentials.new()
    server = AwsServer(journal=journal, credentials=credentials)
    server.start()
    session = credentials.session()

    def client(name: str) -> Any:
        return session.client(name, endpoint_url=server.address)  # pyright: ignore[reportCallIssue, reportArgumentType]  any service

    runtime = FunctionRuntime(server.address, credentials, Clock(60), journal, directory / "runtime")
    account = _Account(journal, runtime, client("sqs"), client("s3"), client("lambda"), client("events"))
    account.s3.create_bucket(Bucket="functions")
    account.s3.put_bucket_versioning(Bucket="functions", VersioningConfiguration={"Status": "Enabled"})
    role = client("iam").create_role(RoleName="f", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    account.functions.create_function(
        FunctionName="f",
        Runtime="python3.13",
        Architectures=["arm64"],
        Role=role,
        Handler="app.handler",
        Timeout=1,
        Code=account.code(CODE),
    )
    runtime.start()
    try:
        wait_until_ready(runtime, timeout_seconds=20)
        yield account
    finally:
        runtime.stop()
        server.stop()


def test_what_succeeded_is_deleted_and_what_failed_goes_to_the_dead_letters(account: _Account) -> None:
    dead, dead_arn = account.queue("dead")
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 1})
    url, arn = account.queue("messages", RedrivePolicy=redrive, VisibilityTimeout="60")
    account.functions.create_event_source_mapping(
        EventSourceArn=arn,
        FunctionName="f",
        BatchSize=10,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        ScalingConfig={"MaximumConcurrency": 2},
    )
    assert account.functions.list_event_source_mappings()["EventSourceMappings"][0]["ScalingConfig"] == {
        "MaximumConcurrency": 2
    }

    entries = [{"Id": str(number), "MessageBody": json.dumps({"fail": number == 3})} for number in range(10)]
    account.sqs.send_message_batch(QueueUrl=url, Entries=entries)

    until("one message is a dead letter", lambda: account.count(dead) == 1)
    assert account.count(url) == 0
    invoked = account.journal.find(Kind.FUNCTION_INVOKED, function="f", queue="messages")
    assert sum(event.details["messages"] for event in invoked) == 10
    assert sum(event.details["failed"] for event in invoked) == 1


def test_nothing_of_a_functions_configuration_is_lost(account: _Account) -> None:
    logging = {"LogFormat": "JSON", "LogGroup": "/aws/lambda/f"}

    account.functions.update_function_configuration(FunctionName="f", LoggingConfig=logging)

    assert account.functions.get_function_configuration(FunctionName="f")["LoggingConfig"] == logging
    assert account.functions.get_function(FunctionName="f")["Configuration"]["LoggingConfig"] == logging


def test_new_code_is_run_as_soon_as_it_is_deployed(account: _Account) -> None:
    url, arn = account.queue("updated")
    results, _ = account.queue("results")
    account.functions.create_event_source_mapping(EventSourceArn=arn, FunctionName="f", BatchSize=1)
    account.sqs.send_message(QueueUrl=url, MessageBody="{}")
    until("the old code has run", lambda: account.journal.find(Kind.FUNCTION_INVOKED, queue="updated"))
    code = "import boto3\ndef handler(event, context):\n    boto3.client('sqs').send_message("
    code += f"QueueUrl={results!r}, MessageBody=context.function_name)"

    account.functions.update_function_code(FunctionName="f", **account.code(code))
    account.sqs.send_message(QueueUrl=url, MessageBody="{}")

    until("the new code has run", lambda: account.count(results) == 1)
    account.functions.update_function_code(FunctionName="f", **account.code(CODE))


def test_a_rules_rate_is_kept_by_the_clock(account: _Account) -> None:
    url, arn = account.queue("scheduled")
    account.events.put_rule(Name="sweep", ScheduleExpression="rate(1 minute)")
    account.events.put_targets(Rule="sweep", Targets=[{"Id": "q", "Arn": arn, "Input": '{"source": "orion.sweep"}'}])

    until("the rule has had three turns", lambda: account.count(url) >= 3)
    account.events.disable_rule(Name="sweep")

    (message,) = account.sqs.receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == '{"source": "orion.sweep"}'


def test_a_mapping_that_is_gone_takes_no_more_messages(account: _Account) -> None:
    for mapping in account.functions.list_event_source_mappings()["EventSourceMappings"]:
        account.functions.delete_event_source_mapping(UUID=mapping["UUID"])
    until("the runtime has seen it", lambda: not account.runtime._sources)  # pyright: ignore[reportPrivateUsage]
    url, _ = account.queue("updated")

    account.sqs.send_message(QueueUrl=url, MessageBody="{}")

    assert account.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
