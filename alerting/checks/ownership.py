"""Services have teams, teams have people on call at every moment, and no name means two things."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from alerting.catalog import Catalog
from alerting.checks.on_call import on_call_problems
from alerting.problems import Problem, not_allowed

SERVICES = "catalog/services.yaml"
TEAMS = "catalog/teams.yaml"


def ownership_problems(catalog: Catalog, now: datetime) -> Iterator[Problem]:
    """Yield what is wrong with services, teams, rotations and escalations from `now` on."""
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
    yield from on_call_problems(catalog.teams, document, now)
