"""The REST API of the stand-in for PagerDuty: who may ask, what is refused, what its official client makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pagerduty
import pytest

from sandbox.clock import Clock
from sandbox.clouds.pagerduty import application, create_application
from sandbox.journal import Journal, Kind
from sandbox.service import HttpService, wait_until_ready
from tests.pagerduty_account import TOKEN, PagerDutyAccount
from tests.pagerduty_clients import PlainHttp, PlainHttpEvents

REFERENCE = "escalation_policy_reference"


@pytest.fixture
def account(tmp_path: Path) -> PagerDutyAccount:
    return PagerDutyAccount(tmp_path)


@pytest.mark.parametrize("header", [f"Token token={TOKEN}", f"Bearer {TOKEN}"])
def test_with_one_there_is_an_answer(account: PagerDutyAccount, header: str) -> None:
    assert account.plain.get("/users", headers={"Authorization": header}).status_code == 200


def test_a_minute_takes_960_requests_of_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is lowered after it is compared: so many requests take seconds."""
    assert application.REQUESTS_PER_MINUTE == 960
    monkeypatch.setattr(application, "REQUESTS_PER_MINUTE", 6)
    account = PagerDutyAccount(tmp_path)

    statuses = [account.client.get("/abilities").status_code for _ in range(7)]
    account.now.time += 60
    later = account.client.get("/abilities")

    assert set(statuses[:6]) == {200}
    assert statuses[6] == 429
    assert later.status_code == 200


@pytest.mark.parametrize(
    ("sender", "status", "code"),
    [("ann@example.com", 200, None), ("nobody@example.com", 400, 1008), ("", 400, 2016)],
)
@pytest.mark.parametrize("note", [True, False])
def test_who_changes_an_incident_says_who_they_are(
    account: PagerDutyAccount, sender: str, status: int, code: int | None, *, note: bool
) -> None:
    account.simple().send()
    path = f"/incidents/{account.incidents()[0]['id']}"
    headers = {"Authorization": f"Token token={TOKEN}", **({"From": sender} if sender else {})}
    if note:
        answer = account.plain.post(f"{path}/notes", json={"note": {"content": "looking"}}, headers=headers)
    else:
        change = {"incident": {"type": "incident_reference", "status": "acknowledged"}}
        answer = account.plain.put(path, json=change, headers=headers)

    assert answer.status_code == status, answer.text
    assert answer.json().get("error", {}).get("code") == code


def test_pages(account: PagerDutyAccount) -> None:
    for number in range(30):
        account.person(f"person{number:02}")
    first = account.client.get("/users").json()
    rest = account.client.get("/users", params={"offset": "25", "limit": "10", "total": "true"}).json()
    wrong = ({"limit": "101"}, {"offset": "-1"}, {"limit": "x"}, {"offset": "9990"})
    bad = [account.client.get("/users", params=query).status_code for query in wrong]
    shown = [first[name] for name in ("limit", "offset", "more", "total")]

    assert (len(first["users"]), shown) == (25, [25, 0, True, None])
    assert (len(rest["users"]), rest["more"], rest["total"]) == (5, False, 30)
    assert bad == [400] * 4


def test_people_are_found_by_email(account: PagerDutyAccount) -> None:
    ann = account.person("ann")
    account.person("bob")
    found = account.client.get("/users", params={"query": "ANN@example.com"}).json()["users"]
    twice = account.client.post("/users", json={"user": {"type": "user", "name": "x", "email": "Ann@Example.com"}})

    assert [user["id"] for user in found] == [ann]
    assert (twice.status_code, twice.json()["error"]["errors"]) == (400, ["Email has already been taken"])


@pytest.mark.parametrize(
    ("path", "wrapper", "body", "word"),
    [
        ("/services", "service", {"escalation_policy": {"id": "P", "type": REFERENCE}}, "Name"),
        ("/services", "service", {"name": "x"}, "Escalation policy cannot be blank"),
        ("/services", "service", {"name": "x", "escalation_policy": {"id": "P", "type": REFERENCE}}, "not found"),
        ("/services", "service", {"name": "x", "colour": "red"}, "colour"),
        ("/services", "service", {"name": "x", "alert_grouping_parameters": {"type": "time"}}, "alert_grouping"),
        ("/services", "service", {"name": "x", "auto_resolve_timeout": -1}, "auto_resolve_timeout"),
        ("/escalation_policies", "escalation_policy", {"name": "x", "escalation_rules": []}, "escalation_rules"),
        (
            "/escalation_policies",
            "escalation_policy",
            {"name": "x", "escalation_rules": [{"escalation_delay_in_minutes": 0, "targets": []}]},
            "escalation_delay_in_minutes",
        ),
        (
            "/escalation_policies",
            "escalation_policy",
            {
                "name": "x",
                "escalation_rules": [
                    {"escalation_delay_in_minutes": 5, "targets": [{"id": "PNONE", "type": "user_reference"}]}
                ],
            },
            "PNONE not found",
        ),
        ("/users", "user", {"name": "x", "email": "nobody"}, "email"),
        ("/users", "person", {}, "Missing required parameter: user"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    account: PagerDutyAccount, path: str, wrapper: str, body: dict[str, Any], word: str
) -> None:
    answer = account.client.post(path, json={wrapper: body})

    assert answer.status_code == 400
    assert (answer.json()["error"]["code"], answer.json()["error"]["message"]) == (2001, "Invalid Input Provided")
    assert any(word in error for error in answer.json()["error"]["errors"]), answer.text
    assert account.found(Kind.REQUEST_REFUSED)[0].details["status"] == 400


EVENT: dict[str, Any] = {
    "name": "weekly",
    "start_time": {"date_time": "2026-02-02T09:00:00Z", "time_zone": "UTC"},
    "end_time": {"date_time": "2026-02-09T09:00:00Z", "time_zone": "UTC"},
    "effective_since": "2026-03-02T09:00:00Z",
    "recurrence": ["RRULE:FREQ=WEEKLY"],
    "assignment_strategy": {"type": "every_member_assignment_strategy", "members": [{"type": "empty_member"}]},
}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"recurrence": ["RRULE:FREQ=NEVER"]}, "event.recurrence"),
        ({"recurrence": []}, "event.recurrence"),
        ({"recurrence": ["RRULE:FREQ=WEEKLY", "RRULE:FREQ=DAILY"]}, "event.recurrence"),
        ({"end_time": EVENT["start_time"]}, "event.end_time"),
        ({"effective_since": "2027-03-02T09:00:00Z"}, "event.effective_since"),
        ({"effective_until": "2026-02-02T09:00:00Z"}, "event.effective_until"),
        ({"start_time": {"date_time": "2026-02-02T09:00:00Z", "time_zone": "Mars"}}, "event.start_time.time_zone"),
        ({"start_time": {"date_time": "2026-02-02T09:00:00", "time_zone": "UTC"}}, "event.start_time.date_time"),
        (
            {
                "assignment_strategy": {
                    "type": "rotating_member_assignment_strategy",
                    "members": [{"type": "empty_member"}],
                }
            },
            "event.assignment_strategy.shifts_per_member",
        ),
        (
            {"assignment_strategy": {"type": "user_assignment_strategy", "members": [{"type": "empty_member"}]}},
            "event.assignment_strategy.type",
        ),
        (
            {
                "assignment_strategy": {
                    "type": "every_member_assignment_strategy",
                    "members": [{"type": "empty_member"}] * 21,
                }
            },
            "event.assignment_strategy.members",
        ),
        (
            {
                "assignment_strategy": {
                    "type": "every_member_assignment_strategy",
                    "members": [{"type": "user_member", "user_id": "PNONE"}],
                }
            },
            "event.assignment_strategy.members",
        ),
    ],
)
def test_an_event_that_cannot_be_is_refused_by_its_field(
    account: PagerDutyAccount, change: dict[str, Any], field: str
) -> None:
    schedule = account.make("/v3/schedules", "schedule", name="s", time_zone="UTC")["id"]
    rotation = account.make(f"/v3/schedules/{schedule}/rotations", "rotation")["id"]
    path = f"/v3/schedules/{schedule}/rotations/{rotation}/events"
    good = account.client.post(path, json={"event": EVENT})
    bad = account.client.post(path, json={"event": {**EVENT, **change}})

    assert good.status_code == 201
    assert bad.status_code == 400
    assert list(bad.json()["error"]["errors"]) == [field]


def test_of_an_event_that_has_begun_only_the_end_can_be_changed(account: PagerDutyAccount) -> None:
    schedule = account.make("/v3/schedules", "schedule", name="s", time_zone="UTC")["id"]
    rotation = account.make(f"/v3/schedules/{schedule}/rotations", "rotation")["id"]
    path = f"/v3/schedules/{schedule}/rotations/{rotation}/events"
    event = account.make(path, "event", **EVENT)["id"]
    ahead = account.client.put(f"{path}/{event}", json={"event": {"name": "other"}})
    account.pass_time(60 * 24 * 3600)
    begun = account.client.put(f"{path}/{event}", json={"event": {"name": "third"}})
    ended = account.client.put(f"{path}/{event}", json={"event": {"effective_until": "2026-04-20T00:00:00Z"}})
    account.pass_time(60 * 24 * 3600)
    past = account.client.put(f"{path}/{event}", json={"event": {"effective_until": None}})

    assert [each.status_code for each in (ahead, begun, ended, past)] == [200, 400, 200, 400]


def test_what_is_in_use_cannot_be_deleted(account: PagerDutyAccount) -> None:
    ann = account.person("ann")
    schedule = account.make("/v3/schedules", "schedule", name="s", time_zone="UTC")["id"]
    policy = account.policy((5, [("user", ann), ("schedule", schedule)]))
    account.service(policy)
    service = account.client.get("/services").json()["services"][0]["id"]
    in_use = [f"/users/{ann}", f"/v3/schedules/{schedule}", f"/escalation_policies/{policy}"]
    refused = [account.client.delete(path).status_code for path in in_use]
    gone = [account.client.delete(path).status_code for path in (f"/services/{service}", *reversed(in_use))]
    again = [account.client.delete(path).status_code for path in in_use]

    assert refused == [400, 400, 400]
    assert gone == [204] * 4
    assert again == [404] * 3


def test_a_path_that_the_stand_in_does_not_know_is_named(account: PagerDutyAccount) -> None:
    unknown = account.client.get("/maintenance_windows")
    wrong = account.client.delete("/incidents")

    assert (unknown.status_code, wrong.status_code) == (404, 405)
    assert "GET /maintenance_windows is not part of this stand-in" in unknown.json()["error"]["errors"]
    assert len(account.found(Kind.REQUEST_REFUSED)) == 2


@pytest.fixture
def served(tmp_path: Path) -> Iterator[HttpService]:
    service = HttpService("pagerduty", create_application(Journal(tmp_path / "journal.jsonl"), Clock(1), token=TOKEN))
    service.start()
    wait_until_ready(service, timeout_seconds=10)
    yield service
    service.stop()


def test_the_official_client_manages_pages_acknowledges_and_resolves(served: HttpService) -> None:
    client = PlainHttp(TOKEN, default_from="ann@example.com")
    client.url = served.address
    ann = client.rpost("users", json={"user": {"type": "user", "name": "ann", "email": "ann@example.com"}})
    found = client.find("users", "ann@example.com", attribute="email")
    rule = {"escalation_delay_in_minutes": 5, "targets": [{"id": ann["id"], "type": "user_reference"}]}
    policy = client.rpost(
        "escalation_policies",
        json={"type": "escalation_policy", "name": "trading", "num_loops": 1, "escalation_rules": [rule]},
    )
    service = client.rpost(
        "services",
        json={"type": "service", "name": "orders", "escalation_policy": {"id": policy["id"], "type": REFERENCE}},
    )
    integration = client.rpost(
        f"services/{service['id']}/integrations", json={"type": "events_api_v2_inbound_integration", "name": "am"}
    )
    events = PlainHttpEvents(integration["integration_key"])
    events.url = served.address
    key = events.trigger("CriticalLatency", "prometheus", severity="critical", custom_details={"firing": "1"})
    (incident,) = client.list_all("incidents", params={"statuses[]": ["triggered"]})
    (alert,) = client.list_all(f"incidents/{incident['id']}/alerts")
    events.acknowledge(key)
    acknowledged = client.rget(incident)
    client.rpost(f"incidents/{incident['id']}/notes", json={"content": "looking"})
    resolved = client.rput(incident, json={"type": "incident_reference", "status": "resolved"})
    on_call = client.list_all("oncalls", params={"escalation_policy_ids[]": [policy["id"]]})
    log = [entry["type"] for entry in client.iter_all(f"incidents/{incident['id']}/log_entries")]
    schedule = client.rpost("/v3/schedules", json={"schedule": {"name": "primary", "time_zone": "UTC"}})
    changed = client.rput(policy, json={**policy, "num_loops": 2})

    assert found is not None
    assert found["id"] == ann["id"]
    assert (incident["title"], alert["alert_key"], alert["body"]["details"]) == (
        "CriticalLatency",
        key,
        {"firing": "1"},
    )
    assert (acknowledged["status"], resolved["status"]) == ("acknowledged", "resolved")
    assert [entry["user"]["summary"] for entry in on_call] == ["ann"]
    kinds = ["resolve", "annotate", "acknowledge", "notify", "assign", "trigger"]
    assert log == [f"{kind}_log_entry" for kind in kinds]
    assert schedule is not None
    assert changed["num_loops"] == 2


def test_the_official_client_reads_the_errors(served: HttpService) -> None:
    client = PlainHttp(TOKEN)
    client.url = served.address
    events = PlainHttpEvents("f" * 32)
    events.url = served.address

    with pytest.raises(pagerduty.HttpError, match="404"):
        client.rget("users/PNONE")
    with pytest.raises(pagerduty.HttpError, match="400"):
        events.trigger("x", "y")


def test_a_schedule_of_an_open_incident_s_policy_is_not_deleted(account: PagerDutyAccount) -> None:
    """The incident keeps the policy as it was when it was triggered: terraform-provider-pagerduty 902."""
    ann, bob = account.person("ann"), account.person("bob")
    schedule = account.make("/v3/schedules", "schedule", name="old", time_zone="UTC")["id"]
    policy = account.policy((5, [("schedule", schedule), ("user", ann)]))
    account.service(policy).send()
    (incident,) = account.incidents()
    in_use = account.client.delete(f"/v3/schedules/{schedule}")
    rules = [{"escalation_delay_in_minutes": 5, "targets": [{"id": bob, "type": "user_reference"}]}]
    body = {"escalation_policy": {"type": "escalation_policy", "name": "trading", "escalation_rules": rules}}
    account.client.put(f"/escalation_policies/{policy}", json=body).raise_for_status()
    account.change(incident["id"], status="acknowledged").raise_for_status()
    open_still = account.client.delete(f"/v3/schedules/{schedule}")
    account.change(incident["id"], status="resolved").raise_for_status()
    resolved = account.client.delete(f"/v3/schedules/{schedule}")

    assert [(one.status_code, one.json()["error"]["errors"]) for one in (in_use, open_still)] == [
        (400, ["Schedule can't be deleted if it's being used by escalation policies"]),
        (
            400,
            ["Schedule can't be deleted if it's being used by an escalation policy snapshot with open incidents"],
        ),
    ]
    assert resolved.status_code == 204


def test_an_open_incident_escalates_by_the_policy_as_it_was(account: PagerDutyAccount) -> None:
    ann, bob, eve = account.person("ann"), account.person("bob"), account.person("eve")
    policy = account.policy((5, [("user", ann)]), (5, [("user", bob)]))
    account.service(policy).send()
    rules = [
        {"escalation_delay_in_minutes": 5, "targets": [{"id": person, "type": "user_reference"}]}
        for person in (ann, eve)
    ]
    body = {"escalation_policy": {"type": "escalation_policy", "name": "trading", "escalation_rules": rules}}
    account.client.put(f"/escalation_policies/{policy}", json=body).raise_for_status()
    account.pass_time(5 * 60)

    assert account.notified() == [("ann", "1"), ("bob", "2")]


def test_the_official_client_makes_an_orchestration_that_pages(served: HttpService) -> None:
    client = PlainHttp(TOKEN, default_from="ann@example.com")
    client.url = served.address
    ann = client.rpost("users", json={"type": "user", "name": "ann", "email": "ann@example.com"})
    rule = {"escalation_delay_in_minutes": 5, "targets": [{"id": ann["id"], "type": "user_reference"}]}
    policy = client.rpost("escalation_policies", json={"name": "trading", "escalation_rules": [rule]})
    reference = {"id": policy["id"], "type": REFERENCE}
    service = client.rpost("services", json={"type": "service", "name": "orders", "escalation_policy": reference})
    # The client has another wrapper than the published schema for this one.
    body = {"orchestration": {"name": "Orion"}}
    orchestration = client.jpost("event_orchestrations", json=body)["orchestration"]
    path = f"event_orchestrations/{orchestration['id']}"
    integration = client.rpost(f"{path}/integrations", json={"label": "Alertmanager 1"})
    route = {
        "conditions": [{"expression": "event.component matches 'orders'"}],
        "actions": {"route_to": service["id"]},
    }
    client.rput(f"{path}/router", json={"sets": [{"id": "start", "rules": [route]}]})
    events = PlainHttpEvents(integration["parameters"]["routing_key"])
    events.url = served.address
    key = events.trigger("Down", "prometheus", severity="critical", payload={"component": "orders"})
    (incident,) = client.list_all("incidents", params={"statuses[]": ["triggered"]})

    assert [each["name"] for each in client.list_all("event_orchestrations")] == ["Orion"]
    assert incident["service"]["id"] == service["id"]
    assert incident["incident_key"] == key
