"""Computes on-call shifts of a schedule from its rotations.

Recurrences are counted in the event's own time zone, so that a shift that begins at nine begins at nine on either side
of a clock change. PagerDuty does not document which occurrence is a rotation's first; here it is the first one that
ends after the event takes effect.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rruleset, rrulestr

from sandbox.clouds.pagerduty.schedule_model import Member, RotationEvent, Schedule

UNTIL = re.compile(r"UNTIL=(\d{8}(?:T\d{6}Z?)?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A time in which a member is on call, and where that comes from. Times are UTC."""

    start: datetime
    end: datetime
    member: Member
    rotation: str

    def holds(self, at: datetime) -> bool:
        """Say whether `at` lies in this shift."""
        return self.start <= at < self.end


class BadRecurrence(ValueError):
    """A recurrence that is not what RFC 5545 or the API allows."""


def recurrence(lines: Iterable[str], start: datetime, zone: ZoneInfo) -> rruleset:
    """Return the recurrence of local times that begins at `start`.

    Raises `BadRecurrence` unless there is exactly one RRULE and the rest are EXDATEs and RDATEs.
    """
    rules = rruleset()
    first = start.astimezone(zone).replace(tzinfo=None)
    found = 0
    for line in lines:
        kind, _, value = line.partition(":")
        name = kind.partition(";")[0].upper()
        try:
            if name == "RRULE":
                found += 1
                rules.rrule(_rule(value, first, zone))
            elif name in ("EXDATE", "RDATE"):
                add = rules.exdate if name == "EXDATE" else rules.rdate
                for each in value.split(","):
                    add(_local(each, _zone(kind, zone)))
        except (ValueError, KeyError, AttributeError) as error:  # what dateutil raises for text that is no rule
            raise BadRecurrence(f"{line!r} is no recurrence: {error}") from error
        if name not in ("RRULE", "EXDATE", "RDATE"):
            raise BadRecurrence(f"{line!r} is none of RRULE, EXDATE, RDATE")
    if found != 1:
        raise BadRecurrence(f"must contain exactly one RRULE, found {found}")
    return rules


def _rule(text: str, first: datetime, zone: ZoneInfo) -> rrule:
    rule = rrulestr(UNTIL.sub(lambda until: f"UNTIL={_local(until[1], zone):%Y%m%dT%H%M%S}", text), dtstart=first)
    if not isinstance(rule, rrule):
        raise ValueError("more than one rule")  # noqa: TRY004 - it is a text that is wrong, not a type
    return rule


def _zone(kind: str, default: ZoneInfo) -> ZoneInfo:
    _, _, name = kind.partition("TZID=")
    return ZoneInfo(name) if name else default


def _local(text: str, zone: ZoneInfo) -> datetime:
    """Return a date or a time of RFC 5545 as a local time of the zone."""
    if text.endswith("Z"):
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
    return datetime.strptime(text, "%Y%m%dT%H%M%S" if "T" in text else "%Y%m%d")  # noqa: DTZ007 - a local time


def event_shifts(event: RotationEvent, rotation: str, until: datetime) -> Iterator[Shift]:
    """Yield an event's shifts that begin before `until`, in order."""
    zone = ZoneInfo(event.time_zone)
    first = event.start.astimezone(zone).replace(tzinfo=None)
    last = event.end.astimezone(zone).replace(tzinfo=None)
    stop = until if event.effective_until is None else min(until, event.effective_until)
    number = 0
    for occurrence in recurrence(event.recurrence, event.start, zone):
        start = occurrence.replace(tzinfo=zone).astimezone(UTC)
        if start >= stop:
            return
        end = (occurrence + (last - first)).replace(tzinfo=zone).astimezone(UTC)
        if end <= event.effective_since:
            continue
        assigned = event.assignment
        members = assigned.members
        if assigned.shifts_per_member is not None:
            members = (members[number // assigned.shifts_per_member % len(members)],)
        number += 1
        for member in members:
            yield Shift(
                start=max(start, event.effective_since),
                end=end if event.effective_until is None else min(end, event.effective_until),
                member=member,
                rotation=rotation,
            )


def shifts(schedule: Schedule, since: datetime, until: datetime) -> list[Shift]:
    """Return the shifts that touch a time, overrides applied, the earliest first. They keep their full length."""
    found = [
        shift
        for rotation in schedule.rotations
        for event in rotation.events
        for shift in event_shifts(event, rotation.id, until)
        if shift.end > since
    ]
    return sorted((shift for shift in found if shift.end > since), key=lambda shift: (shift.start, shift.rotation))


def on_call(schedule: Schedule, at: datetime) -> list[Shift]:
    """Return the shifts of people who are on call at a moment: one a person, none for a place left empty."""
    found: dict[str, Shift] = {}
    for shift in shifts(schedule, at, at + timedelta(microseconds=1)):
        if shift.holds(at) and shift.member.user is not None:
            found.setdefault(shift.member.user, shift)
    return list(found.values())


def coverage_percent(found: Iterable[Shift], since: datetime, until: datetime) -> float:
    """Return how much of a time has somebody on call, from 0 to 100."""
    covered = timedelta()
    reached = since
    for shift in sorted(found, key=lambda shift: shift.start):
        if shift.member.user is None:
            continue
        start, end = max(shift.start, reached), min(shift.end, until)
        if end > start:
            covered += end - start
            reached = end
    return 100 * (covered / (until - since)) if until > since else 0.0
