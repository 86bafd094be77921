"""Every route gets the alerts that it names, and every page opens in the service that the alert is about.

The first route that matches takes an alert, and it alone. So a route behind a broader one never gets what both match,
and nothing says so when it happens: the story's database channel never heard of a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from alerting.catalog import Catalog, RouteEntry
from alerting.oncall.event_orchestration import paged_as
from alerting.oncall.pagerduty import paged_services
from alerting.routing.routes import takes
from alerting.rules.series import ALERTNAME, SERVICE, SEVERITY, TEAM
from alerting.source.fields import Severity
from alerting.source.problems import Problem, listed
from alerting.source.yaml_source import Document

PAGING = (Severity.CRITICAL, Severity.HIGH)
"""The severities that have to open an incident."""

Matched = Mapping[str, tuple[str, ...]]
_SEEN_BY_SERVICE = frozenset({SEVERITY, TEAM, SERVICE})
_NAMED = 5
"""How many alerts an error names."""


def reach_problems(catalog: Catalog, document: Document) -> Iterator[Problem]:
    """Yield the routes that an earlier one keeps alerts from, and the services whose alerts page another or nobody."""
    routes = catalog.routing.routes
    for later, route in enumerate(routes):
        for earlier in range(later):
            yield from _shadow_problems(catalog, document, earlier, routes[earlier], later, route)
    for severity in PAGING:
        for service in paged_services(catalog):
            yield from _page_problems(catalog, document, severity, service)
    for index, route in enumerate(routes):
        if route.match.keys() - _SEEN_BY_SERVICE and catalog.routing.receivers[route.receiver].page is None:
            yield from _unpaged_problems(catalog, document, index, route)


def _shadow_problems(
    catalog: Catalog, document: Document, earlier: int, before: RouteEntry, later: int, route: RouteEntry
) -> Iterator[Problem]:
    both = _both(catalog, before.match, route.match)
    if both is None or _is_narrower(before, route):
        return
    line = document.place(("routes", earlier)).line
    alerts = " and ".join(f"{label} {' or '.join(values)}" for label, values in sorted(both.items()))
    advice = "Move this route before that one, or have that one match less"
    message = f"the route in line {line} takes its alerts with {alerts}: it comes first. {advice}"
    yield Problem(document.place(("routes", later)), message)


def _both(catalog: Catalog, one: Matched, other: Matched) -> Matched | None:
    """Return what an alert that two routes match looks like, or None if there is no such alert."""
    result = dict(one)
    for label, values in other.items():
        result[label] = tuple(value for value in result.get(label, values) if value in values)
    if ALERTNAME in result:
        alerts = catalog.rules.alerts
        result[ALERTNAME] = tuple(
            name for name in result[ALERTNAME] if name not in alerts or _may_carry(alerts[name].rule.labels, result)
        )
    if SERVICE in result and TEAM in result:
        result[SERVICE] = tuple(one for one in result[SERVICE] if catalog.owner(one) in result[TEAM])
    return None if () in result.values() else result


def _may_carry(fixed: Mapping[str, str], wanted: Matched) -> bool:
    """Say whether an alert whose rule sets these labels can match."""
    return all(fixed[label] in values for label, values in wanted.items() if label in fixed)


def _is_narrower(one: RouteEntry, other: RouteEntry) -> bool:
    """Say whether a route names all that another does, and more. A name says all of an alert, a service its team."""
    if (ALERTNAME in one.match) != (ALERTNAME in other.match):
        return ALERTNAME in one.match
    return _said(one) > _said(other)


def _said(route: RouteEntry) -> frozenset[str]:
    return frozenset(route.match) | ({TEAM} if SERVICE in route.match else set())


def _page_problems(catalog: Catalog, document: Document, severity: Severity, service: str) -> Iterator[Problem]:
    labels = {ALERTNAME: "any", SEVERITY: severity.value, SERVICE: service, TEAM: catalog.owner(service)}
    found = next(((index, one) for index, one in enumerate(catalog.routing.routes) if takes(one, labels)), None)
    if found is None:
        message = f"no route takes a {severity.value} alert of {service}, so that it pages nobody. Add a route"
        yield Problem(document.place(("routes",)), message)
        return
    index, route = found
    place = document.place(("routes", index, "receiver"))
    if catalog.routing.receivers[route.receiver].page is None:
        message = f"a {severity.value} alert of {service} pages nobody: receiver {route.receiver} has no `page:`"
        yield Problem(place, f"{message}. Add `page: {{}}`, or a route before it that pages")
    elif (other := paged_as(catalog, route, service)) != service:
        message = f"a {severity.value} alert of {service} opens its incident in {other}"
        yield Problem(place, f"{message}; allowed: {service}. Match its team or its service")


def _unpaged_problems(catalog: Catalog, document: Document, index: int, route: RouteEntry) -> Iterator[Problem]:
    """Yield that a route which does not page takes alerts that have to, by their name or another of their labels."""
    alerts = catalog.rules.alerts
    named = [name for name in route.match.get(ALERTNAME, tuple(alerts)) if name in alerts]
    lost = [name for name in named if _is_unpaged(catalog, index, route, name, alerts[name].rule.labels)]
    if lost:
        more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
        message = f"may take {listed(lost[:_NAMED])}{more}, and pages nobody: receiver {route.receiver} has no `page:`"
        advice = "Add `page: {}`, or give the alert a severity that does not page"
        yield Problem(document.place(("routes", index)), f"{message}. {advice}")


def _is_unpaged(catalog: Catalog, index: int, route: RouteEntry, name: str, fixed: Mapping[str, str]) -> bool:
    """Say whether an alert that has to page may reach a route, past those before it."""
    if fixed.get(SEVERITY) not in PAGING or not _may_carry(fixed, route.match):
        return False
    services = (fixed[SERVICE],) if SERVICE in fixed else paged_services(catalog)
    return any(
        _passes(catalog, index, {TEAM: catalog.owner(one), **fixed, ALERTNAME: name, SERVICE: one}) for one in services
    )


def _passes(catalog: Catalog, index: int, labels: Mapping[str, str]) -> bool:
    """Say whether an alert may match a route and none before it. `labels` are those of which the value is known."""
    route, before = catalog.routing.routes[index], catalog.routing.routes[:index]
    return _may_carry(labels, route.match) and not any(takes(one, labels) for one in before)
