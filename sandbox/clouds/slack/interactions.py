"""Clicks on buttons: the signed payload that Slack sends to the app, and the address by which the app responds.

Slack waits three seconds for an answer and does not try again; it is the person who sees that something went wrong.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.clouds.slack import message as messages
from sandbox.clouds.slack.api.call import SOURCE, ApiError, content
from sandbox.clouds.slack.app import App
from sandbox.clouds.slack.render import Renderer
from sandbox.clouds.slack.workspace import TEAM, TEAM_DOMAIN, Message, User, Workspace, letters
from sandbox.journal import Journal, Kind

ANSWER_SECONDS = 3.0
"""Real seconds, whatever the sandbox's scale: it is a program that has to answer, not the story."""
RESPONSES = 5
RESPONSE_SECONDS = 30 * 60
TIMED_OUT = "Operation timed out. Apps need to respond within 3 seconds."
NOT_CONFIGURED = "This app is not configured to handle interactive responses."
FAILED = "This app responded with Status Code {status}."
UNREACHABLE = "This app could not be reached."
OK_STATUS = range(200, 300)


@dataclass(slots=True)
class ResponseAddress:
    """An address by which the app may respond to one click: `RESPONSES` times within `RESPONSE_SECONDS`."""

    message: Message
    user: User
    until: float
    left: int = RESPONSES


@dataclass(frozen=True, slots=True)
class Button:
    """A button of a message, and the block that it stands in."""

    block_id: str
    element: Mapping[str, Any]


def find_button(message: Message, block_id: str, action_id: str) -> Button | None:
    """Return a message's button, also of blocks in attachments, or None."""
    return next(
        (each for each in buttons(message) if (each.block_id, each.element["action_id"]) == (block_id, action_id)), None
    )


def buttons(message: Message) -> list[Button]:
    """Return the buttons of a message."""
    found: list[Button] = []
    attached = [block for each in message.attachments for block in each.get("blocks") or ()]
    for block in (*message.blocks, *attached):
        elements = block.get("elements", ()) if block.get("type") == "actions" else (block.get("accessory"),)
        found += [Button(block["block_id"], each) for each in elements if each and each.get("type") == "button"]
    return found


@dataclass(slots=True)
class Interactions:
    """Sends what people click, and takes what the app responds."""

    workspace: Workspace
    app: App
    journal: Journal
    _addresses: dict[str, ResponseAddress] = field(default_factory=dict[str, ResponseAddress])

    def routes(self) -> list[Route]:
        """Return the route of the response addresses."""
        return [Route("/actions/{team}/{app}/{secret}", self.respond, methods=["POST"])]

    async def click(self, user: User, message: Message, button: Button, base: str) -> str:
        """Send a click to the app. Returns what Slack shows to the person, empty if all went well."""
        with self.workspace.lock:
            payload = self._payload(user, message, button, base)
            body = urlencode({"payload": json.dumps(payload)})
            address, now = self.app.request_url, self.workspace.now()
        shown, status = NOT_CONFIGURED, 0
        if address is not None:
            shown, status = await self._send(address, body, self.app.signed(body, now))
        ids = {"channel": message.channel, "action": button.element["action_id"], "person": user.id}
        self.journal.append(SOURCE, Kind.BUTTON_CLICKED, ids, ts=message.ts, status=status, shown=shown)
        return shown

    @staticmethod
    async def _send(address: str, body: str, signature: Mapping[str, str]) -> tuple[str, int]:
        headers = {
            **signature,
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        }
        try:
            async with asyncio.timeout(ANSWER_SECONDS), _client() as client:
                answer = await client.post(address, content=body, headers=headers)
        except (TimeoutError, httpx.TimeoutException):
            return TIMED_OUT, 0
        except httpx.HTTPError:
            return UNREACHABLE, 0
        shown = "" if answer.status_code in OK_STATUS else FAILED.format(status=answer.status_code)
        return shown, answer.status_code

    def _payload(self, user: User, message: Message, button: Button, base: str) -> dict[str, Any]:
        channel = self.workspace.channels[message.channel]
        now = self.workspace.now()
        element = button.element
        action = {
            "action_id": element["action_id"],
            "block_id": button.block_id,
            "text": {"emoji": True, **element["text"]},
            "type": "button",
            "action_ts": f"{now:.6f}",
            **{name: element[name] for name in ("value", "style", "url") if element.get(name) is not None},
        }
        container: dict[str, Any] = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": channel.id,
            "is_ephemeral": message.only_for is not None,
        }
        if message.thread is not None:
            container["thread_ts"] = message.thread
        found = {
            "type": "block_actions",
            "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": TEAM},
            "api_app_id": self.app.id,
            "token": "",
            "container": container,
            "trigger_id": f"{int(now)}.{letters(10)}.{letters(32).lower()}",
            "team": {"id": TEAM, "domain": TEAM_DOMAIN},
            "enterprise": None,
            "is_enterprise_install": False,
            "channel": {"id": channel.id, "name": channel.name.removeprefix("#")},
            "state": {"values": {}},
            "response_url": self._new_address(message, user, base),
            "actions": [action],
        }
        if message.only_for is None:
            found["message"] = Renderer(self.workspace, self.app).message(message)
        return found

    def _new_address(self, message: Message, user: User, base: str) -> str:
        secret = letters(24)
        until = self.workspace.now() + self.workspace.clock.real(RESPONSE_SECONDS)
        self._addresses[secret] = ResponseAddress(message, user, until)
        return f"{base}/actions/{TEAM}/{self.app.id}/{secret}"

    async def respond(self, request: Request) -> Response:
        """Take one response to a click."""
        body = await request.body()
        with self.workspace.lock:
            address = self._addresses.get(request.path_params["secret"])
            if address is None:
                return _refused("invalid_url", 404)
            if address.left < 1:
                return _refused("used_url", 404)
            if self.workspace.now() >= address.until:
                return _refused("expired_url", 404)
            try:
                posted: object = json.loads(body)
            except ValueError:
                return _refused("invalid_payload", 400)
            if not isinstance(posted, dict):
                return _refused("invalid_payload", 400)
            try:
                self._carry_out(address, posted)
            except ApiError as error:
                return _refused(error.error, 400)
            address.left -= 1
        return PlainTextResponse("ok")

    def _carry_out(self, address: ResponseAddress, posted: Mapping[str, Any]) -> None:
        """Do what a response says. Raises `ApiError`."""
        original = address.message
        if posted.get("delete_original"):
            if original in self.workspace.messages:
                self.workspace.delete(original)
            return
        payload, kept = content({name: posted[name] for name in ("text", "blocks", "attachments") if posted.get(name)})
        if posted.get("replace_original"):
            original.payload, original.posted = payload, kept
            kind, message = Kind.MESSAGE_UPDATED, original
        else:
            thread = posted.get("thread_ts")
            root = self.workspace.thread_root(original.channel, str(thread)) if thread else None
            message = self.workspace.post(
                original.channel,
                payload,
                kept,
                author=self.app.bot_user.id,
                bot=self.app.bot_id,
                thread=None if root is None else root.ts,
                only_for=None if posted.get("response_type") == "in_channel" else address.user.id,
            )
            kind = Kind.MESSAGE_POSTED
        self.journal.append(
            SOURCE,
            kind,
            {"channel": message.channel},
            ts=message.ts,
            **messages.journaled(payload),
            only_for=message.only_for,
        )


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False)


def _refused(word: str, status: int) -> Response:
    return JSONResponse({"ok": False, "error": word}, status)
