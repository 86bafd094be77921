"""Turns the routes of the catalog into Alertmanager's: one receiver per route, and one more per key of PagerDuty's.

The secret that names a PagerDuty integration cannot be chosen by a label. So a route that pages has a child for each
key but the first, which takes the services whose pages that key carries; the route itself has the first. How many there
are does not depend on how many services or teams there are: PagerDuty's router picks the service.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from alerting.catalog import Catalog, Receiver, RouteEntry, SlackEntry, Timings
from alerting.oncall.event_orchestration import KEY_NAMES, key_expression, key_name, paged_team
from alerting.routing.group_key import matcher, route_key
from alerting.rules.series import SERVICE
from alerting.settings import ChatMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route as it is deployed. `key` is its static key, `group_by` are the labels that it groups by.

    `integration_key` names the key of PagerDuty's that its receiver pages with, and `paged_team` the team that it is
    for, if it is for one. Its groups have `threads` where chat is on.
    """

    receiver_name: str
    receiver: Receiver
    matchers: tuple[str, ...]
    key: str
    timings: Timings
    group_by: tuple[str, ...]
    integration_key: str | None
    paged_team: str | None = None
    threads: bool = False
    children: tuple[Route, ...] = ()

    def webhook_entries(self, chat: ChatMode) -> tuple[SlackEntry, ...]:
        """Return the entries of Slack that Alertmanager posts itself: a thread takes the place of the last."""
        return self.receiver.slack[:-1] if self.threads and chat is ChatMode.ON else self.receiver.slack

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
    """Return the route that every alert starts from. Its key is that of a route without matchers.

    It has no threads: what no other route takes reaches Slack without any code of this project.
    """
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
        integration_key=None,
    )


def routes(catalog: Catalog) -> tuple[Route, ...]:
    """Return the routes below the default one, in order: the first that matches takes the alert."""
    return tuple(_route(catalog, entry) for entry in catalog.routing.routes)


def takes(entry: RouteEntry, labels: Mapping[str, str]) -> bool:
    """Say whether a route matches an alert with these labels."""
    return all(labels.get(label, "") in values for label, values in entry.match.items())


def child_receiver(entry: RouteEntry, key: str) -> str:
    """Return the name of the receiver of a route that pages with one of the keys but the first."""
    return f"{entry.receiver}-{key}"


def _route(catalog: Catalog, entry: RouteEntry) -> Route:
    receiver = catalog.routing.receivers[entry.receiver]
    matchers = tuple(sorted(label_matcher(label, values) for label, values in entry.match.items()))
    timings = Timings(
        group_wait=entry.group_wait, group_interval=entry.group_interval, repeat_interval=entry.repeat_interval
    )
    group_by = entry.group_by or catalog.routing.default.group_by
    pages = receiver.page is not None
    threads = receiver.publish and receiver.threads
    return Route(
        receiver_name=entry.receiver,
        receiver=receiver,
        matchers=matchers,
        key=route_key([(), matchers]),
        timings=timings,
        group_by=group_by,
        integration_key=KEY_NAMES[0] if pages else None,
        paged_team=paged_team(entry),
        threads=threads,
        children=tuple(
            Route(
                receiver_name=child_receiver(entry, key),
                receiver=receiver,
                matchers=(key_matcher(key),),
                key=route_key([(), matchers, (key_matcher(key),)]),
                timings=Timings(),
                group_by=group_by,
                integration_key=key,
                paged_team=paged_team(entry),
                threads=threads,
            )
            for key in (carried_keys(entry) if pages else ())
        ),
    )


def carried_keys(entry: RouteEntry) -> tuple[str, ...]:
    """Return the keys but the first that pages of a route take: all, unless it names its services."""
    services = entry.match.get(SERVICE)
    used = KEY_NAMES if services is None else {key_name(service) for service in services}
    return tuple(key for key in KEY_NAMES[1:] if key in used)


def key_matcher(key: str) -> str:
    """Return the matcher of the services whose pages take a key."""
    return matcher(SERVICE, "=~", key_expression(key))
