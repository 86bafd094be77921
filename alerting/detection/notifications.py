"""Turns the times in which alerts fired into the notifications that Alertmanager would have sent, and to whom.

Alertmanager itself says which alerts are inhibited and which route takes them (`Answers`). Its groups are followed
here: one is made when the first of its alerts fires, flushed after `group_wait` and then every `group_interval`. It
notifies when an alert that is not inhibited fires, and is gone when none fires any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from alerting.backtest.report import Episode
from alerting.catalog import Catalog
from alerting.detection.scenarios import URGENCIES, Urgency
from alerting.oncall.current import paged_first
from alerting.oncall.event_orchestration import paged_for
from alerting.routing.group_key import group_key
from alerting.routing.routes import Route, default_route, routes
from alerting.rules.series import ALERTNAME, CLUSTER, SERVICE, SEVERITY, TEAM
from alerting.source.durations import milliseconds

Labels = tuple[tuple[str, str], ...]
"""The labels of an alert, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Alertmanager's answer about one alert: the receiver of its route, and whether another alert inhibits it."""

    receiver: str
    inhibited: bool


Answers = Mapping[tuple[frozenset[Labels], Labels], Answer]
"""The answers about each alert beside those that fire at the same time, itself among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A page or a ticket: `at` in Unix seconds. `people` are paged first, and `channels` get the ticket."""

    at: float
    urgency: Urgency
    alert: str
    service: str
    team: str
    people: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.urgency} {self.alert} of {self.service or 'no service'} to {self.team}"


def sets_of_alerts(episodes: Sequence[Episode]) -> Iterator[tuple[float, frozenset[Labels]]]:
    """Yield each moment at which alerts begin or cease to fire, and those that fire from then on."""
    for moment in sorted({time for one in episodes for time in (one.start, one.end)}):
        yield moment, frozenset(one.identity for one in episodes if one.start <= moment < one.end)


def notifications(episodes: Sequence[Episode], answers: Answers, catalog: Catalog) -> list[Notification]:
    """Return the pages and tickets, the first before the others. Episodes have the label `cluster` too."""
    taking = {
        route.receiver_name: route
        for top in (default_route(catalog), *routes(catalog))
        for route in top.with_children()
    }
    parents = {child.receiver_name: top for top in routes(catalog) for child in top.children}
    moments = list(sets_of_alerts(episodes))
    firing_from = dict(moments)
    default = catalog.routing.default
    groups: dict[str, list[Episode]] = defaultdict(list)
    of_group: dict[str, Route] = {}
    for one in episodes:
        route = taking[answers[firing_from[one.start], one.identity].receiver]
        key = group_key(route.key, {name: one.labels[name] for name in route.group_by if one.labels.get(name)})
        groups[key].append(one)
        of_group[key] = route
    made: list[Notification] = []
    for key, members in groups.items():
        route = of_group[key]
        timings = parents.get(route.receiver_name, route).timings
        urgency = URGENCIES.get(members[0].labels.get(SEVERITY, ""))
        if urgency is None:
            continue
        wait = milliseconds(timings.group_wait or default.group_wait) / 1000
        interval = milliseconds(timings.group_interval or default.group_interval) / 1000
        for at, first in _notified(members, moments, answers, wait, interval):
            made.append(_notification(at, first, urgency, route, catalog))
    return sorted(made, key=lambda one: (one.at, one.alert, one.service))


def _notified(
    members: Sequence[Episode],
    moments: Sequence[tuple[float, frozenset[Labels]]],
    answers: Answers,
    wait: float,
    interval: float,
) -> Iterator[tuple[float, Episode]]:
    """Yield the flushes of a group at which it notifies of something new, with the first alert that it tells of."""
    ends = max(one.end for one in members)
    begun = min(one.start for one in members)
    while begun < ends:
        flush, told = begun + wait, False
        while firing := [one for one in members if one.start <= flush < one.end]:
            heard = [one for one in firing if not _inhibited(one, flush, moments, answers)]
            if heard and not told:
                yield flush, heard[0]
            told = told or bool(heard)
            flush += interval
        later = [one.start for one in members if one.start > flush]
        begun = min(later, default=ends)


def _inhibited(
    episode: Episode, moment: float, moments: Sequence[tuple[float, frozenset[Labels]]], answers: Answers
) -> bool:
    alerts = next(alerts for at, alerts in reversed(moments) if at <= moment)
    return answers[alerts, episode.identity].inhibited


def _notification(at: float, first: Episode, urgency: Urgency, route: Route, catalog: Catalog) -> Notification:
    labels = first.labels
    service = labels.get(SERVICE, "")
    team, people = labels.get(TEAM, ""), ()
    if route.integration_key is not None:
        paged = paged_for(catalog, route.paged_team, service)
        team = catalog.owner(paged)
        people = paged_first(team, catalog.teams, datetime.fromtimestamp(at, UTC))
    return Notification(
        at=at,
        urgency=urgency,
        alert=labels[ALERTNAME],
        service=service,
        team=team,
        people=people,
        channels=tuple(entry.channel for entry in route.receiver.slack),
    )


def with_cluster(episodes: Iterable[Episode], cluster: str) -> list[Episode]:
    """Return the episodes with the label that Prometheus adds to what it sends."""
    return [one.model_copy(update={"labels": {CLUSTER: cluster, **one.labels}}) for one in episodes]
