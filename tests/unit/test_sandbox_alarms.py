"""CloudWatch's alarms as the sandbox evaluates them: with missing data as its user guide says, and telling topics."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sandbox.clock import Clock
from sandbox.clouds.aws.alarms import Alarm, Alarms, Sources
from sandbox.clouds.aws.clients import Clients
from sandbox.clouds.aws.server import AwsServer, function_errors, oldest_message, waiting_messages
from sandbox.credentials import ACCOUNT_ID, REGION, Credentials
from sandbox.journal import Journal, Kind

DESCRIBED: dict[str, Any] = {
    "AlarmName": "silent",
    "AlarmArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:silent",
    "Namespace": "AWS/SNS",
    "MetricName": "NumberOfMessagesPublished",
    "Dimensions": [{"Name": "TopicName", "Value": "heartbeat"}],
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 3,
    "DatapointsToAlarm": 3,
    "Threshold": 1,
    "ComparisonOperator": "LessThanThreshold",
    "TreatMissingData": "breaching",
    "AlarmConfigurationUpdatedTimestamp": datetime(2026, 1, 1, tzinfo=UTC),
    "StateValue": "OK",
    "ActionsEnabled": True,
}


def alarm(**changes: Any) -> Alarm:
    return Alarm.model_validate({**DESCRIBED, **changes})


@pytest.mark.parametrize(
    ("breaching_above", "breaching", "not_breaching"),
    # Newest first; None is missing, True breaches. The user guide's table of three periods with a range of five.
    [
        ([True, None, None, None, False], "OK", "OK"),
        ([None, None, None, None, False], "OK", "OK"),
        ([None, None, None, None, None], "ALARM", "OK"),
        ([None, True, True, None, False], "OK", "OK"),
        ([True, None, None, True, None], "ALARM", "OK"),
    ],
)
def test_missing_data_is_filled_in_only_where_the_range_has_too_little(
    breaching_above: Sequence[bool | None], breaching: str, not_breaching: str
) -> None:
    data = [None if point is None else float(point) for point in breaching_above]
    above = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 0}

    assert alarm(**above).state(data) == breaching
    assert alarm(**above, TreatMissingData="notBreaching").state(data) == not_breaching


def test_silence_is_heard_when_the_whole_range_is_silent_and_not_a_period_before() -> None:
    heard: list[float | None] = [None, None, None, None, 1.0]

    assert alarm().state(heard) == "OK"
    assert alarm().state([None, *heard]) == "ALARM"


def test_messages_count_in_the_period_in_which_they_came() -> None:
    samples = [(59.9, 1.0), (60.0, 1.0), (100.0, 1.0), (180.0, 1.0)]

    assert alarm().data(samples, newest=3, seconds=60.0) == [1.0, None, 2.0, 1.0, None]
    assert alarm(Statistic="Maximum").data(samples, newest=1, seconds=60.0)[0] == 1.0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"Namespace": "AWS/EC2"}, "Namespace"),
        ({"Statistic": "Average"}, "Statistic"),
        ({"TreatMissingData": "ignore"}, "TreatMissingData"),
        ({"Dimensions": []}, "Dimensions"),
    ],
)
def test_an_alarm_of_another_kind_is_refused_by_name(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        alarm(**change)


TOLD_ONLY = {"AlarmArn", "StateValue", "AlarmConfigurationUpdatedTimestamp"}


class Account:
    """A topic with a heartbeat, an alarm on it, and a queue that hears what the alarm says."""

    def __init__(self, server: AwsServer, credentials: Credentials, folder: Path) -> None:
        self.journal = Journal(folder / "alarms.jsonl")
        self.clients = Clients.of(server.address, credentials, account_id=ACCOUNT_ID, region=REGION)
        self.beats: list[float] = []
        sources = Sources(
            published=lambda _: self.beats,
            errors=lambda function: function_errors(function, account_id=ACCOUNT_ID, region=REGION),
            oldest_message=lambda queue: oldest_message(queue, account_id=ACCOUNT_ID, region=REGION),
            waiting_messages=lambda queue: waiting_messages(queue, account_id=ACCOUNT_ID, region=REGION),
        )
        self.alarms = Alarms(self.clients, sources, Clock(1), self.journal)
        topic = self.clients.sns.create_topic(Name="silence")["TopicArn"]
        self.queue = self.clients.sqs.create_queue(QueueName="hears")["QueueUrl"]
        queue_arn = self.clients.arn("sqs", "hears")
        self.clients.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
        ours = {name: value for name, value in DESCRIBED.items() if name not in TOLD_ONLY}
        # A minute and more after the alarms of a test are made, since what was before an alarm is none of its business.
        self.begin = (time.time() // 60 + 2) * 60
        self.clients.cloudwatch.put_metric_alarm(**ours, AlarmActions=[topic], OKActions=[topic])

    def put_alarm(self, **changes: Any) -> None:
        """Make the alarm `other`: one period, above 0, missing data being no trouble, unless said."""
        asked: dict[str, Any] = {
            "Statistic": "Maximum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        }
        self.clients.cloudwatch.put_metric_alarm(AlarmName="other", **{**asked, **changes})

    def states(self, minutes: int, happens: Mapping[int, Callable[[], object]]) -> list[tuple[int, str]]:
        """Evaluate the alarms each minute, and return when `other` changed and to what."""
        self.beats = [self.begin + 60 * minute for minute in range(minutes)]  # the other alarm has nothing to say
        states: list[tuple[int, str]] = []
        for minute in range(minutes):
            happens.get(minute, lambda: None)()
            self.alarms.turn(self.begin + 60 * minute + 1)
            seen = [event.ids for event in self.journal.find(Kind.ALARM_CHANGED) if event.ids["alarm"] == "other"]
            states += [(minute, one["state"]) for one in seen[len(states) :]]
        return states

    def heard(self) -> list[dict[str, Any]]:
        messages = self.clients.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            self.clients.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message.get("ReceiptHandle", ""))
        return [json.loads(message.get("Body", "")) for message in messages]


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    credentials = Credentials.new()
    server = AwsServer(journal=Journal(tmp_path / "aws.jsonl"), credentials=credentials)
    server.start()
    made = Account(server, credentials, tmp_path)
    yield made
    made.clients.cloudwatch.delete_alarms(AlarmNames=["silent", "other"])
    made.clients.sqs.delete_queue(QueueUrl=made.queue)
    server.stop()


def test_an_alarm_tells_its_topic_when_it_begins_and_when_it_ends_and_only_then(account: Account) -> None:
    account.beats = [account.begin + 60 * minute for minute in range(10)]
    states: list[tuple[int, str]] = []
    for minute in range(25):
        if minute == 20:
            account.beats.append(account.begin + 60 * minute)
        account.alarms.turn(account.begin + 60 * minute + 1)
        for body in account.heard():
            message = json.loads(body["Message"])
            assert body["Subject"] == f'{message["NewStateValue"]}: "silent" in US East (N. Virginia)'
            assert message["AlarmArn"].endswith(":alarm:silent")
            states.append((minute, message["NewStateValue"]))

    # Five silent periods after minute 9; the period of the beat of minute 20 has ended. moto makes alarms that are OK.
    assert states == [(15, "ALARM"), (21, "OK")]
    changes = [event.ids["state"] for event in account.journal.find(Kind.ALARM_CHANGED)]
    assert changes == ["ALARM", "OK"]


@pytest.fixture
def queue(account: Account) -> Iterator[str]:
    url = account.clients.sqs.create_queue(QueueName="other")["QueueUrl"]
    yield url
    account.clients.sqs.delete_queue(QueueUrl=url)


def test_a_queues_alarm_lasts_as_long_as_there_is_a_message(account: Account, queue: str) -> None:
    sqs = account.clients.sqs
    account.put_alarm(
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Dimensions=[{"Name": "QueueName", "Value": "other"}],
    )

    states = account.states(
        12,
        {
            4: lambda: sqs.send_message(QueueUrl=queue, MessageBody="could not be handled"),
            8: lambda: sqs.purge_queue(QueueUrl=queue),
        },
    )

    assert states == [(5, "ALARM"), (9, "OK")]


def test_a_message_that_nobody_takes_is_an_alarm_at_its_age_and_one_that_is_retried_is_not(
    account: Account, queue: str
) -> None:
    sqs = account.clients.sqs
    account.put_alarm(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": "other"}],
        Threshold=600,
    )
    # It is sent now; the evaluation's first minute begins one to three minutes from now.
    sqs.send_message(QueueUrl=queue, MessageBody="waits")

    (begins, state), (ends, after) = account.states(20, {15: lambda: sqs.receive_message(QueueUrl=queue)})

    assert (state, after) == ("ALARM", "OK")
    assert 8 <= begins <= 10
    assert ends == 16


def test_a_delayed_message_waits_from_when_it_can_be_received(account: Account, queue: str) -> None:
    sqs = account.clients.sqs
    account.put_alarm(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": "other"}],
        Threshold=600,
    )
    sqs.send_message(QueueUrl=queue, MessageBody="waits", DelaySeconds=240)

    (begins, state), *_ = account.states(20, {})

    assert state == "ALARM"
    assert 12 <= begins <= 14


def test_a_function_that_fails_in_three_of_five_minutes_is_an_alarm(account: Account) -> None:
    cloudwatch = account.clients.cloudwatch
    dimensions: list[Any] = [{"Name": "FunctionName", "Value": "function"}]
    account.put_alarm(
        Namespace="AWS/Lambda",
        MetricName="Errors",
        Dimensions=dimensions,
        Statistic="Sum",
        EvaluationPeriods=5,
        DatapointsToAlarm=3,
    )

    def fails(minute: int) -> Callable[[], object]:
        at = datetime.fromtimestamp(account.begin + 60 * minute, UTC)
        data: list[Any] = [{"MetricName": "Errors", "Dimensions": dimensions, "Value": 1, "Timestamp": at}]
        return lambda: cloudwatch.put_metric_data(Namespace="AWS/Lambda", MetricData=data)

    states = account.states(16, {minute: fails(minute) for minute in (7, 8, 10)})

    assert [state for _, state in states] == ["ALARM", "OK"]
    assert states[0][0] == 11


def test_an_alarm_that_is_not_evaluated_is_written_down_once_and_disturbs_no_other(account: Account) -> None:
    account.clients.cloudwatch.put_metric_alarm(
        AlarmName="other",
        Namespace="AWS/EC2",
        MetricName="CPUUtilization",
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    for minute in range(8):
        account.alarms.turn(account.begin + 60 * minute)

    (refused,) = account.journal.find(Kind.REQUEST_REFUSED)
    assert refused.ids == {"alarm": "other"}
    assert "'AWS/EC2'" in refused.details["reason"]
    assert [event.ids["state"] for event in account.journal.find(Kind.ALARM_CHANGED)] == ["ALARM"]
