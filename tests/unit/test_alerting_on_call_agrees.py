"""Shifts from the catalog equal those that PagerDuty computes from the deployed schedules, across clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.oncall import shifts
from alerting.oncall.pagerduty_rotations import pagerduty_rotations
from alerting.oncall.teams import ScheduleEntry
from sandbox.clouds.pagerduty import oncall
from sandbox.clouds.pagerduty.schedule_model import Assignment, Member, Rotation, RotationEvent, Schedule
from tests.rota_strategies import CHANGES, schedules


def told(schedule: ScheduleEntry, at: datetime) -> Schedule:
    """Return what PagerDuty keeps of a schedule that it is told at a moment: no event takes effect before that."""
    rotations = [
        Rotation(
            id=f"R{number}",
            events=[
                RotationEvent(
                    id=f"E{number}",
                    name=each.name,
                    start=datetime.fromisoformat(each.start).astimezone(UTC),
                    end=datetime.fromisoformat(each.end).astimezone(UTC),
                    time_zone=schedule.time_zone,
                    recurrence=each.recurrences,
                    assignment=Assignment(members=(Member(each.person),), shifts_per_member=each.shifts_per_turn),
                    effective_since=max(at, datetime.fromisoformat(each.effective_since)),
                    effective_until=None,
                )
            ],
        )
        for number, each in enumerate(pagerduty_rotations(schedule))
    ]
    return Schedule(id="S", name="any", time_zone=schedule.time_zone, description="", teams=(), rotations=rotations)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_pagerduty_reckons_what_the_catalog_says(data: st.DataObject) -> None:
    change = data.draw(st.sampled_from(CHANGES))
    schedule = data.draw(schedules(change))
    # Told before, between and after, since a rotation that is told anew must not begin anew.
    told_at = change + timedelta(days=data.draw(st.integers(-60, 10)), minutes=data.draw(st.integers(0, 1440)))
    since, until = max(told_at, change - timedelta(days=4)), change + timedelta(days=30)

    found = oncall.shifts(told(schedule, told_at), since, until)

    expected = shifts.shifts(schedule, since, until)
    assert sorted((max(shift.start, since), shift.end, shift.member.user or "") for shift in found) == sorted(
        (max(shift.start, since), shift.end, shift.person) for shift in expected
    )
    moment = since + timedelta(minutes=data.draw(st.integers(0, 26 * 1440)))
    assert {shift.member.user for shift in oncall.on_call(told(schedule, told_at), moment)} == {
        shift.person for shift in shifts.on_call(schedule, moment)
    }
