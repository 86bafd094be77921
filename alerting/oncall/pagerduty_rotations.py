"""Turns and overrides as PagerDuty takes them, such that what it counts never depends on when it was told.

PagerDuty moves the start of a rotation in the past to now, and counts turns from there; a rotation that has begun can't
be changed either, only be made anew. So people who took turns in one rotation would begin again with the first of them
at every change. Here each person has a rotation instead, which recurs every so many weeks or days and whose first
shift says which: who is on call is then fixed by the dates alone.

The provider has no overrides. The shifts that an override touches are left out of their rotation (EXDATE), and what it
makes of them follows as rotations of one shift each.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from alerting.oncall.shifts import (
    Shift,
    concerns,
    exists,
    instant,
    local_shift,
    overridden,
    planned,
    shift_days,
    turn_days,
)
from alerting.oncall.teams import RotationEntry, ScheduleEntry, Turn
from alerting.platform import Rotation

ONCE = "RRULE:FREQ=DAILY;COUNT=1"
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def pagerduty_rotations(schedule: ScheduleEntry) -> tuple[Rotation, ...]:
    """Return a schedule's rotations: one a place in each of the catalog's, then those that overrides make.

    In that order, since PagerDuty's provider compares rotations by position: an override leaves the others alone.
    """
    zone = ZoneInfo(schedule.time_zone)
    places = [
        _place(name, rotation, position, schedule, zone)
        for name, rotation in schedule.rotations.items()
        for position in range(len(rotation.people))
    ]
    return (*places, *_exceptions(schedule, zone))


def _place(name: str, rotation: RotationEntry, position: int, schedule: ScheduleEntry, zone: ZoneInfo) -> Rotation:
    cycle = len(rotation.people) * turn_days(rotation) // shift_days(rotation)
    number = position * turn_days(rotation) // shift_days(rotation)
    first = local_shift(rotation, number)
    # A first shift at a time that a clock change leaves out would move all others; one a cycle earlier does as well.
    while not (exists(first.start, zone) and exists(first.end, zone)):
        number -= cycle
        first = local_shift(rotation, number)
    left_out = (
        shift
        for number, shift in _touched(name, rotation, schedule, zone)
        if local_shift(rotation, number).position == position
    )
    return Rotation(
        name=f"{name} {position + 1}/{len(rotation.people)}",
        person=rotation.people[position],
        start=_utc(instant(first.start, zone)),
        end=_utc(instant(first.end, zone)),
        effective_since=_effective_since(rotation, zone),
        shifts_per_turn=turn_days(rotation) // shift_days(rotation),
        recurrences=(
            _recurrence(rotation, first.start, zone),
            *(f"EXDATE:{_basic(shift.start)}" for shift in left_out),
        ),
    )


def _recurrence(rotation: RotationEntry, first: datetime, zone: ZoneInfo) -> str:
    """Return how often a place's shifts come back: `first` is the wall-clock time of the first one."""
    interval = len(rotation.people)
    if rotation.turn is Turn.DAILY:
        rule = f"RRULE:FREQ=DAILY;INTERVAL={interval}"
    elif rotation.until is None:
        rule = f"RRULE:FREQ=WEEKLY;INTERVAL={interval}"
    else:
        # A turn begins on this day of the week, so weeks are counted from it.
        rule = f"RRULE:FREQ=WEEKLY;INTERVAL={interval};WKST={WEEKDAYS[first.weekday()]};BYDAY={','.join(WEEKDAYS)}"
    if rotation.last_day is None:
        return rule
    # Not the event's own end: PagerDuty refuses one that is past, and what has ended may stay in the catalog a while.
    return f"{rule};UNTIL={_basic(instant(datetime.combine(rotation.last_day, rotation.handoff), zone))}"


def _touched(
    name: str, rotation: RotationEntry, schedule: ScheduleEntry, zone: ZoneInfo
) -> Iterator[tuple[int, Shift]]:
    """Yield the numbered shifts that any override takes something of, each once, in order."""
    found = {
        number: shift
        for override in schedule.overrides
        for number, shift in planned(name, rotation, zone, override.since, override.until)
        if concerns(shift, override)
    }
    yield from sorted(found.items())


def _exceptions(schedule: ScheduleEntry, zone: ZoneInfo) -> Iterator[Rotation]:
    for name, rotation in schedule.rotations.items():
        for _, shift in _touched(name, rotation, schedule, zone):
            for part in overridden(shift, schedule.overrides):
                what = "override" if part.instead_of else "rest of a shift"
                yield Rotation(
                    name=f"{name} {what} {_basic(part.start)}",
                    person=part.person,
                    start=_utc(part.start),
                    end=_utc(part.end),
                    effective_since=_effective_since(rotation, zone),
                    recurrences=(ONCE,),
                )


def _effective_since(rotation: RotationEntry, zone: ZoneInfo) -> str:
    return _utc(instant(local_shift(rotation, 0).start, zone))


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _basic(moment: datetime) -> str:
    return moment.strftime("%Y%m%dT%H%M%SZ")
