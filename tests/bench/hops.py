"""alert_to_page and alert_to_pod_replaced: ten alerts from the fault to the end, and each hop between."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, pairwise
from statistics import median

import httpx

from alerting.build import load_catalog
from alerting.names import ALERT_TOPIC
from alerting.source.durations import milliseconds
from sandbox.journal import Event, Kind
from sandbox.stack import Sandbox
from tests.bench.catalog import ROOT
from tests.bench.figures import Figure

PAGE = "alert_to_page"
REPAIR = "alert_to_pod_replaced"
TIMES = 10
STEP_SECONDS = 120.0
REQUEST_SECONDS = 10.0


class HopMissing(RuntimeError):
    """Something that had to follow an alert did not; the message says what, and after which alert."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that follows the firing of an alert, and how it is known in the journal."""

    name: str
    kind: Kind
    is_it: Callable[[Event, Mapping[str, Event]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The way of an alert: the fault that sets it off, and what follows, in order.

    `services` are those of each round, in turn: what is limited by the hour for one service is done to several.
    """

    alert: str
    fault: str
    services: Sequence[tuple[str, ...]]
    steps: Sequence[Step]
    group_wait: str


def _is_page_of(event: Event, seen: Mapping[str, Event]) -> bool:
    return event.ids["service"] == seen["fires"].ids["service"] and "CriticalLatency" in str(event.details["summary"])


def _is_about_its_pod(event: Event, seen: Mapping[str, Event]) -> bool:
    return seen["fires"].ids["pod"] in json.dumps(event.details)


WAYS: Mapping[str, Way] = {
    # Of a team whose critical alerts wait ten seconds for others of their group.
    PAGE: Way(
        alert="CriticalLatency",
        fault="requests are slow",
        services=(("market-data", "gateway"),),
        group_wait="pagerduty-critical",
        steps=(
            Step(name="incident", kind=Kind.INCIDENT_TRIGGERED, is_it=_is_page_of),
            Step(
                name="person_notified",
                kind=Kind.PERSON_NOTIFIED,
                is_it=lambda event, seen: event.ids["incident"] == seen["incident"].ids["incident"],
            ),
        ),
    ),
    REPAIR: Way(
        alert="HighMemoryUsage",
        fault="memory leaks",
        services=(("orders", "positions"), ("gateway", "market-data")),
        group_wait="slack-warning",
        steps=(
            Step(
                name="published",
                kind=Kind.TOPIC_PUBLISHED,
                is_it=lambda event, seen: event.ids["topic"] == ALERT_TOPIC and _is_about_its_pod(event, seen),
            ),
            Step(
                name="command_started",
                kind=Kind.COMMAND_STARTED,
                is_it=lambda event, seen: (
                    event.ids["document"] == "orion-restart-pod" and _is_about_its_pod(event, seen)
                ),
            ),
            Step(
                name="pod_deleted",
                kind=Kind.POD_DELETED,
                is_it=lambda event, seen: event.ids["uid"] == seen["fires"].ids["uid"],
            ),
            Step(
                name="new_pod_ready",
                kind=Kind.POD_READY,
                is_it=lambda event, seen: (
                    event.time >= seen["pod_deleted"].time - 1.0
                    and event.ids["uid"] != seen["fires"].ids["uid"]
                    and event.ids["pod"].rsplit("-", 1)[0] == seen["fires"].ids["pod"].rsplit("-", 1)[0]
                ),
            ),
        ),
    ),
}


def hops(name: str, sandbox: Sandbox, tell: Callable[[str], None]) -> Iterator[Figure]:
    """Let ten alerts go their way, two services at a time, and yield the whole way and each hop."""
    way = WAYS[name]
    seen: list[Mapping[str, Event]] = []
    for services in cycle(way.services):
        tell(f"{name}: {len(seen)} of {TIMES}")
        seen += _round(way, services, sandbox)
        if len(seen) >= TIMES:
            break
    last = way.steps[-1].name
    whole = [one[last].time - one["fires"].time for one in seen]
    floor = _group_wait(way) / sandbox.clock.scale
    peer = f"group_wait of route {way.group_wait}"
    yield Figure(name=name, value=median(whole), unit="s", peer=peer, peer_value=floor)
    yield Figure(name=f"{name}_worst", value=max(whole), unit="s", peer=peer, peer_value=floor)
    for before, after in pairwise(("broken", "fires", *(step.name for step in way.steps))):
        seconds = [one[after].time - one[before].time for one in seen]
        yield Figure(name=f"{name}_hop_{before}_to_{after}", value=median(seconds), unit="s")
        yield Figure(name=f"{name}_hop_{before}_to_{after}_worst", value=max(seconds), unit="s")


def _round(way: Way, services: Sequence[str], sandbox: Sandbox) -> list[Mapping[str, Event]]:
    """Break every service of a round once, follow what comes, mend it, and wait until it has passed."""
    began = time.time()
    broken = [_broken_labels(way, sandbox, service) for service in services]
    for labels in broken:
        _fault(sandbox, "POST", way.fault, labels)
    seen: list[Mapping[str, Event]] = []
    try:
        for labels in broken:
            found = {
                "broken": _wait(
                    sandbox, began, way, "broken", Kind.FAULT_STARTED, _carries({"fault": way.fault, **labels})
                ),
                "fires": _wait(
                    sandbox, began, way, "fires", Kind.ALERT_FIRING, _carries({"alertname": way.alert, **labels})
                ),
            }
            for step in way.steps:
                found[step.name] = _wait(sandbox, began, way, step.name, step.kind, _given(step, found))
            seen.append(found)
    finally:
        for labels in broken:
            _fault(sandbox, "DELETE", way.fault, labels)
    for found in seen:
        _wait(sandbox, began, way, "resolves", Kind.ALERT_RESOLVED, _carries(found["fires"].ids))
        if "incident" in found:
            number = {"incident": found["incident"].ids["incident"]}
            _wait(sandbox, began, way, "the incident resolves", Kind.INCIDENT_RESOLVED, _carries(number))
    return seen


def _broken_labels(way: Way, sandbox: Sandbox, service: str) -> dict[str, str]:
    """Return where the fault is to be: in one pod where pods are replaced, so that the next is sound."""
    if way is not WAYS[REPAIR]:
        return {"service": service}
    return {
        "service": service,
        "pod": next(pod.name for pod in sandbox.workloads.pods() if pod.service == service and pod.ready),
    }


def _given(step: Step, seen: Mapping[str, Event]) -> Callable[[Event], bool]:
    return lambda event: step.is_it(event, seen)


def _carries(ids: Mapping[str, str]) -> Callable[[Event], bool]:
    return lambda event: all(event.ids.get(name) == value for name, value in ids.items())


def _wait(sandbox: Sandbox, since: float, way: Way, what: str, kind: Kind, is_it: Callable[[Event], bool]) -> Event:
    event = sandbox.journal.wait_for(
        lambda seen: seen.kind is kind and is_it(seen), since=since, timeout_seconds=STEP_SECONDS
    )
    if event is None:
        sandbox.run.keep()
        raise HopMissing(f"{way.alert}: {what}: not seen within {STEP_SECONDS:.0f} s; see {sandbox.journal.path}")
    return event


def _fault(sandbox: Sandbox, method: str, kind: str, labels: Mapping[str, str]) -> None:
    body = {"fault": kind, "labels": dict(labels)}
    httpx.request(method, f"{sandbox.metrics.address}/faults", json=body, timeout=REQUEST_SECONDS).raise_for_status()


def _group_wait(way: Way) -> float:
    """Return the story's seconds that the way's route waits for others of a group: no page can be sooner."""
    routing = load_catalog(ROOT).routing
    route = next(route for route in routing.routes if route.receiver == way.group_wait)
    return milliseconds(route.group_wait or routing.default.group_wait) / 1000
