"""Somebody is on call at every moment, and nobody is where the catalog says that they are not to be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from alerting.oncall import shifts
from alerting.oncall.shifts import Shift
from alerting.oncall.teams import LevelEntry, ScheduleEntry, Team
from alerting.source.problems import Problem
from alerting.source.yaml_source import Document

Duty = tuple[Shift, str]
"""A shift and its schedule."""
HORIZON = timedelta(days=400)
"""How far ahead is looked: every clock change of a year lies in it."""


def cover_problems(
    teams: Mapping[str, Team], sound: Mapping[str, ScheduleEntry], document: Document, now: datetime
) -> Iterator[Problem]:
    """Yield gaps, overlaps and people in two places between `now` and the horizon.

    `sound` are the schedules with which nothing else is wrong; a level with another one is left out.
    """
    until = now + HORIZON
    on_duty = {name: shifts.shifts(schedule, now, until) for name, schedule in sound.items()}
    duties: dict[str, list[Duty]] = defaultdict(list)
    for name, found in on_duty.items():
        for shift in found:
            duties[shift.person].append((shift, name))
    for name, team in teams.items():
        for schedule in team.schedules:
            if schedule in sound:
                yield from _overlap_problems(document, name, schedule, on_duty[schedule], sound[schedule])
        for index, level in enumerate(team.escalation.levels):
            yield from _gap_problems(document, (name, index), level, sound, on_duty, now)
        if team.one_duty_at_a_time:
            yield from _two_duties_problems(document, name, team, sound, duties)


def moment(at: datetime, zone: ZoneInfo) -> str:
    """Return a time as the people of a zone read it."""
    return f"{at.astimezone(zone):%a %Y-%m-%d %H:%M %Z}"


def level_gaps(schedules: Iterable[ScheduleEntry], since: datetime, until: datetime) -> list[shifts.Gap]:
    """Return when, in a time, nobody is on call on any of some schedules."""
    return _uncovered((shifts.shifts(schedule, since, until) for schedule in schedules), since, until)


def _uncovered(on_duty: Iterable[Sequence[Shift]], since: datetime, until: datetime) -> list[shifts.Gap]:
    every = (shift for each in on_duty for shift in each)
    return shifts.gaps(sorted(every, key=lambda shift: shift.start), since, until)


def _gap_problems(
    document: Document,
    where: tuple[str, int],
    level: LevelEntry,
    sound: Mapping[str, ScheduleEntry],
    on_duty: Mapping[str, Sequence[Shift]],
    now: datetime,
) -> Iterator[Problem]:
    team, index = where
    if level.people or not level.schedules or not set(level.schedules) <= set(sound):
        return
    schedules = [sound[name] for name in level.schedules]
    until = now + HORIZON
    found = _uncovered((on_duty[name] for name in level.schedules), now, until)
    if not found:
        return
    if len(schedules) == 1:
        place = document.place(("teams", team, "schedules", level.schedules[0], "rotations"))
    else:
        place = document.place(("teams", team, "escalation", "levels", index, "schedules"))
    yield Problem(place, _gap_message(found, schedules, until))


def _gap_message(found: Sequence[shifts.Gap], schedules: Sequence[ScheduleEntry], until: datetime) -> str:
    zone = ZoneInfo(schedules[0].time_zone)
    first = found[0]
    ends = "on" if first.end == until else f"to {moment(first.end, zone)}"
    more = f", and {len(found) - 1} more times until {until:%Y-%m-%d}" if len(found) > 1 else ""
    zones = sorted({schedule.time_zone for schedule in schedules})
    why = f" ({' and '.join(zones)} do not change their clocks alike)" if len(zones) > 1 else ""
    return (
        f"leaves nobody on call from {moment(first.start, zone)} {ends}{more}{why}; allowed: somebody at every moment. "
        "Let a rotation reach further, or add one"
    )


def _overlap_problems(
    document: Document, team: str, name: str, shifts: Sequence[Shift], schedule: ScheduleEntry
) -> Iterator[Problem]:
    zone = ZoneInfo(schedule.time_zone)
    told: set[frozenset[str]] = set()
    for before, after in _meeting(shifts):
        pair = frozenset((before.rotation, after.rotation))
        if pair in told:
            continue
        told.add(pair)
        later, other = sorted(pair, key=list(schedule.rotations).index, reverse=True)
        message = (
            f"is on call together with rotation {other} from {moment(after.start, zone)} to "
            f"{moment(min(before.end, after.end), zone)}; allowed: one rotation of a schedule at a time. "
            "Change `handoff:`, `until:`, `first_day:` or `last_day:`, or make it a schedule of its own"
        )
        yield Problem(document.place(("teams", team, "schedules", name, "rotations", later)), message)


def _meeting(shifts: Sequence[Shift]) -> Iterator[tuple[Shift, Shift]]:
    """Yield shifts that hold at one time, each with the one of those before it that ends last."""
    last: Shift | None = None
    for shift in shifts:
        if last is not None and shift.start < last.end:
            yield last, shift
        if last is None or shift.end > last.end:
            last = shift


def _two_duties_problems(
    document: Document,
    team: str,
    entry: Team,
    sound: Mapping[str, ScheduleEntry],
    duties: Mapping[str, Sequence[Duty]],
) -> Iterator[Problem]:
    for person in entry.people:
        told: set[frozenset[str]] = set()
        for (before, one), (after, other) in _at_once(duties.get(person, ())):
            if frozenset((one, other)) in told:
                continue
            told.add(frozenset((one, other)))
            own = other if other in entry.schedules else one
            elsewhere = one if own == other else other
            zone = ZoneInfo(sound[own].time_zone)
            message = (
                f"{person} is on call here and on {elsewhere} from {moment(after.start, zone)} to "
                f"{moment(min(before.end, after.end), zone)}; allowed by `one_duty_at_a_time:`: one of the two. "
                "Change the order of the people, add an override, or name somebody else"
            )
            where = ("schedules", own) if own in entry.schedules else ("one_duty_at_a_time",)
            yield Problem(document.place(("teams", team, *where)), message)


def _at_once(duties: Iterable[Duty]) -> Iterator[tuple[Duty, Duty]]:
    """Yield one person's duties that hold at one time on two schedules, in pairs, the earlier one first."""
    current: list[Duty] = []
    for duty in sorted(duties, key=lambda duty: duty[0].start):
        current = [before for before in current if before[0].end > duty[0].start]
        yield from ((before, duty) for before in current if before[1] != duty[1])
        current.append(duty)
