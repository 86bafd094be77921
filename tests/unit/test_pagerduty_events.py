"""The Events API of the stand-in for PagerDuty: what it takes, what it refuses, and what becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox.clouds.pagerduty import application
from sandbox.journal import Kind
from tests.pagerduty_account import Events, PagerDutyAccount


@pytest.fixture
def account(tmp_path: Path) -> PagerDutyAccount:
    return PagerDutyAccount(tmp_path)


@pytest.fixture
def orders(account: PagerDutyAccount) -> Events:
    return account.simple()


def test_a_trigger_opens_an_incident_and_notifies_the_person(account: PagerDutyAccount, orders: Events) -> None:
    answer = orders.send(
        links=[{"href": "https://runbooks/x", "text": "Runbook"}],
        client="Alertmanager",
        client_url="http://alertmanager",
        payload={"custom_details": {"dashboard": "https://grafana/x"}},
    )
    incident = account.incidents()[0]
    event = account.found(Kind.INCIDENT_TRIGGERED)[0]
    person = account.found(Kind.PERSON_NOTIFIED)[0]

    assert (answer.status_code, answer.json()) == (
        202,
        {"status": "success", "message": "Event processed", "dedup_key": "k1"},
    )
    assert (incident["status"], incident["title"], incident["urgency"]) == (
        "triggered",
        "CriticalLatency orders",
        "high",
    )
    assert event.ids == {"incident": incident["id"], "service": "orders", "dedup_key": "k1"}
    assert event.details["severity"] == "critical"
    assert event.details["links"] == [{"href": "https://runbooks/x", "text": "Runbook"}]
    assert event.details["custom_details"] == {"dashboard": "https://grafana/x"}
    assert event.details["client_url"] == "http://alertmanager"
    assert person.ids == {
        "incident": incident["id"],
        "person": "ann@example.com",
        "level": "1",
        "service": "orders",
    }


def test_a_second_trigger_with_the_key_adds_to_the_log_and_opens_nothing(
    account: PagerDutyAccount, orders: Events
) -> None:
    orders.send()
    orders.send()
    incident = account.incidents()[0]
    log = account.client.get(f"/incidents/{incident['id']}/log_entries").json()["log_entries"]

    assert len(account.incidents()) == 1
    assert [entry["type"] for entry in log].count("trigger_log_entry") == 2
    assert len(account.notified()) == 1


def test_a_trigger_after_the_resolve_is_a_new_incident(account: PagerDutyAccount, orders: Events) -> None:
    orders.send()
    orders.send("resolve")
    orders.send()

    assert [incident["status"] for incident in account.incidents()] == ["resolved", "triggered"]
    assert len(account.found(Kind.INCIDENT_RESOLVED, dedup_key="k1")) == 1


def test_an_acknowledge_acknowledges(account: PagerDutyAccount, orders: Events) -> None:
    orders.send()
    orders.send("acknowledge")

    assert account.incidents()[0]["status"] == "acknowledged"
    assert len(account.found(Kind.INCIDENT_ACKNOWLEDGED, dedup_key="k1")) == 1


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_under_another_routing_key_it_is_accepted_and_dropped(
    account: PagerDutyAccount, orders: Events, action: str
) -> None:
    policy = account.client.get("/escalation_policies").json()["escalation_policies"][0]["id"]
    other = account.service(policy, name="positions")
    orders.send()

    answer = other.send(action)

    assert answer.status_code == 202
    assert account.incidents()[0]["status"] == "triggered"
    assert "no open alert" in account.found(Kind.REQUEST_REFUSED, dedup_key="k1")[0].details["reason"]


def test_the_same_key_under_another_routing_key_is_another_incident(account: PagerDutyAccount, orders: Events) -> None:
    policy = account.client.get("/escalation_policies").json()["escalation_policies"][0]["id"]
    other = account.service(policy, name="positions")
    orders.send()
    other.send()

    assert len(account.incidents()) == 2


def test_without_a_key_each_trigger_gets_one_and_opens_an_incident(account: PagerDutyAccount, orders: Events) -> None:
    keys = {orders.send(dedup_key=None).json()["dedup_key"] for _ in range(2)}

    assert len(keys) == 2
    assert {incident["incident_key"] for incident in account.incidents()} == keys


def without(payload: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key != name}


PAYLOAD = {"summary": "s", "source": "x", "severity": "critical"}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"routing_key": "short"}, "Length of 'routing_key' is incorrect (should be 32 characters)"),
        ({"routing_key": "f" * 32}, "Invalid routing key"),
        ({"event_action": "explode"}, "'event_action' is invalid (must be one of the following"),
        ({"event_action": None}, "'event_action' is missing or blank"),
        ({"event_action": "resolve", "dedup_key": None}, "'dedup_key' is missing or blank"),
        ({"dedup_key": "k" * 256}, "'dedup_key' is too long (maximum is 255 characters)"),
        ({"payload": without(PAYLOAD, "summary")}, "'payload.summary' is missing or blank"),
        ({"payload": {**PAYLOAD, "summary": ""}}, "'payload.summary' is missing or blank"),
        ({"payload": {**PAYLOAD, "summary": "x" * 1025}}, "'payload.summary' is too long (maximum is 1024 characters)"),
        ({"payload": without(PAYLOAD, "source")}, "'payload.source' is missing or blank"),
        ({"payload": {**PAYLOAD, "severity": "high"}}, "'payload.severity' is invalid (must be one of the following"),
        ({"payload": None}, "'payload' is missing or blank"),
        ({"links": [{"text": "no address"}]}, "'links.0.href' is missing or blank"),
        ({"images": [{}]}, "'images.0.src' is missing or blank"),
    ],
)
def test_an_invalid_event_is_refused_in_pagerduty_s_words(
    account: PagerDutyAccount, orders: Events, change: dict[str, Any], error: str
) -> None:
    event = {"routing_key": orders.key, "event_action": "trigger", "dedup_key": "k", "payload": PAYLOAD, **change}
    answer = account.plain.post("/v2/enqueue", json=event)

    assert answer.status_code == 400
    assert answer.json()["status"] == "invalid event"
    assert answer.json()["message"] == "Event object is invalid"
    assert any(error in each for each in answer.json()["errors"]), answer.text
    assert account.incidents() == []
    assert len(account.found(Kind.REQUEST_REFUSED)) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'"text"'])
def test_what_is_no_event_is_unrecognized(account: PagerDutyAccount, body: bytes) -> None:
    answer = account.plain.post("/v2/enqueue", content=body)

    assert answer.status_code == 400
    assert answer.json()["status"] == "Unrecognized object"


def test_512_kilobytes_are_taken_and_one_byte_more_is_not(account: PagerDutyAccount, orders: Events) -> None:
    start = f'{{"routing_key":"{orders.key}","event_action":"trigger","dedup_key":"k","payload":{{"summary":"s",'
    start += '"source":"x","severity":"info","custom_details":{"text":"'
    end = '"}}}'
    filling = "a" * (512 * 1024 - len(start) - len(end))
    taken = account.plain.post("/v2/enqueue", content=start + filling + end)
    refused = account.plain.post("/v2/enqueue", content=start + filling + "a" + end)

    assert (taken.status_code, refused.status_code) == (202, 400)
    assert "too large" in refused.json()["errors"][0]


@pytest.mark.parametrize("text", ["; rm -rf /", "$(reboot)", "{{ .x }}", "a\nb", "x" * 1000, "\N{PILE OF POO}"])
def test_hostile_text_arrives_as_it_was_sent(account: PagerDutyAccount, orders: Events, text: str) -> None:
    orders.send(dedup_key=text[:255], payload={"summary": text, "custom_details": {text: text}})
    incident = account.incidents()[0]
    alert = account.client.get(f"/incidents/{incident['id']}/alerts").json()["alerts"][0]

    assert incident["title"] == text
    assert alert["alert_key"] == text[:255]
    assert alert["body"]["details"] == {text: text}


@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_the_121st_event_of_a_scaled_minute_is_throttled_for_its_key_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scale: float
) -> None:
    """The limit is lowered after it is compared: so many events take a second."""
    assert application.EVENTS_PER_MINUTE == 120
    monkeypatch.setattr(application, "EVENTS_PER_MINUTE", 6)
    account = PagerDutyAccount(tmp_path, scale=scale)
    orders = account.simple()
    policy = account.client.get("/escalation_policies").json()["escalation_policies"][0]["id"]
    other = account.service(policy, name="positions")
    statuses = {orders.send().status_code for _ in range(6)}
    over = orders.send()
    elsewhere = other.send()
    account.now.time += 60 / scale
    later = orders.send()

    assert statuses == {202}
    assert (over.status_code, over.json()["status"]) == (429, "throttle exceeded")
    assert int(over.headers["Retry-After"]) >= 1
    assert elsewhere.status_code == 202
    assert later.status_code == 202


def test_a_disabled_service_opens_nothing_and_says_so_in_the_journal(account: PagerDutyAccount, orders: Events) -> None:
    service = account.client.get("/services").json()["services"][0]["id"]
    account.client.put(f"/services/{service}", json={"service": {"status": "disabled"}})
    answer = orders.send()

    assert answer.status_code == 202
    assert account.incidents() == []
    assert "disabled" in account.found(Kind.REQUEST_REFUSED)[0].details["reason"]


def test_what_was_received_can_be_read(account: PagerDutyAccount, orders: Events) -> None:
    orders.send()
    account.plain.post("/v2/enqueue", content=b"no json")
    received = account.plain.get("/sandbox/received").json()["events"]
    incidents = account.plain.get("/sandbox/incidents").json()["incidents"]

    assert [(each["status"], each["event"]) for each in received][1] == (400, "no json")
    assert received[0]["event"]["dedup_key"] == "k1"
    assert incidents[0]["alerts"][0]["alert_key"] == "k1"
