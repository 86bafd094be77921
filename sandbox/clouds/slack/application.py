"""The stand-in for Slack as one ASGI application: webhooks, Web API, interactions, page, and control.

Below `/sandbox` channels, people and webhooks are made, the app is told where interactions are sent, and messages are
read back.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clock import Clock
from sandbox.clouds.faults import FaultInjection
from sandbox.clouds.pages.page import static_routes
from sandbox.clouds.slack import message as messages
from sandbox.clouds.slack.api import chat, reading
from sandbox.clouds.slack.api.call import WebApi
from sandbox.clouds.slack.app import APP_NAME, BOT_NAME, App
from sandbox.clouds.slack.interactions import Interactions
from sandbox.clouds.slack.page import SlackPage
from sandbox.clouds.slack.webhooks import Webhooks
from sandbox.clouds.slack.workspace import TEAM, Message, Workspace
from sandbox.credentials import Credentials
from sandbox.journal import Journal

CHANNEL = re.compile(r"#[a-z0-9_-]{1,80}")

Model = TypeVar("Model", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _ChannelBody(_Body):
    channel: str


class _NewChannelBody(_ChannelBody):
    has_bot: bool = True


class _UserBody(_Body):
    name: str
    real_name: str
    email: str | None = None


class _AppBody(_Body):
    request_url: str | None = None
    scopes: tuple[str, ...] | None = None


class _Refused(Exception):
    """A request of the sandbox that can't be done."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _refused(_: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, _Refused) else 500
    return JSONResponse({"error": str(error)}, status)


async def _read(request: Request, model: type[Model]) -> Model:
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "body"
        raise _Refused(400, f"{field}: {first['msg']}; expected {', '.join(model.model_fields)}") from error


def _checked(channel: str) -> str:
    if not CHANNEL.fullmatch(channel):
        raise _Refused(400, f"channel: found {channel!r}; allowed: # and up to 80 of a-z, 0-9, _ and -")
    return channel


def _rendered(message: Message) -> dict[str, Any]:
    payload = message.payload
    return {
        "ts": message.ts,
        "time": message.time,
        "channel": message.channel,
        "title": messages.title(payload),
        "text": messages.body(payload),
        "notification": messages.notification(payload),
        "color": messages.first_color(payload),
        "plain_text": messages.as_plain_text(payload),
        "ignored": messages.ignored(payload),
        "thread": message.thread,
        "only_for": message.only_for,
        "payload": message.posted,
    }


class _Control:
    """Answers what the sandbox asks."""

    def __init__(self, workspace: Workspace, app: App) -> None:
        self._workspace = workspace
        self._app = app

    def routes(self) -> list[Route]:
        """Return the routes below `/sandbox`."""
        return [
            Route("/sandbox/webhooks", self.add_webhook, methods=["POST"]),
            Route("/sandbox/channels", self.channels, methods=["GET", "POST", "DELETE"]),
            Route("/sandbox/users", self.add_user, methods=["POST"]),
            Route("/sandbox/app", self.change_app, methods=["PUT"]),
            Route("/sandbox/messages", self.read_messages),
            Route("/sandbox/ready", self.ready),
        ]

    async def add_webhook(self, request: Request) -> Response:
        """Make an incoming webhook."""
        channel = _checked((await _read(request, _ChannelBody)).channel)
        with self._workspace.lock:
            webhook = self._workspace.add_webhook(channel)
        address = f"{str(request.base_url).rstrip('/')}/services/{TEAM}/{webhook.id}/{webhook.secret}"
        return JSONResponse({"url": address, "channel": channel}, 201)

    async def channels(self, request: Request) -> Response:
        """List the channels, make one that the bot is in or not, or delete one."""
        match request.method:
            case "POST":
                body = await _read(request, _NewChannelBody)
                with self._workspace.lock:
                    channel = self._workspace.add_channel(_checked(body.channel), has_bot=body.has_bot)
                return JSONResponse({"id": channel.id, "channel": channel.name, "has_bot": channel.has_bot}, 201)
            case "DELETE":
                with self._workspace.lock:
                    gone = self._workspace.channels.pop(request.query_params.get("channel", ""), None)
                return Response(status_code=404 if gone is None else 204)
            case _:
                with self._workspace.lock:
                    return JSONResponse({"channels": sorted(self._workspace.channels)})

    async def add_user(self, request: Request) -> Response:
        """Add a person, or return the one with that address."""
        body = await _read(request, _UserBody)
        with self._workspace.lock:
            user = self._workspace.user_by_email(body.email) if body.email else None
            if user is None:
                user = self._workspace.add_user(body.name, real_name=body.real_name, email=body.email)
        return JSONResponse({"id": user.id, "name": user.name, "email": user.email}, 201)

    async def change_app(self, request: Request) -> Response:
        """Say where interactions are sent, and what the app's token may do. Only whoever has the token may."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not self._app.knows(token):
            raise _Refused(401, "expected the header Authorization: Bearer, with the token of the app")
        body = await _read(request, _AppBody)
        with self._workspace.lock:
            if "request_url" in body.model_fields_set:
                self._app.request_url = body.request_url
            if body.scopes is not None:
                self._app.scopes = body.scopes
            found = {
                "app_id": self._app.id,
                "bot_id": self._app.bot_id,
                "bot_user_id": self._app.bot_user.id,
                "request_url": self._app.request_url,
                "scopes": list(self._app.scopes),
            }
        return JSONResponse(found)

    async def read_messages(self, request: Request) -> Response:
        """Return the messages of a channel or of all, also as plain text."""
        channel = request.query_params.get("channel")
        with self._workspace.lock:
            found = [_rendered(each) for each in self._workspace.messages if channel in (None, each.channel)]
        return JSONResponse({"messages": found})

    async def ready(self, _: Request) -> Response:
        """Say that requests are answered."""
        return JSONResponse({"status": "ok"})


def create_application(
    journal: Journal, clock: Clock, *, credentials: Credentials | None = None, workspace: Workspace | None = None
) -> Starlette:
    """Return the stand-in, with an empty workspace, or with a test's own, and the app installed in it.

    The app's token and signing secret are those of `credentials`; without any, such as nobody has.
    """
    kept = workspace or Workspace(clock)
    secrets = credentials or Credentials.new()
    bot = kept.add_user(BOT_NAME, real_name=APP_NAME, email=None, is_bot=True)
    app = App(token=secrets.slack_bot_token, signing_secret=secrets.slack_signing_secret, bot_user=bot)
    interactions = Interactions(kept, app, journal)
    api = WebApi(kept, app, journal, {**chat.methods(kept), **reading.methods()})
    return Starlette(
        routes=[
            Route("/services/{team}/{service}/{secret}", Webhooks(kept, app, journal).post, methods=["POST"]),
            Route("/api/{method}", api.call, methods=["GET", "POST"]),
            *interactions.routes(),
            *_Control(kept, app).routes(),
            *SlackPage(kept, interactions, journal).routes(),
            *static_routes(),
        ],
        middleware=[Middleware(FaultInjection)],
        exception_handlers={_Refused: _refused},
    )
