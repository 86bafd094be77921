"""Computes on-call shifts from the catalog alone, without PagerDuty.

Turns begin and end by the wall clock of the schedule's time zone, so that a handoff at nine is at nine on either side
of a clock change, and a turn across one is an hour longer or shorter. Of a time that a clock change repeats, the first
is meant (RFC 5545, 3.3.5); one that it leaves out counts by the offset before the change. `alerting.checks` refuses
both, since PagerDuty does not say what it makes of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import count
from zoneinfo import ZoneInfo

from alerting.oncall.teams import OverrideEntry, RotationEntry, ScheduleEntry, Turn

WEEK_DAYS = 7
NOON = time(12)
KEPT_ZONES = 256
"""Of how many zones and years the days of clock changes are kept: each handoff of a zone is checked against them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A time in which a person is on call. Times are UTC; `instead_of` is who an override has replaced, and why."""

    start: datetime
    end: datetime
    person: str
    rotation: str
    instead_of: str | None = None
    reason: str | None = None

    def holds(self, at: datetime) -> bool:
        """Say whether `at` lies in this shift."""
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalShift:
    """A shift by the wall clock: naive times of the schedule's zone, and who of `people` has it."""

    start: datetime
    end: datetime
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time in which nobody is on call, in UTC."""

    start: datetime
    end: datetime


def instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment, in UTC, of a wall-clock time."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def wall_clock(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return the naive wall-clock time of a moment."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def exists(local: datetime, zone: ZoneInfo) -> bool:
    """Say whether the wall clock of a zone ever shows a time: a clock change leaves some out."""
    return wall_clock(instant(local, zone), zone) == local


def clock_change_at(time_of_day: time, zone: ZoneInfo, since: date, until: date) -> date | None:
    """Return the first day on which a clock change leaves a time of day out or repeats it, if there is one."""
    for day in _days_of_changes(zone, since, until):
        local = datetime.combine(day, time_of_day, tzinfo=zone)
        if local.utcoffset() != local.replace(fold=1).utcoffset():
            return day
    return None


@lru_cache(maxsize=KEPT_ZONES)
def _days_of_changes(zone: ZoneInfo, since: date, until: date) -> tuple[date, ...]:
    """Return the days beside a change of a zone's offset: by one of two noons in a row it is another.

    A change leaves out or repeats times of the one day or of the other.
    """
    noons = [
        datetime.combine(since + timedelta(days=number), NOON, tzinfo=zone).utcoffset()
        for number in range(-1, (until - since).days + 2)
    ]
    return tuple(
        since + timedelta(days=number)
        for number, (before, same, after) in enumerate(zip(noons, noons[1:], noons[2:], strict=False))
        if not before == same == after
    )


def turn_days(rotation: RotationEntry) -> int:
    """Return how many days one person's turn has."""
    return WEEK_DAYS if rotation.turn is Turn.WEEKLY else 1


def shift_days(rotation: RotationEntry) -> int:
    """Return how many days lie between the starts of two shifts: a turn is one shift, or one for each day's hours."""
    return 1 if rotation.until is not None else turn_days(rotation)


def local_shift(rotation: RotationEntry, number: int) -> LocalShift:
    """Return a rotation's shift by its number: 0 is the first on `first_day`, those before it are negative."""
    days = number * shift_days(rotation)
    day = rotation.first_day + timedelta(days=days)
    start = datetime.combine(day, rotation.handoff)
    if rotation.until is None:
        end = start + timedelta(days=shift_days(rotation))
    else:
        over_midnight = timedelta(days=rotation.until <= rotation.handoff)
        end = datetime.combine(day + over_midnight, rotation.until)
    return LocalShift(start=start, end=end, position=position(rotation, number))


def position(rotation: RotationEntry, number: int) -> int:
    """Return the place in the rotation's list of whoever has its shift with a number."""
    return number * shift_days(rotation) // turn_days(rotation) % len(rotation.people)


def planned(
    name: str, rotation: RotationEntry, zone: ZoneInfo, since: datetime, until: datetime
) -> Iterator[tuple[int, Shift]]:
    """Yield a rotation's numbered shifts that touch a time, without overrides, in order and in full length."""
    if not rotation.people:
        return
    since, until = since.astimezone(UTC), until.astimezone(UTC)
    days = shift_days(rotation)
    first = max(0, (since.astimezone(zone).date() - rotation.first_day).days // days - 2)
    local = local_shift(rotation, first)
    # A year has hundreds of shifts: Python adds days to times of one zone by the wall clock.
    starts, ends, step = local.start.replace(tzinfo=zone), local.end.replace(tzinfo=zone), timedelta(days=days)
    for number in count(first):
        start, end = starts.astimezone(UTC), ends.astimezone(UTC)
        if start >= until or (rotation.last_day is not None and starts.date() > rotation.last_day):
            return
        if since < end > start:
            yield number, Shift(start=start, end=end, person=rotation.people[position(rotation, number)], rotation=name)
        starts += step
        ends += step


def shifts(schedule: ScheduleEntry, since: datetime, until: datetime) -> list[Shift]:
    """Return the shifts that touch a time, overrides applied, the earliest first. They keep their full length."""
    zone = ZoneInfo(schedule.time_zone)
    found = [
        part
        for name, rotation in schedule.rotations.items()
        for _, shift in planned(name, rotation, zone, since, until)
        for part in overridden(shift, schedule.overrides)
    ]
    touching = (shift for shift in found if shift.end > since and shift.start < until)
    return sorted(touching, key=lambda shift: (shift.start, shift.rotation))


def overridden(shift: Shift, overrides: Iterable[OverrideEntry]) -> list[Shift]:
    """Return what overrides make of a planned shift, in order. Of two that overlap, the first counts."""
    parts = [shift]
    for override in overrides:
        parts = [piece for part in parts for piece in _pieces(part, override)]
    return parts


def concerns(shift: Shift, override: OverrideEntry) -> bool:
    """Say whether an override takes anything of a planned shift."""
    who = override.instead_of in (None, shift.person)
    return who and max(shift.start, override.since) < min(shift.end, override.until)


def _pieces(part: Shift, override: OverrideEntry) -> Iterator[Shift]:
    if part.instead_of is not None or not concerns(part, override):
        yield part
        return
    start = max(part.start, override.since.astimezone(UTC))
    end = min(part.end, override.until.astimezone(UTC))
    if part.start < start:
        yield replace(part, end=start)
    yield replace(part, start=start, end=end, person=override.person, instead_of=part.person, reason=override.reason)
    if end < part.end:
        yield replace(part, start=end)


def on_call(schedule: ScheduleEntry, at: datetime) -> list[Shift]:
    """Return the shifts of the people who are on call at a moment, one a person."""
    found: dict[str, Shift] = {}
    for shift in shifts(schedule, at, at + timedelta(microseconds=1)):
        found.setdefault(shift.person, shift)
    return list(found.values())


def gaps(found: Iterable[Shift], since: datetime, until: datetime) -> list[Gap]:
    """Return when, in a time, none of these shifts holds. The shifts come in the order of their starts."""
    result: list[Gap] = []
    reached = since
    for shift in found:
        if shift.start > reached:
            result.append(Gap(start=reached, end=min(shift.start, until)))
        reached = max(reached, shift.end)
        if reached >= until:
            return result
    return [*result, Gap(start=reached, end=until)]


def turns(found: Iterable[Shift]) -> list[Shift]:
    """Return shifts with those joined that are one person's turn: the days of a week follow each other so."""
    joined: list[Shift] = []
    latest: dict[str, int] = {}
    for shift in found:
        before = latest.get(shift.rotation)
        if before is not None and _same_turn(joined[before], shift):
            joined[before] = replace(joined[before], end=shift.end)
        else:
            latest[shift.rotation] = len(joined)
            joined.append(shift)
    return joined


def _same_turn(before: Shift, after: Shift) -> bool:
    return (before.person, before.instead_of) == (after.person, after.instead_of)
