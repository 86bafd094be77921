"""Answers requests to the function's address: verifies who sent them, and puts on the queue what chat needs of them.

Statuses: 200 and 202 for what was taken or needs nothing, 401 for a signature that is missing or wrong, and 503 where
keys or queue can't be reached: PagerDuty sends again, and Slack tells the person. PagerDuty disables a subscription
whose deliveries are dropped, so that a signed webhook is always taken, even one that chat can't read.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs

from botocore.exceptions import BotoCoreError, ClientError

from chat_ingress.signatures import is_pagerdutys, is_slacks
from orion_common.names import PAGERDUTY_PATH, PAGERDUTY_SOURCE, SLACK_PATH, SLACK_SOURCE
from orion_common.observer import Observer
from orion_common.secret_fields import secret_object, texts_of

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

OK, ACCEPTED = 200, 202
BAD_REQUEST, UNAUTHORIZED, NOT_FOUND, TOO_LARGE, UNAVAILABLE = 400, 401, 404, 413, 503
MOST_BYTES = 512 * 1024
MOST_ACTIONS = 5
KEYS_SECONDS = 300
REREAD_SECONDS = 30
"""How soon keys are read again for a signature that matches none: one may have been replaced."""
WEBHOOK_SECONDS = 3600
"""A webhook of an older event is taken and tells nothing: chat has asked PagerDuty since."""
INCIDENT_EVENT = "incident."
ACKNOWLEDGED_EVENT = "incident.acknowledged"


class Count(StrEnum):
    """Counters of the ingress."""

    TAKEN = "IngressTaken"
    IGNORED = "IngressIgnored"
    REFUSED = "IngressRefused"
    FAILED = "IngressFailed"
    SECONDS_TO_ACKNOWLEDGE = "SecondsToAcknowledge"
    """The seconds from the beginning of an incident to its acknowledgement."""


class _Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys by which requests are verified, and when they were read."""

    slack: tuple[str, ...]
    pagerduty: tuple[str, ...]
    read_at: float

    @classmethod
    def from_json(cls, text: str, read_at: float) -> Keys:
        """Read the secret. Raises `BadSecret`."""
        content = secret_object(text)
        return cls(
            slack=texts_of(content, "slack_signing_secrets"),
            pagerduty=texts_of(content, "pagerduty_webhook_secrets"),
            read_at=read_at,
        )


@dataclass(slots=True, kw_only=True)
class Ingress:
    """Answers one request after another. `read_secret` returns the secret's text."""

    read_secret: Callable[[], str]
    sqs: SQSClient
    queue_url: str
    observer: Observer
    now: Callable[[], float]
    keys: Keys | None = None

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a request, as Lambda gives it to the function."""
        try:
            status = self._status(event)
        except _Refused as refused:
            self.observer.count(Count.REFUSED)
            self.observer.say("request refused", status=refused.status, reason=str(refused))
            status = refused.status
        except (BotoCoreError, ClientError, ValueError) as error:
            # Keys that can't be read are no reason to refuse what may well be theirs.
            self.observer.count(Count.FAILED)
            self.observer.say("request not taken", error=str(error))
            status = UNAVAILABLE
        return {"statusCode": status, "headers": {"Content-Type": "text/plain"}, "body": ""}

    def _status(self, event: Mapping[str, Any]) -> int:
        method = event.get("requestContext", {}).get("http", {}).get("method")
        path = str(event.get("rawPath", "")).rstrip("/")
        if method != "POST" or path not in {SLACK_PATH, PAGERDUTY_PATH}:
            raise _Refused(NOT_FOUND, f"{method} {path!r:.100}; allowed: POST {SLACK_PATH}, POST {PAGERDUTY_PATH}")
        headers = {str(name).lower(): str(value) for name, value in event.get("headers", {}).items()}
        body = _body(event)
        if path == SLACK_PATH:
            self._verify(lambda keys: is_slacks(headers, body, keys.slack, self.now()))
            self._send(clicks(body))
            return OK
        self._verify(lambda keys: is_pagerdutys(headers, body, keys.pagerduty))
        webhook = webhook_event(body)
        self._send(webhooks(webhook, self.now()))
        seconds = seconds_to_acknowledge(webhook)
        if seconds is not None:
            self.observer.measure(Count.SECONDS_TO_ACKNOWLEDGE, seconds)
        return ACCEPTED

    def _verify(self, is_signed: Callable[[Keys], bool]) -> None:
        keys = self._keys(KEYS_SECONDS)
        if not is_signed(keys) and not is_signed(self._keys(REREAD_SECONDS)):
            raise _Refused(UNAUTHORIZED, "the signature is missing, wrong or too old")

    def _keys(self, longest: float) -> Keys:
        if self.keys is None or self.now() - self.keys.read_at > longest:
            self.keys = Keys.from_json(self.read_secret(), self.now())
        return self.keys

    def _send(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=json.dumps(message))
            self.observer.count(Count.TAKEN)
        if not messages:
            self.observer.count(Count.IGNORED)


def _body(event: Mapping[str, Any]) -> bytes:
    text = str(event.get("body") or "")
    try:
        body = base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
    except (binascii.Error, UnicodeEncodeError) as error:
        raise _Refused(BAD_REQUEST, f"the body can't be read: {error}") from error
    if len(body) > MOST_BYTES:
        raise _Refused(TOO_LARGE, f"the body has {len(body)} bytes; allowed: {MOST_BYTES}")
    return body


def clicks(body: bytes) -> list[dict[str, Any]]:
    """Return the messages for the clicks of an interaction, which a form's field `payload` holds.

    Raises `_Refused` for what Slack does not send.
    """
    try:
        (payload,) = parse_qs(body.decode(), strict_parsing=True)["payload"]
        content = json.loads(payload)
    except (ValueError, KeyError, RecursionError) as error:
        raise _Refused(BAD_REQUEST, f"no interaction: {type(error).__name__}") from error
    payload = _object(content)
    actions = payload.get("actions")
    if payload.get("type") != "block_actions" or not isinstance(actions, list):
        return []
    container = _object(payload.get("container"))
    place = {
        "workspace": _text(_object(payload.get("team")).get("id")),
        "person": _text(_object(payload.get("user")).get("id")),
        "channel": _text(container.get("channel_id") or _object(payload.get("channel")).get("id")),
        "message": _text(container.get("message_ts")),
    }
    return [
        {
            "source": SLACK_SOURCE,
            "click": {
                **place,
                "action": _text(_object(action).get("action_id")),
                "value": _text(_object(action).get("value")),
                "at": _text(_object(action).get("action_ts")),
            },
        }
        for action in cast("list[object]", actions)[:MOST_ACTIONS]
    ]


def webhook_event(body: bytes) -> Mapping[str, Any]:
    """Return the event of a webhook, empty where it holds none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return _object(_object(content).get("event"))


def webhooks(event: Mapping[str, Any], now: float) -> list[dict[str, Any]]:
    """Return the message for the incident of a webhook's event, or none for an event that says nothing of one."""
    data = _object(event.get("data"))
    # An event of a note or a responder names its incident beside itself.
    incident = data.get("id") if data.get("type") == "incident" else _object(data.get("incident")).get("id")
    if not _text(event.get("event_type")).startswith(INCIDENT_EVENT) or not isinstance(incident, str) or not incident:
        return []
    if _is_old(_text(event.get("occurred_at")), now):
        return []
    return [{"source": PAGERDUTY_SOURCE, "incident": incident}]


def seconds_to_acknowledge(event: Mapping[str, Any]) -> float | None:
    """Return the seconds from an incident's beginning to the acknowledgement that a webhook tells, or None."""
    if event.get("event_type") != ACKNOWLEDGED_EVENT:
        return None
    began, acknowledged = _object(event.get("data")).get("created_at"), event.get("occurred_at")
    try:
        passed = datetime.fromisoformat(_text(acknowledged)) - datetime.fromisoformat(_text(began))
    except (ValueError, TypeError):  # one of them is no time, or has no time zone
        return None
    return max(0.0, passed.total_seconds())


def _is_old(occurred_at: str, now: float) -> bool:
    try:
        return now - datetime.fromisoformat(occurred_at).timestamp() > WEBHOOK_SECONDS
    except (ValueError, OverflowError):
        return False


def _object(content: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", content) if isinstance(content, dict) else {}


def _text(content: object) -> str:
    return content if isinstance(content, str) else ""
