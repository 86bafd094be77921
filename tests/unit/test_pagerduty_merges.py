"""Merged incidents: where their alerts go, what finds them, and what ends them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.pagerduty_account import Events, PagerDutyAccount


@pytest.fixture
def account(tmp_path: Path) -> PagerDutyAccount:
    return PagerDutyAccount(tmp_path)


@pytest.fixture
def orders(account: PagerDutyAccount) -> Events:
    return account.simple()


class Merged:
    """Two incidents of a service, the second merged into the first."""

    def __init__(self, account: PagerDutyAccount, orders: Events) -> None:
        orders.send(dedup_key="a")
        orders.send(dedup_key="b")
        account.subscribe("incident.resolved")
        found = {each["incident_key"]: each["id"] for each in account.incidents()}
        self.target, self.source = found["a"], found["b"]
        sources = [{"id": self.source, "type": "incident_reference"}]
        answer = account.client.put(f"/incidents/{self.target}/merge", json={"source_incidents": sources})
        assert answer.json()["incident"]["id"] == self.target, answer.text

    def read(self, account: PagerDutyAccount) -> dict[str, dict[str, Any]]:
        found = {each["id"]: each for each in account.incidents()}
        return {"target": found[self.target], "source": found[self.source]}


def test_a_merged_incident_is_resolved_and_says_into_which_and_its_alerts_move(
    account: PagerDutyAccount, orders: Events
) -> None:
    merged = Merged(account, orders)
    found = merged.read(account)
    alerts = account.client.get(f"/incidents/{merged.target}/alerts").json()["alerts"]
    account.pass_time(0)
    by_key = account.client.get("/incidents", params={"incident_key": "b"}).json()["incidents"]

    assert (found["source"]["status"], found["target"]["status"]) == ("resolved", "triggered")
    assert found["source"]["resolve_reason"]["incident"]["id"] == merged.target
    assert [(alert["alert_key"], alert["status"]) for alert in alerts] == [("a", "triggered"), ("b", "triggered")]
    assert (found["target"]["incident_key"], [each["id"] for each in by_key]) == (None, [merged.source])
    assert account.receiver.taken[-1][1]["data"]["resolve_reason"]["incident"]["id"] == merged.target


def test_the_incident_ends_with_the_last_of_its_alerts(account: PagerDutyAccount, orders: Events) -> None:
    merged = Merged(account, orders)
    orders.send("resolve", dedup_key="b")
    first = merged.read(account)["target"]["status"]
    again = account.client.get(f"/incidents/{merged.target}/alerts", params={"alert_key": "b"}).json()["alerts"][0]
    orders.send("resolve", dedup_key="a")

    assert (first, again["status"]) == ("triggered", "resolved")
    assert merged.read(account)["target"]["status"] == "resolved"


def test_an_alert_of_a_merged_incident_goes_on_in_the_other_one(account: PagerDutyAccount, orders: Events) -> None:
    merged = Merged(account, orders)
    orders.send(dedup_key="b")
    orders.send("acknowledge", dedup_key="b")

    assert len(account.incidents()) == 2
    assert merged.read(account)["target"]["status"] == "acknowledged"


def test_what_is_resolved_is_neither_merged_nor_moved_to_another_policy(
    account: PagerDutyAccount, orders: Events
) -> None:
    merged = Merged(account, orders)
    policy = account.client.get("/escalation_policies").json()["escalation_policies"][0]["id"]
    orders.send(dedup_key="c")
    third = account.incidents()[-1]["id"]

    def merge(target: str, source: str) -> int:
        sources = [{"id": source, "type": "incident_reference"}]
        return account.client.put(f"/incidents/{target}/merge", json={"source_incidents": sources}).status_code

    assert [merge(merged.source, third), merge(third, merged.source), merge(third, third)] == [400, 400, 400]
    assert account.change(merged.source, status="acknowledged").status_code == 400
    delegation = {"escalation_policy": {"id": policy, "type": "escalation_policy_reference"}}
    assert account.change(merged.source, **delegation).status_code == 400
    assert account.change(third, priority="P9").status_code == 400
