"""A real Alertmanager's notifications with the rendered configuration and templates, with hostile labels too."""

from __future__ import annotations

import json
import re
import urllib.parse
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from alerting.routing.group_key import deduplication_key, group_key
from alerting.source.fields import Severity
from orion_common.alertmanager import AlertmanagerApi
from orion_common.envelope import Notification
from runbook_automation.configuration import HandOver
from runbook_automation.decisions import repair_id
from runbook_automation.messages import read_message
from tests.alertmanager_sink import EXTERNAL_URL, Sink, add_silence, fire, matched, silenced

pytestmark = pytest.mark.integration

HOSTILE = (
    "; rm -rf /",
    "$(reboot)",
    "{{ .Labels }}",
    'quote " and \\ backslash',
    "line\nbreak\ttab",
    "<!channel> & <https://evil.example.com|click>",
    "bell \x07 and delete \x7f",
    "no-break\u00a0space, zero\u200bwidth, ünïcödé, 😀",
    "a" * 10_000,
    "&" * 500,
    "",
)


@pytest.mark.parametrize("index", range(len(HOSTILE)))
def test_the_published_route_and_labels_give_pagerdutys_key(sink: Sink, alertmanager: str, index: int) -> None:
    name = f"Hostile{index}"
    labels = {
        "alertname": name,
        "severity": Severity.CRITICAL.value,
        "cluster": HOSTILE[index],
        "service": "orders" if index % 2 else HOSTILE[index],
        "team": "trading" if index % 3 else "platform",
    }
    fire(alertmanager, {key: value for key, value in labels.items() if value}, summary=HOSTILE[index])

    event = sink.wait("/v2/enqueue", lambda value: value["payload"]["class"] == name)
    message = sink.wait("/sns", lambda value: value["message"]["notification"]["groupLabels"]["alertname"] == name)
    groups = httpx.get(f"{alertmanager}/api/v2/alerts/groups", params={"filter": f"alertname={name}"}).json()

    published = message["message"]
    group_labels = published["notification"]["groupLabels"]
    assert set(published) == {"version", "route", "total", "notification"}
    assert published["version"] == "1"
    assert published["total"] == 1
    assert group_labels == {key: value for key, value in labels.items() if value and key != "team"}
    assert event["dedup_key"] == deduplication_key(published["route"], group_labels)
    assert groups[0]["receiver"]["name"] == published["notification"]["receiver"]
    assert published["notification"]["alerts"][0]["labels"] == {key: value for key, value in labels.items() if value}


def test_a_page_carries_severity_details_and_links(sink: Sink, alertmanager: str) -> None:
    labels = {"alertname": "Paged", "severity": "high", "service": "gateway", "team": "platform", "cluster": "blue"}
    fire(
        alertmanager,
        labels,
        summary="It is slow: very",
        description="Very slow. P95: 6s",
        runbook_url="https://runbooks.example.com/Paged",
        dashboard_url="https://grafana.example.com/d/x?var-service=gateway",
    )

    event = sink.wait("/v2/enqueue", lambda value: value["payload"]["class"] == "Paged")

    assert event["event_action"] == "trigger"
    assert event["client"] == "Orion Platform"
    assert event["client_url"] == "https://grafana.example.com/d/x?var-service=gateway"
    assert event["payload"] == {
        "summary": "Paged: It is slow: very",
        "source": "orion",
        "severity": "error",
        "class": "Paged",
        "component": "gateway",
        "group": "blue",
        "custom_details": {
            "cluster": "blue",
            "descriptions": ["Very slow. P95: 6s"],
            "firing": ["It is slow: very"],
            "num_firing": 1,
            "num_resolved": 0,
            "paged_team": "any team",
            "resolved": [],
            "runbook": "https://runbooks.example.com/Paged",
            "service": "gateway",
        },
    }
    assert [link["text"] for link in event["links"]] == ["Runbook", "Dashboard", "Silence"]
    assert silenced(event["links"][2]["href"]) == (
        '{alertname="Paged",cluster="blue",service="gateway",severity="high"}'
    )


def test_a_resolved_alert_resolves_under_the_same_key(sink: Sink, alertmanager: str) -> None:
    labels = {"alertname": "Passing", "severity": "critical", "service": "orders", "team": "trading"}
    fire(alertmanager, labels, summary="Here")
    event = sink.wait("/v2/enqueue", lambda value: value["payload"]["class"] == "Passing")
    fire(alertmanager, labels, ends=True, summary="Here")

    resolved = sink.wait("/v2/enqueue", lambda value: is_resolved(value, "Passing"))

    assert resolved["dedup_key"] == event["dedup_key"]
    # PagerDuty's router sends both to the same service by these.
    routed_by = [
        (one["payload"]["component"], one["payload"]["custom_details"]["paged_team"]) for one in (event, resolved)
    ]
    assert routed_by == [("orders", "trading")] * 2
    assert event["payload"]["summary"] == "[TRADING] Passing: Here"


def is_resolved(event: Any, alert: str) -> bool:
    return event["event_action"] == "resolve" and event["payload"]["class"] == alert


@pytest.mark.parametrize("index", range(len(HOSTILE)))
def test_slack_gets_exact_and_escaped_values(sink: Sink, alertmanager: str, index: int) -> None:
    name, hostile = f"Spoken{index}", HOSTILE[index]
    alerts = [
        {
            "alertname": name,
            "severity": "warning",
            "service": hostile,
            "team": "platform",
            "pod": str(number),
        }
        for number in range(30)
    ]
    fire(
        alertmanager,
        *[{key: value for key, value in labels.items() if value} for labels in alerts],
        summary=hostile,
        description=hostile,
        runbook_url="https://runbooks.example.com/" + urllib.parse.quote(hostile),
        dashboard_url="https://grafana.example.com/d/x?a=1&b=" + urllib.parse.quote(hostile),
    )

    message = sink.wait("/slack/orion-alerts", lambda value: name in value["attachments"][0]["title"])

    (attachment,) = message["attachments"]
    assert message["channel"] == "#orion-alerts"
    assert attachment["color"] == "warning"
    assert attachment["title"] == f"[FIRING:30] {name}"
    # The sandbox's operator takes no `message_text`: this is what a push notification shows.
    assert attachment["fallback"].startswith(f"[FIRING:30] {name}")
    assert_escaped(attachment["fallback"])
    assert len(attachment["text"]) <= 3000
    assert attachment["text"] == attachment["text"].strip()
    assert_escaped(attachment["text"])
    assert "These are 5 of 30 alerts." in attachment["text"]
    assert [action["text"] for action in attachment["actions"]] == ["Runbook", "Dashboard", "Silence"]
    assert all(re.fullmatch(r"https://[!-~]+", action["url"]) for action in attachment["actions"])
    silence = attachment["actions"][2]["url"]
    if len(hostile) < 400:
        assert matched(silenced(silence)) == {
            "alertname": name, "cluster": "", "service": hostile, "severity": "warning"
        }  # fmt: skip
    else:
        assert silence == f"{EXTERNAL_URL}/#/alerts" or len(silence) <= 2000


def assert_escaped(text: str) -> None:
    """Hold that Slack reads nothing of its own in a text but our two links and whole escapes."""
    without_links = re.sub(r"<https://[^<>|\s]+\|View (Runbook|Dashboard)>", "", text)
    assert "<" not in without_links
    assert ">" not in without_links
    assert not re.search(r"&(?!amp;|lt;|gt;)", text)


def test_alertmanager_itself_reads_the_silence_filter(alertmanager: str) -> None:
    labels = {"alertname": "Read", "severity": "warning", "service": 'a " \\ b, c="d"} +é'}
    fire(alertmanager, labels)
    values = [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items()]

    found = httpx.get(f"{alertmanager}/api/v2/alerts", params={"filter": values}).json()

    assert [alert["labels"] for alert in found] == [labels]


def test_more_than_a_hundred_alerts_are_counted_and_cut(sink: Sink, alertmanager: str) -> None:
    labels = {"alertname": "Many", "severity": "info", "service": "orders", "team": "trading"}
    fire(alertmanager, *[{**labels, "pod": str(number)} for number in range(1000)], summary="One of many")

    message = sink.wait("/sns", lambda value: value["message"]["notification"]["groupLabels"]["alertname"] == "Many")

    assert message["message"]["total"] == 1000
    assert len(message["message"]["notification"]["alerts"]) == 100
    assert len(message["fields"]["Message"].encode()) < 256 * 1024
    assert "truncated" not in message["fields"].values()
    assert message["fields"]["Subject"] == "Orion alert"
    assert message["fields"]["TopicArn"] == "arn:aws:sns:us-east-1:123456789012:orion-alerts"
    assert all(value for name, value in message["fields"].items() if name.startswith("MessageAttributes"))


def test_the_function_fetches_what_a_message_left_out(sink: Sink, alertmanager: str) -> None:
    """The same alerts, by the same identities, as those that the message carries; the silenced one is not touched."""
    labels = {"alertname": "Rest", "severity": "info", "service": "orders", "team": "trading"}
    fire(alertmanager, *[{**labels, "pod": str(number)} for number in range(130)], summary="One of many")
    fire(alertmanager, {**labels, "alertname": "Others"}, {**labels, "service": "positions"})
    message = sink.wait("/sns", lambda value: value["message"]["total"] == 130)
    add_silence(alertmanager, {**labels, "pod": "7"})
    envelope = {
        "Type": "Notification",
        "MessageId": "8b1e2f4a",
        "TopicArn": "arn",
        "Message": message["fields"]["Message"],
        "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    }
    notification = read_message(json.dumps(envelope))
    assert isinstance(notification, Notification)

    fetched, unreadable = AlertmanagerApi(address=alertmanager).firing(notification.receiver, notification.group_labels)

    assert len(notification.alerts) == 100
    assert unreadable == ()
    assert {alert.labels["pod"] for alert in fetched} == {str(number) for number in range(130)} - {"7"}
    assert {alert.name for alert in fetched} == {"Rest"}
    action = HandOver(name="x", team="x", label="x", pattern=re.compile("x"), link="x")
    carried = {repair_id(alert, action, alert.labels) for alert in notification.alerts if alert.labels["pod"] != "7"}
    assert carried < {repair_id(alert, action, alert.labels) for alert in fetched}


def test_long_alerts_are_fewer_and_the_message_stays_whole(sink: Sink, alertmanager: str) -> None:
    labels = {"alertname": "Long", "severity": "info", "service": "orders", "team": "trading"}
    fire(alertmanager, *[{**labels, "pod": str(number)} for number in range(60)], summary="<" * 10_000)

    message = sink.wait("/sns", lambda value: value["message"]["notification"]["groupLabels"]["alertname"] == "Long")

    assert message["message"]["total"] == 60
    assert len(message["message"]["notification"]["alerts"]) == 1
    assert len(message["fields"]["Message"].encode()) < 256 * 1024
    assert "truncated" not in message["fields"].values()


@pytest.mark.parametrize(
    ("name", "characters", "alerts"),
    [("LongAnnotations", 25_000, 1), ("LongAnnotation", 40_000, 0)],
)
def test_an_alert_whose_annotations_are_long_leaves_the_message_whole(
    sink: Sink, alertmanager: str, name: str, characters: int, alerts: int
) -> None:
    """The text of a single alert is sent twice, since it is common to all: each character is six bytes, each time."""
    labels = {"alertname": name, "severity": "info", "service": "orders", "team": "trading"}
    fire(alertmanager, labels, summary="<" * characters)

    message = sink.wait("/sns", lambda value: value["message"]["notification"]["groupLabels"]["alertname"] == name)

    notification = message["message"]["notification"]
    assert message["message"]["total"] == 1
    assert (len(notification["alerts"]), notification["commonAnnotations"]) == (alerts, {})
    assert notification["commonLabels"]["alertname"] == name
    assert len(message["fields"]["Message"].encode()) < 256 * 1024
    assert "truncated" not in message["fields"].values()


def test_an_alert_without_labels_or_annotations_still_renders(sink: Sink, alertmanager: str) -> None:
    fire(alertmanager, {"alertname": "Bare"})

    message = sink.wait("/slack/orion-alerts", lambda value: "Bare" in value["attachments"][0]["title"])
    published = sink.wait("/sns", lambda value: value["message"]["notification"]["groupLabels"]["alertname"] == "Bare")

    assert message["attachments"][0]["color"] == "good"
    assert message["attachments"][0]["actions"][0]["url"] == f"{EXTERNAL_URL}/#/alerts"
    assert published["message"]["route"] == "{}"
    assert group_key("{}", {"alertname": "Bare"}) == '{}:{alertname="Bare"}'


def test_a_message_of_a_team_names_every_service_once(sink: Sink, alertmanager: str) -> None:
    """Five alerts are shown; the services are those of all."""
    services = ["orders", "orders-archive", "positions", "ledger", "reports", "gateway", "a&b"]
    fire(
        alertmanager,
        *[
            {
                "alertname": "VolumeFillingUp",
                "severity": "warning",
                "service": service,
                "team": "named",
                "resource": resource,
            }
            for service in services
            for resource in ("bytes", "inodes")
        ],
        summary="A volume will be full",
    )

    message = sink.wait("/slack/orion-alerts", lambda value: "VolumeFillingUp" in value["attachments"][0]["title"])
    lines = message["attachments"][0]["text"].splitlines()
    (named,) = [line.removeprefix("*Services:* ") for line in lines if line.startswith("*Services:*")]

    assert sorted(named.split(", ")) == sorted([*services[:-1], "a&amp;b"])
    assert "These are 5 of 14 alerts." in lines
