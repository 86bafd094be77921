"""Checks how many messages a Slack channel may get at once against Slack's rate limit.

Alertmanager posts one message per group, all groups of a route at the same time, and gives up a message that Slack
answers with 429: the group is told at the next `group_interval`, or never if it has ended by then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from alerting.catalog import Catalog, RouteEntry
from alerting.oncall.pagerduty import paged_services
from alerting.routing.routes import takes
from alerting.rules.series import ALERTNAME, CLUSTER, SERVICE, TEAM
from alerting.settings import Settings
from alerting.source.durations import milliseconds
from alerting.source.problems import CatalogError, Problem

ROUTING = "catalog/routing.yaml"
_Group = tuple[int, tuple[str, ...]]
"""A route's position, and the values of the labels that it groups by."""
MESSAGES_A_SECOND = 1
"""What Slack documents for a channel."""
BURST = 30
"""Slack tolerates short bursts and does not say how long. The sandbox's stand-in takes this many at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLoad:
    """The most groups that a channel can get at once, and the shortest `group_interval` of its routes, in seconds."""

    channel: str
    groups: int
    interval_seconds: float

    @property
    def sustainable(self) -> int:
        """Returns how many messages Slack accepts in an interval."""
        return int(self.interval_seconds * MESSAGES_A_SECOND)


def channel_loads(catalog: Catalog, settings: Settings) -> tuple[ChannelLoad, ...]:
    """Return the load of each channel if every alert of every service fires at once, as a stack posts them."""
    groups: dict[str, dict[_Group, int]] = {}
    intervals: dict[str, float] = {}
    routes = catalog.routing.routes
    for alike in _alike(catalog):
        for service in (alike.labels[SERVICE],) if SERVICE in alike.labels else paged_services(catalog):
            labels = {TEAM: catalog.owner(service), SERVICE: service, **alike.labels}
            index, entry = next(((index, one) for index, one in enumerate(routes) if takes(one, labels)), (-1, None))
            group, each = _group(catalog, entry, labels)
            interval = (entry.group_interval if entry else None) or catalog.routing.default.group_interval
            seconds = milliseconds(interval) / 1000
            for channel in _channels(catalog, settings, entry):
                if each:  # the alerts' names are part of the group: there are as many groups as alerts
                    groups.setdefault(channel, {})[index, (alike.names[0], *group)] = len(alike.names)
                else:
                    groups.setdefault(channel, {})[index, group] = 1
                intervals[channel] = min(seconds, intervals.get(channel, seconds))
    return tuple(
        ChannelLoad(channel=channel, groups=sum(found.values()), interval_seconds=intervals[channel])
        for channel, found in sorted(groups.items())
    )


def require_channels_keep_up(catalog: Catalog, settings: Settings) -> None:
    """Do nothing if Slack takes within one `group_interval` whatever a channel may get at once.

    Raises `CatalogError` for the channels that could never catch up.
    """
    place = catalog.documents[ROUTING].place(("channels",))
    problems = [
        Problem(
            place,
            f"{load.channel} of stack {settings.environment.value} may get {load.groups} messages at once; allowed: "
            f"{load.sustainable}, which Slack takes in the {load.interval_seconds:.0f} s of a group_interval. {ADVICE}",
        )
        for load in channel_loads(catalog, settings)
        if load.groups > load.sustainable
    ]
    if problems:
        raise CatalogError(problems)


def burst_notices(catalog: Catalog, settings: Settings) -> Iterator[str]:
    """Yield a notice for each channel that may get more messages at once than a short burst."""
    for load in channel_loads(catalog, settings):
        if load.groups > BURST:
            yield (
                f"{load.channel} may get up to {load.groups} messages at once, if every alert of every service fires. "
                f"Slack takes {MESSAGES_A_SECOND} a second and short bursts; Alertmanager does not retry what is "
                f"refused until the next group_interval ({load.interval_seconds:.0f} s), and what has ended by then is "
                f"never told. {ADVICE}"
            )


ADVICE = (
    "Give its routes that do not page a coarser `group_by:`, such as [cluster, service, severity], or some of its "
    "alerts a channel of their own"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alike:
    """Alerts that every route takes or leaves together: they differ in their names alone.

    `labels` are those that their rules set, and the name where a route asks for it.
    """

    names: tuple[str, ...]
    labels: Mapping[str, str]


def _alike(catalog: Catalog) -> Iterator[_Alike]:
    """Yield the alerts in groups of those that are alike. There are thousands of alerts, and few of these groups."""
    asked = {name for route in catalog.routing.routes for name in route.match.get(ALERTNAME, ())}
    classes: dict[frozenset[tuple[str, str]], list[str]] = {}
    for name, located in catalog.rules.alerts.items():
        known = {ALERTNAME: name} if name in asked else {}
        classes.setdefault(frozenset({**located.rule.labels, **known}.items()), []).append(name)
    for labels, names in classes.items():
        yield _Alike(names=tuple(names), labels=dict(labels))


def _channels(catalog: Catalog, settings: Settings, entry: RouteEntry | None) -> set[str]:
    routing = catalog.routing
    default = routing.receivers[routing.default.receiver]
    receiver = routing.receivers[entry.receiver] if entry is not None else default
    posted = receiver.slack
    if receiver.page is not None and not settings.paging:
        posted += default.slack
    return {settings.channel(one.channel) for one in posted}


def _group(catalog: Catalog, entry: RouteEntry | None, labels: Mapping[str, str]) -> tuple[tuple[str, ...], bool]:
    """Return the group of an alert, and whether each alert that is alike has one of its own.

    Of a label whose value only the series know there is one value for each alert.
    """
    group_by = (entry.group_by if entry is not None else None) or catalog.routing.default.group_by
    known = {CLUSTER, ALERTNAME, *labels}
    names = set(group_by if known >= set(group_by) else (*group_by, ALERTNAME, SERVICE))
    return tuple(labels.get(name, "") for name in sorted(names - {ALERTNAME})), ALERTNAME in names
