"""Webhooks of the third version: what the stand-in sends, how it is signed, and what happens when nobody takes it."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.clock import Clock
from sandbox.clouds.pagerduty import create_application, subscriptions
from sandbox.clouds.pagerduty.subscriptions import RETRY_SECONDS
from sandbox.journal import Journal, Kind
from sandbox.service import HttpService, wait_until_ready
from tests.pagerduty_account import TOKEN, Events, PagerDutyAccount, routing_key
from tests.waiting import until

STORY = ("triggered", "acknowledged", "unacknowledged", "escalated", "reassigned", "annotated", "resolved")
ALL = tuple(f"incident.{event}" for event in (*STORY, "priority_updated", "delegated", "status_update_published"))


@pytest.fixture
def account(tmp_path: Path) -> PagerDutyAccount:
    return PagerDutyAccount(tmp_path)


@pytest.fixture
def orders(account: PagerDutyAccount) -> Events:
    """A service with two levels: ann, then bob."""
    ann, bob = account.person("ann"), account.person("bob")
    return account.service(account.policy((5, [("user", ann)]), (5, [("user", bob)])))


def incident(account: PagerDutyAccount) -> str:
    return account.incidents()[0]["id"]


def last(account: PagerDutyAccount) -> dict[str, Any]:
    account.pass_time(0)
    return account.receiver.taken[-1][1]


def verified(secret: str, body: bytes, header: str) -> bool:
    """PagerDuty's documented check: at least one `v1` signature is the HMAC of the whole body."""
    wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return any(hmac.compare_digest(f"v1={wanted}", part) for part in header.split(","))


def test_everything_that_happens_to_an_incident_is_sent_in_order(account: PagerDutyAccount, orders: Events) -> None:
    account.subscribe(*ALL)
    bob = account.client.get("/users", params={"query": "bob@"}).json()["users"][0]["id"]
    other = account.policy((5, [("user", bob)]), name="other")
    priority = account.client.get("/priorities").json()["priorities"][0]
    orders.send()
    orders.send()  # the same alert again is no event
    found = incident(account)
    for change in (
        {"status": "acknowledged"},
        {"status": "triggered"},
        {"escalation_level": 2},
        {"assignments": [{"assignee": {"id": bob, "type": "user_reference"}}]},
        {"priority": {"id": priority["id"], "type": "priority_reference"}},
        {"priority": "P1"},  # it has that one
        {"escalation_policy": {"id": other, "type": "escalation_policy_reference"}},
    ):
        account.change(found, **change).raise_for_status()
    account.client.post(f"/incidents/{found}/notes", json={"note": {"content": "looking"}}).raise_for_status()
    update = account.client.post(f"/incidents/{found}/status_updates", json={"message": "fixing"})
    account.change(found, status="resolved").raise_for_status()
    account.pass_time(0)

    assert update.json()["status_update"]["message"] == "fixing"
    assert account.receiver.types() == [
        f"incident.{event}"
        for event in (
            "triggered",
            "acknowledged",
            "unacknowledged",
            "escalated",
            "reassigned",
            "priority_updated",
            "delegated",
            "annotated",
            "status_update_published",
            "resolved",
        )
    ]


def test_an_event_tells_who_did_what_to_which_incident(account: PagerDutyAccount, orders: Events) -> None:
    account.subscribe("incident.triggered", "incident.acknowledged", "incident.annotated")
    orders.send(dedup_key="k1")
    triggered = last(account)
    found = incident(account)
    account.change(found, status="acknowledged")
    acknowledged = last(account)
    account.client.post(f"/incidents/{found}/notes", json={"note": {"content": "looking"}})
    annotated = last(account)

    assert (triggered["resource_type"], triggered["data"]["type"], triggered["data"]["id"]) == (
        "incident",
        "incident",
        found,
    )
    assert (triggered["data"]["incident_key"], triggered["data"]["status"]) == ("k1", "triggered")
    assert [person["summary"] for person in triggered["data"]["assignees"]] == ["ann"]
    assert triggered["agent"]["type"] == "integration_reference"
    assert (acknowledged["agent"]["summary"], acknowledged["data"]["status"]) == ("ann", "acknowledged")
    assert (annotated["data"]["type"], annotated["data"]["content"]) == ("incident_note", "looking")
    assert annotated["data"]["incident"]["id"] == found


def test_timers_send_events_too(account: PagerDutyAccount) -> None:
    events = account.simple(acknowledgement_timeout=600, auto_resolve_timeout=3600)
    account.subscribe(*ALL)
    events.send()
    account.change(incident(account), status="acknowledged")
    account.pass_time(3600)

    assert account.receiver.types() == [
        "incident.triggered",
        "incident.acknowledged",
        "incident.unacknowledged",
        "incident.resolved",
    ]


def test_an_escalation_by_time_is_sent(account: PagerDutyAccount, orders: Events) -> None:
    account.subscribe("incident.escalated")
    orders.send()
    account.pass_time(5 * 60)

    assert [person["summary"] for person in last(account)["data"]["assignees"]] == ["bob"]


def test_every_webhook_is_signed_with_the_subscription_s_secret(account: PagerDutyAccount, orders: Events) -> None:
    made = account.subscribe("incident.triggered")
    secret = made["delivery_method"]["secret"]
    orders.send(payload={"summary": "Größe überschritten"})
    last(account)
    _, _, headers, body = account.receiver.taken[0]

    assert verified(secret, body, headers["X-PagerDuty-Signature"])
    assert not verified("another", body, headers["X-PagerDuty-Signature"])
    assert not verified(secret, body.replace(b"critical", b"warning") + b" ", headers["X-PagerDuty-Signature"])
    assert headers["X-Webhook-Subscription"] == made["id"]
    assert (
        account.client.get(f"/webhook_subscriptions/{made['id']}").json()["webhook_subscription"]["delivery_method"][
            "secret"
        ]
        is None
    )


def test_while_a_secret_is_replaced_both_sign(account: PagerDutyAccount, orders: Events) -> None:
    made = account.subscribe("incident.triggered")
    first = made["delivery_method"]["secret"]
    path = f"/sandbox/webhook_subscriptions/{made['id']}/rotate"
    second = account.client.post(path).json()["webhook_subscription"]["delivery_method"]["secret"]
    orders.send()
    last(account)
    _, _, headers, body = account.receiver.taken[0]
    third = account.client.post(path).json()["webhook_subscription"]["delivery_method"]["secret"]
    orders.send(dedup_key="k2")
    last(account)
    _, _, later, newer = account.receiver.taken[1]

    assert [verified(each, body, headers["X-PagerDuty-Signature"]) for each in (first, second)] == [True, True]
    assert [verified(each, newer, later["X-PagerDuty-Signature"]) for each in (first, second, third)] == [
        False,
        True,
        True,
    ]


def test_a_subscription_gets_only_what_its_filter_and_its_events_say(account: PagerDutyAccount, orders: Events) -> None:
    service = account.client.get("/services").json()["services"][0]["id"]
    team = account.make("/teams", "team", type="team", name="trading")["id"]
    other = account.service(account.policy((5, [("user", account.person("cat"))]), name="other"), name="payments")
    ids = {
        "service": account.subscribe("incident.triggered", filter={"type": "service_reference", "id": service})["id"],
        "team": account.subscribe("incident.triggered", filter={"type": "team_reference", "id": team})["id"],
        "resolved": account.subscribe("incident.resolved")["id"],
        "off": account.subscribe("incident.triggered", active=False)["id"],
    }
    orders.send()
    other.send()
    account.pass_time(0)

    assert [headers["X-Webhook-Subscription"] for _, _, headers, _ in account.receiver.taken] == [ids["service"]]


def test_what_fails_is_tried_four_times_more_with_the_same_id_while_the_next_wait(
    account: PagerDutyAccount, orders: Events
) -> None:
    account.subscribe("incident.triggered", "incident.acknowledged")
    account.receiver.statuses = [500, 429, 0, 503]
    orders.send()
    account.change(incident(account), status="acknowledged")
    account.pass_time(0)
    first = account.receiver.types()
    account.pass_time(sum(RETRY_SECONDS))
    ids = [headers["X-Webhook-Id"] for _, _, headers, _ in account.receiver.taken]

    assert first == ["incident.triggered"]
    assert account.receiver.types() == ["incident.triggered"] * 5 + ["incident.acknowledged"]
    assert (len(set(ids[:5])), ids[5] in ids[:5]) == (1, False)


def test_a_client_s_error_drops_a_webhook_at_once(account: PagerDutyAccount, orders: Events) -> None:
    account.subscribe("incident.triggered")
    account.receiver.statuses = [404]
    orders.send()
    orders.send(dedup_key="k2")
    account.pass_time(sum(RETRY_SECONDS))
    outcomes = [event.details["outcome"] for event in account.found(Kind.WEBHOOK_DELIVERED)]

    assert len(account.receiver.taken) == 2
    assert outcomes == ["dropped", "delivered"]


def state(account: PagerDutyAccount, subscription: str) -> bool:
    answer = account.client.get(f"/webhook_subscriptions/{subscription}").json()["webhook_subscription"]
    return answer["delivery_method"]["temporarily_disabled"]


def test_three_dropped_in_a_row_disable_a_subscription_for_a_day(account: PagerDutyAccount, orders: Events) -> None:
    made = account.subscribe("incident.triggered")["id"]
    account.receiver.statuses = [400, 400, 202, 400, 400]
    for key in range(5):
        orders.send(dedup_key=str(key))
    account.pass_time(0)
    before = state(account, made)
    account.receiver.statuses = [400]
    orders.send(dedup_key="5")
    orders.send(dedup_key="6")
    account.pass_time(0)
    during = (state(account, made), len(account.receiver.taken))
    orders.send(dedup_key="7")
    account.pass_time(24 * 3600 - 1)
    still = state(account, made)
    account.pass_time(2)
    orders.send(dedup_key="8")
    account.pass_time(0)

    assert (before, during, still) == (False, (True, 6), True)
    assert (state(account, made), len(account.receiver.taken)) == (False, 7)


def test_a_disabled_subscription_is_enabled_by_request(account: PagerDutyAccount, orders: Events) -> None:
    made = account.subscribe("incident.triggered")["id"]
    account.receiver.statuses = [400] * 3
    for key in range(3):
        orders.send(dedup_key=str(key))
        account.pass_time(0)
    disabled = state(account, made)
    account.client.post(f"/webhook_subscriptions/{made}/enable").raise_for_status()
    orders.send(dedup_key="3")
    account.pass_time(0)

    assert (disabled, state(account, made), len(account.receiver.taken)) == (True, False, 4)


def test_no_more_than_a_limit_waits(account: PagerDutyAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    account.simple()
    monkeypatch.setattr(subscriptions, "WAITING_MOST", 3)
    made = account.subscribe("incident.triggered")["id"]
    account.receiver.statuses = [500]
    for _ in range(5):
        account.client.post(f"/webhook_subscriptions/{made}/ping").raise_for_status()
        account.pass_time(0)
    account.pass_time(RETRY_SECONDS[0])
    outcomes = [str(event.details["outcome"]).partition(":")[0] for event in account.found(Kind.WEBHOOK_DELIVERED)]

    assert outcomes == ["tried again later", "dropped", "dropped", "delivered", "delivered", "delivered"]


def test_a_ping_is_sent_whatever_the_subscription_is_about(account: PagerDutyAccount) -> None:
    account.simple()
    made = account.subscribe("incident.resolved")["id"]
    answer = account.client.post(f"/webhook_subscriptions/{made}/ping")

    assert answer.status_code == 202
    assert (last(account)["event_type"], last(account)["data"]["type"]) == ("pagey.ping", "ping")


def test_nothing_is_sent_to_a_deleted_subscription(account: PagerDutyAccount, orders: Events) -> None:
    made = account.subscribe("incident.triggered")["id"]
    orders.send()
    account.client.delete(f"/webhook_subscriptions/{made}").raise_for_status()
    account.pass_time(0)

    assert account.receiver.taken == []


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"events": ["incident.exploded"]}, "incident.exploded"),
        ({"events": []}, "events"),
        ({"events": ["incident.triggered"] * 2}, "unique"),
        ({"filter": {"type": "service_reference", "id": "NONE"}}, "NONE"),
        ({"filter": {"type": "service_reference"}}, "service"),
        ({"delivery_method": {"type": "http_delivery_method", "url": "ftp://x"}}, "url"),
        ({"oauth_client_id": "X"}, "oauth_client_id"),
    ],
)
def test_a_subscription_that_cannot_be_is_refused(
    account: PagerDutyAccount, settings: dict[str, Any], word: str
) -> None:
    account.simple()
    body = {
        "type": "webhook_subscription",
        "delivery_method": {"type": "http_delivery_method", "url": "https://receiver.example/hook"},
        "events": ["incident.triggered"],
        "filter": {"type": "account_reference"},
        **settings,
    }
    answer = account.client.post("/webhook_subscriptions", json={"webhook_subscription": body})

    assert answer.status_code == 400
    assert word in answer.text


def test_custom_headers_are_sent_and_not_shown(account: PagerDutyAccount, orders: Events) -> None:
    method = {
        "type": "http_delivery_method",
        "url": "https://receiver.example/hook",
        "custom_headers": [{"name": "X-Orion", "value": "s3cret"}],
    }
    made = account.subscribe("incident.triggered", delivery_method=method)
    orders.send()
    last(account)

    assert account.receiver.taken[0][2]["X-Orion"] == "s3cret"
    assert "s3cret" not in str(made)


def test_a_webhook_arrives_over_http_at_what_the_address_names(tmp_path: Path) -> None:
    bodies: list[tuple[bytes, str]] = []

    async def take(request: Request) -> Response:
        bodies.append((await request.body(), request.headers["x-pagerduty-signature"]))
        return PlainTextResponse("", 202)

    journal = Journal(tmp_path / "journal.jsonl")
    pagerduty = HttpService("pagerduty", create_application(journal, Clock(), token=TOKEN))
    receiver = HttpService("receiver", Starlette(routes=[Route("/hook", take, methods=["POST"])]))
    try:
        for service in (pagerduty, receiver):
            service.start()
            wait_until_ready(service, timeout_seconds=10)
        key = routing_key(pagerduty.address, "ann")
        subscription = {
            "type": "webhook_subscription",
            "delivery_method": {"type": "http_delivery_method", "url": f"{receiver.address}/hook"},
            "events": ["incident.triggered"],
            "filter": {"type": "account_reference"},
        }
        headers = {"Authorization": f"Token token={TOKEN}"}
        address = f"{pagerduty.address}/webhook_subscriptions"
        made = httpx.post(address, json={"webhook_subscription": subscription}, headers=headers).json()
        event = {
            "routing_key": key,
            "event_action": "trigger",
            "payload": {"summary": "x", "source": "y", "severity": "critical"},
        }
        httpx.post(f"{pagerduty.address}/v2/enqueue", json=event).raise_for_status()
        until("the webhook has arrived", lambda: bool(bodies))
    finally:
        for service in (receiver, pagerduty):
            service.stop()
    secret = made["webhook_subscription"]["delivery_method"]["secret"]

    assert verified(secret, *bodies[0])
