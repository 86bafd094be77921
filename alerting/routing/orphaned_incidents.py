"""Open incidents that a change of the configuration would orphan.

PagerDuty knows an incident by the key of Alertmanager's group (the route's static key and the group's labels) under one
integration, within one service. When a change gives the same labels another route, another `group_by`, another service
or another integration, the resolve does not find the open incident: it stays open for ever, and an alert that still
fires opens a second one. PagerDuty documents this of a service's integrations; those of an orchestration are taken to
be the same.

A rule that changes its own labels orphans nothing: the alert with the old labels ends by itself after a few minutes,
and its resolve takes the old way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from alerting.catalog import Catalog
from alerting.oncall.event_orchestration import key_name, paged_as
from alerting.oncall.pagerduty import paged_services
from alerting.routing.group_key import deduplication_key, group_key
from alerting.routing.routes import routes, takes
from alerting.rules.series import ALERTNAME, CLUSTER, SERVICE, SEVERITY, TEAM
from alerting.settings import Settings

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A catalog as a stack deploys it."""

    catalog: Catalog
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """The place where an alert's incident opens: the route's key, its group labels, and PagerDuty's service and key.

    `integration` is the key's name with its number.
    """

    route: str
    group_by: tuple[str, ...]
    service: str
    integration: str

    def group_labels(self, labels: Labels) -> dict[str, str]:
        """Return the labels of the group that an alert belongs to. Alertmanager leaves out what the alert lacks."""
        return {name: labels[name] for name in self.group_by if labels.get(name)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """An incident that nothing would resolve. `after` is where its resolve would go, if the alert still pages."""

    labels: Labels
    before: Incident
    after: Incident | None

    @property
    def group_key(self) -> str:
        """The key of Alertmanager's group."""
        return group_key(self.before.route, self.before.group_labels(self.labels))

    @property
    def deduplication_key(self) -> str:
        """The key that PagerDuty knows the incident by."""
        return deduplication_key(self.before.route, self.before.group_labels(self.labels))


def incident_of(deployment: Deployment, labels: Labels) -> Incident | None:
    """Return where the incident of an alert with these labels opens, or None if it opens none."""
    if not deployment.settings.paging:
        return None
    catalog = deployment.catalog
    entries = zip(catalog.routing.routes, routes(catalog), strict=True)
    entry, route = next(((entry, route) for entry, route in entries if takes(entry, labels)), (None, None))
    if entry is None or route is None or route.integration_key is None:
        return None
    service = labels.get(SERVICE, "")
    key = key_name(service)
    taken = next((child for child in route.children if child.integration_key == key), route)
    return Incident(
        route=taken.key,
        group_by=tuple(sorted(taken.group_by)),
        service=paged_as(catalog, entry, service),
        integration=f"{key}, number {catalog.routing.integration_keys[-1]}",
    )


def orphans(before: Deployment, after: Deployment, alerts: Iterable[Labels] | None = None) -> tuple[Orphan, ...]:
    """Return the incidents that a change would orphan if they were open, each group once.

    `alerts` are the labels of the alerts that fire. Without them it is every alert of every service that can page.
    """
    found: dict[str, Orphan] = {}
    for labels in possible_labels(before, after) if alerts is None else alerts:
        incident = incident_of(before, labels)
        if incident is None:
            continue
        then = incident_of(after, labels)
        if then != incident:
            orphan = Orphan(labels=labels, before=incident, after=then)
            found.setdefault(f"{incident.service} {incident.integration} {orphan.group_key}", orphan)
    return tuple(found.values())


def possible_labels(before: Deployment, after: Deployment) -> Iterator[Labels]:
    """Yield the labels of every alert that the deployed rules can raise, for each service and for none.

    Services that the change adds are among them: an alert about one of them may fire already.
    """
    catalog = before.catalog
    services = dict.fromkeys((*paged_services(catalog), *paged_services(after.catalog), ""))
    others = _other_labels(before, after)
    for name, located in catalog.rules.alerts.items():
        fixed = located.rule.labels
        for service in (fixed[SERVICE],) if SERVICE in fixed else services:
            known = service in catalog.services or service in catalog.teams
            team = {TEAM: catalog.owner(service)} if known else {}
            for values in product(*others.values()):
                more = dict(zip(others, values, strict=True))
                every = {**more, **team, CLUSTER: before.settings.cluster.name, SERVICE: service, **fixed}
                yield {label: value for label, value in {**every, ALERTNAME: name}.items() if value}


def _other_labels(before: Deployment, after: Deployment) -> dict[str, tuple[str, ...]]:
    """Return the values that routes tell alerts apart by, of labels beside those of every alert; empty for none."""
    usual = {ALERTNAME, SEVERITY, TEAM, SERVICE, CLUSTER}
    found: dict[str, dict[str, None]] = {}
    for deployment in (before, after):
        for entry in deployment.catalog.routing.routes:
            for label, values in entry.match.items():
                if label not in usual:
                    found.setdefault(label, {"": None}).update(dict.fromkeys(values))
    return {label: tuple(values) for label, values in found.items()}
