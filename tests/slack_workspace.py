"""The stand-in for Slack over real HTTP, judged by Slack's own SDK, with an app that takes its interactions."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.clock import Clock
from sandbox.clouds.slack import create_application
from sandbox.clouds.slack.workspace import Workspace
from sandbox.credentials import Credentials
from sandbox.journal import Journal
from sandbox.service import HttpService, wait_until_ready

START_SECONDS = 10.0
ALERTS = "#orion-alerts"


@dataclass(slots=True)
class ReceivedInteractions:
    """An app's request URL: keeps what it is sent, and answers with `status`."""

    verifier: SignatureVerifier
    status: int = 200
    payloads: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    valid: list[bool] = field(default_factory=list[bool])
    bodies: list[tuple[bytes, dict[str, str]]] = field(default_factory=list[tuple[bytes, dict[str, str]]])

    def application(self) -> Starlette:
        """Return the app."""

        async def take(request: Request) -> Response:
            body = await request.body()
            headers = dict(request.headers)
            self.bodies.append((body, headers))
            self.valid.append(self.verifier.is_valid_request(body, headers))
            self.payloads.append(json.loads(parse_qs(body.decode())["payload"][0]))
            return PlainTextResponse("", self.status)

        return Starlette(routes=[Route("/slack", take, methods=["POST"])])


@dataclass(slots=True)
class SlackWorkspace:
    """A served stand-in. `time` is an offset to the real clock, which a test moves."""

    workspace: Workspace
    journal: Journal
    credentials: Credentials
    address: str
    client: Any  # a `WebClient`, whose answers have no shape of their own
    channel: str
    ann: str
    nomail: str
    interactions: ReceivedInteractions

    def control(self, method: str, path: str, **body: Any) -> httpx.Response:
        """Ask as the sandbox does."""
        return httpx.request(method, self.address + path, json=body, headers=self.credentials.slack_headers())

    def error(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Return the answer to a call that is refused."""
        try:
            self.client.api_call(method, json=arguments)
        except SlackApiError as error:
            return {"status": error.response.status_code, "headers": error.response.headers, **error.response.data}
        raise AssertionError(f"{method} was not refused")

    def form(self, path: str, origin: str | None = None, **fields: str) -> httpx.Response:
        """Send a form of the page, as a browser does."""
        headers = {"Origin": self.address if origin is None else origin}
        return httpx.post(self.address + path, data=fields, headers=headers)


class MovedClock:
    """The real time plus what a test has added."""

    def __init__(self) -> None:
        self.added = 0.0

    def __call__(self) -> float:
        return Clock.now() + self.added


@contextmanager
def served_workspace(folder: Path) -> Generator[tuple[SlackWorkspace, MovedClock]]:
    """Serve a workspace with a channel, two people, and an app that takes interactions."""
    now = MovedClock()
    clock = Clock()
    journal = Journal(folder / "journal.jsonl")
    credentials = Credentials.new()
    workspace = Workspace(clock, now)
    interactions = ReceivedInteractions(SignatureVerifier(credentials.slack_signing_secret))
    slack = HttpService("slack", create_application(journal, clock, credentials=credentials, workspace=workspace))
    app = HttpService("app", interactions.application())
    services = (slack, app)
    for service in services:
        service.start()
    try:
        for service in services:
            wait_until_ready(service, timeout_seconds=START_SECONDS)
        served = SlackWorkspace(
            workspace=workspace,
            journal=journal,
            credentials=credentials,
            address=slack.address,
            client=WebClient(credentials.slack_bot_token, base_url=f"{slack.address}/api/"),
            channel=workspace.add_channel(ALERTS, has_bot=True).id,
            ann=workspace.add_user("ann", real_name="Ann", email="ann@example.com").id,
            nomail=workspace.add_user("visitor", real_name="Visitor", email=None).id,
            interactions=interactions,
        )
        served.control("PUT", "/sandbox/app", request_url=f"{app.address}/slack").raise_for_status()
        yield served, now
    finally:
        for service in services:
            service.stop()
