"""storm_1000: a thousand alerts in forty groups within a minute, and what PagerDuty has of them at the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from alerting.build import load_catalog
from alerting.source.durations import milliseconds
from sandbox.journal import Event, Kind
from sandbox.stack import Sandbox
from tests.bench.catalog import ROOT
from tests.bench.figures import Figure
from tests.bench.told import tell_alertmanagers

STORM = "storm_1000"
ALERTS = 1000
GROUPS = 40
MINUTE_SECONDS = 60.0
POSTS = 100
PATIENCE_SECONDS = 180.0
POLL_SECONDS = 0.2


def storm(sandbox: Sandbox, tell: Callable[[str], None]) -> Iterator[Figure]:
    """Tell every Alertmanager of the alerts, as a Prometheus does, then that all have resolved."""
    began = time.time()
    alerts = storm_alerts()
    tell(f"{STORM}: {ALERTS} alerts in {GROUPS} groups, within a minute")
    started = time.monotonic()
    size = ALERTS // POSTS
    for number in range(POSTS):
        tell_alertmanagers(sandbox, alerts[number * size : (number + 1) * size])
        time.sleep(max(0.0, started + (number + 1) * MINUTE_SECONDS / POSTS - time.monotonic()))
    took = time.monotonic() - started
    opened = _until(sandbox, began, Kind.INCIDENT_TRIGGERED, GROUPS)
    slowest = max((event.time for event in opened), default=began) - began
    # A resolve at the very tick of a group is another thing, and a limit of Alertmanager's (docs/architecture.md). The
    # storm lasts a whole number of intervals, so that its end would always be such a tick.
    time.sleep(_half_an_interval(sandbox))
    tell(f"{STORM}: all resolve")
    tell_alertmanagers(sandbox, alerts, ends=datetime.now(UTC))
    resolved = _until(sandbox, began, Kind.INCIDENT_RESOLVED, GROUPS)
    opened = _of_the_storm(sandbox, began, Kind.INCIDENT_TRIGGERED)
    counts = Counter(event.ids["dedup_key"] for event in opened)
    if set(counts.values()) != {1} or len(counts) != GROUPS:
        sandbox.run.keep()
        tell(f"{STORM}: not one incident for each group; the journal stays in {sandbox.run.directory}")
    yield Figure(name=STORM, value=len(counts), unit="incidents", peer="groups", peer_value=GROUPS)
    yield Figure(name=f"{STORM}_lost", value=GROUPS - len(counts), unit="groups")
    yield Figure(name=f"{STORM}_doubled", value=sum(counts.values()) - len(counts), unit="incidents")
    yield Figure(
        name=f"{STORM}_resolved",
        value=len({event.ids["incident"] for event in resolved}),
        unit="incidents",
        peer="groups",
        peer_value=GROUPS,
    )
    yield Figure(name=f"{STORM}_last_page", value=slowest, unit="s", peer="the storm itself", peer_value=took)


def _half_an_interval(sandbox: Sandbox) -> float:
    """Return half of the default route's group interval, in real seconds."""
    return sandbox.clock.real(milliseconds(load_catalog(ROOT).routing.default.group_interval) / 1000) / 2


def storm_alerts() -> list[dict[str, str]]:
    """Return the labels of the alerts, one of each group after the other."""
    services = list(load_catalog(ROOT).services.items())
    alerts: list[dict[str, str]] = []
    for number in range(ALERTS):
        group = number % GROUPS
        service, definition = services[group % len(services)]
        labels = {"alertname": f"Storm{group}", "service": service, "severity": "critical", "team": definition.team}
        alerts.append({**labels, "pod": f"pod-{number}"})
    return alerts


def _of_the_storm(sandbox: Sandbox, since: float, kind: Kind) -> list[Event]:
    return [event for event in sandbox.journal.find(kind, since=since) if "Storm" in str(event.details["summary"])]


def _until(sandbox: Sandbox, since: float, kind: Kind, count: int) -> list[Event]:
    """Return the events of a kind when there are enough of them, or when patience has ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(found := _of_the_storm(sandbox, since, kind)) < count and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return found
