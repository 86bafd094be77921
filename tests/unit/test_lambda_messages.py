"""Messages in the queue are read strictly: recorded events, and everything that can be wrong with them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_common.envelope import Notification, NotOurs, Unreadable
from runbook_automation.messages import CommandEvent, read_message
from tests.lambda_events import LABELS, notification, recorded


def _read(content: object) -> Any:
    return read_message(json.dumps(content))


def test_a_recorded_notification_is_read() -> None:
    message = _read(recorded("notification_firing"))

    assert isinstance(message, Notification)
    assert message.route == '{}/{severity="warning"}'
    assert message.total == 1
    assert message.sent_at.isoformat() == "2026-11-24T10:46:03.859000+00:00"
    assert not message.is_repeat
    (alert,) = message.alerts
    assert alert.firing
    assert alert.labels == LABELS
    assert alert.name == "HighMemoryUsage"
    assert len(alert.fingerprint) == 16
    assert alert.starts_at.startswith("2026-11-24T10:46:")


def test_a_recorded_repeat_and_a_resolve_are_told_apart() -> None:
    assert _read(recorded("notification_repeat")).is_repeat
    resolved = _read(recorded("notification_resolved"))
    assert not resolved.is_repeat
    assert not resolved.alerts[0].firing


def test_a_recorded_command_event_is_read() -> None:
    message = _read(recorded("command_success"))

    assert isinstance(message, CommandEvent)
    assert message.command_id == "666f2b3a-95dc-472e-8eed-32c721a6ee20"
    assert message.instance_id == "i-4bb0d06e3ece69dd9"
    assert message.status == "Success"
    assert message.time.isoformat() == "2026-11-24T10:40:11+00:00"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not JSON",
        "[]",
        "null",
        "NaN",
        "[" * 100_000,
        "{}",
        '{"source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification"}',
        '{"source": "aws.ssm", "detail-type": "Parameter Store Change"}',
        json.dumps({"Type": "SubscriptionConfirmation", "TopicArn": "x", "Token": "y"}),
        json.dumps({"Type": "Notification", "TopicArn": "x", "Message": json.dumps({"AlarmName": "x"})}),
        json.dumps({"alertname": "HighMemoryUsage"}),
    ],
)
def test_what_is_none_of_ours_is_refused(body: str) -> None:
    with pytest.raises(NotOurs):
        read_message(body)


def test_a_message_marked_as_cut_is_unreadable_even_if_it_parses() -> None:
    envelope = recorded("notification_firing")
    envelope["MessageAttributes"]["truncated"] = {"Type": "String", "Value": "true"}

    with pytest.raises(Unreadable, match="256 KiB"):
        _read(envelope)


def test_a_message_cut_in_the_middle_is_unreadable() -> None:
    envelope = recorded("notification_firing")
    envelope["Message"] = envelope["Message"][:-20]

    with pytest.raises(Unreadable, match="not JSON"):
        _read(envelope)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"status": "pending"}, r"alerts\[0\]\.status"),
        ({"labels": {"pod": "x"}}, r"alerts\[0\]\.labels"),
        ({"labels": {"alertname": 1}}, r"alerts\[0\]\.labels"),
        ({"labels": None}, r"alerts\[0\]\.labels"),
        ({"labels": {"alertname": "x", "pod": "\ud800"}}, "not Unicode"),
        ({"fingerprint": "x" * 16}, r"alerts\[0\]\.fingerprint"),
        ({"fingerprint": "0123456789abcdef\n"}, r"alerts\[0\]\.fingerprint"),
        ({"startsAt": "yesterday"}, r"alerts\[0\]\.startsAt"),
        ({"startsAt": "2026-01-01T00:00:00"}, "offset"),
        ({"startsAt": "0001-01-01T00:00:00+14:00"}, "years 1 to 9999"),
    ],
)
def test_an_alert_that_is_not_alertmanagers_is_unreadable(change: dict[str, Any], place: str) -> None:
    envelope = recorded("notification_firing")
    message = json.loads(envelope["Message"])
    message["notification"]["alerts"][0] |= change
    envelope["Message"] = json.dumps(message)

    read = _read(envelope)

    assert isinstance(read, Notification)
    assert read.alerts == ()
    (problem,) = read.unreadable
    assert re.search(place, problem)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"version": "2"}, "version"),
        ({"total": 0}, "total"),
        ({"total": True}, "total"),
        ({"route": None}, "route"),
        ({"notification": []}, "notification"),
    ],
)
def test_a_message_of_another_shape_is_unreadable(change: dict[str, Any], place: str) -> None:
    envelope = recorded("notification_firing")
    envelope["Message"] = json.dumps(json.loads(envelope["Message"]) | change)

    with pytest.raises(Unreadable, match=place):
        _read(envelope)


@pytest.mark.parametrize("timestamp", [None, "", "yesterday", 1_795_517_163, "2026-11-24T10:46:03.859"])
def test_a_notification_of_an_unknown_age_is_unreadable(timestamp: object) -> None:
    with pytest.raises(Unreadable, match=r"envelope\.Timestamp"):
        read_message(notification(envelope={"Timestamp": timestamp}))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(_JSON)
def test_whatever_stands_for_the_alerts_is_read_or_refused(alerts: Any) -> None:
    try:
        read = read_message(notification(alerts=alerts))
    except (Unreadable, NotOurs):
        return
    assert isinstance(read, Notification)
    assert len(read.unreadable) == len(alerts)


@given(st.dictionaries(st.sampled_from(["source", "detail-type", "detail", "Type", "TopicArn", "Message"]), _JSON))
def test_whatever_arrives_is_refused_by_an_error_of_its_own(content: dict[str, Any]) -> None:
    with pytest.raises((Unreadable, NotOurs)):
        _read(content)
