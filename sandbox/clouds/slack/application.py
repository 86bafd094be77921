"""Slack's incoming webhooks as one ASGI application, with what was posted to be read back.

The answers are Slack's: the body `ok`, or one word for what is wrong. The Web API (threads, updates, buttons) has its
place beside this module, on the same `Workspace`.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.clock import Clock
from sandbox.clouds.slack import message as messages
from sandbox.clouds.slack.workspace import TEAM, Message, Webhook, Workspace
from sandbox.journal import Journal, Kind

SOURCE = "slack"
JOURNALED_CHARACTERS = 2_000
CHANNEL = re.compile(r"#[a-z0-9_-]{1,80}")


class _WebhookRequest(BaseModel):
    channel: str


class _Refused(Exception):
    """A request that is answered with one of Slack's words."""

    def __init__(self, status: int, word: str, reason: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.word = word
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True)
class _Webhooks:
    """Takes what is posted to incoming webhooks."""

    workspace: Workspace
    journal: Journal

    async def post(self, request: Request) -> Response:
        """Post one message."""
        body = await request.body()
        with self.workspace.lock:
            try:
                webhook = self._webhook(request)
                posted = _posted(body, request.headers.get("content-type", ""))
                payload = _payload(posted)
                self._take(webhook.channel)
            except _Refused as refused:
                self._note(request, body, refused)
                headers = {}
                if refused.retry_after_seconds is not None:
                    headers = {"Retry-After": str(math.ceil(refused.retry_after_seconds))}
                return PlainTextResponse(refused.word, refused.status, headers=headers)
            message = self.workspace.post(webhook.channel, payload, posted)
        self.journal.append(
            SOURCE,
            Kind.MESSAGE_POSTED,
            {"channel": message.channel},
            ts=message.ts,
            title=messages.title(payload),
            text=messages.body(payload),
            color=_color(payload),
            message=messages.as_plain_text(payload),
            ignored=messages.ignored(payload),
        )
        return PlainTextResponse("ok")

    def _webhook(self, request: Request) -> Webhook:
        team, service, secret = (request.path_params[name] for name in ("team", "service", "secret"))
        if team != TEAM:
            raise _Refused(404, "no_team", f"there is no workspace {team}")
        webhook = self.workspace.webhooks.get(service)
        if webhook is None:
            raise _Refused(404, "no_service", f"there is no webhook {service}")
        if webhook.secret != secret:
            raise _Refused(403, "invalid_token", f"not the secret of webhook {service}")
        if webhook.channel not in self.workspace.channels:
            raise _Refused(404, "channel_not_found", f"there is no channel {webhook.channel} any more")
        return webhook

    def _take(self, channel: str) -> None:
        wait = self.workspace.channels[channel].take()
        if wait is not None:
            raise _Refused(429, "rate_limited", f"too many messages to {channel}", retry_after_seconds=max(wait, 1))

    def _note(self, request: Request, body: bytes, refused: _Refused) -> None:
        webhook = self.workspace.webhooks.get(request.path_params["service"])
        self.journal.append(
            SOURCE,
            Kind.REQUEST_REFUSED,
            {"request": "POST /services", "channel": webhook.channel if webhook else ""},
            status=refused.status,
            error=refused.word,
            reason=str(refused),
            body=body[:JOURNALED_CHARACTERS].decode(errors="replace"),
        )


def _posted(body: bytes, content_type: str) -> Any:
    """Return the JSON of a request: its body, or the form's field `payload`."""
    try:
        text = body.decode()
        if content_type.startswith("application/x-www-form-urlencoded"):
            text = parse_qs(text)["payload"][0]
        return json.loads(text)
    except (ValueError, KeyError) as error:
        raise _Refused(400, "invalid_payload", f"no JSON: {error}") from error


def _payload(posted: Any) -> messages.Payload:
    try:
        return messages.read(posted)
    except messages.MessageRefused as error:
        raise _Refused(400, error.error, str(error)) from error


def _color(payload: messages.Payload) -> str | None:
    colors = (messages.color_of(attachment) for attachment in payload.attachments or ())
    return next((color for color in colors if color is not None), None)


def _rendered(message: Message) -> dict[str, Any]:
    payload = message.payload
    return {
        "ts": message.ts,
        "time": message.time,
        "channel": message.channel,
        "title": messages.title(payload),
        "text": messages.body(payload),
        "notification": messages.notification(payload),
        "color": _color(payload),
        "plain_text": messages.as_plain_text(payload),
        "ignored": messages.ignored(payload),
        "payload": message.posted,
    }


def create_application(journal: Journal, clock: Clock, *, workspace: Workspace | None = None) -> Starlette:
    """Return the stand-in, with an empty workspace, or with a test's own."""
    kept = workspace or Workspace(clock)
    webhooks = _Webhooks(kept, journal)

    async def add_webhook(request: Request) -> Response:
        try:
            channel = _WebhookRequest.model_validate_json(await request.body()).channel
        except ValidationError as error:
            return JSONResponse({"error": f'expected {{"channel": "#name"}}: {error.errors()[0]["msg"]}'}, 400)
        if not CHANNEL.fullmatch(channel):
            message = f"channel: found {channel!r}; allowed: # and up to 80 of a-z, 0-9, _ and -"
            return JSONResponse({"error": message}, 400)
        with kept.lock:
            webhook = kept.add_webhook(channel)
        address = f"{str(request.base_url).rstrip('/')}/services/{TEAM}/{webhook.id}/{webhook.secret}"
        return JSONResponse({"url": address, "channel": channel}, 201)

    async def delete_channel(request: Request) -> Response:
        with kept.lock:
            gone = kept.channels.pop(request.query_params.get("channel", ""), None)
        return Response(status_code=404 if gone is None else 204)

    async def read_messages(request: Request) -> Response:
        channel = request.query_params.get("channel")
        with kept.lock:
            found = [_rendered(each) for each in kept.messages if channel in (None, each.channel)]
        return JSONResponse({"messages": found})

    async def read_channels(_: Request) -> Response:
        with kept.lock:
            return JSONResponse({"channels": sorted(kept.channels)})

    async def ready(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    return Starlette(
        routes=[
            Route("/services/{team}/{service}/{secret}", webhooks.post, methods=["POST"]),
            Route("/sandbox/webhooks", add_webhook, methods=["POST"]),
            Route("/sandbox/channels", read_channels),
            Route("/sandbox/channels", delete_channel, methods=["DELETE"]),
            Route("/sandbox/messages", read_messages),
            Route("/sandbox/ready", ready),
        ]
    )
