"""A group of which one alert is silenced and the others end: Alertmanager says resolved although one still fires.

That is Alertmanager's own (issue 5247). Held here: what our receivers then get, and that nothing of ours takes it for
the silenced alert's end. `docs/alerts.md` and `docs/on-call.md` say what a person does about it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import httpx
import pytest

from orion_common.envelope import Notification
from runbook_automation.messages import read_message
from tests.alertmanager_sink import Sink, add_silence, fire

pytestmark = pytest.mark.integration

LABELS = {
    "alertname": "HighMemoryUsage", "cluster": "orion", "severity": "critical", "service": "orders", "team": "trading"
}  # fmt: skip


def test_a_group_resolves_while_its_silenced_alert_fires(sink: Sink, alertmanager: str) -> None:
    silenced, other = {**LABELS, "pod": "a"}, {**LABELS, "pod": "b"}
    fire(alertmanager, silenced, other, summary="memory")
    opened = sink.wait("/v2/enqueue", lambda event: event["payload"]["class"] == LABELS["alertname"])
    add_silence(alertmanager, {"alertname": LABELS["alertname"], "pod": "a"})
    fire(alertmanager, other, ends=True, summary="memory")

    closed = sink.wait(
        "/v2/enqueue",
        lambda event: event["event_action"] == "resolve" and event["payload"]["class"] == LABELS["alertname"],
    )
    message = sink.wait(
        "/sns",
        lambda value: (
            value["message"]["notification"]["status"] == "resolved"
            and value["message"]["notification"]["groupLabels"]["alertname"] == LABELS["alertname"]
        ),
    )
    left = httpx.get(f"{alertmanager}/api/v2/alerts", params={"filter": 'pod="a"'}).json()
    envelope = {
        "Type": "Notification",
        "MessageId": "8b1e2f4a",
        "TopicArn": "arn",
        "Message": message["fields"]["Message"],
        "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    }
    notification = read_message(json.dumps(envelope))

    assert closed["dedup_key"] == opened["dedup_key"]
    assert [alert["status"]["state"] for alert in left] == ["suppressed"]
    # The repair function rules out repairs by alert, never by group: the silenced alert is not in the message.
    assert isinstance(notification, Notification)
    assert [(alert.labels["pod"], alert.firing) for alert in notification.alerts] == [("b", False)]
