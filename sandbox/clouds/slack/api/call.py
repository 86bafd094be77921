"""Shared handling of calls of the Web API: token, scopes, rate limits, arguments and Slack's envelope of answers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.clouds.rate_limit import RateLimit
from sandbox.clouds.slack import block_kit
from sandbox.clouds.slack import message as messages
from sandbox.clouds.slack.app import App
from sandbox.clouds.slack.message import MessageRefused, Payload
from sandbox.clouds.slack.render import Renderer
from sandbox.clouds.slack.workspace import Channel, Workspace
from sandbox.journal import Journal, Kind

SOURCE = "slack"
JOURNALED_CHARACTERS = 2_000
TRUE = ("1", "true", "True")
JSON_ARGUMENTS = ("blocks", "attachments", "metadata")
"""What is structured; in a form, and if the caller likes in JSON too, it is a text that holds JSON."""

Json = dict[str, Any]


class ApiError(Exception):
    """A call that is answered with `ok: false`. `error` is Slack's word, `more` what the answer holds beside it."""

    def __init__(self, error: str, reason: str = "", **more: Any) -> None:
        """Take Slack's word, and the reason for whoever reads the journal."""
        super().__init__(reason or error)
        self.error = error
        self.more = more


def invalid_arguments(message: str) -> ApiError:
    """Return the error for arguments that are missing or wrong."""
    return ApiError("invalid_arguments", message, response_metadata={"messages": [f"[ERROR] {message}"]})


class RateLimited(Exception):
    """A call that is answered with 429."""

    def __init__(self, wait_seconds: float) -> None:
        """Take the real seconds after which the call may be repeated."""
        super().__init__("too many calls")
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated call, for the handler that answers it. The workspace's lock is held."""

    workspace: Workspace
    app: App
    journal: Journal
    arguments: Mapping[str, Any]
    base: str

    @property
    def render(self) -> Renderer:
        """Renders what the workspace holds."""
        return Renderer(self.workspace, self.app)

    def text(self, name: str) -> str | None:
        """Return an argument as text, or None."""
        value = self.arguments.get(name)
        return None if value is None else str(value)

    def required(self, name: str) -> str:
        """Return an argument. Raises `ApiError` if it is missing."""
        value = self.text(name)
        if not value:
            raise invalid_arguments(f"missing required field: {name}")
        return value

    def flag(self, name: str) -> bool:
        """Return an argument that is true or false."""
        return self.arguments.get(name) is True or self.text(name) in TRUE

    def number(self, name: str, default: int, most: int) -> int:
        """Return an argument that counts, at most `most`. Raises `ApiError`."""
        text = self.text(name)
        if text is None:
            return default
        if not text.isdecimal() or int(text) < 1:
            raise ApiError("invalid_limit", f"{name} {text!r} is no count")
        return min(int(text), most)

    def channel(self, *, by_name: bool = False, as_member: bool = True) -> Channel:
        """Return the channel that the call names, by id, or by name where Slack allows that. Raises `ApiError`."""
        wanted = self.required("channel")
        channel = self.workspace.channel_by_id(wanted)
        if channel is None and by_name:
            channel = self.workspace.channels.get(f"#{wanted.removeprefix('#')}")
        if channel is None:
            raise ApiError("channel_not_found", f"there is no channel {wanted}")
        if as_member and not channel.has_bot:
            raise ApiError("not_in_channel", f"the bot is not in {channel.name}")
        return channel

    def content(self) -> tuple[Payload, Mapping[str, Any]]:
        """Return the text, blocks and attachments of the call, checked, and as they were posted. Raises `ApiError`."""
        posted = {
            name: self.arguments[name]
            for name in ("text", "blocks", "attachments", "thread_ts")
            if self.arguments.get(name) is not None
        }
        return content(posted)

    def note(self, kind: Kind, channel: str, ts: str, payload: Payload, **details: Any) -> None:
        """Journal what became of a message."""
        self.journal.append(
            SOURCE,
            kind,
            {"channel": channel},
            ts=ts,
            **messages.journaled(payload),
            **details,
        )


def content(posted: Mapping[str, Any]) -> tuple[Payload, Mapping[str, Any]]:
    """Return a message's content, checked, and as it was posted. Raises `ApiError` with Slack's word."""
    for name in ("blocks", "attachments"):
        value = posted.get(name)
        if value is not None and not isinstance(value, list):
            raise ApiError(f"invalid_{name}_format" if name == "blocks" else f"invalid_{name}", f"{name} is no list")
    try:
        return messages.read(posted), block_kit.with_ids(posted)
    except MessageRefused as refused:
        word = "invalid_arguments" if refused.error == "invalid_payload" else refused.error
        more: Json = {}
        if refused.faults:
            said = [f"[ERROR] {fault}" for fault in refused.faults]
            more = {"errors": list(refused.faults), "response_metadata": {"messages": said}}
        raise ApiError(word, str(refused), **more) from refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method of the API: who answers it, the scope that it needs, and how often a minute it may be called."""

    answer: Callable[[Call], Json]
    scope: str | None = None
    per_minute: int


@dataclass(slots=True)
class WebApi:
    """Authenticates, counts and answers calls, and journals those it refuses."""

    workspace: Workspace
    app: App
    journal: Journal
    methods: Mapping[str, Method]
    _limits: dict[str, RateLimit] = field(default_factory=dict[str, RateLimit])

    async def call(self, request: Request) -> Response:
        """Answer one call: 200, whether it is `ok` or not, or 429."""
        name: str = request.path_params["method"]
        body = await request.body()
        headers: dict[str, str] = {}
        with self.workspace.lock:
            try:
                return JSONResponse({"ok": True, **self._answer(name, request, body, headers)}, headers=headers)
            except ApiError as error:
                self._note(name, body, error.error, str(error))
                return JSONResponse({"ok": False, "error": error.error, **error.more}, headers=headers)
            except RateLimited as error:
                self._note(name, body, "ratelimited", str(error))
                headers["Retry-After"] = str(max(1, math.ceil(error.wait_seconds)))
                return JSONResponse({"ok": False, "error": "ratelimited"}, 429, headers=headers)

    def _answer(self, name: str, request: Request, body: bytes, headers: dict[str, str]) -> Json:
        method = self.methods.get(name)
        if method is None:
            raise ApiError("unknown_method", f"{name} is not part of this stand-in", req_method=name)
        arguments = _arguments(request, body)
        self._authenticate(request, arguments)
        headers["X-OAuth-Scopes"] = ",".join(self.app.scopes)
        if method.scope is not None:
            headers["X-Accepted-OAuth-Scopes"] = method.scope
            if method.scope not in self.app.scopes:
                provided = ",".join(self.app.scopes)
                raise ApiError("missing_scope", f"{name} needs {method.scope}", needed=method.scope, provided=provided)
        limit = self._limits.get(name)
        if limit is None:
            limit = self._limits[name] = RateLimit(method.per_minute, self.workspace.clock, self.workspace.now)
        wait = limit.take(self.app.id)
        if wait is not None:
            raise RateLimited(wait)
        base = str(request.base_url).rstrip("/")
        return method.answer(Call(self.workspace, self.app, self.journal, arguments, base))

    def _authenticate(self, request: Request, arguments: Mapping[str, Any]) -> None:
        header = request.headers.get("authorization", "")
        token = header.removeprefix("Bearer ").strip() if header.startswith("Bearer ") else ""
        if not token and not request.headers.get("content-type", "").startswith("application/json"):
            token = str(arguments.get("token", ""))
        if not token:
            raise ApiError("not_authed", "no token")
        if not self.app.knows(token):
            raise ApiError("invalid_auth", "not the token of the app")

    def _note(self, name: str, body: bytes, word: str, reason: str) -> None:
        self.journal.append(
            SOURCE,
            Kind.REQUEST_REFUSED,
            {"request": f"POST /api/{name}"},
            error=word,
            reason=f"{name}: {reason}",
            body=body[:JOURNALED_CHARACTERS].decode(errors="replace"),
        )


def _arguments(request: Request, body: bytes) -> Json:
    """Return the arguments of a call: from its address and from its body. Raises `ApiError`."""
    found: Json = dict(request.query_params)
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if request.method == "POST" and body:
        match kind:
            case "application/json":
                found |= _json_object(body)
            case "application/x-www-form-urlencoded":
                found |= dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
            case _:
                raise ApiError("invalid_post_type", f"content type {kind!r}")
    for name in JSON_ARGUMENTS:
        if isinstance(found.get(name), str):
            found[name] = _structured(name, found[name])
    return found


def _structured(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        words = {"blocks": "invalid_blocks_format", "metadata": "invalid_metadata_format"}
        raise ApiError(words.get(name, "invalid_attachments"), f"{name} is no JSON: {error}") from error


def _json_object(body: bytes) -> Json:
    try:
        found: object = json.loads(body)
    except ValueError as error:
        raise ApiError("invalid_json", f"no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ApiError("json_not_object", "the body is JSON and no object")
    return {name: value for name, value in found.items() if value is not None}
