"""Slack's incoming webhooks, as the stand-in plays them: what is taken, what is refused, and what can be read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.webhook import WebhookClient
from starlette.testclient import TestClient

from sandbox.clock import Clock
from sandbox.clouds.slack import create_application
from sandbox.clouds.slack.message import as_plain_text, plain, read
from sandbox.clouds.slack.workspace import BURST, TEAM, Workspace
from sandbox.journal import Journal, Kind
from sandbox.service import HttpService, wait_until_ready


class Slack:
    """The stand-in, on a clock of the test, with a webhook to #orion-alerts."""

    def __init__(self, folder: Path, scale: float = 1) -> None:
        self.time = 1_770_000_000.0
        self.journal = Journal(folder / "journal.jsonl")
        clock = Clock(scale)
        self.workspace = Workspace(clock, lambda: self.time)
        self.client = TestClient(create_application(self.journal, clock, workspace=self.workspace))
        self.webhook = self.add("#orion-alerts")

    def add(self, channel: str) -> str:
        return urlsplit(self.client.post("/sandbox/webhooks", json={"channel": channel}).json()["url"]).path

    def post(self, payload: object, path: str | None = None) -> tuple[int, str]:
        answer = self.client.post(path or self.webhook, json=payload)
        return answer.status_code, answer.text

    def messages(self, channel: str = "#orion-alerts") -> list[dict[str, Any]]:
        return self.client.get("/sandbox/messages", params={"channel": channel}).json()["messages"]


@pytest.fixture
def slack(tmp_path: Path) -> Slack:
    return Slack(tmp_path)


# What Alertmanager 0.34 posts.
ALERT: dict[str, Any] = {
    "channel": "#elsewhere",
    "username": "Alertmanager",
    "attachments": [
        {
            "title": "[FIRING:25] PodNotReady orders",
            "title_link": "https://alertmanager/#/alerts?receiver=x",
            "text": "Pod &lt;orders-1&gt; is not ready, see <https://runbooks/x|the runbook>",
            "fallback": "[FIRING:25] PodNotReady",
            "callback_id": "",
            "footer": "",
            "color": "danger",
            "fields": [{"title": "Severity", "value": "critical", "short": True}],
            "actions": [
                {"type": "button", "text": "Silence", "url": "https://alertmanager/silence", "style": "danger"}
            ],
            "mrkdwn_in": ["fallback", "pretext", "text"],
        }
    ],
}


def test_an_alert_is_posted_to_the_webhook_s_channel_and_can_be_read(slack: Slack) -> None:
    answer = slack.post(ALERT)
    message = slack.messages()[0]
    event = slack.journal.find(Kind.MESSAGE_POSTED)[0]

    assert answer == (200, "ok")
    assert event.ids == {"channel": "#orion-alerts"}
    assert event.details["title"] == message["title"] == "[FIRING:25] PodNotReady orders"
    assert event.details["text"] == "Pod <orders-1> is not ready, see the runbook (https://runbooks/x)"
    assert event.details["color"] == "danger"
    assert message["plain_text"].splitlines() == [
        "[FIRING:25] PodNotReady orders (https://alertmanager/#/alerts?receiver=x)",
        "Pod <orders-1> is not ready, see the runbook (https://runbooks/x)",
        "Severity: critical",
        "[Silence] https://alertmanager/silence",
    ]
    assert message["payload"] == ALERT
    assert slack.messages("#elsewhere") == []
    assert any("channel '#elsewhere'" in each for each in message["ignored"])


@pytest.mark.parametrize("color", ["danger\n", " danger", "red", "#12345", ""])
def test_a_wrong_colour_is_shown_as_none_as_slack_does_and_noted(slack: Slack, color: str) -> None:
    slack.post({"attachments": [{"color": color, "title": "x"}]})
    message = slack.messages()[0]

    assert message["color"] is None
    assert any("color" in each for each in message["ignored"]) == bool(color)


@pytest.mark.parametrize("color", ["good", "warning", "danger", "#ff0000", "FF0000"])
def test_a_right_colour_is_shown(slack: Slack, color: str) -> None:
    slack.post({"attachments": [{"color": color, "title": "x"}]})

    assert (slack.messages()[0]["color"], slack.messages()[0]["ignored"]) == (color, [])


@pytest.mark.parametrize(
    ("payload", "word"),
    [
        ({}, "no_text"),
        ({"text": "  "}, "no_text"),
        ({"attachments": []}, "no_text"),
        ({"attachments": [{"color": "danger"}]}, "no_text"),
        ([], "invalid_payload"),
        ("text", "invalid_payload"),
        ({"text": {"a": 1}}, "invalid_payload"),
        ({"attachments": "x"}, "invalid_payload"),
        ({"attachments": [{"title": "x"}] * 101}, "too_many_attachments"),
        ({"blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]}, "invalid_blocks"),
        (
            {"blocks": [{"type": "actions", "elements": [{"type": "button", "value": "x" * 2001}]}]},
            "invalid_blocks",
        ),
    ],
)
def test_what_slack_refuses_is_refused_with_its_word(slack: Slack, payload: object, word: str) -> None:
    answer = slack.post(payload)

    assert answer == (400, word)
    assert slack.messages() == []
    assert slack.journal.find(Kind.REQUEST_REFUSED)[0].details["error"] == word


@pytest.mark.parametrize(("text", "shown"), [(None, "[FIRING:25] PodNotReady"), ("Look &amp; see", "Look & see")])
def test_a_push_notification_shows_the_text_or_else_the_fallback(slack: Slack, text: str | None, shown: str) -> None:
    slack.post({**ALERT, "text": text})

    assert slack.messages()[0]["notification"] == shown


NO_ADDRESSES = (
    "",
    "see the wiki",
    "wiki.example.com/x",
    "/x",
    "javascript:alert(1)",
    "https://",
    "https://a.example/b c",
)


@pytest.mark.parametrize("url", [*NO_ADDRESSES, "https://a.example/" + "a" * 3_000])
def test_a_message_with_a_button_to_no_address_is_refused(slack: Slack, url: str) -> None:
    button = {"type": "button", "text": "Runbook", "url": url}
    attached = slack.post({"attachments": [{"title": "x", "actions": [button]}]})
    text = {"type": "plain_text", "text": "Runbook"}
    block = slack.post({"blocks": [{"type": "actions", "elements": [{**button, "text": text}]}]})

    assert (attached, block) == ((400, "invalid_attachments"), (400, "invalid_blocks"))
    assert slack.messages() == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"payload={}"])
def test_what_is_no_json_is_an_invalid_payload(slack: Slack, body: bytes) -> None:
    answer = slack.client.post(slack.webhook, content=body)

    assert (answer.status_code, answer.text) == (400, "invalid_payload")


def test_a_form_s_payload_is_taken_too(slack: Slack) -> None:
    answer = slack.client.post(slack.webhook, data={"payload": json.dumps({"text": "hello"})})

    assert (answer.status_code, slack.messages()[0]["text"]) == (200, "hello")


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/services/TOTHER/B1/x", (404, "no_team")),
        (f"/services/{TEAM}/B1/x", (404, "no_service")),
    ],
)
def test_an_address_that_is_none(slack: Slack, path: str, answer: tuple[int, str]) -> None:
    assert slack.post({"text": "x"}, path) == answer


def test_a_wrong_secret_and_a_channel_that_is_gone(slack: Slack) -> None:
    wrong = slack.post({"text": "x"}, slack.webhook[:-1] + "a")
    slack.client.delete("/sandbox/channels", params={"channel": "#orion-alerts"})
    gone = slack.post({"text": "x"})

    assert wrong == (403, "invalid_token")
    assert gone == (404, "channel_not_found")


def test_a_text_is_cut_at_40000_characters(slack: Slack) -> None:
    slack.post({"text": "x" * 40_001})

    assert len(slack.messages()[0]["text"]) == 40_000
    assert slack.messages()[0]["ignored"] == ["text after 40000 characters"]


@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_a_channel_takes_a_burst_and_then_one_a_second_of_the_story(tmp_path: Path, scale: float) -> None:
    slack = Slack(tmp_path, scale)
    other = slack.add("#other")
    burst = {slack.post({"text": "x"}) for _ in range(BURST)}
    over = slack.client.post(slack.webhook, json={"text": "x"})
    elsewhere = slack.post({"text": "x"}, other)
    slack.time += 1.01 / scale
    later = [slack.post({"text": "x"})[0] for _ in range(2)]

    assert burst == {(200, "ok")}
    assert (over.status_code, over.text, over.headers["Retry-After"]) == (429, "rate_limited", "1")
    assert elsewhere == (200, "ok")
    assert later == [200, 429]


def test_a_refused_message_takes_nothing_of_the_channel_s_rate(slack: Slack) -> None:
    for _ in range(BURST + 5):
        slack.post({})

    assert slack.post({"text": "x"}) == (200, "ok")


@pytest.mark.parametrize("channel", ["orion-alerts", "#Orion", "#a b", "#" + "x" * 81, ""])
def test_a_webhook_to_what_is_no_channel_is_refused(slack: Slack, channel: str) -> None:
    answer = slack.client.post("/sandbox/webhooks", json={"channel": channel})

    assert answer.status_code == 400
    assert "channel" in answer.json()["error"]


def test_blocks_are_read_as_text() -> None:
    payload = read(
        {
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "CriticalLatency"}},
                {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Service* orders"}]},
                {
                    "type": "actions",
                    "elements": [
                        {"type": "button", "text": {"type": "plain_text", "text": "Acknowledge"}, "value": "ack"}
                    ],
                },
                {"type": "context", "elements": [{"type": "mrkdwn", "text": "<!here> <@U1|ann>"}]},
            ]
        }
    )

    assert as_plain_text(payload).splitlines() == [
        "CriticalLatency",
        "*Service* orders",
        "[Acknowledge]",
        "@here ann",
    ]


@given(st.text())
def test_text_that_alertmanager_escaped_reads_as_it_was(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    assert plain(escaped) == text.strip()


def test_slack_s_own_client_posts(tmp_path: Path) -> None:
    service = HttpService("slack", create_application(Journal(tmp_path / "journal.jsonl"), Clock(1)))
    service.start()
    wait_until_ready(service, timeout_seconds=10)
    try:
        address = httpx.post(f"{service.address}/sandbox/webhooks", json={"channel": "#x"}).json()["url"]
        good = WebhookClient(address).send(text="hello", attachments=[{"title": "t", "color": "good"}])
        bad = WebhookClient(f"{service.address}/services/{TEAM}/BNONE/x").send(text="hello")

        assert address.startswith(f"{service.address}/services/{TEAM}/")
        assert (good.status_code, good.body) == (200, "ok")
        assert (bad.status_code, bad.body) == (404, "no_service")
    finally:
        service.stop()
