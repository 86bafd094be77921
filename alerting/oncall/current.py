"""Returns the people whom an incident reaches at a moment, level by level, and who is on call after them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerting.oncall import shifts
from alerting.oncall.pagerduty import escalation_chain
from alerting.oncall.teams import LevelEntry, ScheduleEntry, Team

LONGEST_WAIT = timedelta(days=150)
"""How far ahead the next person is looked for: twenty people with a week each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDuty:
    """A person whom a level reaches: on which schedule, and until when, where it is by a schedule.

    `until` is None for whoever has the duty as far as can be seen; `following` is who has it then, None for nobody.
    """

    person: str
    schedule: str | None = None
    until: datetime | None = None
    following: str | None = None
    instead_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelNow:
    """A level of a policy: whose it is, whom it reaches, and how long they have before the next one is."""

    number: int
    team: str
    people: tuple[OnDuty, ...]
    timeout_minutes: int


def levels_now(name: str, teams: Mapping[str, Team], at: datetime) -> tuple[LevelNow, ...]:
    """Return whom a team's escalation reaches at a moment. A level may reach nobody: then the next one is notified."""
    entries = [(team, level) for team in escalation_chain(name, teams) for level in teams[team].escalation.levels]
    return tuple(
        LevelNow(
            number=number,
            team=team,
            people=_people(level, teams[team].schedules, at),
            timeout_minutes=level.timeout_minutes,
        )
        for number, (team, level) in enumerate(entries, 1)
    )


def paged_first(name: str, teams: Mapping[str, Team], at: datetime) -> tuple[str, ...]:
    """Return the people of the first level of a team's escalation that reaches anybody at a moment."""
    people = next((level.people for level in levels_now(name, teams, at) if level.people), ())
    return tuple(one.person for one in people)


def _people(level: LevelEntry, schedules: Mapping[str, ScheduleEntry], at: datetime) -> tuple[OnDuty, ...]:
    by_schedule = [on_duty for name in level.schedules for on_duty in _on_duty(name, schedules[name], at)]
    return (*by_schedule, *(OnDuty(person=person) for person in level.people))


def _on_duty(name: str, schedule: ScheduleEntry, at: datetime) -> list[OnDuty]:
    return [
        _with_end(name, shift, shifts.shifts(schedule, shift.end, at + LONGEST_WAIT), at + LONGEST_WAIT)
        for shift in shifts.on_call(schedule, at)
    ]


def _with_end(name: str, shift: shifts.Shift, later: list[shifts.Shift], furthest: datetime) -> OnDuty:
    until, following = shift.end, None
    for after in later:
        if after.start > until or after.person != shift.person:
            following = after.person if after.start == until else None
            break
        until = max(until, after.end)
    return OnDuty(
        person=shift.person,
        schedule=name,
        until=None if until >= furthest else until,
        following=following,
        instead_of=shift.instead_of,
    )
