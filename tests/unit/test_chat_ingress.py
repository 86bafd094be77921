"""The ingress: who may put something on chat's queue, and what is put there."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws
from slack_sdk.signature import Clock, SignatureVerifier

from chat_ingress.ingress import KEYS_SECONDS, REREAD_SECONDS, WEBHOOK_SECONDS, Count, Ingress
from chat_ingress.signatures import is_pagerdutys, is_slacks
from chatops.inputs import Click, Webhook, read_input
from orion_common.aws_answers import WrongAnswer
from orion_common.names import PAGERDUTY_PATH, SLACK_PATH
from tests.chat_data import EPISODE, NOW
from tests.lambda_harness import Seen, clients

KEYS = {"slack_signing_secrets": ["slack-new", "slack-old"], "pagerduty_webhook_secrets": ["pd-new", "pd-old"]}
INTERACTION: dict[str, Any] = {
    "type": "block_actions",
    "team": {"id": "T1", "domain": "orion"},
    "user": {"id": "U012ABCD1", "team_id": "T1"},
    "api_app_id": "A1",
    "container": {"type": "message", "message_ts": "1.000100", "channel_id": "C1", "is_ephemeral": False},
    "channel": {"id": "C1", "name": "orion-alerts"},
    "message": {"text": "x" * 10_000},
    "actions": [
        {
            "action_id": "acknowledge",
            "block_id": "actions",
            "value": str(EPISODE.id),
            "type": "button",
            "action_ts": f"{NOW:.6f}",
        }
    ],
}
EVENT: dict[str, Any] = {
    "id": "01BBYA2FCZL1TPOBMV72CRFA0X",
    "event_type": "incident.acknowledged",
    "resource_type": "incident",
    "occurred_at": "2026-11-24T10:40:00.000Z",
    "data": {"id": "PGR0VU2", "type": "incident", "status": "acknowledged"},
}


class _Fixed(Clock):
    def now(self) -> float:
        return NOW


def _interaction(**changes: Any) -> bytes:
    return urlencode({"payload": json.dumps(INTERACTION | changes)}).encode()


def _webhook(**changes: Any) -> bytes:
    return json.dumps({"event": EVENT | changes}).encode()


def _slack_headers(body: bytes, key: str = "slack-new", at: float = NOW) -> dict[str, str]:
    signature = SignatureVerifier(key).generate_signature(timestamp=str(int(at)), body=body)
    return {"X-Slack-Request-Timestamp": str(int(at)), "X-Slack-Signature": signature or ""}


def _pagerduty_headers(body: bytes, *keys: str) -> dict[str, str]:
    signatures = [hmac.new(key.encode(), body, hashlib.sha256).hexdigest() for key in keys or ("pd-new",)]
    return {"X-PagerDuty-Signature": ",".join(f"v1={signature}" for signature in signatures)}


@dataclass
class _World:
    ingress: Ingress
    seen: Seen
    secrets: list[str] = field(default_factory=lambda: [json.dumps(KEYS)])
    reads: int = 0
    time: float = NOW

    def post(self, path: str, body: bytes, headers: dict[str, str], *, encoded: bool = False) -> int:
        event = {
            "version": "2.0",
            "rawPath": path,
            "headers": {name.lower(): value for name, value in headers.items()},
            "requestContext": {"http": {"method": "POST", "path": path}},
            "body": base64.b64encode(body).decode() if encoded else body.decode(),
            "isBase64Encoded": encoded,
        }
        return self.ingress.handle(event)["statusCode"]

    def sent(self) -> list[Any]:
        received = self.ingress.sqs.receive_message(QueueUrl=self.ingress.queue_url, MaxNumberOfMessages=10)
        return [read_input(message.get("Body", "")) for message in received.get("Messages", [])]


@pytest.fixture
def world() -> Iterator[_World]:
    with mock_aws():
        sqs = clients().sqs
        url = sqs.create_queue(QueueName="orion-chatops")["QueueUrl"]
        seen = Seen()

        def read_secret() -> str:
            result.reads += 1
            return result.secrets[-1]

        ingress = Ingress(read_secret=read_secret, sqs=sqs, queue_url=url, observer=seen, now=lambda: result.time)
        result = _World(ingress, seen)
        yield result


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("key", ["slack-new", "slack-old"])
def test_a_click_that_slack_signed_is_put_on_the_queue(world: _World, key: str, *, encoded: bool) -> None:
    body = _interaction()

    assert world.post(SLACK_PATH, body, _slack_headers(body, key), encoded=encoded) == 200

    (click,) = world.sent()
    assert isinstance(click, Click)
    assert (click.workspace, click.message, click.episode) == ("T1", "C1/1.000100", EPISODE.id)
    assert (click.action.person, click.action.button.value) == ("U012ABCD1", "acknowledge")
    assert click.action.clicked_at == NOW


@pytest.mark.parametrize("keys", [("pd-new",), ("pd-old",), ("other", "pd-old")], ids=str)
def test_a_webhook_that_pagerduty_signed_is_put_on_the_queue(world: _World, keys: tuple[str, ...]) -> None:
    body = _webhook()

    assert world.post(PAGERDUTY_PATH, body, _pagerduty_headers(body, *keys)) == 202

    assert world.sent() == [Webhook("PGR0VU2")]


def test_a_webhook_of_a_note_names_its_incident(world: _World) -> None:
    note = {"id": "PNOTE", "type": "incident_note", "content": "looking", "incident": {"id": "PGR0VU2"}}
    body = _webhook(event_type="incident.annotated", data=note)

    assert world.post(PAGERDUTY_PATH, body, _pagerduty_headers(body)) == 202

    assert world.sent() == [Webhook("PGR0VU2")]


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({"data": EVENT["data"] | {"created_at": "2026-11-24T10:38:30Z"}}, [90.0]),
        ({"data": EVENT["data"] | {"created_at": "2026-11-24T05:39:00-05:00"}}, [60.0]),
        ({"data": EVENT["data"] | {"created_at": "2026-11-24T10:40:01Z"}}, [0.0]),  # PagerDuty's are whole seconds
        ({"data": EVENT["data"] | {"created_at": "2026-11-24T10:38:30Z"}, "event_type": "incident.resolved"}, []),
        ({"data": EVENT["data"] | {"created_at": "2026-11-24T10:38:30"}}, []),
        ({"data": EVENT["data"] | {"created_at": 7}}, []),
        ({"data": EVENT["data"] | {"created_at": "2026-11-24T10:38:30Z"}, "occurred_at": "soon"}, []),
        ({}, []),
    ],
)
def test_the_time_to_an_acknowledgement_is_measured(
    world: _World, changes: dict[str, Any], seconds: list[float]
) -> None:
    body = _webhook(**changes)

    assert world.post(PAGERDUTY_PATH, body, _pagerduty_headers(body)) == 202

    assert world.seen.seconds == [(Count.SECONDS_TO_ACKNOWLEDGE, one) for one in seconds]


def test_nothing_is_measured_of_a_webhook_that_pagerduty_did_not_sign(world: _World) -> None:
    body = _webhook(data=EVENT["data"] | {"created_at": "2026-11-24T10:38:30Z"})

    assert world.post(PAGERDUTY_PATH, body, _pagerduty_headers(body, "forged")) == 401

    assert world.seen.seconds == []


_BODY = _interaction()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        _slack_headers(_BODY, "forged"),
        _slack_headers(_BODY + b"x"),
        _slack_headers(_BODY) | {"X-Slack-Signature": ""},
        _slack_headers(_BODY) | {"X-Slack-Signature": "v0=é"},
        _slack_headers(_BODY) | {"X-Slack-Request-Timestamp": str(int(NOW) + 1)},
        _slack_headers(_BODY) | {"X-Slack-Request-Timestamp": f"+{int(NOW)}"},
        _slack_headers(_BODY) | {"X-Slack-Request-Timestamp": "٣"},
        _slack_headers(_BODY, at=NOW - 301),
        _slack_headers(_BODY, at=NOW + 301),
        _pagerduty_headers(_BODY),
    ],
    ids=str,
)
def test_what_slack_did_not_sign_or_signed_long_ago_is_refused(world: _World, headers: dict[str, str]) -> None:
    assert world.post(SLACK_PATH, _BODY, headers) == 401

    assert world.sent() == []
    assert world.seen.counts[Count.REFUSED] == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-PagerDuty-Signature": ""},
        {"X-PagerDuty-Signature": "v1="},
        _pagerduty_headers(_webhook(), "forged"),
        _pagerduty_headers(_webhook() + b" "),
        _pagerduty_headers(_webhook(), *["other"] * 10, "pd-new"),
        _slack_headers(_webhook()),
    ],
    ids=str,
)
def test_what_pagerduty_did_not_sign_is_refused(world: _World, headers: dict[str, str]) -> None:
    assert world.post(PAGERDUTY_PATH, _webhook(), headers) == 401

    assert world.sent() == []


@pytest.mark.parametrize(
    ("method", "path"), [("GET", SLACK_PATH), ("POST", "/"), ("POST", "/slack"), ("PUT", PAGERDUTY_PATH)]
)
def test_nothing_else_is_there(world: _World, method: str, path: str) -> None:
    event = {"rawPath": path, "headers": {}, "requestContext": {"http": {"method": method}}}

    assert world.ingress.handle(event)["statusCode"] == 404
    assert world.reads == 0, "nobody makes the function read the keys by asking for what is not there"


def test_a_body_that_is_too_long_is_refused_before_it_is_verified(world: _World) -> None:
    assert world.post(SLACK_PATH, b"x" * (512 * 1024 + 1), {}) == 413


@pytest.mark.parametrize(
    "body",
    [b"", b"payload=%7B", b"other=1", b"payload=1&payload=2", b"payload=" + b"%5B" * 50_000],
    ids=lambda body: str(body[:20]),
)
def test_what_is_signed_and_no_interaction_is_refused(world: _World, body: bytes) -> None:
    assert world.post(SLACK_PATH, body, _slack_headers(body), encoded=True) == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        _webhook(event_type="service.updated"),
        _webhook(event_type="pagey.ping", data={"type": "ping", "message": "Hello from your friend Pagey!"}),
        _webhook(data={"id": 5, "type": "incident"}),
        _webhook(data=None),
        _webhook(occurred_at="2026-11-24T09:00:00Z"),
    ],
    ids=lambda body: str(body[:60]),
)
def test_a_webhook_that_says_nothing_is_taken_so_that_pagerduty_goes_on(world: _World, body: bytes) -> None:
    assert world.post(PAGERDUTY_PATH, body, _pagerduty_headers(body)) == 202

    assert world.sent() == []
    assert world.seen.counts[Count.IGNORED] == 1


@pytest.mark.parametrize("occurred_at", ["", "soon", "2026-11-24T10:40:00Z", "9999-12-31T23:59:59-23:00"])
def test_an_event_of_no_readable_time_counts_as_new(world: _World, occurred_at: str) -> None:
    assert WEBHOOK_SECONDS > 60
    body = _webhook(occurred_at=occurred_at)

    world.post(PAGERDUTY_PATH, body, _pagerduty_headers(body))

    assert world.sent() == [Webhook("PGR0VU2")]


def test_other_interactions_than_clicks_are_ignored(world: _World) -> None:
    body = _interaction(type="view_submission")

    assert world.post(SLACK_PATH, body, _slack_headers(body)) == 200
    assert world.sent() == []


def test_a_key_that_was_replaced_is_read_again_soon(world: _World) -> None:
    body = _interaction()
    assert world.post(SLACK_PATH, body, _slack_headers(body)) == 200
    world.secrets.append(json.dumps(KEYS | {"slack_signing_secrets": ["slack-newest", "slack-new"]}))

    assert world.post(SLACK_PATH, body, _slack_headers(body, "slack-newest")) == 401
    world.time += REREAD_SECONDS + 1
    assert world.post(SLACK_PATH, body, _slack_headers(body, "slack-newest")) == 200
    assert world.reads == 2


def test_keys_are_kept_for_a_while(world: _World) -> None:
    body = _webhook()
    for _ in range(3):
        world.post(PAGERDUTY_PATH, body, _pagerduty_headers(body))
    assert world.reads == 1

    world.time += KEYS_SECONDS + 1
    world.post(PAGERDUTY_PATH, body, _pagerduty_headers(body))

    assert world.reads == 2


@pytest.mark.parametrize("secret", ["", "[]", "{}", json.dumps(KEYS | {"pagerduty_webhook_secrets": []}), "{secret"])
def test_keys_that_cannot_be_read_are_the_platforms_fault_and_are_not_shown(world: _World, secret: str) -> None:
    world.secrets = [secret]
    body = _webhook()

    assert world.post(PAGERDUTY_PATH, body, _pagerduty_headers(body)) == 503

    assert "slack-new" not in str(world.seen.texts)
    assert world.seen.counts[Count.FAILED] == 1


def _secret_missing() -> str:
    raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no"}}, "GetSecretValue")


def _secret_late() -> str:
    raise ConnectTimeoutError(endpoint_url="https://secretsmanager")


@pytest.mark.parametrize("read_secret", [_secret_missing, _secret_late])
def test_a_secret_that_is_not_there_has_pagerduty_send_again(world: _World, read_secret: Callable[[], str]) -> None:
    world.ingress.read_secret = read_secret
    body = _webhook()

    assert world.post(PAGERDUTY_PATH, body, _pagerduty_headers(body)) == 503


@pytest.mark.parametrize(
    "error",
    [
        ConnectTimeoutError(endpoint_url="https://sqs"),
        ClientError({"Error": {"Code": "RequestThrottled", "Message": "slow"}}, "SendMessage"),
        ClientError({"Error": {"Code": "InternalFailure", "Message": "no"}}, "SendMessage"),
        WrongAnswer(operation="SendMessage", found="an answer without the id of a request"),
    ],
    ids=["time-out", "throttling", "5xx", "wrong answer"],
)
def test_a_queue_that_does_not_answer_has_the_sender_send_again(world: _World, error: Exception) -> None:
    def fail(**_: object) -> None:
        raise error

    events = world.ingress.sqs.meta.events
    events.register_first("before-send.sqs.SendMessage", fail, unique_id="fail")
    body = _interaction()
    try:
        assert world.post(SLACK_PATH, body, _slack_headers(body)) == 503
    finally:
        events.unregister("before-send.sqs.SendMessage", unique_id="fail")

    assert world.post(SLACK_PATH, body, _slack_headers(body)) == 200
    assert len(world.sent()) == 1


def test_a_queue_that_is_not_there_has_pagerduty_send_again(world: _World) -> None:
    world.ingress.queue_url += "-gone"
    body = _webhook()

    assert world.post(PAGERDUTY_PATH, body, _pagerduty_headers(body)) == 503


@given(body=st.text(max_size=200).map(str.encode), key=st.text("abcdef0123456789", min_size=1, max_size=32))
def test_slacks_own_verifier_agrees(body: bytes, key: str) -> None:
    headers = {name.lower(): value for name, value in _slack_headers(body, key).items()}
    verifier = SignatureVerifier(key, clock=_Fixed())

    assert verifier.is_valid(body, headers["x-slack-request-timestamp"], headers["x-slack-signature"])
    assert is_slacks(headers, body, [key], NOW)
    assert not is_slacks(headers, body + b"x", [key], NOW)


@given(body=st.binary(max_size=200), headers=st.dictionaries(st.just("x-pagerduty-signature"), st.text(max_size=100)))
def test_no_made_up_signature_is_pagerdutys(body: bytes, headers: dict[str, str]) -> None:
    assert not is_pagerdutys(headers, body, ["pd-new", "pd-old"])
