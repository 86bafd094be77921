"""Gives each route that has threads a channel for them, and names the people who may act in them.

A thread is in the last of the channels that its route posts to, which is the team's own where there are several. A
route that only pages has its threads in the default route's first channel. The default route has no threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from alerting.catalog import Catalog
from alerting.platform import CatalogSilence, Chat, ChatRoute
from alerting.repairs.modes import approvers
from alerting.routing.routes import Route, default_route, routes
from alerting.rules.series import CLUSTER
from alerting.settings import Settings


class Wait(NamedTuple):
    """A wait of chat's in seconds, and the least that the sandbox's time scale shortens it to."""

    seconds: float
    least: float

    def scaled(self, time_scale: float) -> float:
        """Return the wait at a time scale."""
        return max(self.least, self.seconds / time_scale)


WAITS: Mapping[str, Wait] = {
    # Neither the start of an Alertmanager nor gossip is any faster in the sandbox.
    "settled": Wait(150, 30),
    "lag": Wait(90, 15),
    "first_look": Wait(60, 5),
    "look": Wait(300, 15),
    "silenced_look": Wait(60, 5),
    "soon": Wait(30, 3),
    "between_looks": Wait(60, 5),
    "verify": Wait(600, 60),
}
"""The waits of `chatops.episode.Waits`, which says what each is for."""


def chat(catalog: Catalog, settings: Settings) -> Chat:
    """Return what chat's function is given."""
    root = default_route(catalog)
    fallback = root.receiver.slack[0].channel if root.receiver.slack else catalog.routing.channels[0]
    published = [route for top in (root, *routes(catalog)) for route in top.with_children() if route.receiver.publish]
    return Chat(
        routes=tuple(_route(route, fallback, settings) for route in published if route.threads),
        webhook_receivers=tuple(route.receiver_name for route in published if not route.threads),
        responders=tuple(sorted({person for team in catalog.teams.values() for person in team.people})),
        approvers=approvers(catalog),
        silences=_silences(catalog, settings),
        waits={name: wait.scaled(settings.time_scale) for name, wait in WAITS.items()},
    )


def _silences(catalog: Catalog, settings: Settings) -> tuple[CatalogSilence, ...]:
    """Return the maintenance windows of a stack, by name. Those of other clusters match nothing here."""
    return tuple(
        CatalogSilence(
            name=name,
            owner=entry.owner,
            reason=entry.reason,
            match=entry.match,
            since=int(entry.since.timestamp()),
            until=int(entry.until.timestamp()),
        )
        for name, entry in sorted(catalog.silences.items())
        if settings.cluster.name in entry.match.get(CLUSTER, (settings.cluster.name,))
    )


def _route(route: Route, fallback: str, settings: Settings) -> ChatRoute:
    page = route.receiver.page
    posted = route.receiver.slack[-1] if route.receiver.slack else None
    prefix = posted.title_prefix if posted is not None else page.summary_prefix if page is not None else ""
    return ChatRoute(
        receiver=route.receiver_name,
        key=route.key,
        channel=settings.channel(posted.channel if posted is not None else fallback),
        title_prefix=prefix,
        group_by=route.group_by,
        pages=page is not None,
    )
