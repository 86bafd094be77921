"""alert_to_thread, acknowledgement_sync and click_to_silence: alerts that are told to Alertmanager, and people who act.

Each sample is an alert of its own: its thread comes, it is acknowledged, in PagerDuty or in Slack by turns, and then
silenced in Slack. What was configured to wait is a twentieth, as in the whole sandbox; the rest takes what it takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median, quantiles

import httpx

from alerting.build import load_catalog
from alerting.names import ALERT_TOPIC
from alerting.source.durations import milliseconds
from sandbox.drills.target import RunningTarget
from sandbox.journal import Event, Kind
from sandbox.stack import Sandbox
from tests.bench.catalog import ROOT
from tests.bench.figures import Figure
from tests.bench.hops import HopMissing
from tests.bench.told import tell_alertmanagers

THREAD = "alert_to_thread"
SYNC = "acknowledgement_sync"
SYNC_FROM_SLACK = "acknowledgement_sync_from_slack"
SILENCE = "click_to_silence"
CHAT_FIGURES = (THREAD, SYNC, SYNC_FROM_SLACK, SILENCE)
SAMPLES = 40
EVERY_SECONDS = 6.0
"""The time from one sample to the next: twelve episodes within a minute would be a burst, which is another figure."""
STEP_SECONDS = 60.0
POLL_SECONDS = 0.05
CHANNEL = "#orion-alerts"
TEAM = "platform"
ROUTE = "pagerduty-critical"
GOALS: Mapping[str, float] = {SYNC: 3.0, SYNC_FROM_SLACK: 3.0, SILENCE: 3.0}
"""Seconds. That of a thread is two beyond the route's `group_wait`, which is its peer."""

Times = Mapping[str, float]
"""The time of each step of a way, in its order."""


@dataclass(slots=True)
class Ways:
    """The samples of each figure."""

    times: dict[str, list[Times]] = field(default_factory=dict[str, list[Times]])

    def add(self, name: str, **times: float) -> None:
        """Add a sample."""
        self.times.setdefault(name, []).append(times)


def chat_hops(sandbox: Sandbox, wanted: Callable[[str], bool], tell: Callable[[str], None]) -> Iterator[Figure]:
    """Take the samples, and yield the median and the 99th percentile of every way and every hop."""
    ways, target = Ways(), RunningTarget(sandbox)
    catalog = load_catalog(ROOT)
    services = [name for name, service in catalog.services.items() if service.team == TEAM]
    for number in range(SAMPLES):
        if number % 10 == 0:
            tell(f"chat: {number} of {SAMPLES}")
        began = time.monotonic()
        _Sample(sandbox, target, number, services[number % len(services)]).take(ways)
        time.sleep(max(0.0, began + EVERY_SECONDS - time.monotonic()))
    route = next(route for route in catalog.routing.routes if route.receiver == ROUTE)
    wait = milliseconds(route.group_wait or catalog.routing.default.group_wait) / 1000 / sandbox.clock.scale
    for name in CHAT_FIGURES:
        if wanted(name):
            peer = (f"group_wait of route {ROUTE}", wait) if name == THREAD else ("goal", GOALS[name])
            yield from way_figures(name, ways.times[name], *peer)


def way_figures(name: str, samples: Sequence[Times], peer: str, peer_value: float) -> Iterator[Figure]:
    """Yield the median and the 99th percentile of a way from its first step to its last, and of each hop."""
    steps = list(samples[0])
    whole = [sample[steps[-1]] - sample[steps[0]] for sample in samples]
    yield Figure(name=name, value=median(whole), unit="s", peer=peer, peer_value=peer_value)
    yield Figure(name=f"{name}_p99", value=percentile_99(whole), unit="s", peer=peer, peer_value=peer_value)
    for before, after in pairwise(steps):
        seconds = [sample[after] - sample[before] for sample in samples]
        yield Figure(name=f"{name}_hop_{before}_to_{after}", value=median(seconds), unit="s")
        yield Figure(name=f"{name}_hop_{before}_to_{after}_p99", value=percentile_99(seconds), unit="s")


def percentile_99(values: Sequence[float]) -> float:
    """Return the 99th percentile, between the two values that it falls between."""
    return quantiles(values, n=100, method="inclusive")[-1] if len(values) > 1 else values[0]


@dataclass(slots=True)
class _Sample:
    """One alert, and what people do about it."""

    sandbox: Sandbox
    target: RunningTarget
    number: int
    service: str
    since: float = field(default_factory=time.time)

    @property
    def alert(self) -> str:
        return f"BenchChat{self.number:03}"

    def take(self, ways: Ways) -> None:
        (person,) = self.target.on_call(self.service)[:1]
        told = time.time()
        labels = {"alertname": self.alert, "service": self.service, "severity": "critical", "team": TEAM}
        tell_alertmanagers(self.sandbox, [labels])
        published = self._wait("published", Kind.TOPIC_PUBLISHED, self._is_published)
        root = self._wait("posted", Kind.MESSAGE_POSTED, self._is_root)
        ways.add(THREAD, told=told, published=published.time, posted=root.time)
        incident = self._wait("an incident", Kind.INCIDENT_TRIGGERED, lambda event: self.alert in _text(event))
        ts = str(root.details["ts"])
        # The button is there when the thread knows the incident.
        self._wait("the button", Kind.MESSAGE_UPDATED, self._shows(ts, "On call"), or_posted=root)
        if self.number % 2:
            self._acknowledge_in_slack(ways, person, ts, incident)
        else:
            self._acknowledge_in_pagerduty(ways, person, ts, incident)
        self._silence(ways, person, ts)
        tell_alertmanagers(self.sandbox, [labels], ends=datetime.now(UTC))  # or it escalates while others are measured

    def _acknowledge_in_pagerduty(self, ways: Ways, person: str, ts: str, incident: Event) -> None:
        self.target.acknowledge(person, incident.ids["incident"])
        acknowledged = self._acknowledged(incident)
        reported = self._wait(
            "webhook",
            Kind.WEBHOOK_DELIVERED,
            lambda event: event.ids["event"] == "incident.acknowledged" and event.time >= acknowledged.time,
        )
        shown = self._wait("shown", Kind.MESSAGE_UPDATED, self._shows(ts, "Acknowledged by"))
        ways.add(SYNC, acknowledged=acknowledged.time, reported=reported.time, shown=shown.time)

    def _acknowledge_in_slack(self, ways: Ways, person: str, ts: str, incident: Event) -> None:
        clicked = time.time()
        self.target.click(person, CHANNEL, ts, "acknowledge")
        answered = self._clicked(ts, "acknowledge")
        acknowledged = self._acknowledged(incident)
        shown = self._wait("shown", Kind.MESSAGE_UPDATED, self._shows(ts, "Acknowledged by"))
        steps = {"clicked": clicked, "answered": answered.time, "acknowledged": acknowledged.time, "shown": shown.time}
        ways.add(SYNC_FROM_SLACK, **steps)

    def _silence(self, ways: Ways, person: str, ts: str) -> None:
        clicked = time.time()
        self.target.click(person, CHANNEL, ts, "silence-1h")
        answered = self._clicked(ts, "silence-1h")
        ways.add(SILENCE, clicked=clicked, answered=answered.time, silenced=self._silenced_at())

    def _clicked(self, ts: str, action: str) -> Event:
        return self._wait(
            "the click",
            Kind.BUTTON_CLICKED,
            lambda event: event.ids["action"] == action and event.details["ts"] == ts,
        )

    def _acknowledged(self, incident: Event) -> Event:
        number = incident.ids["incident"]
        return self._wait("acknowledged", Kind.INCIDENT_ACKNOWLEDGED, lambda event: event.ids["incident"] == number)

    def _silenced_at(self) -> float:
        """Return when Alertmanager made the silence, by its own clock, which is this machine's."""
        deadline = time.monotonic() + STEP_SECONDS
        addresses = list(self.sandbox.alertmanagers().values())
        while time.monotonic() < deadline:
            silences = httpx.get(f"{addresses[0]}/api/v2/silences", timeout=STEP_SECONDS).raise_for_status().json()
            for silence in silences:
                if any(matcher["value"] == self.alert for matcher in silence["matchers"]):
                    return datetime.fromisoformat(silence["updatedAt"]).timestamp()
            time.sleep(POLL_SECONDS)
        raise HopMissing(f"{self.alert}: no silence within {STEP_SECONDS:.0f} s; see {self.sandbox.journal.path}")

    def _is_published(self, event: Event) -> bool:
        return event.ids["topic"] == ALERT_TOPIC and self.alert in str(event.details)

    def _is_root(self, event: Event) -> bool:
        text = _text(event)
        return event.details.get("thread") is None and f"] {self.alert}" in text

    def _shows(self, ts: str, text: str) -> Callable[[Event], bool]:
        return lambda event: event.details["ts"] == ts and text in _text(event)

    def _wait(self, what: str, kind: Kind, is_it: Callable[[Event], bool], or_posted: Event | None = None) -> Event:
        """Return the event, or `or_posted` where that is it already. Raises `HopMissing`."""
        if or_posted is not None and is_it(or_posted):
            return or_posted
        event = self.sandbox.journal.wait_for(
            lambda event: event.kind is kind and is_it(event), since=self.since, timeout_seconds=STEP_SECONDS
        )
        if event is None:
            self.sandbox.run.keep()
            path = self.sandbox.journal.path
            raise HopMissing(f"{self.alert}: {what}: not seen within {STEP_SECONDS:.0f} s; see {path}")
        return event


def _text(event: Event) -> str:
    return " ".join(str(event.details.get(name, "")) for name in ("title", "message", "summary"))
