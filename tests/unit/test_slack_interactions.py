"""Clicks on the stand-in's page: the signed request that the app gets, what the person sees, and responses to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from slack_sdk.signature import Clock, SignatureVerifier
from slack_sdk.webhook import WebhookClient

from sandbox.clouds.slack import interactions
from sandbox.clouds.slack.interactions import NOT_CONFIGURED, RESPONSE_SECONDS, RESPONSES, TIMED_OUT, UNREACHABLE
from sandbox.clouds.slack.workspace import TEAM
from sandbox.journal import Kind
from tests.slack_workspace import ALERTS, MovedClock, SlackWorkspace, served_workspace

BUTTON = {
    "type": "button",
    "text": {"type": "plain_text", "text": "Acknowledge"},
    "action_id": "acknowledge",
    "value": "e1",
}
BLOCKS = [{"type": "actions", "block_id": "b1", "elements": [BUTTON]}]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[SlackWorkspace, MovedClock]]:
    with served_workspace(tmp_path) as found:
        yield found


@pytest.fixture
def slack(served: tuple[SlackWorkspace, MovedClock]) -> SlackWorkspace:
    return served[0]


def posted(slack: SlackWorkspace, **more: Any) -> str:
    return str(slack.client.chat_postMessage(channel=slack.channel, text="x", blocks=BLOCKS, **more)["ts"])


def click(slack: SlackWorkspace, ts: str, /, **changes: str) -> httpx.Response:
    fields = {"as": slack.ann, "channel": slack.channel, "ts": ts, "block": "b1", "action": "acknowledge", **changes}
    return slack.form("/click", **fields)


def shown(slack: SlackWorkspace) -> str:
    return str(slack.journal.find(Kind.BUTTON_CLICKED)[-1].details["shown"])


def texts(slack: SlackWorkspace) -> list[tuple[str, str | None]]:
    return [(message.payload.text or "", message.only_for) for message in slack.workspace.messages]


def test_a_click_is_a_signed_request_that_slack_s_own_verifier_takes(slack: SlackWorkspace) -> None:
    root = posted(slack)
    ts = posted(slack, thread_ts=root)
    answer = click(slack, ts)
    payload = slack.interactions.payloads[0]

    assert (answer.status_code, slack.interactions.valid) == (303, [True])
    assert (payload["type"], payload["user"]["id"], payload["team"]["id"]) == ("block_actions", slack.ann, TEAM)
    assert payload["container"] == {
        "type": "message",
        "message_ts": ts,
        "channel_id": slack.channel,
        "is_ephemeral": False,
        "thread_ts": root,
    }
    assert payload["channel"] == {"id": slack.channel, "name": ALERTS.removeprefix("#")}
    assert (payload["message"]["ts"], payload["message"]["thread_ts"]) == (ts, root)
    assert payload["trigger_id"]
    assert {name: payload["actions"][0][name] for name in ("action_id", "block_id", "value", "type")} == {
        "action_id": "acknowledge",
        "block_id": "b1",
        "value": "e1",
        "type": "button",
    }
    assert shown(slack) == ""


class Later(Clock):
    """The time when a request is older than Slack's own verifier takes."""

    def now(self) -> float:
        return super().now() + 301


def test_a_changed_body_another_secret_and_an_old_request_are_no_requests_of_slack(slack: SlackWorkspace) -> None:
    click(slack, posted(slack))
    body, headers = slack.interactions.bodies[0]
    secret = slack.credentials.slack_signing_secret

    assert SignatureVerifier(secret).is_valid_request(body, headers)
    assert not SignatureVerifier(secret).is_valid_request(body.replace(b"e1", b"e2"), headers)
    assert not SignatureVerifier("another").is_valid_request(body, headers)
    assert not SignatureVerifier(secret, Later()).is_valid_request(body, headers)


def test_a_button_in_an_attachment_is_clicked_too(slack: SlackWorkspace) -> None:
    attachments = [{"color": "danger", "blocks": BLOCKS}]
    ts = str(slack.client.chat_postMessage(channel=slack.channel, text="x", attachments=attachments)["ts"])

    assert click(slack, ts).status_code == 303
    assert slack.interactions.payloads[0]["actions"][0]["value"] == "e1"


@pytest.mark.parametrize(
    "changes", [{"as": "U0"}, {"channel": "C0"}, {"ts": "1.0"}, {"block": "b2"}, {"action": "resolve"}]
)
def test_what_is_not_there_cannot_be_clicked(slack: SlackWorkspace, changes: dict[str, str]) -> None:
    assert click(slack, posted(slack), **changes).status_code == 404
    assert slack.interactions.payloads == []


def test_an_ephemeral_message_s_buttons_are_for_its_person_only(slack: SlackWorkspace) -> None:
    arguments = {"channel": slack.channel, "user": slack.ann, "text": "x", "blocks": BLOCKS}
    ts = str(slack.client.chat_postEphemeral(**arguments)["message_ts"])
    other = click(slack, ts, **{"as": slack.nomail})
    own = click(slack, ts)
    payload = slack.interactions.payloads[0]

    assert (other.status_code, own.status_code) == (404, 303)
    assert (payload["container"]["is_ephemeral"], "message" in payload) == (True, False)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", ""])
@pytest.mark.parametrize("path", ["/click", "/delete", "/say"])
def test_a_form_of_another_page_is_refused(slack: SlackWorkspace, origin: str, path: str) -> None:
    ts = posted(slack)
    fields = {"as": slack.ann, "channel": slack.channel, "ts": ts, "block": "b1", "action": "acknowledge", "text": "x"}
    answer = slack.form(path, origin, **fields) if origin else httpx.post(slack.address + path, data=fields)

    assert answer.status_code == 403
    assert slack.interactions.payloads == []
    assert texts(slack) == [("x", None)]


def test_the_person_sees_when_the_app_fails(slack: SlackWorkspace) -> None:
    ts = posted(slack)
    slack.interactions.status = 500
    click(slack, ts)
    failed = shown(slack)
    page = httpx.get(slack.address, params={"as": slack.ann, "channel": slack.channel}).text
    others = httpx.get(slack.address, params={"as": slack.nomail, "channel": slack.channel}).text

    assert failed == "This app responded with Status Code 500."
    assert (failed in page, failed in others) == (True, False)
    assert len(slack.interactions.payloads) == 1


def test_the_person_sees_when_the_app_does_not_answer_or_is_not_there(
    slack: SlackWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ts = posted(slack)
    found: list[str] = []
    monkeypatch.setattr(interactions, "ANSWER_SECONDS", 0.0)
    click(slack, ts)
    found.append(shown(slack))
    monkeypatch.undo()
    slack.control("PUT", "/sandbox/app", request_url="http://127.0.0.1:1/slack")
    click(slack, ts)
    found.append(shown(slack))
    slack.control("PUT", "/sandbox/app", request_url=None)
    click(slack, ts)
    found.append(shown(slack))

    assert found == [TIMED_OUT, UNREACHABLE, NOT_CONFIGURED]


def responder(slack: SlackWorkspace) -> WebhookClient:
    return WebhookClient(slack.interactions.payloads[-1]["response_url"])


def test_a_response_is_ephemeral_unless_it_says_otherwise(slack: SlackWorkspace) -> None:
    ts = posted(slack)
    click(slack, ts)
    answers = [
        responder(slack).send(text="only you"),
        responder(slack).send(text="all", response_type="in_channel"),
    ]

    assert [(answer.status_code, answer.body) for answer in answers] == [(200, "ok")] * 2
    assert texts(slack)[1:] == [("only you", slack.ann), ("all", None)]


def test_a_response_replaces_or_deletes_what_was_clicked(slack: SlackWorkspace) -> None:
    click(slack, posted(slack))
    responder(slack).send(text="done", replace_original=True)
    replaced = texts(slack)
    responder(slack).send_dict({"delete_original": True})

    assert replaced == [("done", None)]
    assert texts(slack) == []


def test_a_response_goes_to_a_thread_if_it_names_one(slack: SlackWorkspace) -> None:
    ts = posted(slack)
    click(slack, ts)
    responder(slack).send_dict({"text": "reply", "response_type": "in_channel", "thread_ts": ts})

    assert [message.thread for message in slack.workspace.messages] == [None, ts]


def test_an_address_serves_five_responses(slack: SlackWorkspace) -> None:
    click(slack, posted(slack))
    broken = responder(slack).send(text="")
    taken = [responder(slack).send(text="x").status_code for _ in range(RESPONSES)]
    over = responder(slack).send(text="x")

    assert (broken.status_code, "no_text" in broken.body) == (400, True)
    assert taken == [200] * RESPONSES
    assert (over.status_code, "used_url" in over.body) == (404, True)


def test_an_address_serves_for_half_an_hour(served: tuple[SlackWorkspace, MovedClock]) -> None:
    slack, now = served
    click(slack, posted(slack))
    now.added += RESPONSE_SECONDS - 5
    before = responder(slack).send(text="x")
    now.added += 6
    after = responder(slack).send(text="x")

    assert before.status_code == 200
    assert (after.status_code, "expired_url" in after.body) == (404, True)


def test_only_the_token_s_owner_says_where_clicks_go(slack: SlackWorkspace) -> None:
    answer = httpx.put(f"{slack.address}/sandbox/app", json={"request_url": "http://127.0.0.1:1/x"})
    click(slack, posted(slack))

    assert answer.status_code == 401
    assert slack.interactions.valid == [True]
