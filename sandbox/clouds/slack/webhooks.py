"""Incoming webhooks: each posts to one channel. The answers are the body `ok`, or Slack's word for what is wrong."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from sandbox.clouds.slack import block_kit
from sandbox.clouds.slack import message as messages
from sandbox.clouds.slack.api.call import JOURNALED_CHARACTERS, SOURCE
from sandbox.clouds.slack.app import App
from sandbox.clouds.slack.workspace import TEAM, Webhook, Workspace
from sandbox.journal import Journal, Kind


class _Refused(Exception):
    """A request that is answered with one of Slack's words."""

    def __init__(self, status: int, word: str, reason: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.word = word
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Takes what is posted to incoming webhooks."""

    workspace: Workspace
    app: App
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
            message = self.workspace.post(
                webhook.channel,
                payload,
                block_kit.with_ids(posted),
                author=self.app.bot_user.id,
                bot=webhook.id,
            )
        self.journal.append(
            SOURCE,
            Kind.MESSAGE_POSTED,
            {"channel": message.channel},
            ts=message.ts,
            **messages.journaled(payload),
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
        wait = self.workspace.channels[channel].bucket.take()
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
