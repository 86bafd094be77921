"""The function's environment on moto: queues, topics, a table, documents, and AWS failing on request."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import OperationModel
from moto import mock_aws

from orion_common.alertmanager import AlertmanagerApi
from orion_common.message_archive import MessageArchive
from orion_common.names import Mode
from repair_sweep.sweep import RepairSweep
from runbook_automation.automation import Automation
from runbook_automation.command_results import CommandResults
from runbook_automation.commands import Commands
from runbook_automation.configuration import DeployedDocument, Remediations
from runbook_automation.publisher import Publisher
from runbook_automation.store import RepairStore
from tests.lambda_events import (
    create_documents,
    create_state_table,
    function_data,
    recorded,
)

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

NOW = 1_795_516_811.0
SENT = 1_795_517_163.859
"""The time at which the topic took the recorded notification."""
SWEEP = json.dumps({"source": "orion.sweep"})
BUCKET = "orion-diagnostics"
REPAIRS = {
    "HighMemoryUsage": "restart_pod",
    "PodNotReady": "collect_diagnostics",
    "AuroraHighCPU": "hand_to_database_team",
}
SESSION = boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
"""One for all tests: a session keeps the services' descriptions, which take seconds to read."""


@dataclass(slots=True)
class Seen:
    """The counts and messages of the automation."""

    counts: Counter[StrEnum] = field(default_factory=Counter[StrEnum])
    texts: list[str] = field(default_factory=list[str])

    def count(self, what: StrEnum, number: int = 1) -> None:
        self.counts[what] += number

    def say(self, text: str, **details: object) -> None:
        self.texts.append(f"{text} {details}")


class World:
    """AWS as moto has it, an automation on it, and queues that hear what the topics are told."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.time = NOW
        self._mending: list[tuple[str, str]] = []
        self.ssm = SESSION.client("ssm", config=Config(retries={"total_max_attempts": 1}))
        self.sns = SESSION.client("sns")
        self.s3 = SESSION.client("s3")
        self.sqs: SQSClient = SESSION.client("sqs")
        self.ec2 = SESSION.client("ec2")
        self.dynamodb = SESSION.client("dynamodb")
        self.s3.create_bucket(Bucket=BUCKET)
        create_state_table(self.dynamodb)
        self.table = SESSION.resource("dynamodb").Table("orion-state")
        documents = {name: DeployedDocument(**one) for name, one in create_documents(self.ssm).items()}
        self.instance = self.ec2.run_instances(
            ImageId="ami-12c6146b",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[
                {"ResourceType": "instance", "Tags": [{"Key": "orion:role", "Value": "bastion"}]},
            ],
        )["Instances"][0].get("InstanceId", "")
        teams = ("trading", "platform", "database")
        topics = {name: self._topic(name) for name in ("notifications", *(f"team-{team}" for team in teams))}
        self.automation = Automation(
            mode=Mode.ON,
            region="us-east-1",
            remediations=Remediations.from_json(json.dumps(function_data(REPAIRS))),
            store=RepairStore(self.table),
            commands=Commands(client=self.ssm, bastion_tag_value="bastion", output_bucket=BUCKET, documents=documents),
            results=CommandResults(client=self.ssm),
            publisher=Publisher(
                sns=self.sns,
                notification_topic_arn=topics["notifications"],
                team_topic_arns={team: topics[f"team-{team}"] for team in teams},
            ),
            archive=MessageArchive(s3=self.s3, bucket=BUCKET),
            alertmanager=AlertmanagerApi(address=None),
            observer=self.seen,
            now=lambda: self.time,
        )
        self.invocations_of: Callable[[str], list[dict[str, Any]]] = lambda _: [{"InstanceId": self.instance}]
        self._answer_invocations()
        self.sent: list[dict[str, Any]] = []
        """What SendCommand was asked for, which moto keeps half of."""
        self.ssm.meta.events.register("provide-client-params.ssm.SendCommand", self._keep_sent)

    def _keep_sent(self, params: dict[str, Any], **_: object) -> None:
        self.sent.append(params)

    def _topic(self, name: str) -> str:
        arn = self.sns.create_topic(Name=name)["TopicArn"]
        self.sqs.create_queue(QueueName=name)
        self.sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:123456789012:{name}")
        return arn

    def in_mode(self, mode: Mode) -> None:
        self.automation = replace(self.automation, mode=mode)

    def handle(self, body: str) -> None:
        """Have the function that a message is for handle it."""
        if body == SWEEP:
            RepairSweep(outcomes=self.automation.outcomes, deadline=self.automation.deadline).handle(body)
        else:
            self.automation.handle(body, "00000000-0000-4000-8000-000000000000")

    def operations(self, *bodies: str) -> set[str]:
        """Handle messages and return what that asked of AWS, as a policy calls it."""
        found: set[str] = set()

        def note(model: OperationModel, params: dict[str, Any], **_: object) -> None:
            # A transaction is allowed by what it is made of.
            parts = [f"{part}Item" for write in params.get("TransactItems", []) for part in write]
            found.update(f"{model.service_model.service_name}:{name}" for name in parts or [model.name])

        clients = (self.ssm, self.sns, self.s3, self.table.meta.client)
        for client in clients:
            client.meta.events.register("before-parameter-build", note, unique_id="note")
        for body in bodies:
            self.handle(body)
        for client in clients:
            client.meta.events.unregister("before-parameter-build", unique_id="note")
        return found

    def told(self, topic: str) -> list[dict[str, Any]]:
        """Return what a topic was told since the last look."""
        url = self.sqs.get_queue_url(QueueName=topic)["QueueUrl"]
        found: list[dict[str, Any]] = []
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                envelope = json.loads(message.get("Body", ""))
                found.append({"subject": envelope["Subject"], **json.loads(envelope["Message"])})
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message.get("ReceiptHandle", ""))
        return found

    def commands(self) -> list[Any]:
        return self.ssm.list_commands()["Commands"]

    def items(self) -> list[dict[str, Any]]:
        """Return the records of repairs."""
        return [item for item in self.table.scan()["Items"] if "action" in item]

    def event(self, status: str = "Success", *, age: float = 0) -> str:
        """Return the event of the last command's end, `age` seconds old."""
        event = recorded("command_success")
        event["detail"] |= {
            "command-id": self.commands()[-1]["CommandId"],
            "instance-id": self.instance,
            "status": status,
        }
        self.time = NOW + age
        event["time"] = "2026-11-24T10:40:11Z"  # NOW
        return json.dumps(event)

    def answer_of(self, output: str, status: str = "Success", errors: str = "") -> None:
        """Have Systems Manager say what a command wrote: moto's says nothing."""
        self.change_answer(
            "GetCommandInvocation",
            {
                "Status": status,
                "StatusDetails": status,
                "StandardOutputContent": output,
                "StandardErrorContent": errors,
            },
        )

    def change_answer(self, operation: str, content: dict[str, Any]) -> None:
        def change(parsed: dict[str, Any], **_: object) -> None:
            parsed |= content

        self.ssm.meta.events.register(f"after-call.ssm.{operation}", change, unique_id=operation)
        self._mending.append((f"after-call.ssm.{operation}", operation))

    def _answer_invocations(self) -> None:
        """Have ListCommandInvocations answer, which moto does not know: `invocations_of` takes a command's id."""

        def answer(params: dict[str, Any], **_: object) -> tuple[Any, dict[str, Any]]:
            command_id = json.loads(params["body"])["CommandId"]
            return SimpleNamespace(status_code=200), {"CommandInvocations": self.invocations_of(command_id)}

        # A handler's answer takes the place of the request.
        handler = cast("Callable[..., None]", answer)
        self.ssm.meta.events.register("before-call.ssm.ListCommandInvocations", handler)

    def fail(self, client: Any, operation: str, error: Exception) -> None:
        """Have an operation fail before anything is done."""

        def fail(**_: object) -> None:
            raise error

        event = f"before-send.{client.meta.service_model.service_name}.{operation}"
        client.meta.events.register_first(event, fail, unique_id=operation)
        self._mending.append((event, operation))

    def mend(self) -> None:
        """Let everything work again."""
        for event, unique_id in self._mending:
            for client in (self.ssm, self.sns):
                client.meta.events.unregister(event, unique_id=unique_id)
        self._mending.clear()


def refused_by_aws(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # pyright: ignore[reportArgumentType]  the rest is not read
        "SendCommand",
    )


@contextmanager
def moto_world() -> Generator[World]:
    """Yield an environment of its own."""
    with mock_aws():
        yield World()
