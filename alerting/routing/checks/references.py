"""Routes, receivers, channels and inhibitions name what is there, and every receiver is reached by one route."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from alerting.catalog import Catalog
from alerting.routing.checks.inhibitions import inhibition_problems
from alerting.routing.checks.route_coverage import reach_problems
from alerting.routing.routes import carried_keys, child_receiver
from alerting.rules.model import AlertLabels
from alerting.rules.series import ALERTNAME, CLUSTER, SERVICE, SEVERITY, TEAM
from alerting.source.fields import Severity
from alerting.source.problems import Problem, listed, not_allowed
from alerting.source.yaml_source import Document, FieldPath

ROUTING = "catalog/routing.yaml"
WITHOUT_A_RULE = frozenset({"InfoInhibitor"})
"""Alerts that a chart brings and that a route may name."""
EXTERNAL_LABELS = frozenset({CLUSTER})
"""Labels that Prometheus adds to every alert that it sends."""
ON_EVERY_ALERT = EXTERNAL_LABELS | {ALERTNAME, SEVERITY, TEAM, SERVICE}
"""Labels that every alert carries, by the checks of rules."""


def known_values(catalog: Catalog) -> Mapping[str, tuple[str, ...]]:
    """Return every value of the labels whose values the catalog and the rules name."""
    return {
        SEVERITY: tuple(Severity),
        TEAM: tuple(catalog.teams),
        SERVICE: (*catalog.services, *catalog.teams),
        ALERTNAME: tuple(catalog.rules.alerts),
    }


def carried_labels(catalog: Catalog) -> frozenset[str]:
    """Return the labels that some alert is sure to carry."""
    return ON_EVERY_ALERT.union(*(labels.names() for labels in catalog.rules.alert_labels.values()))


def routing_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yield what is wrong with catalog/routing.yaml: names that are not there, or else alerts that do not arrive."""
    document = catalog.documents[ROUTING]
    found = list(_name_problems(catalog, document))
    yield from found or _arrival_problems(catalog, document)


def _arrival_problems(catalog: Catalog, document: Document) -> Iterator[Problem]:
    yield from reach_problems(catalog, document)
    yield from inhibition_problems(catalog, document)


def _name_problems(catalog: Catalog, document: Document) -> Iterator[Problem]:
    routing = catalog.routing
    if routing.fallback_team not in catalog.teams:
        place = document.place(("fallback_team",))
        yield not_allowed(place, routing.fallback_team, catalog.teams, "Name a team of catalog/teams.yaml")
    yield from _receiver_problems(catalog, document)
    yield from _match_problems(catalog, document)
    yield from _grouping_problems(catalog, document)
    labels = catalog.rules.alert_labels
    for index, inhibition in enumerate(routing.inhibitions):
        for side, selector in (("source", inhibition.source), ("target", inhibition.target)):
            path = ("inhibitions", index, side)
            for position, alert in enumerate(selector.alerts):
                yield from _inhibited_problems(
                    document, (*path, "alerts", position), index, alert, inhibition.equal, labels, catalog
                )
            if selector.severities:
                yield from _inhibited_severities_problems(document, path, index, inhibition.equal)


def _receiver_problems(catalog: Catalog, document: Document) -> Iterator[Problem]:
    routing = catalog.routing
    used: dict[str, FieldPath] = {}
    named = [(("default", "receiver"), routing.default.receiver)]
    named += [(("routes", index, "receiver"), route.receiver) for index, route in enumerate(routing.routes)]
    for path, receiver in named:
        if receiver not in routing.receivers:
            advice = "Name a receiver of this file, or add it"
            yield not_allowed(document.place(path), receiver, routing.receivers, advice)
        elif receiver in used:
            line = document.place(used[receiver]).line
            message = f"receiver {receiver} belongs to the route in line {line}; allowed: one route. Add a receiver"
            yield Problem(document.place(path), message)
        used.setdefault(receiver, path)
    for name, receiver in routing.receivers.items():
        if name not in used:
            yield Problem(document.place(("receivers", name)), "is not reached by any route. Route to it or remove it")
        for position, entry in enumerate(receiver.slack):
            if entry.channel not in routing.channels:
                place = document.place(("receivers", name, "slack", position, "channel"))
                yield not_allowed(place, entry.channel, routing.channels, "Add it to `channels:`")
    yield from _generated_name_problems(catalog, document)
    if routing.default.receiver in routing.receivers and routing.receivers[routing.default.receiver].page:
        message = "the default route pages; allowed: a receiver without `page:`. Page by a route with a severity"
        yield Problem(document.place(("default", "receiver")), message)


def _grouping_problems(catalog: Catalog, document: Document) -> Iterator[Problem]:
    """Yield the routes that page and group alerts in a way of their own, and group labels that no alert carries."""
    carried = carried_labels(catalog)
    for index, route in enumerate(catalog.routing.routes):
        if route.group_by is None:
            continue
        receiver = catalog.routing.receivers.get(route.receiver)
        if receiver is not None and receiver.page is not None:
            message = f"receiver {route.receiver} pages, and an incident is about one alert of one service"
            advice = "Remove it, so that the default route's applies"
            yield Problem(document.place(("routes", index, "group_by")), f"{message}. {advice}")
        for position, label in enumerate(route.group_by):
            if label not in carried:
                place = document.place(("routes", index, "group_by", position))
                yield not_allowed(place, label, sorted(carried), "Name a label that an alert carries")


def _generated_name_problems(catalog: Catalog, document: Document) -> Iterator[Problem]:
    """Yield the receivers that are named as one that is made for a service of a route that pages."""
    receivers = catalog.routing.receivers
    for index, route in enumerate(catalog.routing.routes):
        if route.receiver not in receivers or receivers[route.receiver].page is None:
            continue
        for key in carried_keys(route):
            name = child_receiver(route, key)
            if name in receivers:
                line = document.place(("routes", index)).line
                message = f"is the name of the receiver that the route in line {line} has for {key}. Rename it"
                yield Problem(document.place(("receivers", name)), message)


def _match_problems(catalog: Catalog, document: Document) -> Iterator[Problem]:
    known = dict(known_values(catalog))
    known[ALERTNAME] = (*known[ALERTNAME], *sorted(WITHOUT_A_RULE))
    carried = carried_labels(catalog)
    for index, route in enumerate(catalog.routing.routes):
        for label, values in route.match.items():
            path = ("routes", index, "match", label)
            if label not in carried:
                advice = "Name a label that an alert carries"
                yield not_allowed(document.place(path), label, sorted(carried), advice)
            if not values:
                yield Problem(document.place(path), "found no value, which matches nothing. Add a value")
            for position, value in enumerate(values):
                if label in known and value not in known[label]:
                    yield not_allowed(document.place((*path, position)), value, known[label], "Change it")


def _inhibited_problems(
    document: Document,
    path: FieldPath,
    index: int,
    alert: str,
    equal: tuple[str, ...],
    labels: Mapping[str, AlertLabels],
    catalog: Catalog,
) -> Iterator[Problem]:
    alerts = catalog.rules.alerts
    if alert not in alerts:
        yield not_allowed(document.place(path), alert, alerts, "Name an alert of rules/")
        return
    if alert not in labels:
        return
    for position, label in enumerate(equal):
        if label not in labels[alert] and label not in EXTERNAL_LABELS:
            place = document.place(("inhibitions", index, "equal", position))
            carried = listed(labels[alert].names())
            yield Problem(place, f'alert {alert} has no label "{label}"; allowed: {carried}. Change it, or the alert')


def _inhibited_severities_problems(
    document: Document, path: FieldPath, index: int, equal: tuple[str, ...]
) -> Iterator[Problem]:
    if path[-1] == "source":
        message = "silences others by its severity; allowed: alerts by name. Name the alerts"
        yield Problem(document.place((*path, "severities")), message)
    for position, label in enumerate(equal):
        if label not in ON_EVERY_ALERT:
            place = document.place(("inhibitions", index, "equal", position))
            allowed = listed(sorted(ON_EVERY_ALERT))
            yield Problem(place, f'not every alert has the label "{label}"; allowed: {allowed}. Change it')
