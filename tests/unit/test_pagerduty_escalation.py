"""Notifications of an incident and the effects of its timers, on a clock that the test moves."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from sandbox.clock import Clock
from sandbox.clouds.pagerduty.scheduler import Scheduler
from sandbox.journal import Kind
from tests.pagerduty_account import PagerDutyAccount

MINUTE = 60


@pytest.fixture
def account(tmp_path: Path) -> PagerDutyAccount:
    return PagerDutyAccount(tmp_path)


@pytest.fixture
def people(account: PagerDutyAccount) -> dict[str, str]:
    return {name: account.person(name) for name in ("ann", "bob", "cid")}


def test_levels_follow_each_other_and_the_policy_repeats(account: PagerDutyAccount, people: dict[str, str]) -> None:
    policy = account.policy((5, [("user", people["ann"])]), (10, [("user", people["bob"])]), loops=1)
    account.service(policy).send()

    account.pass_time(5 * MINUTE - 1)
    before = account.notified()
    account.pass_time(1)
    second = account.notified()
    account.pass_time(10 * MINUTE)
    repeated = account.notified()
    account.pass_time(24 * 60 * MINUTE)
    log = account.client.get(f"/incidents/{account.incidents()[0]['id']}/log_entries?limit=100").json()["log_entries"]

    assert before == [("ann", "1")]
    assert second == [("ann", "1"), ("bob", "2")]
    assert repeated == [("ann", "1"), ("bob", "2"), ("ann", "1")]
    assert account.notified() == [("ann", "1"), ("bob", "2"), ("ann", "1"), ("bob", "2")]
    assert [entry["type"] for entry in log].count("repeat_escalation_path_log_entry") == 1
    assert [entry["type"] for entry in log].count("exhaust_escalation_path_log_entry") == 1
    assert [each["assignee"]["summary"] for each in account.incidents()[0]["assignments"]] == ["bob"]


def test_a_scale_shortens_every_timer(tmp_path: Path) -> None:
    account = PagerDutyAccount(tmp_path, scale=20)
    people = {name: account.person(name) for name in ("ann", "bob")}
    account.service(account.policy((5, [("user", people["ann"])]), (5, [("user", people["bob"])]))).send()

    account.pass_time(14.9)
    before = account.notified()
    account.pass_time(0.2)

    assert before == [("ann", "1")]
    assert account.notified() == [("ann", "1"), ("bob", "2")]


def test_an_acknowledgement_stops_the_escalation_until_it_runs_out(
    account: PagerDutyAccount, people: dict[str, str]
) -> None:
    policy = account.policy((5, [("user", people["ann"])]), (10, [("user", people["bob"])]))
    orders = account.service(policy, acknowledgement_timeout=1800)
    orders.send()
    orders.send("acknowledge")

    account.pass_time(1799)
    held = (account.incidents()[0]["status"], account.notified())
    account.pass_time(1)
    back = (account.incidents()[0]["status"], account.notified())
    account.pass_time(5 * MINUTE)

    assert held == ("acknowledged", [("ann", "1")])
    assert back == ("triggered", [("ann", "1"), ("ann", "1")])
    assert account.notified()[-1] == ("bob", "2")
    assert account.found(Kind.INCIDENT_TRIGGERED)[-1].details["again"] is True


def test_without_a_timeout_an_acknowledgement_holds(account: PagerDutyAccount) -> None:
    orders = account.simple(acknowledgement_timeout=0)
    orders.send()
    orders.send("acknowledge")
    account.pass_time(100 * 60 * MINUTE)

    assert account.incidents()[0]["status"] == "acknowledged"


def test_a_service_that_says_nothing_ends_its_incidents_after_four_hours(
    account: PagerDutyAccount, people: dict[str, str]
) -> None:
    policy = account.policy((5, [("user", people["ann"])]))
    reference = {"id": policy, "type": "escalation_policy_reference"}
    service = account.make("/services", "service", type="service", name="defaults", escalation_policy=reference)
    orders = account.service(policy, auto_resolve_timeout=14400)
    orders.send()

    account.pass_time(14399)
    before = account.incidents()[0]["status"]
    account.pass_time(1)

    assert (service["auto_resolve_timeout"], service["acknowledgement_timeout"]) == (14400, 1800)
    assert (before, account.incidents()[0]["status"]) == ("triggered", "resolved")


def test_a_resolved_incident_notifies_nobody_more(account: PagerDutyAccount, people: dict[str, str]) -> None:
    policy = account.policy((5, [("user", people["ann"])]), (5, [("user", people["bob"])]), loops=3)
    orders = account.service(policy)
    orders.send()
    orders.send("resolve")
    account.pass_time(24 * 60 * MINUTE)

    assert account.notified() == [("ann", "1")]
    assert account.scheduler.next_due() is None


def test_low_urgency_does_not_escalate(account: PagerDutyAccount, people: dict[str, str]) -> None:
    policy = account.policy((5, [("user", people["ann"])]), (5, [("user", people["bob"])]))
    account.service(policy).send(payload={"severity": "warning"})
    account.pass_time(60 * MINUTE)

    assert account.incidents()[0]["urgency"] == "low"
    assert account.notified() == [("ann", "1")]


@pytest.mark.parametrize(
    ("severity", "urgency"), [("critical", "high"), ("error", "high"), ("warning", "low"), ("info", "low")]
)
def test_urgency_follows_severity(account: PagerDutyAccount, severity: str, urgency: str) -> None:
    account.simple().send(payload={"severity": severity})

    assert account.incidents()[0]["urgency"] == urgency


def test_all_targets_of_a_level_are_notified_once_each(account: PagerDutyAccount, people: dict[str, str]) -> None:
    ann, bob = people["ann"], people["bob"]
    account.service(account.policy((5, [("user", ann), ("user", bob), ("user", ann)]))).send()

    assert account.notified() == [("ann", "1"), ("bob", "1")]


def test_a_level_that_nobody_is_on_call_for_is_skipped(account: PagerDutyAccount, people: dict[str, str]) -> None:
    empty = account.make("/v3/schedules", "schedule", name="empty", time_zone="UTC")["id"]
    account.service(account.policy((5, [("schedule", empty)]), (5, [("user", people["bob"])]))).send()

    assert account.notified() == [("bob", "2")]


def test_with_nobody_on_call_anywhere_there_is_no_incident_and_the_journal_says_why(account: PagerDutyAccount) -> None:
    empty = account.make("/v3/schedules", "schedule", name="empty", time_zone="UTC")["id"]
    answer = account.service(account.policy((5, [("schedule", empty)]))).send()

    assert answer.status_code == 202
    assert account.incidents() == []
    assert "nobody is on call" in account.found(Kind.REQUEST_REFUSED)[0].details["reason"]


def test_a_reassigned_incident_leaves_its_policy(account: PagerDutyAccount, people: dict[str, str]) -> None:
    policy = account.policy((5, [("user", people["ann"])]), (5, [("user", people["bob"])]))
    account.service(policy).send()
    incident = account.incidents()[0]["id"]
    assignee = {"id": people["cid"], "type": "user_reference"}
    changed = account.change(incident, assignments=[{"assignee": assignee}]).json()["incident"]
    account.pass_time(60 * MINUTE)

    assert changed["assigned_via"] == "direct_assignment"
    assert account.notified() == [("ann", "1"), ("cid", "1")]


def test_escalating_by_hand_to_a_level_that_the_policy_has(account: PagerDutyAccount, people: dict[str, str]) -> None:
    policy = account.policy((5, [("user", people["ann"])]), (5, [("user", people["bob"])]))
    account.service(policy).send()
    incident = account.incidents()[0]["id"]
    too_far = account.change(incident, escalation_level=3)
    account.change(incident, escalation_level=2)
    account.change(incident, status="resolved", resolution="mended")
    notes = account.client.get(f"/incidents/{incident}/notes").json()["notes"]

    assert too_far.status_code == 400
    assert account.notified() == [("ann", "1"), ("bob", "2")]
    assert [note["content"] for note in notes] == ["Resolution Note: mended"]


def test_the_agenda_keeps_its_appointments_from_a_thread() -> None:
    happened = threading.Event()
    cancelled = threading.Event()
    scheduler = Scheduler(Clock(1000))
    scheduler.start()
    try:
        scheduler.after(60, cancelled.set).cancel()
        scheduler.after(100_000, cancelled.set)
        began = time.monotonic()
        scheduler.after(60, happened.set)

        assert happened.wait(10)
        assert time.monotonic() - began >= 0.06
        assert not cancelled.is_set()
    finally:
        scheduler.stop()
