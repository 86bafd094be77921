"""Services have teams, teams have people on call at every hour, and no name means two things."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator

from alerting.catalog import Catalog, Team
from alerting.documents import Document, FieldPath
from alerting.problems import Problem, not_allowed

SERVICES = "catalog/services.yaml"
TEAMS = "catalog/teams.yaml"


def ownership_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yield what is wrong with services, teams, rotations and escalations."""
    services = catalog.documents[SERVICES]
    for name, service in catalog.services.items():
        if service.team not in catalog.teams:
            place = services.place(("services", name, "team"))
            yield not_allowed(place, service.team, catalog.teams, f"Name a team of {TEAMS}")
        if name in catalog.teams:
            message = f"is a team of {TEAMS} too; both are names of PagerDuty services. Rename one of them"
            yield Problem(services.place(("services", name)), message)
    document = catalog.documents[TEAMS]
    if catalog.operating_team not in catalog.teams:
        place = document.place(("operating_team",))
        yield not_allowed(place, catalog.operating_team, catalog.teams, "Name a team of this file")
    schedules: dict[str, str] = {}
    for name, team in catalog.teams.items():
        path = ("teams", name)
        yield from _schedule_problems(document, path, team, schedules)
        yield from _escalation_problems(document, path, team)


def _schedule_problems(document: Document, path: FieldPath, team: Team, schedules: dict[str, str]) -> Iterator[Problem]:
    for name, schedule in team.schedules.items():
        here = (*path, "schedules", name)
        if name in schedules:
            message = (
                f"is a schedule of team {schedules[name]} too; allowed: one schedule of a name. Rename one of them"
            )
            yield Problem(document.place(here), message)
        schedules[name] = str(path[-1])
        if schedule.time_zone not in zoneinfo.available_timezones():
            place = document.place((*here, "time_zone"))
            yield not_allowed(place, schedule.time_zone, ["IANA names such as Europe/London"], "Change it")
        if not schedule.rotations:
            message = "has no rotation, which leaves every hour uncovered. Add a rotation"
            yield Problem(document.place((*here, "rotations")), message)
        for rotation_name, rotation in schedule.rotations.items():
            people = (*here, "rotations", rotation_name, "people")
            if not rotation.people:
                message = "has nobody in it, which leaves every hour uncovered. Add a person"
                yield Problem(document.place(people), message)
            yield from _people_problems(document, people, rotation.people, team)


def _escalation_problems(document: Document, path: FieldPath, team: Team) -> Iterator[Problem]:
    here = (*path, "escalation", "levels")
    if not team.escalation.levels:
        yield Problem(document.place(here), "has no level, so that nobody is notified. Add a level")
    for index, level in enumerate(team.escalation.levels):
        if not level.schedules and not level.people:
            message = "notifies nobody. Add `schedules:` or `people:`"
            yield Problem(document.place((*here, index)), message)
        for position, name in enumerate(level.schedules):
            if name not in team.schedules:
                place = document.place((*here, index, "schedules", position))
                yield not_allowed(place, name, team.schedules, "Name a schedule of the team")
        yield from _people_problems(document, (*here, index, "people"), level.people, team)


def _people_problems(document: Document, path: FieldPath, people: tuple[str, ...], team: Team) -> Iterator[Problem]:
    for position, person in enumerate(people):
        if person not in team.people:
            advice = "Name one of the team's people"
            yield not_allowed(document.place((*path, position)), person, team.people, advice)
