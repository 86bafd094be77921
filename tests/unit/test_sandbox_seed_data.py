"""Clicks and webhooks go to the address that the stand-ins are given, signed with the keys that the program gets."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.clock import Clock
from sandbox.clouds.pagerduty import create_application
from sandbox.credentials import Credentials
from sandbox.journal import Journal
from sandbox.seed_data import send_interactions
from sandbox.service import HttpService, wait_until_ready
from tests.pagerduty_account import routing_key
from tests.slack_workspace import served_workspace
from tests.waiting import until

Received = list[tuple[str, bytes, str]]


@pytest.fixture
def received() -> Iterator[tuple[str, Received]]:
    """The address of something that takes webhooks, and their paths, bodies and signatures."""
    taken: Received = []

    async def take(request: Request) -> Response:
        signature = request.headers.get("x-pagerduty-signature", "")
        taken.append((request.url.path, await request.body(), signature))
        return Response(status_code=202)

    service = HttpService("receiver", Starlette(routes=[Route("/{path:path}", take, methods=["POST"])]))
    service.start()
    wait_until_ready(service, timeout_seconds=10)
    yield service.address, taken
    service.stop()


def test_webhooks_of_incidents_are_signed_with_the_secret_that_was_given_out(
    tmp_path: Path, received: tuple[str, Received]
) -> None:
    address, taken = received
    credentials = Credentials.new()
    pagerduty = HttpService(
        "pagerduty",
        create_application(Journal(tmp_path / "journal.jsonl"), Clock(), token=credentials.pagerduty_token),
    )
    pagerduty.start()
    try:
        wait_until_ready(pagerduty, timeout_seconds=10)
        secret = subscribed(pagerduty.address, f"{address}/pagerduty", credentials)
        event = {
            "routing_key": routing_key(pagerduty.address, "ann", token=credentials.pagerduty_token),
            "event_action": "trigger",
            "payload": {"summary": "CriticalLatency", "source": "prometheus", "severity": "critical"},
        }
        httpx.post(f"{pagerduty.address}/v2/enqueue", json=event).raise_for_status()
        until("the webhook has arrived", lambda: bool(taken))
    finally:
        pagerduty.stop()

    path, body, signature = taken[0]
    assert path == "/pagerduty"
    assert signature == f"v1={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def subscribed(pagerduty: str, url: str, credentials: Credentials) -> str:
    """Make a subscription as the program's provider does, and return its secret."""
    delivery = {"type": "http_delivery_method", "url": url}
    subscription = {
        "delivery_method": delivery,
        "events": ["incident.triggered"],
        "filter": {"type": "account_reference"},
    }
    answer = httpx.post(
        f"{pagerduty}/webhook_subscriptions",
        json={"webhook_subscription": {"type": "webhook_subscription", **subscription}},
        headers=credentials.pagerduty_headers(),
    )
    return answer.raise_for_status().json()["webhook_subscription"]["delivery_method"]["secret"]


def test_clicks_go_where_the_app_is_told_to(tmp_path: Path, received: tuple[str, Received]) -> None:
    address, taken = received
    with served_workspace(tmp_path) as (slack, _):
        send_interactions(slack.address, f"{address}/slack", slack.credentials)
        button = {"type": "button", "text": {"type": "plain_text", "text": "Go"}, "action_id": "go"}
        blocks = [{"type": "actions", "block_id": "b", "elements": [button]}]
        ts = str(slack.client.chat_postMessage(channel=slack.channel, text="x", blocks=blocks)["ts"])
        clicked = {"as": slack.ann, "channel": slack.channel, "ts": ts, "block": "b", "action": "go"}
        slack.form("/click", **clicked)

    assert [path for path, _, _ in taken] == ["/slack"]
