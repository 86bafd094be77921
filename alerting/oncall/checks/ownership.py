"""Services have teams, teams have people on call at every moment, and no name means two things."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from alerting.catalog import SERVICES, Catalog
from alerting.oncall.checks.rotations import on_call_problems
from alerting.source.problems import Problem, not_allowed

TEAMS = "catalog/teams.yaml"


POD_RULES = "infrastructure"
"""The domain of rules that watch services' pods."""
_NAMESPACE = re.compile(r'\bnamespace="([^"]+)"')


def _watched_namespaces(catalog: Catalog) -> list[str]:
    """Return the namespaces whose pods the rules select: of a service in another one they would see nothing."""
    rules = [located.rule for located in catalog.rules.rules if located.domain == POD_RULES]
    return sorted({found for rule in rules for found in _NAMESPACE.findall(rule.expr)})


def ownership_problems(catalog: Catalog, now: datetime) -> Iterator[Problem]:
    """Yield what is wrong with services, teams, rotations and escalations from `now` on."""
    services = catalog.documents[SERVICES]
    watched = _watched_namespaces(catalog)
    for name, service in catalog.services.items():
        if watched and service.namespace not in watched:
            place = services.place(("services", name, "namespace"))
            todo = "Name one that the rules read, or have the expressions of rules/ read this one too"
            yield not_allowed(place, service.namespace, watched, todo)
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
