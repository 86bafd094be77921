"""The event orchestration under the real engine on the stand-in: its router, and the exchange of its keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from alerting.oncall.event_orchestration import ANY_TEAM, KEY_NAMES, PAGED_TEAM
from sandbox.journal import Kind
from tests.integration.pagerduty_harness import Account, catalog_program, running_account

pytestmark = pytest.mark.integration


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    with running_account(tmp_path) as account:
        yield account


def send(account: Account, key: str, action: str, name: str, **changes: Any) -> int:
    """Send an event as Alertmanager does with this key, and return the answer's status."""
    payload = {
        "summary": name,
        "source": "alertmanager",
        "severity": "critical",
        "component": "orders",
        "custom_details": {PAGED_TEAM: "trading"},
        **changes,
    }
    event = {"routing_key": key, "event_action": action, "dedup_key": name, "payload": payload}
    return account.client.post("/v2/enqueue", json=event).status_code


def incidents(account: Account) -> dict[str, str]:
    """Return the ids of the open incidents, by dedup key."""
    query = urlencode({"statuses[]": ["triggered", "acknowledged"]}, doseq=True)
    return {each["incident_key"]: each["id"] for each in account.get(f"/incidents?{query}")["incidents"]}


def test_another_service_is_routed_to_at_once_and_changes_no_key(account: Account) -> None:
    root, program = catalog_program(account)
    before = account.engine(program).up()
    unknown = {"component": "settlement", "custom_details": {PAGED_TEAM: ANY_TEAM}}
    assert send(account, before.outputs["key"], "trigger", "before", **unknown) == 202
    services = root / "catalog" / "services.yaml"
    entry = "{description: x, team: database, namespace: orion, objective: 0.999}"
    services.write_text(services.read_text().replace("services:\n", f"services:\n  settlement: {entry}\n"))
    after = account.engine(program).up()
    assert send(account, after.outputs["key"], "trigger", "after", **unknown) == 202
    opened = {each["incident_key"]: each["service"]["summary"] for each in account.get("/incidents")["incidents"]}

    assert {kind: count for kind, count in after.changes.items() if kind != "same"} == {"create": 1, "update": 1}
    assert after.outputs["key"] == before.outputs["key"]
    assert opened == {"before": "platform", "after": "settlement"}


def test_a_key_is_exchanged_in_two_steps_and_no_page_is_lost(account: Account) -> None:
    root, program = catalog_program(account)
    routing = root / "catalog" / "routing.yaml"
    written = routing.read_text()

    def deploy(numbers: str) -> tuple[dict[str, int], str]:
        routing.write_text(f"integration_keys: {numbers}\n{written}")
        done = account.engine(program).up()
        return dict(done.changes), done.outputs["key"]

    _, old = deploy("[1]")
    assert [send(account, old, "trigger", name) for name in ("before", "across", "forgotten")] == [202] * 3

    changes, new = deploy("[1, 2]")
    assert {kind: count for kind, count in changes.items() if kind != "same"} == {"create": len(KEY_NAMES)}
    assert new != old
    # An Alertmanager that has not read the new key yet pages and resolves as before; one that has pages with the new.
    assert [send(account, old, "trigger", "late"), send(account, old, "resolve", "before")] == [202, 202]
    assert send(account, new, "trigger", "after") == 202
    assert set(incidents(account)) == {"across", "forgotten", "late", "after"}
    # What was opened with the old key hears nothing of the new one: it stays open, and whoever has it ends it by hand,
    # or whoever has the old key with that.
    assert send(account, new, "resolve", "across") == 202
    dropped = account.journal.find(Kind.REQUEST_REFUSED, dedup_key="across")
    assert [each.details["reason"] for each in dropped] == ["no open alert with this key came from this integration"]
    assert "across" in incidents(account)
    assert send(account, old, "resolve", "across") == 202
    assert send(account, old, "resolve", "late") == 202
    assert set(incidents(account)) == {"forgotten", "after"}

    changes, kept = deploy("[2]")
    assert {kind: count for kind, count in changes.items() if kind != "same"} == {"delete": len(KEY_NAMES)}
    assert kept == new
    assert send(account, old, "trigger", "too late") == 400
    assert set(incidents(account)) == {"forgotten", "after"}
    assert send(account, new, "resolve", "after") == 202
    by_hand = {"incident": {"type": "incident_reference", "status": "resolved"}}
    path = f"/incidents/{incidents(account)['forgotten']}"
    account.client.put(path, json=by_hand, headers={"From": "trading-lead@orion.example.com"}).raise_for_status()
    assert incidents(account) == {}


def test_a_router_changed_by_hand_is_seen_and_put_right(account: Account) -> None:
    _, program = catalog_program(account)
    engine = account.engine(program)
    engine.up()
    (made,) = account.get("/event_orchestrations")["orchestrations"]
    path = f"/event_orchestrations/{made['id']}/router"
    before = account.get(path)["orchestration_path"]
    emptied = {"orchestration_path": {"sets": [{"id": "start", "rules": []}]}}
    account.client.put(path, json=emptied).raise_for_status()
    seen = engine.refresh()
    engine.up()
    after = account.get(path)["orchestration_path"]
    account.engine(program).destroy()

    assert seen.changes["update"] == 1
    assert [rule["conditions"] for rule in after["sets"][0]["rules"]] == [
        rule["conditions"] for rule in before["sets"][0]["rules"]
    ]
    assert after["catch_all"] == before["catch_all"]
    assert account.get("/event_orchestrations")["orchestrations"] == []
