"""Turns the routes of the catalog into Alertmanager's: one receiver per route, one PagerDuty service per receiver.

A route that pages has a child per service of the catalog and per team (each is a service in PagerDuty), since the
secret that names a PagerDuty service cannot be chosen by a label. What no child takes is paged to the team that the
route names, else to the fallback team.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from alerting.catalog import Catalog, Receiver, RouteEntry, Timings
from alerting.oncall.pagerduty import paged_services
from alerting.routing.group_key import matcher, route_key
from alerting.rules.series import SERVICE, TEAM


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route as it is deployed. `key` is its static key, `paged_service` the PagerDuty service of its receiver.

    `group_by` are the labels that it groups by, its own or inherited.
    """

    receiver_name: str
    receiver: Receiver
    matchers: tuple[str, ...]
    key: str
    timings: Timings
    group_by: tuple[str, ...]
    paged_service: str | None
    children: tuple[Route, ...] = ()

    def with_children(self) -> Iterator[Route]:
        """Yield this route and its children, as their receivers are listed."""
        yield self
        yield from self.children


def label_matcher(label: str, values: tuple[str, ...]) -> str:
    """Return the matcher that takes any of the values."""
    if len(values) == 1:
        return matcher(label, "=", values[0])
    return matcher(label, "=~", "|".join(re.escape(value) for value in values))


def default_route(catalog: Catalog) -> Route:
    """Return the route that every alert starts from. Its key is that of a route without matchers."""
    default = catalog.routing.default
    return Route(
        receiver_name=default.receiver,
        receiver=catalog.routing.receivers[default.receiver],
        matchers=(),
        key=route_key([()]),
        timings=Timings(
            group_wait=default.group_wait,
            group_interval=default.group_interval,
            repeat_interval=default.repeat_interval,
        ),
        group_by=default.group_by,
        paged_service=None,
    )


def routes(catalog: Catalog) -> tuple[Route, ...]:
    """Return the routes below the default one, in order: the first that matches takes the alert."""
    return tuple(_route(catalog, entry) for entry in catalog.routing.routes)


def takes(entry: RouteEntry, labels: Mapping[str, str]) -> bool:
    """Say whether a route matches an alert with these labels."""
    return all(labels.get(label, "") in values for label, values in entry.match.items())


def paged_as(catalog: Catalog, entry: RouteEntry, service: str) -> str:
    """Return the PagerDuty service that a route which pages opens the incident of a service's alert in."""
    teams = entry.match.get(TEAM, tuple(catalog.teams))
    allowed = entry.match.get(SERVICE, (service,))
    is_known = service in catalog.services or service in catalog.teams
    if is_known and service in allowed and catalog.owner(service) in teams:
        return service
    return teams[0] if len(teams) == 1 else catalog.routing.fallback_team


def child_receiver(catalog: Catalog, entry: RouteEntry, service: str) -> str:
    """Return the name of the receiver that pages as one service of the catalog, or as a team."""
    return f"{entry.receiver}-team-{service}" if service in catalog.teams else f"{entry.receiver}-{service}"


def _route(catalog: Catalog, entry: RouteEntry) -> Route:
    receiver = catalog.routing.receivers[entry.receiver]
    matchers = tuple(sorted(label_matcher(label, values) for label, values in entry.match.items()))
    timings = Timings(
        group_wait=entry.group_wait, group_interval=entry.group_interval, repeat_interval=entry.repeat_interval
    )
    group_by = entry.group_by or catalog.routing.default.group_by
    if receiver.page is None:
        key = route_key([(), matchers])
        return Route(
            receiver_name=entry.receiver,
            receiver=receiver,
            matchers=matchers,
            key=key,
            timings=timings,
            group_by=group_by,
            paged_service=None,
        )
    own = paged_as(catalog, entry, "")
    children = tuple(
        Route(
            receiver_name=child_receiver(catalog, entry, service),
            receiver=receiver,
            matchers=(label_matcher(SERVICE, (service,)),),
            key=route_key([(), matchers, (label_matcher(SERVICE, (service,)),)]),
            timings=Timings(),
            group_by=group_by,
            paged_service=service,
        )
        for service in entry.match.get(SERVICE, paged_services(catalog))
        if service != own and paged_as(catalog, entry, service) == service
    )
    return Route(
        receiver_name=entry.receiver,
        receiver=receiver,
        matchers=matchers,
        key=route_key([(), matchers]),
        timings=timings,
        group_by=group_by,
        paged_service=own,
        children=children,
    )
