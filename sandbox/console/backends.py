"""Asks the back ends for what the journal lacks: who is on call, routes, suppressed alerts and budgets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, cast
from urllib.parse import urlencode

import httpx
import yaml

from sandbox.console.objectives import ObjectiveState, objective_states, range_parameters
from sandbox.service import ServiceFailed

REQUEST_SECONDS = 2.0
LEAST_SECONDS_BETWEEN = 1.0
"""How long an answer is good for, so that a page open in many windows asks no more often than one."""
LEAST_SECONDS_BETWEEN_OBJECTIVES = 3.0
"""Budgets change slowly, and their course is a longer answer than others."""
BACK_ENDS: Mapping[str, str] = {
    "prometheus": "/-/ready",
    "alertmanager": "/-/ready",
    "pagerduty": "/sandbox/ready",
    "slack": "/sandbox/ready",
    "aws": "/sandbox/health",
    "metrics": "/faults",
    "runbooks": "/",
}
"""How the names of those begin, among a run's addresses, that are asked whether they answer, and for which page."""

_KINDS = tuple(BACK_ENDS)

Addresses = Callable[[], Mapping[str, str]]
"""Returns where everything is that is up, by name, as a run publishes it. May raise `ServiceFailed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackEnd:
    """Something that the page is about, and whether it answers now."""

    name: str
    address: str
    answers: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route of Alertmanager. `targets` are what its receiver tells, in a person's words."""

    receiver: str
    matchers: Sequence[str] = ()
    timings: Sequence[str] = ()
    targets: Sequence[str] = ()
    routes: Sequence[Route] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """The routes that an Alertmanager runs, and what suppresses what."""

    tree: Route
    inhibitions: Sequence[str] = ()

    def targets(self, receiver: str) -> Sequence[str]:
        """Return what a receiver tells; nothing for one that no route leads to."""
        return next((route.targets for route in _all_routes(self.tree) if route.receiver == receiver), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An alert that Alertmanager keeps from its receivers, and by what."""

    labels: Mapping[str, str]
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    """Alertmanager's current alerts: those suppressed, and the counts of the others by name and receiver.

    `taken` says by which receivers' routes alerts of a name, service and severity are taken.
    """

    held: Sequence[Held] = ()
    by_receiver: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    taken: Mapping[tuple[str, str, str], frozenset[str]] = field(
        default_factory=dict[tuple[str, str, str], frozenset[str]]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCall:
    """A person on call on one level of an escalation policy. `until` is empty for one who always is."""

    policy: str
    level: int
    person: str
    schedule: str
    until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendAnswers:
    """The last answers of the back ends. Without an answer now, the last one stays; None if there never was one."""

    back_ends: Sequence[BackEnd] = ()
    scale: str = ""
    routing: Routing | None = None
    active: Active | None = None
    on_call: Sequence[OnCall] | None = None
    objectives: Sequence[ObjectiveState] | None = None

    def is_silent(self, kind: str) -> bool:
        """Say whether no back end of a kind answers: one Alertmanager of three is enough."""
        return not any(one.answers for one in self.back_ends if one.name.startswith(kind))


class Asker:
    """Asks the back ends, at most once a second however many ask it."""

    def __init__(self, addresses: Addresses, pagerduty_headers: Mapping[str, str]) -> None:
        self._addresses = addresses
        self._pagerduty_headers = pagerduty_headers
        self._client = httpx.AsyncClient(timeout=REQUEST_SECONDS)
        self._lock = asyncio.Lock()
        self._last = BackendAnswers()
        self._asked = float("-inf")
        self._asked_objectives = float("-inf")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def look(self) -> BackendAnswers:
        """Return what is so now, or was so a second ago."""
        async with self._lock:
            if time.monotonic() - self._asked >= LEAST_SECONDS_BETWEEN:
                self._last = await self._ask()
                self._asked = time.monotonic()
            return self._last

    async def _ask(self) -> BackendAnswers:
        last = self._last
        try:
            addresses = self._addresses()
        except ServiceFailed:
            addresses = {}
        pages = {
            name: addresses[name] + page
            for kind, page in BACK_ENDS.items()
            for name in sorted(addresses)
            if name.partition(" ")[0] == kind
        }
        names = list(pages)
        managers = [addresses[name] for name in names if name.startswith("alertmanager")]
        pagerduty = [addresses[name] for name in names if name == "pagerduty"]
        prometheus = [addresses[name] for name in names if name.startswith("prometheus")]
        answering, status, alerts, on_call, objectives = await asyncio.gather(
            asyncio.gather(*map(self._answers, pages.values())),
            self._first([f"{one}/api/v2/status" for one in managers]),
            self._first([f"{one}/api/v2/alerts" for one in managers]),
            self._first([f"{one}/oncalls?limit=100" for one in pagerduty], self._pagerduty_headers),
            self._objectives(prometheus, float(addresses.get("scale", 1))),
        )
        back_ends = [
            BackEnd(name=name, address=addresses[name], answers=answers)
            for name, answers in zip(names, answering, strict=True)
        ]
        # Who was there and is nowhere to be found does not answer either.
        gone = [replace(one, answers=False) for one in last.back_ends if one.name not in addresses]
        return BackendAnswers(
            back_ends=sorted(back_ends + gone, key=lambda one: (_KINDS.index(one.name.partition(" ")[0]), one.name)),
            scale=addresses.get("scale", last.scale),
            routing=last.routing if status is None else _routing(status["config"]["original"]),
            active=last.active if alerts is None else _active(alerts),
            on_call=last.on_call if on_call is None else [_on_call(entry) for entry in on_call["oncalls"]],
            objectives=last.objectives if objectives is None else objectives,
        )

    async def _objectives(self, prometheus: Sequence[str], scale: float) -> list[ObjectiveState] | None:
        """Return what Prometheus says of objectives, or None if none answers or it is soon enough to ask again."""
        now = time.monotonic()
        if now - self._asked_objectives < LEAST_SECONDS_BETWEEN_OBJECTIVES:
            return None
        query = urlencode(range_parameters(time.time(), scale))
        answer = await self._first([f"{one}/api/v1/query_range?{query}" for one in prometheus])
        if answer is None:
            return None
        self._asked_objectives = now
        return objective_states(answer)

    async def _answers(self, page: str) -> bool:
        try:
            await self._client.get(page)  # a refusal is an answer too
        except httpx.HTTPError:
            return False
        return True

    async def _first(self, addresses: Sequence[str], headers: Mapping[str, str] | None = None) -> Any:
        """Return the first answer, or None if nobody answers: a replica may have been killed by a drill."""
        for address in addresses:
            try:
                answer = await self._client.get(address, headers=headers)
                answer.raise_for_status()
                return answer.json()
            except (httpx.HTTPError, ValueError):
                continue
        return None


@lru_cache(maxsize=2)
def _routing(text: str) -> Routing | None:
    # The C loader reads the configuration of many services in a tenth of the time, where it is built in.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    configuration = cast("Mapping[str, Any]", yaml.load(text, Loader=loader) or {})  # noqa: S506 - both are safe
    if "route" not in configuration:
        return None
    targets = {one["name"]: _targets(one) for one in configuration.get("receivers") or []}
    return Routing(
        tree=_route(configuration["route"], targets),
        inhibitions=[_inhibition(rule) for rule in configuration.get("inhibit_rules") or []],
    )


def _route(route: Mapping[str, Any], targets: Mapping[str, Sequence[str]]) -> Route:
    receiver = str(route.get("receiver", ""))
    timings = {"group_wait": "waits", "group_interval": "then every", "repeat_interval": "repeats after"}
    return Route(
        receiver=receiver,
        matchers=[str(one) for one in route.get("matchers") or []],
        timings=[f"{said} {route[name]}" for name, said in timings.items() if name in route],
        targets=targets.get(receiver, ()),
        routes=[_route(child, targets) for child in route.get("routes") or []],
    )


def _targets(receiver: Mapping[str, Any]) -> list[str]:
    paged = [
        "PagerDuty " + str(one.get("routing_key_file", "")).rsplit("/", 1)[-1]
        for one in receiver.get("pagerduty_configs") or []
    ]
    told = [f"Slack {one.get('channel', '')}" for one in receiver.get("slack_configs") or []]
    published = ["SNS " + str(one.get("topic_arn", "")).rsplit(":", 1)[-1] for one in receiver.get("sns_configs") or []]
    return paged + told + published


def _all_routes(route: Route) -> list[Route]:
    return [route, *(below for child in route.routes for below in _all_routes(child))]


def _inhibition(rule: Mapping[str, Any]) -> str:
    source, target = (", ".join(rule.get(f"{side}_matchers") or []) for side in ("source", "target"))
    equal = " and ".join(rule.get("equal") or [])
    return f"{source} suppresses {target}" + (f" of the same {equal}" if equal else "")


def _active(alerts: Sequence[Mapping[str, Any]]) -> Active:
    counts: dict[str, dict[str, int]] = {}
    taken: dict[tuple[str, str, str], set[str]] = {}
    for alert in (one for one in alerts if one["status"]["state"] != "suppressed"):
        name, service, severity = (str(alert["labels"].get(key, "")) for key in ("alertname", "service", "severity"))
        for receiver in alert["receivers"]:
            taken.setdefault((name, service, severity), set()).add(receiver["name"])
            of_receiver = counts.setdefault(receiver["name"], {})
            of_receiver[name] = of_receiver.get(name, 0) + 1
    names = {alert["fingerprint"]: str(alert["labels"].get("alertname", "")) for alert in alerts}
    held = [
        Held(labels=alert["labels"], by=_held_by(alert["status"], names))
        for alert in alerts
        if alert["status"]["state"] == "suppressed"
    ]
    return Active(held=held, by_receiver=counts, taken={key: frozenset(found) for key, found in taken.items()})


def _held_by(status: Mapping[str, Any], names: Mapping[str, str]) -> str:
    if status["silencedBy"]:
        return "a silence"
    sources = {names[one] for one in status["inhibitedBy"] if one in names}
    return ", ".join(sorted(sources)) or "another alert"


def _on_call(entry: Mapping[str, Any]) -> OnCall:
    schedule = entry.get("schedule") or {}
    return OnCall(
        policy=entry["escalation_policy"]["summary"],
        level=entry["escalation_level"],
        person=entry["user"]["summary"],
        schedule=schedule.get("summary", ""),
        until=entry.get("end") or "",
    )
