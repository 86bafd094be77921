"""PagerDuty's event orchestration: the keys that events come in by, and the router that picks their service.

Alertmanager sends every page to one orchestration. Which of its keys an alert takes depends on the name of its service
alone, by a regular expression that Alertmanager matches: a new service changes neither configuration nor Secrets. The
expressions count the characters of one half of the alphabet, modulo the number of keys. Names that share a prefix or a
suffix, or that differ in a number only, spread over the keys; first or last letters would not.
"""

from __future__ import annotations

from alerting.catalog import Catalog, RouteEntry
from alerting.platform import EventOrchestration, RouterRule
from alerting.rules.series import TEAM

KEY_COUNT = 4
"""How many keys share the pages. PagerDuty takes about 120 events a minute of a key, and a burst of 200 groups leaves
each of four room for twice its share."""
KEY_NAMES = tuple(f"key-{number}" for number in range(1, KEY_COUNT + 1))

COMPONENT_FIELD = "event.component"
PAGED_TEAM = "paged_team"
"""The detail of an event that names the team of the route that pages."""
ANY_TEAM = "any team"
"""Its value for a route that is for no single team. No team can have this name."""
ORCHESTRATION_NAME = "Orion"

_FIRST_HALF = "a-m0-4"
_COUNTED = frozenset("abcdefghijklm01234")


def key_name(service: str) -> str:
    """Return the name of the key that pages about a service take. An alert may have no service: the empty text."""
    return KEY_NAMES[sum(character in _COUNTED for character in service) % KEY_COUNT]


def key_expression(name: str) -> str:
    """Return the regular expression that matches, as a whole, the services whose pages take a key."""
    others = f"[^{_FIRST_HALF}]*"
    counted = f"(?:[{_FIRST_HALF}]{others})"
    return f"{others}{counted}{{{KEY_NAMES.index(name)}}}(?:{counted}{{{KEY_COUNT}}})*"


def paged_team(entry: RouteEntry) -> str | None:
    """Return the team that a route is for, or None if it takes alerts of any, or of several."""
    teams = entry.match.get(TEAM, ())
    return teams[0] if len(teams) == 1 else None


def paged_as(catalog: Catalog, entry: RouteEntry, service: str) -> str:
    """Return the PagerDuty service in which a route that pages opens the incident of an alert about `service`.

    The router decides so.
    """
    return paged_for(catalog, paged_team(entry), service)


def paged_for(catalog: Catalog, team: str | None, service: str) -> str:
    """Return the PagerDuty service of an alert about `service`, by a route that pages one team, or any.

    What is of another team than the route's, or unknown, pages the route's team, else the fallback team.
    """
    is_known = service in catalog.services or service in catalog.teams
    if is_known and team in (None, catalog.owner(service)):
        return service
    return team or catalog.routing.fallback_team


def event_orchestration(catalog: Catalog) -> EventOrchestration:
    """Return the orchestration: its keys, a rule for each PagerDuty service, and the fallback team for the rest."""
    services = [
        RouterRule(
            service=name,
            conditions=(
                _both(COMPONENT_FIELD, name, ANY_TEAM),
                _both(COMPONENT_FIELD, name, service.team),
            ),
        )
        for name, service in catalog.services.items()
    ]
    # After the services: an alert of a team's route that is about none of its services is the team's.
    teams = [
        RouterRule(
            service=name,
            conditions=(_both(COMPONENT_FIELD, name, ANY_TEAM), _team_is(name)),
        )
        for name in catalog.teams
    ]
    return EventOrchestration(
        name=ORCHESTRATION_NAME,
        team=catalog.operating_team,
        keys=KEY_NAMES,
        key_numbers=catalog.routing.integration_keys,
        rules=(*services, *teams),
        catch_all=catalog.routing.fallback_team,
    )


def _both(field: str, text: str, team: str) -> str:
    return f"{field} matches '{text}' and {_team_is(team)}"


def _team_is(team: str) -> str:
    return f"event.custom_details.{PAGED_TEAM} matches '{team}'"
