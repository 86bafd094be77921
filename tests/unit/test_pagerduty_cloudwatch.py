"""The CloudWatch integration of the stand-in for PagerDuty: an alarm opens an incident, and its end resolves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.journal import Kind
from tests.pagerduty_account import PagerDutyAccount

ALARM = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:silent"


class CloudWatch:
    """A service with the integration, and what SNS would deliver to it."""

    def __init__(self, folder: Path) -> None:
        self.account = PagerDutyAccount(folder)
        ann = self.account.person("ann")
        self.account.service(self.account.policy((5, [("user", ann)])))
        (service,) = self.account.client.get("/services").json()["services"]
        integration = self.account.make(
            f"/services/{service['id']}/integrations",
            "integration",
            type="aws_cloudwatch_inbound_integration",
            name="CloudWatch",
        )
        self.key = integration["integration_key"]

    def deliver(self, state: str, *, key: str | None = None, **envelope: Any) -> int:
        message = {
            "AlarmName": "silent",
            "AlarmArn": ALARM,
            "AlarmDescription": "Nothing is heard",
            "NewStateValue": state,
            "NewStateReason": "silence",
            "Region": "US East (N. Virginia)",
        }
        body = {
            "Type": "Notification",
            "Subject": f'{state}: "silent" in US East (N. Virginia)',
            "Message": json.dumps(message),
            **envelope,
        }
        address = f"/integration/{key or self.key}/enqueue"
        return self.account.plain.post(address, content=json.dumps(body)).status_code

    def reasons(self) -> list[str]:
        return [event.details["reason"] for event in self.account.found(Kind.REQUEST_REFUSED)]


@pytest.fixture
def cloudwatch(tmp_path: Path) -> CloudWatch:
    return CloudWatch(tmp_path)


def test_an_alarm_opens_one_incident_and_ok_resolves_it(cloudwatch: CloudWatch) -> None:
    assert [cloudwatch.deliver("ALARM"), cloudwatch.deliver("ALARM")] == [202, 202]
    (incident,) = cloudwatch.account.incidents()
    assert (incident["status"], incident["title"]) == ("triggered", 'ALARM: "silent" in US East (N. Virginia)')
    assert cloudwatch.account.notified() == [("ann", "1")]
    (opened,) = cloudwatch.account.found(Kind.INCIDENT_TRIGGERED)
    assert opened.ids["dedup_key"] == ALARM
    assert opened.details["severity"] == "critical"

    assert cloudwatch.deliver("OK") == 202
    (incident,) = cloudwatch.account.incidents()
    assert incident["status"] == "resolved"


def test_no_data_is_neither_the_begin_nor_the_end(cloudwatch: CloudWatch) -> None:
    cloudwatch.deliver("ALARM")

    assert cloudwatch.deliver("INSUFFICIENT_DATA") == 202
    assert [incident["status"] for incident in cloudwatch.account.incidents()] == ["triggered"]
    assert cloudwatch.reasons() == ["an alarm without data is neither on nor off"]


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        ({"Subject": 'OK: "silent"'}, "does not begin with the state 'ALARM'"),
        ({"Message": "down"}, "not JSON"),
        ({"Message": "{}"}, "AlarmName: Field required"),
        ({"Type": "SubscriptionConfirmation"}, "Type: Input should be 'Notification'"),
        ({"key": "0" * 32}, "Invalid integration key"),
    ],
)
def test_what_is_no_alarm_is_refused_and_opens_nothing(
    cloudwatch: CloudWatch, envelope: dict[str, Any], reason: str
) -> None:
    assert cloudwatch.deliver("ALARM", **envelope) == 400

    assert cloudwatch.account.incidents() == []
    assert [reason in found for found in cloudwatch.reasons()] == [True]


def test_the_key_of_another_kind_of_integration_is_none_of_this_one(tmp_path: Path) -> None:
    cloudwatch = CloudWatch(tmp_path)
    bob = cloudwatch.account.person("bob")
    events = cloudwatch.account.service(cloudwatch.account.policy((5, [("user", bob)]), name="b"), name="positions")

    assert cloudwatch.deliver("ALARM", key=events.key) == 400
