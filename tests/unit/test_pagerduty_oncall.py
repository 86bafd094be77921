"""Shifts: recurrences in their own time zone, turns, and empty places."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sandbox.clouds.pagerduty.oncall import BadRecurrence, coverage_percent, event_shifts, on_call, recurrence, shifts
from sandbox.clouds.pagerduty.schedule_model import Assignment, Member, Rotation, RotationEvent, Schedule
from tests.pagerduty_account import PagerDutyAccount

NEW_YORK = "America/New_York"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def event(**changes: Any) -> RotationEvent:
    """Monday nine o'clock in New York for a week, ann and bob in turn."""
    values: dict[str, Any] = {
        "id": "E",
        "name": "weekly",
        "start": at("2026-01-05T09:00:00-05:00"),
        "end": at("2026-01-12T09:00:00-05:00"),
        "time_zone": NEW_YORK,
        "recurrence": ("RRULE:FREQ=WEEKLY;INTERVAL=1",),
        "assignment": Assignment(members=(Member("ann"), Member("bob")), shifts_per_member=1),
        "effective_since": at("2026-01-05T09:00:00-05:00"),
        "effective_until": None,
        **changes,
    }
    return RotationEvent(**values)


def schedule(*events: RotationEvent) -> Schedule:
    return Schedule(
        id="S",
        name="s",
        time_zone=NEW_YORK,
        description="",
        teams=(),
        rotations=[Rotation(id="R", events=list(events))],
    )


def who(plan: Schedule, moment: str) -> list[str | None]:
    return [shift.member.user for shift in on_call(plan, at(moment))]


@pytest.mark.parametrize(
    ("moment", "person"),
    [
        ("2026-01-05T08:59:59-05:00", []),
        ("2026-01-05T09:00:00-05:00", ["ann"]),
        ("2026-01-12T08:59:59-05:00", ["ann"]),
        ("2026-01-12T09:00:00-05:00", ["bob"]),
        ("2026-01-19T09:00:00-05:00", ["ann"]),
        # Summer time began on 8 March: the shift still changes at nine by the wall clock, not at ten.
        ("2026-03-09T08:59:59-04:00", ["ann"]),
        ("2026-03-09T09:00:00-04:00", ["bob"]),
    ],
)
def test_people_take_turns_at_nine_by_the_wall_clock(moment: str, person: list[str]) -> None:
    assert who(schedule(event()), moment) == person


def test_a_week_with_a_clock_change_has_no_gap_and_no_overlap() -> None:
    found = list(event_shifts(event(), "R", at("2026-12-01T00:00:00Z")))
    lengths = {shift.end - shift.start for shift in found}

    assert all(before.end == after.start for before, after in pairwise(found))
    assert lengths == {timedelta(days=7, hours=hours) for hours in (-1, 0, 1)}


def test_turns_are_counted_from_the_first_occurrence_that_takes_effect() -> None:
    late = event(effective_since=at("2026-01-14T00:00:00Z"))

    assert who(schedule(late), "2026-01-13T12:00:00Z") == []
    assert who(schedule(late), "2026-01-14T00:00:00Z") == ["ann"]
    assert who(schedule(late), "2026-01-20T00:00:00Z") == ["bob"]


def test_shifts_per_member() -> None:
    plan = schedule(event(assignment=Assignment(members=(Member("ann"), Member("bob")), shifts_per_member=2)))

    assert [who(plan, f"2026-01-{day:02}T12:00:00Z") for day in (6, 13, 20, 27)] == [["ann"], ["ann"], ["bob"], ["bob"]]


def test_every_member_and_empty_places() -> None:
    both = schedule(event(assignment=Assignment(members=(Member("ann"), Member("bob")), shifts_per_member=None)))
    gap = schedule(event(assignment=Assignment(members=(Member("ann"), Member(None)), shifts_per_member=1)))

    assert who(both, "2026-01-06T00:00:00Z") == ["ann", "bob"]
    assert who(gap, "2026-01-13T00:00:00Z") == []


def test_an_event_ends_and_dates_are_left_out_and_put_in() -> None:
    ended = event(effective_until=at("2026-01-14T00:00:00Z"))
    dates = event(
        recurrence=(
            "RRULE:FREQ=WEEKLY;UNTIL=20260120T000000Z",
            "EXDATE;TZID=America/New_York:20260112T090000",
            "RDATE:20260126T140000Z",
        )
    )

    assert who(schedule(ended), "2026-01-13T23:59:59Z") == ["bob"]
    assert who(schedule(ended), "2026-01-14T00:00:00Z") == []
    assert [who(schedule(dates), f"2026-01-{day}T12:00:00Z") for day in (13, 20, 27)] == [[], ["bob"], ["ann"]]


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["RRULE:FREQ=WEEKLY", "RRULE:FREQ=DAILY"],
        ["RRULE:FREQ=SOMETIMES"],
        ["FREQ=WEEKLY"],
        ["EXRULE:FREQ=WEEKLY"],
        ["RRULE:FREQ=WEEKLY", "EXDATE:tomorrow"],
        ["RRULE:"],
    ],
)
def test_what_is_no_recurrence_is_refused(lines: list[str]) -> None:
    with pytest.raises(BadRecurrence):
        recurrence(lines, at("2026-01-05T14:00:00Z"), ZoneInfo("UTC"))


def test_coverage() -> None:
    since, until = at("2026-01-05T14:00:00Z"), at("2026-01-19T14:00:00Z")
    half = schedule(event(assignment=Assignment(members=(Member("ann"), Member(None)), shifts_per_member=1)))

    assert coverage_percent(shifts(schedule(event()), since, until), since, until) == 100
    assert coverage_percent(shifts(half, since, until), since, until) == 50


def test_the_person_on_call_at_the_time_of_the_incident_is_notified(tmp_path: Path) -> None:
    account = PagerDutyAccount(tmp_path)
    people = [account.person(name) for name in ("ann", "bob")]
    schedule_id = account.make("/v3/schedules", "schedule", name="primary", time_zone="Europe/London")["id"]
    rotation = account.make(f"/v3/schedules/{schedule_id}/rotations", "rotation")["id"]
    monday = "2026-01-05T09:00:00Z"
    made = account.make(
        f"/v3/schedules/{schedule_id}/rotations/{rotation}/events",
        "event",
        name="weekly",
        start_time={"date_time": monday, "time_zone": "Europe/London"},
        end_time={"date_time": "2026-01-12T09:00:00Z", "time_zone": "Europe/London"},
        effective_since=monday,
        recurrence=["RRULE:FREQ=WEEKLY"],
        assignment_strategy={
            "type": "rotating_member_assignment_strategy",
            "shifts_per_member": 1,
            "members": [{"type": "user_member", "user_id": person} for person in people],
        },
    )
    orders = account.service(account.policy((5, [("schedule", schedule_id)])))
    orders.send(dedup_key="a")
    account.pass_time(7 * 24 * 3600)
    orders.send(dedup_key="b")
    entry = account.client.get("/oncalls", params={"schedule_ids[]": schedule_id}).json()["oncalls"]

    # The event began in the past: the API moved it to now, and the turns are counted from there.
    assert made["effective_since"] == "2026-02-02T02:40:00Z"
    assert account.notified() == [("ann", "1"), ("bob", "1")]
    assert [(each["user"]["summary"], each["end"]) for each in entry] == [("bob", "2026-02-09T09:00:00Z")]
