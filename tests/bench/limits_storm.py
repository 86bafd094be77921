"""storm_10000: ten thousand alerts in 200 groups within a minute, at the limits that Slack and PagerDuty document.

The sandbox runs in real time, since its scale is that of the limits too. Each group is a service, whose fifty alerts
come at once; the services fail one after another.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from alerting.build import load_catalog
from alerting.source.durations import milliseconds
from sandbox.journal import Event, Kind
from sandbox.stack import Sandbox
from tests.bench.catalog import ROOT
from tests.bench.figures import Figure
from tests.bench.told import tell_alertmanagers

STORM = "storm_10000"
LIMITS_FIGURES = (STORM,)
GROUPS = 200
ALERTS_OF_A_GROUP = 50
MINUTE_SECONDS = 60.0
PATIENCE_SECONDS = 900.0
POLL_SECONDS = 2.0
SLACKS_BURST = 30
"""The messages that the stand-in takes at once: Slack says that it tolerates bursts, and not how long."""
SHOWN = (Kind.MESSAGE_POSTED, Kind.MESSAGE_UPDATED)
NAME = "TenThousand"
TEAMS = ("platform", "database")
"""Teams whose threads are in two channels, and whose routes wait for others of a group. The catalog does not know the
services: PagerDuty pages the team, and each service's name chooses one of the keys.
"""


def limits_storm(sandbox: Sandbox, tell: Callable[[str], None]) -> Iterator[Figure]:
    """Tell every Alertmanager of the alerts, and wait until Slack and PagerDuty have all of it."""
    groups = storm_groups()
    alerts = GROUPS * ALERTS_OF_A_GROUP
    tell(f"{STORM}: {alerts} alerts in {GROUPS} groups, within a minute, in real time")
    began, started = time.time(), time.monotonic()
    told: dict[str, float] = {}
    for number, (group, labels) in enumerate(groups.items(), start=1):
        told[group] = time.time()
        tell_alertmanagers(sandbox, labels)
        time.sleep(max(0.0, started + number * MINUTE_SECONDS / GROUPS - time.monotonic()))
    while not (seen := what_was_seen(sandbox.journal.events(), began, told)).is_whole:
        if time.monotonic() > started + PATIENCE_SECONDS:
            sandbox.run.keep()
            tell(f"{STORM}: not all was seen; the journal stays in {sandbox.run.directory}")
            break
        time.sleep(POLL_SECONDS)
    yield from storm_figures(seen, began, told)


def storm_groups() -> Mapping[str, Sequence[Mapping[str, str]]]:
    """Return the labels of each group's alerts, by the alert's name."""
    groups: dict[str, Sequence[Mapping[str, str]]] = {}
    for number in range(GROUPS):
        group, team = f"{NAME}{number:03}", TEAMS[number % len(TEAMS)]
        labels = {"alertname": group, "service": f"service-{number:03}", "severity": "critical", "team": team}
        groups[group] = [{**labels, "pod": f"pod-{pod}"} for pod in range(ALERTS_OF_A_GROUP)]
    return groups


@dataclass(slots=True, kw_only=True)
class Seen:
    """The storm's groups by their alert's name, as the journal has them.

    `right` is when a group's thread first showed all of its alerts and who is on call, and `digest_at` when the newest
    digest of each channel showed a thread for everything.
    """

    threads: Counter[str] = field(default_factory=Counter[str])
    right: dict[str, float] = field(default_factory=dict[str, float])
    paged: dict[str, float] = field(default_factory=dict[str, float])
    incidents: Counter[str] = field(default_factory=Counter[str])
    digest_at: float | None = None
    messages: int = 0
    refused: int = 0

    @property
    def is_whole(self) -> bool:
        """Return whether every group has its page and its thread, and every digest says so."""
        return len(self.right) == len(self.paged) == GROUPS and self.digest_at is not None


def what_was_seen(events: Sequence[Event], since: float, groups: Mapping[str, float]) -> Seen:
    """Return what the journal has of the groups since the storm began."""
    seen = Seen()
    unfinished: set[str] = set()
    for event in events:
        if event.time < since:
            continue
        text = " ".join(str(event.details.get(name, "")) for name in ("title", "message", "summary"))
        if event.kind in SHOWN and event.details.get("only_for") is None:
            seen.messages += 1
            if "incidents at once" in text:
                (unfinished.add if "no thread yet" in text else unfinished.discard)(str(event.details["ts"]))
                seen.digest_at = None if unfinished else event.time
                continue
        group = next((group for group in groups if group in text), None)
        if group is not None:
            _add(seen, event, group, text)
        elif event.kind is Kind.REQUEST_REFUSED and event.details.get("error") == "ratelimited":
            seen.refused += 1
    return seen


def _add(seen: Seen, event: Event, group: str, text: str) -> None:
    if event.kind is Kind.INCIDENT_TRIGGERED:
        seen.incidents[group] += 1
        seen.paged.setdefault(group, event.time)
    if event.kind is Kind.MESSAGE_POSTED and event.details.get("thread") is None:
        seen.threads[group] += 1
    if event.kind in SHOWN and f"[FIRING:{ALERTS_OF_A_GROUP}]" in text and "On call" in text:
        seen.right.setdefault(group, event.time)


def storm_figures(seen: Seen, began: float, told: Mapping[str, float]) -> Iterator[Figure]:
    """Yield the storm's figures."""
    alerts = len(told) * ALERTS_OF_A_GROUP
    interval = milliseconds(load_catalog(ROOT).routing.default.group_interval) / 1000
    lost = sum(group not in seen.right or group not in seen.paged for group in told)
    twice = sum(count > 1 for count in (*seen.threads.values(), *seen.incidents.values()))
    ends = [seen.digest_at or began, *seen.right.values()]
    slowest = max((seen.paged[group] - told[group] for group in told if group in seen.paged), default=0.0)
    yield Figure(name=STORM, value=len(seen.right), unit="threads", peer="groups", peer_value=len(told))
    yield Figure(name=f"{STORM}_lost", value=lost, unit="groups")
    yield Figure(name=f"{STORM}_doubled", value=twice, unit="groups")
    yield Figure(
        name=f"{STORM}_right",
        value=max(ends) - began,
        unit="s",
        peer="a message a second after a burst",
        peer_value=len(told) - SLACKS_BURST,
    )
    yield Figure(name=f"{STORM}_slowest_page", value=slowest, unit="s", peer="group_interval", peer_value=interval)
    yield Figure(name=f"{STORM}_messages", value=seen.messages, unit="calls", peer="alerts", peer_value=alerts)
    yield Figure(name=f"{STORM}_calls_saved", value=alerts - seen.messages, unit="calls")
    yield Figure(name=f"{STORM}_refused", value=seen.refused, unit="calls")
