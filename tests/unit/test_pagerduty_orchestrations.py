"""The stand-in's event orchestrations: its router picks the service, and keys stay apart as PagerDuty keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox.clouds.pagerduty.orchestrations import ConditionRefused, parse_condition
from sandbox.journal import Kind
from tests.pagerduty_account import Events, PagerDutyAccount


class Orchestrated:
    """An account with services `orders` and `fallback`, and an orchestration of two keys that routes to them."""

    def __init__(self, folder: Path) -> None:
        self.account = PagerDutyAccount(folder)
        policy = self.account.policy((5, [("user", self.account.person("ann"))]))
        for name in ("orders", "fallback"):
            self.account.service(policy, name=name)
        services = self.account.client.get("/services").json()["services"]
        self.ids = {service["name"]: service["id"] for service in services}
        orchestration = self.account.make("/event_orchestrations", "orchestration", name="O")
        self.path = f"/event_orchestrations/{orchestration['id']}"
        self.first, self.second = (self.key(label) for label in ("one", "two"))

    def key(self, label: str) -> Events:
        made = self.account.make(f"{self.path}/integrations", "integration", label=label)
        return Events(self.account.plain, made["parameters"]["routing_key"])

    def route(self, *expressions: str, catch_all: str = "fallback") -> Any:
        """Route events that any of the expressions holds for to `orders`, and others to another service."""
        rule = {
            "conditions": [{"expression": each} for each in expressions],
            "actions": {"route_to": self.ids["orders"]},
        }
        path = {
            "sets": [{"id": "start", "rules": [rule]}],
            "catch_all": {"actions": {"route_to": self.ids.get(catch_all, catch_all)}},
        }
        return self.account.client.put(f"{self.path}/router", json={"orchestration_path": path})

    def open_in(self) -> dict[str, str]:
        """Return the service of each open incident, by dedup key."""
        return {
            incident["incident_key"]: incident["service"]["summary"]
            for incident in self.account.incidents()
            if incident["status"] != "resolved"
        }


@pytest.fixture
def orchestrated(tmp_path: Path) -> Orchestrated:
    return Orchestrated(tmp_path)


def test_the_first_rule_that_holds_picks_the_service_and_the_rest_goes_to_the_catch_all(
    orchestrated: Orchestrated,
) -> None:
    orchestrated.route(
        "event.component matches 'orders' and event.custom_details.paged_team matches 'any team'",
        "event.class matches 'OrdersDown'",
    )
    cases: dict[str, dict[str, Any]] = {
        "both": {"component": "orders", "custom_details": {"paged_team": "any team"}},
        "half": {"component": "orders", "custom_details": {"paged_team": "trading"}},
        "other": {"class": "OrdersDown"},
        "none": {"component": "orders"},
    }
    for key, payload in cases.items():
        orchestrated.first.send(dedup_key=key, payload=payload)

    assert orchestrated.open_in() == {"both": "orders", "half": "fallback", "other": "orders", "none": "fallback"}


def test_a_resolve_needs_the_fields_that_route_it_and_the_key_that_opened(orchestrated: Orchestrated) -> None:
    orchestrated.route("event.component matches 'orders'")
    payload = {"component": "orders"}
    orchestrated.first.send(dedup_key="k", payload=payload)
    for events, more in ((orchestrated.first, {}), (orchestrated.second, {"payload": payload})):
        assert events.send("resolve", dedup_key="k", **more).status_code == 202
    still_open = orchestrated.open_in()
    orchestrated.first.send("resolve", dedup_key="k", payload=payload)

    assert still_open == {"k": "orders"}
    assert orchestrated.open_in() == {}
    reasons = [event.details["reason"] for event in orchestrated.account.found(Kind.REQUEST_REFUSED)]
    assert reasons == ["no open alert with this key came from this integration"] * 2


def test_one_dedup_key_under_two_routing_keys_is_two_incidents(orchestrated: Orchestrated) -> None:
    orchestrated.route("event.component matches 'orders'")
    for events in (orchestrated.first, orchestrated.second, orchestrated.first):
        events.send(dedup_key="k", payload={"component": "orders"})

    assert len(orchestrated.account.incidents()) == 2


def test_an_unrouted_event_opens_nothing_and_is_journaled(orchestrated: Orchestrated) -> None:
    orchestrated.route("event.component matches 'orders'", catch_all="unrouted")
    answer = orchestrated.first.send(payload={"component": "gateway"})
    (refused,) = orchestrated.account.found(Kind.REQUEST_REFUSED)

    assert answer.status_code == 202
    assert orchestrated.account.incidents() == []
    assert refused.details["reason"].endswith("routes it to no service")


def test_each_key_has_a_rate_limit_of_its_own(orchestrated: Orchestrated) -> None:
    orchestrated.route("event.component matches 'orders'")
    statuses = [orchestrated.first.send(dedup_key=str(number)).status_code for number in range(121)]

    assert (statuses.count(202), statuses.count(429)) == (120, 1)
    assert orchestrated.second.send(dedup_key="another").status_code == 202


def test_a_deleted_integration_s_key_is_refused(orchestrated: Orchestrated) -> None:
    client = orchestrated.account.client
    integrations = client.get(f"{orchestrated.path}/integrations").json()["integrations"]
    (first,) = [each["id"] for each in integrations if each["label"] == "one"]
    client.delete(f"{orchestrated.path}/integrations/{first}")

    assert orchestrated.first.send().status_code == 400
    assert [each["label"] for each in integrations] == ["O Default Integration", "one", "two"]


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("event.summary matches part 'x'", "found \"event.summary matches part 'x'\""),
        ("event.summary matches 'x' or event.source matches 'y'", "found \" or event.source matches 'y'\""),
        ("event.summary exists", "found 'event.summary exists'"),
        ("trigger_count over 1 minute > 3", "found 'trigger_count over 1 minute > 3'"),
        ("event.summary matches 'it\\'s'", "found"),
        ("", "found ''"),
    ],
)
def test_an_expression_that_is_not_supported_is_refused_by_name(expression: str, reason: str) -> None:
    with pytest.raises(ConditionRefused) as refused:
        parse_condition(expression)

    assert reason in str(refused.value)


def test_a_router_that_cannot_be_is_refused_and_the_old_one_stays(orchestrated: Orchestrated) -> None:
    orchestrated.route("event.component matches 'orders'")
    unsupported = orchestrated.route("event.component exists")
    unknown = orchestrated.route("event.component matches 'orders'", catch_all="PNONE")
    many = orchestrated.route(*["event.component matches 'orders'"] * 21)
    orchestrated.first.send(dedup_key="k", payload={"component": "orders"})

    assert [answer.status_code for answer in (unsupported, unknown, many)] == [400, 400, 400]
    assert "event.component exists" in unsupported.text
    assert "PNONE" in unknown.text
    assert orchestrated.open_in() == {"k": "orders"}
