"""Turns the routes of the catalog into Alertmanager's: one receiver per route, one PagerDuty service per receiver.

A route that pages has a child per service of the catalog, since the secret that names a PagerDuty service cannot be
chosen by a label. What no child takes is paged to the team that the route names, else to the fallback team.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from alerting.catalog import Catalog, Receiver, RouteEntry, Timings
from alerting.group_key import matcher, route_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route as it is deployed. `key` is its static key, `paged_service` the PagerDuty service of its receiver."""

    receiver_name: str
    receiver: Receiver
    matchers: tuple[str, ...]
    key: str
    timings: Timings
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
        paged_service=None,
    )


def routes(catalog: Catalog) -> tuple[Route, ...]:
    """Return the routes below the default one, in order: the first that matches takes the alert."""
    return tuple(_route(catalog, entry) for entry in catalog.routing.routes)


def _route(catalog: Catalog, entry: RouteEntry) -> Route:
    receiver = catalog.routing.receivers[entry.receiver]
    matchers = tuple(sorted(label_matcher(label, values) for label, values in entry.match.items()))
    timings = Timings(
        group_wait=entry.group_wait, group_interval=entry.group_interval, repeat_interval=entry.repeat_interval
    )
    if receiver.page is None:
        key = route_key([(), matchers])
        return Route(
            receiver_name=entry.receiver,
            receiver=receiver,
            matchers=matchers,
            key=key,
            timings=timings,
            paged_service=None,
        )
    teams = entry.match.get("team", tuple(catalog.teams))
    children = tuple(
        Route(
            receiver_name=f"{entry.receiver}-{service}",
            receiver=receiver,
            matchers=(label_matcher("service", (service,)),),
            key=route_key([(), matchers, (label_matcher("service", (service,)),)]),
            timings=Timings(),
            paged_service=service,
        )
        for service, described in catalog.services.items()
        if described.team in teams
    )
    named = entry.match.get("team", ())
    return Route(
        receiver_name=entry.receiver,
        receiver=receiver,
        matchers=matchers,
        key=route_key([(), matchers]),
        timings=timings,
        paged_service=named[0] if len(named) == 1 else catalog.routing.fallback_team,
        children=children,
    )
