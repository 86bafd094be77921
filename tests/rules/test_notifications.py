"""What a real Alertmanager sends with the rendered configuration and templates, with hostile labels too."""

from __future__ import annotations

import json
import os
import re
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from alerting.build import load_platform
from alerting.fields import Severity
from alerting.group_key import deduplication_key, group_key
from alerting.settings import Endpoints, Environment
from runbook_automation.alertmanager import AlertmanagerApi
from runbook_automation.configuration import HandOver
from runbook_automation.decisions import repair_id
from runbook_automation.messages import Notification, read_message
from sandbox.ports import LOOPBACK, free_port
from sandbox.service import ProcessService, wait_until_ready
from tests.alerting_data import ROOT, settings, write_alertmanager
from tools.paths import tool

pytestmark = pytest.mark.integration

EXTERNAL_URL = "https://alertmanager.orion.example.com"
SCALE = 60  # a wait of 30 s takes half a second
DEADLINE_SECONDS = 20.0
SNS_ANSWER = (
    b'<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>1</MessageId>'
    b"</PublishResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></PublishResponse>"
)
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


@dataclass
class Sink:
    """Everything that was posted, by its first path segment."""

    address: str = ""
    received: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, path: str, body: bytes) -> None:
        if path == "/sns":
            fields = {name: values[0] for name, values in urllib.parse.parse_qs(body.decode()).items()}
            value: Any = {"fields": fields, "message": json.loads(fields["Message"])}
        else:
            value = json.loads(body)
        with self.changed:
            self.received.append((path, value))
            self.changed.notify_all()

    def wait(self, path: str, wanted: Callable[[Any], bool]) -> Any:
        """Return the first wanted thing that was posted to `path`."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        with self.changed:
            while True:
                for where, value in self.received:
                    if where == path and wanted(value):
                        return value
                if not self.changed.wait(deadline - time.monotonic()):
                    raise AssertionError(f"nothing of the kind at {path}; received: {str(self.received)[:3000]}")


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    result = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            result.add(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            body = SNS_ANSWER if self.path == "/sns" else b"ok"
            self.send_response(202 if self.path == "/v2/enqueue" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            """Say nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    result.address = f"http://{LOOPBACK}:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield result
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def alertmanager(sink: Sink, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("alertmanager")
    endpoints = Endpoints(sns=f"{sink.address}/sns", pagerduty_events=f"{sink.address}/v2/enqueue")
    stack = settings(Environment.SANDBOX, time_scale=SCALE).model_copy(update={"endpoints": endpoints})
    configuration = write_alertmanager(load_platform(ROOT, stack).alertmanager, folder)
    for webhook in (folder / "secrets" / "alertmanager-slack").iterdir():
        webhook.write_text(f"{sink.address}/slack/{webhook.name}\n")
    address = f"http://{LOOPBACK}:{free_port()}"
    service = ProcessService(
        "alertmanager",
        [
            tool("alertmanager"),
            f"--config.file={configuration}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={address.removeprefix('http://')}",
            f"--web.external-url={EXTERNAL_URL}",
            "--web.route-prefix=/",
            "--cluster.listen-address=",
        ],
        directory=folder,
        is_ready=lambda: _answers(address),
        environment=os.environ | {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"},
    )
    service.start()
    wait_until_ready(service, timeout_seconds=30)
    yield address
    service.stop()


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/-/ready").is_success
    except httpx.TransportError:
        return False


def fire(address: str, *alerts: Mapping[str, str], ends: bool = False, **annotations: str) -> None:
    """Send alerts as Prometheus does, with an end of their own; without one they would end after resolve_timeout."""
    now = datetime.now(UTC)
    started, end = now.isoformat(), (now if ends else now + timedelta(hours=1)).isoformat()
    body = [{"labels": labels, "annotations": annotations, "startsAt": started, "endsAt": end} for labels in alerts]
    httpx.post(f"{address}/api/v2/alerts", json=body).raise_for_status()


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
    assert event["payload"]["summary"] == "[TRADING] Passing: Here"


def is_resolved(event: Any, alert: str) -> bool:
    return event["event_action"] == "resolve" and event["payload"]["class"] == alert


def silenced(link: str) -> str:
    """Return the filter that a silence link holds, as the page decodes it: a plus is a plus."""
    assert re.fullmatch(r"[!-~]+", link), link
    start, _, encoded = link.partition("?filter=")
    assert start == f"{EXTERNAL_URL}/#/silences/new"
    return urllib.parse.unquote(encoded)


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


def matched(filter_text: str) -> dict[str, str]:
    """Read a filter back as the API does: names, and values quoted as Go quotes them."""
    pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', filter_text)
    escapes = {"n": "\n", "t": "\t", "a": "\x07", '"': '"', "\\": "\\"}

    def unescaped(match: re.Match[str]) -> str:
        code = match.group(1)
        return escapes[code] if code in escapes else chr(int(code[1:], 16))

    return {name: re.sub(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)", unescaped, value) for name, value in pairs}


NO_ADDRESSES = (
    "see the wiki",
    "wiki.example.com/x",
    "/runbooks/X.md",
    "//evil.example.com/x",
    "javascript:alert(1)",
    "ftp://wiki.example.com/x",
    "https://",
    "https://wiki.example.com/a b c",
    "https://wiki.example.com/a\n",
    "https://wiki.example.com@evil.example.com/a",
    'https://wiki.example.com/<a>|b"c&d',
    "https://wiki.example.com/ünï😀",
    "https://wiki.example.com/" + "a" * 1000,
)


@pytest.mark.parametrize("index", range(len(NO_ADDRESSES)))
def test_what_is_no_web_address_is_not_linked_to(sink: Sink, alertmanager: str, index: int) -> None:
    """Slack would refuse the whole message for one such button."""
    name, text = f"Unlinked{index}", NO_ADDRESSES[index]
    labels = {"alertname": name, "service": "gateway", "team": "platform"}
    fire(
        alertmanager,
        {**labels, "severity": "warning"},
        {**labels, "severity": "critical"},
        summary="s",
        runbook_url=text,
        dashboard_url=text,
    )

    message = sink.wait("/slack/orion-alerts", lambda value: name in value["attachments"][0]["title"].split())
    event = sink.wait("/v2/enqueue", lambda value: value["payload"]["class"] == name)

    (attachment,) = message["attachments"]
    alerts = f"{EXTERNAL_URL}/#/alerts"
    assert [action["url"] for action in attachment["actions"]][:2] == [alerts, alerts]
    assert "Runbook" not in attachment["text"]
    assert "Dashboard" not in attachment["text"]
    assert [link["href"] for link in event["links"]][:2] == [alerts, alerts]
    assert event["client_url"] == alerts
    assert event["payload"]["custom_details"]["runbook"] == alerts


def test_the_silence_link_of_a_group_without_a_service_silences_no_service(sink: Sink, alertmanager: str) -> None:
    stray = {"alertname": "Stray", "cluster": "orion", "severity": "critical", "pod": "stray"}
    orders = {**stray, "service": "orders", "team": "trading", "pod": "orders-1"}
    fire(alertmanager, stray, summary="stray pod")
    event = sink.wait("/v2/enqueue", lambda value: value["payload"]["class"] == "Stray")
    now = datetime.now(UTC)
    # What Alertmanager's page makes of the link.
    silence = {
        "matchers": [
            {"name": label, "value": value, "isRegex": False, "isEqual": True}
            for label, value in matched(silenced(event["links"][2]["href"])).items()
        ],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "test",
        "comment": "test",
    }
    httpx.post(f"{alertmanager}/api/v2/silences", json=silence).raise_for_status()
    fire(alertmanager, orders, summary="orders is down")

    sink.wait("/v2/enqueue", lambda value: value["payload"]["summary"] == "[TRADING] Stray: orders is down")
    found = httpx.get(f"{alertmanager}/api/v2/alerts", params={"filter": "alertname=Stray"}).json()

    assert {one["labels"]["pod"]: one["status"]["state"] for one in found} == {
        "stray": "suppressed",
        "orders-1": "active",
    }


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
    silence = {
        "matchers": [
            {"name": name, "value": value, "isRegex": False} for name, value in {**labels, "pod": "7"}.items()
        ],
        "startsAt": datetime.now(UTC).isoformat(),
        "endsAt": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        "createdBy": "test",
        "comment": "test",
    }
    httpx.post(f"{alertmanager}/api/v2/silences", json=silence).raise_for_status()
    envelope = {
        "Type": "Notification",
        "MessageId": "8b1e2f4a",
        "TopicArn": "arn",
        "Message": message["fields"]["Message"],
        "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    }
    notification = read_message(json.dumps(envelope))
    assert isinstance(notification, Notification)

    fetched = AlertmanagerApi(address=alertmanager).firing(notification)

    assert len(notification.alerts) == 100
    assert {alert.labels["pod"] for alert in fetched} == {str(number) for number in range(130)} - {"7"}
    assert {alert.name for alert in fetched} == {"Rest"}
    action = HandOver(name="x", team="x", label="x", pattern=re.compile("x"), link="x")
    carried = {repair_id(alert, action) for alert in notification.alerts if alert.labels["pod"] != "7"}
    assert carried < {repair_id(alert, action) for alert in fetched}


def test_long_alerts_are_fewer_and_the_message_stays_whole(sink: Sink, alertmanager: str) -> None:
    labels = {"alertname": "Long", "severity": "info", "service": "orders", "team": "trading"}
    fire(alertmanager, *[{**labels, "pod": str(number)} for number in range(60)], summary="<" * 10_000)

    message = sink.wait("/sns", lambda value: value["message"]["notification"]["groupLabels"]["alertname"] == "Long")

    assert message["message"]["total"] == 60
    assert len(message["message"]["notification"]["alerts"]) == 1
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
