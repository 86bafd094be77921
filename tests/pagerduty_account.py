"""Shared account of the PagerDuty stand-in's tests: in this process, on a clock that the test moves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2  # what Starlette's client is made of
from starlette.testclient import TestClient

from sandbox.clock import Clock
from sandbox.clouds.pagerduty import create_application
from sandbox.clouds.pagerduty.scheduler import Scheduler
from sandbox.journal import Event, Journal, Kind

TOKEN = "t"
"""What the stand-ins of these tests take."""
BEGIN = 1_770_000_000.0  # 2026-02-02T02:40:00Z, a Monday


@dataclass
class TestClock:
    """A time that only a test moves."""

    __test__ = False
    time: float = BEGIN

    def __call__(self) -> float:
        return self.time


@dataclass
class Events:
    """Events for one routing key."""

    client: TestClient
    key: str

    def send(self, action: str = "trigger", dedup_key: str | None = "k1", **event: Any) -> httpx2.Response:
        payload = {"summary": "CriticalLatency orders", "source": "prometheus", "severity": "critical"}
        body: dict[str, Any] = {"routing_key": self.key, "event_action": action, **event}
        if dedup_key is not None:
            body["dedup_key"] = dedup_key
        if action == "trigger":
            body["payload"] = {**payload, **event.get("payload", {})}
        return self.client.post("/v2/enqueue", json=body)


@dataclass(slots=True)
class WebhookReceiver:
    """The address that webhooks are sent to: answers with the statuses in turn, then with 202."""

    statuses: list[int] = field(default_factory=list[int])
    taken: list[tuple[str, dict[str, Any], Mapping[str, str], bytes]] = field(
        default_factory=list[tuple[str, dict[str, Any], Mapping[str, str], bytes]]
    )

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Take a webhook."""
        self.taken.append((url, json.loads(body)["event"], headers, body))
        return self.statuses.pop(0) if self.statuses else 202

    def types(self) -> list[str]:
        """Return the types of the events that were sent, in order, retries included."""
        return [event["event_type"] for _, event, _, _ in self.taken]


class PagerDutyAccount:
    """A stand-in, and short ways to fill it. Scale 1: the story's seconds are seconds of the test's clock."""

    def __init__(self, folder: Path, scale: float = 1.0) -> None:
        self.now = TestClock()
        self.journal = Journal(folder / "journal.jsonl")
        clock = Clock(scale)
        self.scheduler = Scheduler(clock, self.now)
        self.receiver = WebhookReceiver()
        self.application = create_application(
            self.journal, clock, token=TOKEN, scheduler=self.scheduler, send=self.receiver
        )
        self.plain = TestClient(self.application)
        self.client = TestClient(
            self.application, headers={"Authorization": f"Token token={TOKEN}", "From": "ann@example.com"}
        )

    def pass_time(self, seconds: float) -> None:
        """Move the clock, stopping at every appointment on the way."""
        end = self.now.time + seconds
        while (due := self.scheduler.next_due()) is not None and due <= end:
            self.now.time = max(due, self.now.time)
            self.scheduler.run_due()
        self.now.time = end

    def make(self, path: str, wrapper: str, **body: Any) -> dict[str, Any]:
        answer = self.client.post(path, json={wrapper: body})
        assert answer.status_code == 201, answer.text
        return answer.json()[wrapper]

    def person(self, name: str) -> str:
        return self.make("/users", "user", type="user", name=name, email=f"{name}@example.com")["id"]

    def policy(self, *levels: tuple[int, list[tuple[str, str]]], name: str = "trading", loops: int = 0) -> str:
        rules = [
            {
                "escalation_delay_in_minutes": minutes,
                "targets": [{"id": target, "type": f"{kind}_reference"} for kind, target in targets],
            }
            for minutes, targets in levels
        ]
        return self.make(
            "/escalation_policies", "escalation_policy", type="escalation_policy", name=name, num_loops=loops,
            escalation_rules=rules,
        )["id"]  # fmt: skip

    def service(self, policy: str, name: str = "orders", **settings: Any) -> Events:
        settings = {
            "auto_resolve_timeout": None,
            "acknowledgement_timeout": None,
            "incident_urgency_rule": {"type": "constant", "urgency": "severity_based"},
            **settings,
        }
        reference = {"id": policy, "type": "escalation_policy_reference"}
        service = self.make("/services", "service", type="service", name=name, escalation_policy=reference, **settings)
        integration = self.make(
            f"/services/{service['id']}/integrations", "integration", type="events_api_v2_inbound_integration", name="a"
        )
        return Events(self.plain, integration["integration_key"])

    def simple(self, **settings: Any) -> Events:
        """A service whose only level is ann."""
        ann = self.person("ann")
        return self.service(self.policy((5, [("user", ann)])), **settings)

    def subscribe(self, *events: str, **settings: Any) -> dict[str, Any]:
        """Make a webhook subscription to these events, of the whole account unless `settings` say otherwise."""
        body = {
            "type": "webhook_subscription",
            "delivery_method": {"type": "http_delivery_method", "url": "https://receiver.example/hook"},
            "events": list(events),
            "filter": {"type": "account_reference"},
            **settings,
        }
        answer = self.client.post("/webhook_subscriptions", json={"webhook_subscription": body})
        assert answer.status_code == 200, answer.text
        return answer.json()["webhook_subscription"]

    def incidents(self, **query: str) -> list[dict[str, Any]]:
        return self.client.get("/incidents", params={"date_range": "all", **query}).json()["incidents"]

    def change(self, incident: str, **change: Any) -> httpx2.Response:
        return self.client.put(f"/incidents/{incident}", json={"incident": {"type": "incident_reference", **change}})

    def found(self, kind: Kind, **ids: str) -> list[Event]:
        return [event for event in self.journal.events() if event.matches(kind, ids)]

    def notified(self) -> list[tuple[str, str]]:
        """Returns the people notified, and their levels, in order."""
        return [(event.ids["person"].split("@")[0], event.ids["level"]) for event in self.found(Kind.PERSON_NOTIFIED)]


def routing_key(address: str, *names: str, minutes: int = 1, token: str = TOKEN) -> str:
    """Make a service at a stand-in that is served, and return its integration key.

    Its policy has a level for each of the people named, who has so many minutes to acknowledge.
    """
    with httpx2.Client(base_url=address, headers={"Authorization": f"Token token={token}"}) as client:

        def make(path: str, wrapper: str, **body: object) -> dict[str, str]:
            return client.post(path, json={wrapper: body}).raise_for_status().json()[wrapper]

        people = [make("/users", "user", name=name, email=f"{name}@example.com")["id"] for name in names]
        rules = [
            {"escalation_delay_in_minutes": minutes, "targets": [{"id": person, "type": "user_reference"}]}
            for person in people
        ]
        policy = make("/escalation_policies", "escalation_policy", name="trading", escalation_rules=rules)["id"]
        reference = {"id": policy, "type": "escalation_policy_reference"}
        service = make("/services", "service", name="orders", escalation_policy=reference)["id"]
        integration = make(f"/services/{service}/integrations", "integration", type="events_api_v2_inbound_integration")
        return integration["integration_key"]
