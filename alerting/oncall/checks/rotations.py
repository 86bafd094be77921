"""Rotations, overrides and escalations can be as they are written, whenever it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from alerting.oncall import shifts
from alerting.oncall.checks.coverage import HORIZON, cover_problems, moment
from alerting.oncall.pagerduty import escalation_chain, escalation_policy
from alerting.oncall.teams import OverrideEntry, RotationEntry, ScheduleEntry, Team
from alerting.source.problems import Problem, not_allowed
from alerting.source.time_zones import is_time_zone
from alerting.source.yaml_source import Document, FieldPath

FURTHEST_START = timedelta(days=365)
"""How far ahead a rotation may begin: PagerDuty takes no event that takes effect in more than 12 months."""
MOST_PEOPLE = 20
"""PagerDuty's limit for the members of a rotation."""
MOST_LEVELS = 20
"""PagerDuty's limit for the levels of an escalation policy."""
MOST_TARGETS = 10
"""PagerDuty's limit for the schedules and people of a level."""
LONGEST_OVERRIDE = timedelta(days=60)
"""Every shift that an override touches becomes a rotation of its own in PagerDuty."""


def on_call_problems(teams: Mapping[str, Team], document: Document, now: datetime) -> Iterator[Problem]:
    """Yield what is wrong with teams' schedules and escalations from `now` on. `document` is where teams stand."""
    owners: dict[str, str] = {}
    sound: dict[str, ScheduleEntry] = {}
    for name, team in teams.items():
        path: FieldPath = ("teams", name)
        for schedule_name, schedule in team.schedules.items():
            here = (*path, "schedules", schedule_name)
            found = [
                *_name_problems(document, here, owners),
                *_schedule_problems(document, here, schedule, team, now),
            ]
            owners[schedule_name] = name
            if not found:
                sound[schedule_name] = schedule
                yield from _replacement_problems(document, here, schedule)
            yield from found
        yield from _escalation_problems(document, path, team)
        yield from _chain_problems(document, name, teams)
        yield from _unused_problems(document, path, team)
    yield from cover_problems(teams, sound, document, now)


def _name_problems(document: Document, here: FieldPath, owners: Mapping[str, str]) -> Iterator[Problem]:
    if here[-1] in owners:
        owner = owners[str(here[-1])]
        message = f"is a schedule of team {owner} too; allowed: one schedule of a name. Rename one of them"
        yield Problem(document.place(here), message)


def _schedule_problems(
    document: Document, here: FieldPath, schedule: ScheduleEntry, team: Team, now: datetime
) -> Iterator[Problem]:
    zone = _zone(schedule.time_zone)
    if zone is None:
        place = document.place((*here, "time_zone"))
        yield not_allowed(place, schedule.time_zone, ["IANA names such as Europe/London"], "Change it")
    if not schedule.rotations:
        message = "has no rotation, which leaves every hour uncovered. Add a rotation"
        yield Problem(document.place((*here, "rotations")), message)
    for name, rotation in schedule.rotations.items():
        path = (*here, "rotations", name)
        yield from _people_of_rotation_problems(document, path, rotation, team)
        yield from _day_problems(document, path, rotation, now)
        if zone is not None:
            yield from _clock_problems(document, path, rotation, zone, now)
    if zone is not None:
        yield from _override_problems(document, here, schedule, team)


@cache
def _zone(name: str) -> ZoneInfo | None:
    return ZoneInfo(name) if is_time_zone(name) else None


def _people_of_rotation_problems(
    document: Document, path: FieldPath, rotation: RotationEntry, team: Team
) -> Iterator[Problem]:
    here = (*path, "people")
    if not rotation.people:
        message = "has nobody in it, which leaves every hour uncovered. Add a person"
        yield Problem(document.place(here), message)
    if len(rotation.people) > MOST_PEOPLE:
        message = (
            f"found {len(rotation.people)} people; allowed: at most {MOST_PEOPLE} (PagerDuty's limit). Remove some"
        )
        yield Problem(document.place(here), message)
    yield from _people_problems(document, here, rotation.people, team)


def _day_problems(document: Document, path: FieldPath, rotation: RotationEntry, now: datetime) -> Iterator[Problem]:
    furthest = (now + FURTHEST_START).date()
    if rotation.first_day > furthest:
        message = (
            f"found {rotation.first_day}; allowed: until {furthest} (PagerDuty takes no start more than 12 months "
            "ahead). Choose an earlier day, and the people in such an order that the turns come out the same"
        )
        yield Problem(document.place((*path, "first_day")), message)
    if rotation.last_day is not None and rotation.last_day < rotation.first_day:
        message = (
            f"found {rotation.last_day}; allowed: {rotation.first_day} (its first day) or later. Change one of them"
        )
        yield Problem(document.place((*path, "last_day")), message)


def _clock_problems(
    document: Document, path: FieldPath, rotation: RotationEntry, zone: ZoneInfo, now: datetime
) -> Iterator[Problem]:
    for field, value in (("handoff", rotation.handoff), ("until", rotation.until)):
        if value is None:
            continue
        day = _clock_change_at(value, zone, now.date(), (now + HORIZON).date())
        if day is not None:
            message = (
                f'found "{value:%H:%M}", which the clock of {zone.key} leaves out or shows twice on {day}; '
                "allowed: a time that it shows once on every day. Change it"
            )
            yield Problem(document.place((*path, field)), message)


@cache
def _clock_change_at(value: time, zone: ZoneInfo, since: date, until: date) -> date | None:
    return shifts.clock_change_at(value, zone, since, until)


def _override_problems(document: Document, here: FieldPath, schedule: ScheduleEntry, team: Team) -> Iterator[Problem]:
    rotating = {person for rotation in schedule.rotations.values() for person in rotation.people}
    for index, override in enumerate(schedule.overrides):
        path = (*here, "overrides", index)
        yield from _person_problems(document, (*path, "person"), override.person, team)
        if override.instead_of is not None and override.instead_of not in rotating:
            place = document.place((*path, "instead_of"))
            yield not_allowed(place, override.instead_of, sorted(rotating), "Name one of the schedule's people")
        elif override.until <= override.since:
            message = f"found {override.until.isoformat()}; allowed: after `since:`. Change one of them"
            yield Problem(document.place((*path, "until")), message)
        elif override.until - override.since > LONGEST_OVERRIDE:
            message = (
                f"found {(override.until - override.since).days} days; allowed: at most {LONGEST_OVERRIDE.days}. "
                "Change the rotation instead"
            )
            yield Problem(document.place((*path, "until")), message)
        else:
            yield from _meeting_problems(document, path, schedule, index)


def _replacement_problems(document: Document, here: FieldPath, schedule: ScheduleEntry) -> Iterator[Problem]:
    """Yield the overrides of a schedule that is right by itself which put their person in nobody's place."""
    zone = ZoneInfo(schedule.time_zone)
    for index, override in enumerate(schedule.overrides):
        planned = [
            shift
            for name, rotation in schedule.rotations.items()
            for _, shift in shifts.planned(name, rotation, zone, override.since, override.until)
        ]
        if not any(shifts.concerns(shift, override) for shift in planned):
            why = f"{override.instead_of} is not on call then" if override.instead_of else "nobody is on call then"
            message = f"takes the place of nobody: {why}. Change the times, or remove it"
            yield Problem(document.place((*here, "overrides", index)), message)


def _meeting_problems(document: Document, path: FieldPath, schedule: ScheduleEntry, index: int) -> Iterator[Problem]:
    override = schedule.overrides[index]
    zone = ZoneInfo(schedule.time_zone)
    for before, other in enumerate(schedule.overrides[:index]):
        if _meet(override, other):
            line = document.place((*path[:-1], before)).line
            message = (
                f"is at the same time as the override in line {line}, from "
                f"{moment(max(override.since, other.since), zone)}; allowed: one at a time. Change the times, "
                "or say `instead_of:` in both"
            )
            yield Problem(document.place(path), message)


def _meet(one: OverrideEntry, other: OverrideEntry) -> bool:
    same = None in (one.instead_of, other.instead_of) or one.instead_of == other.instead_of
    return same and max(one.since, other.since) < min(one.until, other.until)


def _escalation_problems(document: Document, path: FieldPath, team: Team) -> Iterator[Problem]:
    here = (*path, "escalation", "levels")
    if not team.escalation.levels:
        yield Problem(document.place(here), "has no level, so that nobody is notified. Add a level")
    for index, level in enumerate(team.escalation.levels):
        if not level.schedules and not level.people:
            message = "notifies nobody. Add `schedules:` or `people:`"
            yield Problem(document.place((*here, index)), message)
        targets = len(level.schedules) + len(level.people)
        if targets > MOST_TARGETS:
            message = f"notifies {targets}; allowed: at most {MOST_TARGETS} (PagerDuty's limit). Remove some"
            yield Problem(document.place((*here, index)), message)
        for position, name in enumerate(level.schedules):
            if name not in team.schedules:
                place = document.place((*here, index, "schedules", position))
                yield not_allowed(place, name, team.schedules, "Name a schedule of the team")
        yield from _people_problems(document, (*here, index, "people"), level.people, team)


def _chain_problems(document: Document, name: str, teams: Mapping[str, Team]) -> Iterator[Problem]:
    place = document.place(("teams", name, "escalation", "then"))
    following = teams[name].escalation.then
    if following is not None and following not in teams:
        yield not_allowed(place, following, [team for team in teams if team != name], "Name another team")
        return
    chain = escalation_chain(name, teams)
    if teams[chain[-1]].escalation.then == name:
        message = (
            f"found {following}, so that it goes in a circle: {' → '.join((*chain, name))}; "
            "allowed: a chain that ends (`repeats:` goes through all of it again). Remove a `then:`"
        )
        yield Problem(place, message)
    levels = len(escalation_policy(name, teams).levels)
    if levels > MOST_LEVELS:
        message = f"comes to {levels} levels; allowed: at most {MOST_LEVELS} (PagerDuty's limit). Remove some"
        yield Problem(document.place(("teams", name, "escalation")), message)


def _unused_problems(document: Document, path: FieldPath, team: Team) -> Iterator[Problem]:
    used = {name for level in team.escalation.levels for name in level.schedules}
    for name in team.schedules:
        if name not in used:
            message = "nobody is paged by it: no level names it. Name it in a level of the team, or remove it"
            yield Problem(document.place((*path, "schedules", name)), message)


def _people_problems(document: Document, path: FieldPath, people: tuple[str, ...], team: Team) -> Iterator[Problem]:
    for position, person in enumerate(people):
        yield from _person_problems(document, (*path, position), person, team)


def _person_problems(document: Document, path: FieldPath, person: str, team: Team) -> Iterator[Problem]:
    if person not in team.people:
        yield not_allowed(document.place(path), person, team.people, "Name one of the team's people")
