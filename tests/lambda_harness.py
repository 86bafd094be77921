"""The function's environment on moto: queues, topics, a table, documents, and AWS failing on request."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import OperationModel
from cryptography.hazmat.primitives.asymmetric import rsa
from moto import mock_aws
from moto.sns.models import Subscription, sns_backends
from moto.sqs.models import sqs_backends

from orion_common.alertmanager import AlertmanagerApi
from orion_common.aws_answers import aws_session
from orion_common.message_archive import MessageArchive
from orion_common.names import Mode
from repair_sweep.sweep import RepairSweep
from runbook_automation.automation import Automation
from runbook_automation.chat_queue import ChatQueue
from runbook_automation.command_results import CommandResults
from runbook_automation.commands import Commands
from runbook_automation.configuration import Action, DeployedDocument, Remediations
from runbook_automation.publisher import Publisher
from runbook_automation.store import RepairStore
from tests.lambda_events import (
    create_documents,
    create_state_table,
    function_data,
    recorded,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

NOW = 1_795_516_811.0
SENT = 1_795_517_163.859
"""The time at which the topic took the recorded notification."""
SWEEP = json.dumps({"source": "orion.sweep"})
BUCKET = "orion-diagnostics"
ACCOUNT, REGION = "123456789012", "us-east-1"
REPAIRS = {
    "HighMemoryUsage": "restart_pod",
    "PodNotReady": "collect_diagnostics",
    "AuroraHighCPU": "hand_to_database_team",
}
SESSION = aws_session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
"""One for all tests: a session keeps the services' descriptions, which take seconds to read."""


@dataclass(slots=True)
class Seen:
    """The counts and messages of the automation."""

    counts: Counter[StrEnum] = field(default_factory=Counter[StrEnum])
    texts: list[str] = field(default_factory=list[str])
    seconds: list[tuple[StrEnum, float]] = field(default_factory=list[tuple[StrEnum, float]])

    def count(self, what: StrEnum, number: int = 1) -> None:
        self.counts[what] += number

    def measure(self, what: StrEnum, seconds: float) -> None:
        self.seconds.append((what, seconds))

    def say(self, text: str, **details: object) -> None:
        self.texts.append(f"{text} {details}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """The clients of all tests: to make them takes longer than most tests."""

    ssm: SSMClient
    sns: SNSClient
    s3: S3Client
    sqs: SQSClient
    ec2: EC2Client
    dynamodb: DynamoDBServiceResource


@cache
def clients() -> Clients:
    """Return the clients that every `World` uses and none may leave a handler on."""
    return Clients(
        ssm=SESSION.client("ssm", config=Config(retries={"total_max_attempts": 1})),
        sns=SESSION.client("sns"),
        s3=SESSION.client("s3"),
        sqs=SESSION.client("sqs"),
        ec2=SESSION.client("ec2"),
        dynamodb=SESSION.resource("dynamodb"),
    )


class World:
    """AWS as moto has it, an automation on it, and queues that hear what the topics are told."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.time = NOW
        self._faults: list[Callable[[], None]] = []
        self._handlers: list[Callable[[], None]] = []
        shared = clients()
        self.ssm, self.sns, self.s3, self.sqs, self.ec2 = shared.ssm, shared.sns, shared.s3, shared.sqs, shared.ec2
        self.table = shared.dynamodb.Table("orion-state")
        self.s3.create_bucket(Bucket=BUCKET)
        create_state_table(self.table.meta.client)
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
            chat=ChatQueue(sqs=self.sqs, url=None),
            archive=MessageArchive(s3=self.s3, bucket=BUCKET),
            alertmanager=AlertmanagerApi(address=None),
            observer=self.seen,
            now=lambda: self.time,
        )
        self.invocations_of: Callable[[str], list[dict[str, Any]]] = lambda _: [{"InstanceId": self.instance}]
        self._answer_invocations()
        self.sent: list[dict[str, Any]] = []
        """What SendCommand was asked for, which moto keeps half of."""
        self.listen(self.ssm, "provide-client-params.ssm.SendCommand", self._keep_sent)

    def listen(
        self, client: Any, event: str, handler: Callable[..., object], *, first: bool = False
    ) -> Callable[[], None]:
        """Register a handler of a client's event, until `close` or until what this returns is called."""
        events = client.meta.events
        (events.register_first if first else events.register)(event, handler)

        def unregister() -> None:
            events.unregister(event, handler)

        self._handlers.append(unregister)
        return unregister

    def close(self) -> None:
        """Remove the handlers from the clients: the next test uses the same."""
        for unregister in self._handlers:
            unregister()

    def _keep_sent(self, params: dict[str, Any], **_: object) -> None:
        self.sent.append(params)

    def _topic(self, name: str) -> str:
        """Make a topic and a queue that hears it, in moto's own state: three requests take ten times as long."""
        topics = sns_backends[ACCOUNT][REGION]
        arn = topics.create_topic(name).arn
        queue = sqs_backends[ACCOUNT][REGION].create_queue(name)
        topics.subscribe(arn, queue.queue_arn, "sqs")
        return arn

    def in_mode(self, mode: Mode) -> None:
        self.automation = replace(self.automation, mode=mode)

    def limit(self, *, per_service_hour: int, per_platform_hour: int) -> None:
        """Set the limits of every action; those of the recorded documents are out of the tests' way."""

        def limited(action: object) -> Any:
            if isinstance(action, Action):
                return replace(action, per_service_hour=per_service_hour, per_platform_hour=per_platform_hour)
            return action

        remediations = self.automation.remediations
        by_alert = {name: replace(one, action=limited(one.action)) for name, one in remediations.by_alert.items()}
        self.automation = replace(self.automation, remediations=replace(remediations, by_alert=by_alert))

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

        asked = (self.ssm, self.sns, self.s3, self.table.meta.client)
        noting = [self.listen(client, "before-parameter-build", note) for client in asked]
        for body in bodies:
            self.handle(body)
        for unregister in noting:
            unregister()
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

        self._faults.append(self.listen(self.ssm, f"after-call.ssm.{operation}", change))

    def _answer_invocations(self) -> None:
        """Have ListCommandInvocations answer, which moto does not know: `invocations_of` takes a command's id."""

        def answer(params: dict[str, Any], **_: object) -> tuple[Any, dict[str, Any]]:
            command_id = json.loads(params["body"])["CommandId"]
            return SimpleNamespace(status_code=200), {"CommandInvocations": self.invocations_of(command_id)}

        # A handler's answer takes the place of the request.
        self.listen(self.ssm, "before-call.ssm.ListCommandInvocations", answer)

    def fail(self, client: Any, operation: str, error: Exception) -> None:
        """Have an operation fail before anything is done."""

        def fail(**_: object) -> None:
            raise error

        event = f"before-send.{client.meta.service_model.service_name}.{operation}"
        self._faults.append(self.listen(client, event, fail, first=True))

    def mend(self) -> None:
        """Let everything work again."""
        for unregister in self._faults:
            unregister()
        self._faults.clear()


def refused_by_aws(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # pyright: ignore[reportArgumentType]  the rest is not read
        "SendCommand",
    )


@cache
def signing_key() -> rsa.RSAPrivateKey:
    """Return the key that moto signs messages of topics with. Its own is another for each subscription, made anew."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_of(_: Subscription) -> rsa.RSAPrivateKey:
    """Take the place of the method that makes a key for each subscription."""
    return signing_key()


@contextmanager
def moto_world() -> Generator[World]:
    """Yield an environment of its own."""
    # No test asks for an image, and moto makes thousands for each account.
    with (
        patch.dict("os.environ", {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}),
        patch.object(Subscription, "private_key", key_of),
        mock_aws(),
    ):
        world = World()
        try:
            yield world
        finally:
            world.close()


@dataclass(frozen=True, slots=True)
class SentToChat:
    """The requests by which the repair function puts messages on chat's queue: none can be received for seconds."""

    world: World
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def bodies(self) -> list[str]:
        """Return what was sent since the last look."""
        bodies = [str(request["MessageBody"]) for request in self.requests]
        self.requests.clear()
        return bodies

    def messages(self) -> list[dict[str, Any]]:
        """Return what was sent since the last look, as JSON has it."""
        return [json.loads(body) for body in self.bodies()]


def with_chat(world: World) -> SentToChat:
    """Give an automation chat's queue."""
    url = world.sqs.create_queue(QueueName="orion-chatops")["QueueUrl"]
    world.automation = replace(world.automation, chat=ChatQueue(sqs=world.sqs, url=url))
    sent = SentToChat(world)

    def note(params: dict[str, Any], **_: object) -> None:
        sent.requests.append(params)

    world.listen(world.sqs, "provide-client-params.sqs.SendMessage", note)
    return sent
