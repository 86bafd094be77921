"""What happens with each message, on moto: once, refused, dry, lost, overdue, and when AWS itself fails."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.model import OperationModel
from moto import mock_aws
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from runbook_automation.alertmanager import AlertmanagerApi
from runbook_automation.automation import Automation, Count, EventTooEarly, SweepIncomplete
from runbook_automation.commands import Commands, TryLater
from runbook_automation.configuration import CLAIM_SECONDS, DeployedDocument, Mode, Remediations
from runbook_automation.publisher import Publisher
from runbook_automation.repair import Status
from runbook_automation.store import RepairStore
from sandbox.service import HttpService, wait_until_ready
from tests.lambda_events import (
    FUNCTION_OPERATIONS,
    LABELS,
    create_documents,
    create_state_table,
    function_data,
    notification,
    recorded,
)

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

NOW = 1_795_516_811.0
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
class _Seen:
    """What the automation counted and said."""

    counts: Counter[Count] = field(default_factory=Counter[Count])
    texts: list[str] = field(default_factory=list[str])

    def count(self, what: Count, number: int = 1) -> None:
        self.counts[what] += number

    def say(self, text: str, **details: object) -> None:
        self.texts.append(f"{text} {details}")


class _World:
    """AWS as moto has it, an automation on it, and queues that hear what the topics are told."""

    def __init__(self) -> None:
        self.seen = _Seen()
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
            publisher=Publisher(
                sns=self.sns,
                s3=self.s3,
                notification_topic_arn=topics["notifications"],
                team_topic_arns={team: topics[f"team-{team}"] for team in teams},
                bucket=BUCKET,
            ),
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
        self.automation.handle(body, "00000000-0000-4000-8000-000000000000")

    def operations(self, *bodies: str) -> set[str]:
        """Handle messages and return what that asked of AWS, as a policy calls it."""
        found: set[str] = set()

        def note(model: OperationModel, **_: object) -> None:
            found.add(f"{model.service_model.service_name}:{model.name}")

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
        return self.table.scan()["Items"]

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


def _refused(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # pyright: ignore[reportArgumentType]  the rest is not read
        "SendCommand",
    )


@pytest.fixture
def world() -> Iterator[_World]:
    with mock_aws():
        yield _World()


def test_an_alert_becomes_one_command_on_the_bastion(world: _World) -> None:
    world.handle(notification())

    (command,) = world.commands()
    assert command["DocumentName"] == "orion-restart-pod"
    assert command["Targets"] == [{"Key": "tag:orion:role", "Values": ["bastion"]}]
    (sent,) = world.sent
    document = world.ssm.describe_document(Name="orion-restart-pod")["Document"]
    pinned = (sent["DocumentVersion"], sent["DocumentHash"], sent["DocumentHashType"])
    assert pinned == ("1", document.get("Hash"), "Sha256")
    assert command["Parameters"] == {name: [LABELS[name]] for name in ("namespace", "pod", "uid")}
    assert command["OutputS3BucketName"] == BUCKET
    (item,) = world.items()
    assert item["command_id"] == command["CommandId"]
    assert item["status"] == "sent"
    assert item["expires_at"] > NOW
    assert world.seen.counts[Count.SENT] == 1


def test_it_asks_of_aws_exactly_what_its_role_allows(world: _World) -> None:
    world.answer_of("replaced: pod a by pod b\n")
    found = world.operations(notification(LABELS, LABELS | {"pod": "positions-2"}), "not JSON")
    found |= world.operations(world.event())
    world.time = NOW + 10 * 60

    found |= world.operations(SWEEP)

    assert found == FUNCTION_OPERATIONS


def test_the_same_message_ten_times_is_one_command(world: _World) -> None:
    for _ in range(10):
        world.handle(notification())

    assert len(world.commands()) == 1
    assert world.seen.counts[Count.DUPLICATE] == 9


def test_each_alert_is_answered_by_itself(world: _World) -> None:
    world.handle(
        notification(
            LABELS,
            LABELS | {"pod": "; rm -rf /"},
            LABELS | {"alertname": "CriticalLatency"},
            LABELS | {"alertname": "PodNotReady", "pod": "orders-1"},
        )
    )

    assert [command["DocumentName"] for command in world.commands()] == [
        "orion-restart-pod",
        "orion-collect-diagnostics",
    ]
    assert world.seen.counts[Count.REFUSED] == 1


def test_the_same_alert_that_starts_again_is_another_repair(world: _World) -> None:
    world.handle(notification())
    again = notification().replace("2026-11-24T10:46:", "2026-11-24T11:46:")
    assert again != notification()
    world.handle(again)

    assert len(world.commands()) == 2


@pytest.mark.parametrize("name", ["notification_repeat", "notification_resolved"])
def test_repeats_and_resolves_are_no_reason_to_act(world: _World, name: str) -> None:
    world.handle(json.dumps(recorded(name)))

    assert world.commands() == []
    assert world.items() == []


@pytest.mark.parametrize("pod", ["; rm -rf /", "$(reboot)", "{{ pod }}", "a\nb", "x" * 10_000, ""])
def test_a_hostile_label_is_refused_once_and_the_team_told(world: _World, pod: str) -> None:
    for _ in range(3):
        world.handle(notification(LABELS | {"pod": pod}))

    assert world.commands() == []
    (refusal,) = world.told("team-trading")
    assert refusal["subject"] == "Runbook Action Refused: restart_pod"
    assert refusal["status"] == "refused"
    assert refusal["labels"]["pod"][:500] == pod[:500]
    assert refusal["parameters"] == {}
    assert world.told("notifications") == []
    assert world.seen.counts[Count.REFUSED] == 1
    (item,) = world.items()
    assert "open" not in item


def test_dry_run_says_what_it_would_do_and_does_nothing(world: _World) -> None:
    world.in_mode(Mode.DRY_RUN)

    world.handle(notification())
    world.handle(notification())

    assert world.commands() == []
    (said,) = world.told("notifications")
    assert said["subject"] == "Runbook Action Dry Run: restart_pod"
    assert LABELS["pod"] in said["result"]
    (item,) = world.items()
    assert item["status"] == "dry run"


def test_a_message_cut_at_256_kib_is_kept_raw_and_not_tried_again(world: _World) -> None:
    envelope = recorded("notification_firing")
    envelope["MessageAttributes"]["truncated"] = {"Type": "String", "Value": "true"}
    envelope["Message"] = envelope["Message"][:100]
    body = json.dumps(envelope)

    world.handle(body)

    (kept,) = world.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    assert kept.get("Key", "").startswith("unreadable/")
    assert world.s3.get_object(Bucket=BUCKET, Key=kept.get("Key", ""))["Body"].read().decode() == body
    assert world.seen.counts[Count.UNREADABLE] == 1


def test_what_is_none_of_ours_is_counted_and_kept(world: _World) -> None:
    world.handle('{"source": "aws.ec2"}')

    assert world.seen.counts[Count.NOT_OURS] == 1
    assert len(world.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])) == 1


def test_what_cannot_be_kept_stays_in_the_queue(world: _World) -> None:
    world.s3.delete_bucket(Bucket=BUCKET)

    with pytest.raises(ClientError):
        world.handle("not JSON")


def test_alerts_that_came_in_no_message_are_told_to_the_team(world: _World) -> None:
    world.handle(notification(total=120))

    (said,) = world.told("team-platform")
    assert said["status"] == "left out"
    assert "119 alerts" in said["result"]
    assert "alertmanager_api" in said["result"]
    assert world.seen.counts[Count.LEFT_OUT] == 119
    assert len(world.commands()) == 1


def test_alerts_that_came_in_no_message_are_fetched_and_answered_once(world: _World) -> None:
    rest = [
        {
            "labels": LABELS | {"pod": f"positions-{number}"},
            "fingerprint": f"{number:016x}",
            "startsAt": "2026-11-24T10:46:02.819Z",
            "status": {"state": "active"},
        }
        for number in range(3)
    ]
    labels = {"alertname": "HighMemoryUsage", "service": "positions"}

    def groups(_: Request) -> JSONResponse:
        return JSONResponse([{"labels": labels, "alerts": rest}])

    application = Starlette(routes=[Route("/api/v2/alerts/groups", groups)])
    service = HttpService("alertmanager", application)
    service.start()
    wait_until_ready(service, timeout_seconds=10)
    try:
        world.automation = replace(world.automation, alertmanager=AlertmanagerApi(address=service.address))
        for _ in range(2):
            world.handle(notification(total=3))
    finally:
        service.stop()

    # The first of them came in the message, by the same fingerprint.
    assert [one["Parameters"]["pod"] for one in world.commands()] == [[LABELS["pod"]], ["positions-1"], ["positions-2"]]
    assert world.seen.counts[Count.FETCHED] == 4
    assert world.seen.counts[Count.LEFT_OUT] == 0
    assert world.told("team-platform") == []


def test_nothing_is_fetched_for_alerts_that_nothing_answers(world: _World) -> None:
    labels = LABELS | {"alertname": "CriticalLatency"}

    world.handle(notification(labels, total=120, commonLabels=labels))

    assert world.seen.counts[Count.LEFT_OUT] == 0


def test_the_outcome_is_published_with_the_commands_output(world: _World) -> None:
    world.handle(notification())
    world.answer_of("deleting\nreplaced: pod a by pod b\n")

    world.handle(world.event())

    (result,) = world.told("notifications")
    assert result["subject"] == "Runbook Action Executed: restart_pod"
    assert result["status"] == "succeeded"
    assert result["result"] == "replaced: pod a by pod b"
    assert result["output"] == "deleting\nreplaced: pod a by pod b\n"
    assert result["command_id"] == world.commands()[0]["CommandId"]
    assert result["labels"] == LABELS
    assert result["started"] == "2026-11-24T10:40:11Z"
    assert result["finished"] == "2026-11-24T10:40:11Z"
    (item,) = world.items()
    assert "open" not in item


def test_an_outcome_told_twice_is_published_once(world: _World) -> None:
    world.handle(notification())
    world.handle(world.event())
    world.handle(world.event())

    assert len(world.told("notifications")) == 1


def test_an_event_of_a_command_under_way_changes_nothing(world: _World) -> None:
    world.handle(notification())
    world.handle(world.event("InProgress"))

    assert world.told("notifications") == []
    assert world.items()[0]["status"] == "sent"


@pytest.mark.parametrize(
    ("output", "status"),
    [
        ("nothing done: pod orion/x with UID y was replaced\n", "nothing done"),
        ("gone: pod orion/x with UID y is not there any more\nits last events\n", "gone"),
    ],
)
def test_a_changed_state_and_a_target_that_is_gone_are_the_teams(world: _World, output: str, status: str) -> None:
    world.handle(notification())
    world.answer_of(output)

    world.handle(world.event())

    (said,) = world.told("team-trading")
    assert said["subject"] == "Runbook Action Not Needed: restart_pod"
    assert said["status"] == status
    assert said["result"] == output.splitlines()[0]
    assert world.told("notifications") == []
    (item,) = world.items()
    assert item["status"] == status


def test_what_a_script_refuses_is_a_refusal_and_the_teams(world: _World) -> None:
    world.handle(notification())
    world.answer_of("", "Failed", "refused: pod orion/x with UID y has no owner that would replace it\n")

    world.handle(world.event("Failed"))

    (said,) = world.told("team-trading")
    assert said["subject"] == "Runbook Action Refused: restart_pod"
    assert (said["status"], world.items()[0]["status"]) == ("refused", "refused")


DATABASE = {"alertname": "AuroraHighCPU", "service": "database", "team": "trading"}


def test_what_is_handed_over_reaches_that_team_once_with_a_link(world: _World) -> None:
    for _ in range(3):
        world.handle(notification(DATABASE | {"dbinstance_identifier": "orion-aurora-1"}))

    (said,) = world.told("team-database")
    assert said["subject"] == "Runbook Action Executed: hand_to_database_team"
    assert said["status"] == "handed over"
    assert said["parameters"] == {"dbinstance_identifier": "orion-aurora-1"}
    assert said["link"].startswith("https://us-east-1.console.aws.amazon.com/rds/home?region=us-east-1#database:")
    assert "id=orion-aurora-1;" in said["link"]
    assert world.told("team-trading") == []
    assert world.commands() == []
    (item,) = world.items()
    assert item["status"] == "handed over"
    assert item["link"] == said["link"]


@pytest.mark.parametrize("identifier", ["", "x;tab=y", "x#y", "../x", "{region}", "x" * 300])
def test_a_hostile_identifier_makes_no_link(world: _World, identifier: str) -> None:
    world.handle(notification(DATABASE | {"dbinstance_identifier": identifier}))

    (refusal,) = world.told("team-trading")
    assert refusal["status"] == "refused"
    assert refusal["link"] == ""
    assert world.told("team-database") == []


def test_dry_run_hands_nothing_over(world: _World) -> None:
    world.in_mode(Mode.DRY_RUN)

    world.handle(notification(DATABASE | {"dbinstance_identifier": "orion-aurora-1"}))

    (said,) = world.told("notifications")
    assert said["result"] == "would hand AuroraHighCPU to the team database"
    assert world.told("team-database") == []
    assert world.items()[0]["status"] == "dry run"


@pytest.mark.parametrize(("said", "status"), [("Failed", "failed"), ("TimedOut", "timed out"), ("Cancelled", "failed")])
def test_a_failure_goes_to_the_team(world: _World, said: str, status: str) -> None:
    world.handle(notification())
    world.answer_of("", said, "error: Forbidden\n")

    world.handle(world.event(said))

    (failure,) = world.told("team-trading")
    assert failure["subject"] == "Runbook Action Failed: restart_pod"
    assert failure["status"] == status
    assert failure["result"] == f"{said}: error: Forbidden"
    assert world.told("notifications") == []


def test_an_event_that_comes_before_its_command_is_known_comes_again(world: _World) -> None:
    world.handle(notification())
    event = world.event()
    world.table.update_item(Key={"id": world.items()[0]["id"]}, UpdateExpression="REMOVE command_id")

    with pytest.raises(EventTooEarly):
        world.handle(event)


def test_an_old_event_of_a_command_that_no_repair_sent_is_counted(world: _World) -> None:
    world.ssm.send_command(DocumentName="orion-restart-pod", InstanceIds=[world.instance])

    world.handle(world.event(age=61))

    assert world.seen.counts[Count.UNKNOWN_COMMAND] == 1
    assert world.told("notifications") == []


def test_a_command_that_is_refused_is_the_teams(world: _World) -> None:
    world.fail(world.ssm, "SendCommand", _refused("InvalidParameters", 400))

    world.handle(notification())

    (failure,) = world.told("team-trading")
    assert failure["status"] == "failed"
    assert "InvalidParameters" in failure["result"]


def test_a_throttled_command_is_tried_again_and_sent_once(world: _World) -> None:
    world.fail(world.ssm, "SendCommand", _refused("ThrottlingException", 400))
    with pytest.raises(TryLater):
        world.handle(notification())
    assert world.items()[0]["status"] == "released"
    assert "open" not in world.items()[0]
    world.mend()

    world.handle(notification())
    world.handle(notification())

    assert len(world.commands()) == 1


def test_one_throttled_alert_keeps_the_others_from_nothing(world: _World) -> None:
    world.fail(world.ssm, "SendCommand", _refused("ThrottlingException", 400))
    with pytest.raises(TryLater):
        world.handle(notification(LABELS, LABELS | {"pod": "; rm -rf /"}))

    assert len(world.told("team-trading")) == 1


@pytest.mark.parametrize("fault", ["no answer", "server error"])
def test_a_command_without_an_answer_is_never_sent_again(world: _World, fault: str) -> None:
    if fault == "no answer":
        world.fail(world.ssm, "SendCommand", ReadTimeoutError(endpoint_url="https://ssm"))
    else:
        world.fail(world.ssm, "SendCommand", _refused("InternalServerError", 500))
    world.handle(notification())
    world.mend()
    world.handle(notification())
    assert world.commands() == []
    assert world.seen.counts[Count.UNCERTAIN] == 1

    world.time = NOW + CLAIM_SECONDS + 1
    world.handle(SWEEP)
    world.handle(SWEEP)

    assert world.commands() == []
    (lost,) = world.told("team-trading")
    assert lost["status"] == "lost"
    assert "not sent again" in lost["result"]


def test_a_claim_is_left_alone_while_its_function_may_live(world: _World) -> None:
    world.fail(world.ssm, "SendCommand", ReadTimeoutError(endpoint_url="https://ssm"))
    world.handle(notification())

    world.time = NOW + CLAIM_SECONDS - 1
    world.handle(SWEEP)

    assert world.told("team-trading") == []


def test_the_sweep_finds_an_outcome_that_was_never_heard_of(world: _World) -> None:
    world.handle(notification())
    world.time = NOW + 10 * 60

    world.handle(SWEEP)
    world.handle(SWEEP)

    (result,) = world.told("notifications")
    assert result["status"] == "succeeded"


def test_a_command_that_no_instance_took_is_the_teams(world: _World) -> None:
    world.ec2.terminate_instances(InstanceIds=[world.instance])
    world.handle(notification())
    world.invocations_of = lambda _: []
    world.time = NOW + 10 * 60

    world.handle(SWEEP)

    (failure,) = world.told("team-trading")
    assert failure["result"].startswith("No instance took the command")


def test_a_command_that_never_ends_is_given_up_in_the_end(world: _World) -> None:
    world.handle(notification())
    world.answer_of("", "InProgress")
    for minutes in (6, 8, 10):
        world.time = NOW + minutes * 60
        world.handle(SWEEP)
    assert world.told("team-trading") == []

    world.time = NOW + 60 * 60
    world.handle(SWEEP)

    (failure,) = world.told("team-trading")
    assert failure["status"] == "timed out"


def test_an_end_that_could_not_be_published_is_published_by_the_sweep(world: _World) -> None:
    world.handle(notification())
    world.fail(world.sns, "Publish", ReadTimeoutError(endpoint_url="https://sns"))
    with pytest.raises(ReadTimeoutError):
        world.handle(world.event())
    world.time = NOW + 10 * 60
    with pytest.raises(SweepIncomplete):
        world.handle(SWEEP)
    world.mend()

    world.handle(SWEEP)
    world.handle(SWEEP)

    assert [one["status"] for one in world.told("notifications")] == ["succeeded"]


def test_one_repair_that_cannot_be_looked_after_does_not_keep_the_others(world: _World) -> None:
    world.handle(notification(LABELS, LABELS | {"pod": "positions-2"}))
    ids = [command["CommandId"] for command in world.commands()]

    def fail_for_first(command_id: str) -> list[dict[str, Any]]:
        if command_id == ids[0]:
            raise ReadTimeoutError(endpoint_url="https://ssm")
        return [{"CommandId": command_id, "InstanceId": world.instance}]

    world.invocations_of = fail_for_first
    world.time = NOW + 10 * 60
    with pytest.raises(SweepIncomplete):
        world.handle(SWEEP)

    (result,) = world.told("notifications")
    assert result["command_id"] == ids[1]


@pytest.mark.parametrize("characters", ["x", "\u20ac", "\n"])
def test_a_long_output_still_fits_a_message(world: _World, characters: str) -> None:
    world.handle(notification())
    world.answer_of(characters * 24_000, "Failed", characters * 24_000)

    world.handle(world.event("Failed"))

    (failure,) = world.told("team-trading")
    assert failure["status"] == Status.FAILED


def test_the_tables_item_of_hostile_labels_stays_small(world: _World) -> None:
    labels = {f"label_{number}": "\u20ac" * 5_000 for number in range(100)}

    world.handle(notification(LABELS | labels))

    (item,) = world.items()
    assert len(json.dumps(item, default=str)) < 300_000
    assert len(world.commands()) == 1
