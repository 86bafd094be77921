"""The official client does what a chat app does: it subscribes to webhooks, merges incidents and updates people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.clock import Clock
from sandbox.clouds.pagerduty import create_application
from sandbox.journal import Journal
from sandbox.service import HttpService, wait_until_ready
from tests.pagerduty_account import TOKEN, routing_key
from tests.pagerduty_clients import PlainHttp, PlainHttpEvents


@pytest.fixture
def served(tmp_path: Path) -> Iterator[HttpService]:
    service = HttpService("pagerduty", create_application(Journal(tmp_path / "journal.jsonl"), Clock(), token=TOKEN))
    service.start()
    wait_until_ready(service, timeout_seconds=10)
    yield service
    service.stop()


def test_the_official_client_subscribes_merges_and_tells_people(served: HttpService) -> None:
    events = PlainHttpEvents(routing_key(served.address, "ann"))
    client = PlainHttp(TOKEN, default_from="ann@example.com")
    events.url = client.url = served.address
    made = client.rpost(
        "webhook_subscriptions",
        json={
            "type": "webhook_subscription",
            "delivery_method": {"type": "http_delivery_method", "url": "http://127.0.0.1:9/hook"},
            "events": ["incident.resolved"],
            "filter": {"type": "account_reference"},
        },
    )
    events.trigger("first", "prometheus", dedup_key="a")
    events.trigger("second", "prometheus", dedup_key="b")
    first, second = client.list_all("incidents")
    priority = client.list_all("priorities")[0]
    changed = client.rput(
        first, json={"type": "incident", "priority": {"id": priority["id"], "type": "priority_reference"}}
    )
    path = f"incidents/{first['id']}"
    update = client.jpost(f"{path}/status_updates", json={"message": "fixing"})["status_update"]
    merged = client.jput(f"{path}/merge", json={"source_incidents": [{"id": second["id"], "type": "incident"}]})
    alerts = [alert["alert_key"] for alert in client.list_all(f"{path}/alerts")]
    listed = client.list_all("webhook_subscriptions")
    client.rdelete(f"webhook_subscriptions/{made['id']}")

    assert made["delivery_method"]["secret"]
    assert [(each["id"], each["delivery_method"]["secret"]) for each in listed] == [(made["id"], None)]
    assert (changed["priority"]["name"], update["sender"]["summary"]) == ("P1", "ann")
    assert (merged["incident"]["id"], alerts) == (first["id"], ["a", "b"])
    assert client.list_all("webhook_subscriptions") == []
