"""The drills of what limits repairs: a storm of alerts, and the stop. They run when time is scaled only."""

from __future__ import annotations

import json
from collections.abc import Callable

from alerting.names import team_topic
from sandbox.drills.chapter import Chapter
from sandbox.drills.drill import Drill
from sandbox.drills.story import MINUTE
from sandbox.journal import Event, Kind

PODS = 30
RESTARTS_AN_HOUR = 3
"""Of one service, as catalog/remediations.yaml has it."""
RESTART = {"document": "orion-restart-pod"}
DIAGNOSTICS = {"document": "orion-collect-diagnostics"}
CRASHES = "pods crash"
TEAM = {"market-data": "platform", "orders": "trading", "positions": "trading"}


def thirty_pods(drill: Drill) -> None:
    """Of thirty pods over their memory, three are restarted one after another; the team is notified of the rest."""
    service = "orders"
    drill.target.scale_deployment(service, PODS)
    drill.wait_until("pods are ready", lambda: len(drill.target.ready_pods(service)) == PODS)
    pods = drill.target.ready_pods(service)
    for pod in pods:
        drill.start_fault("memory leaks", service=service, pod=pod)
    drill.expect_count(
        f"{PODS} alerts fire",
        PODS,
        Kind.ALERT_FIRING,
        ids={"alertname": "HighMemoryUsage", "service": service},
        within=8 * MINUTE,
    )
    told = drill.expect(
        "the team is notified of those that are not restarted",
        Kind.TOPIC_PUBLISHED,
        ids={"topic": team_topic(TEAM[service])},
        where=_says("limited", service),
        within=2 * MINUTE,
    )
    drill.expect_count(
        "restarts end", RESTARTS_AN_HOUR, Kind.COMMAND_FINISHED, ids=RESTART, where=about(service), within=2 * MINUTE
    )
    drill.wait_until("every message is dealt with", lambda: drill.target.unread_repair_messages() == 0)
    drill.require_exactly("restarts", RESTARTS_AN_HOUR, Kind.COMMAND_STARTED, ids=RESTART, where=about(service))
    drill.require("the message names the limit", "an hour for orders" in json.dumps(told.details), expected=True)
    fewest = fewest_ready(drill, service)
    drill.require(f"at least {PODS - 1} pods are ready at any time, {fewest} were", fewest >= PODS - 1, expected=True)
    for pod in pods:
        drill.end_fault("memory leaks", service=service, pod=pod)
    drill.target.scale_deployment(service, 2)


def the_stop(drill: Drill) -> None:
    """`orion repairs stop` ends a restart that waits for its turn and sends no other; `start` lets new ones begin."""
    service, other = "gateway", "market-data"
    first, second = drill.target.ready_pods(service)[:2]
    _waiting_restart_is_cancelled(drill, service, first)
    stopped = drill.start_fault("memory leaks", service=other)
    drill.expect(
        "the team is notified that repairs are stopped",
        Kind.TOPIC_PUBLISHED,
        ids={"topic": team_topic(TEAM[other])},
        where=_says("stopped", other),
        after=stopped,
        within=10 * MINUTE,
    )
    drill.require_exactly(f"restarts of {other}", 0, Kind.COMMAND_STARTED, ids=RESTART, where=about(other))
    for name in (service, other):
        drill.require_exactly(
            f"pods of {name} gone", 0, Kind.POD_DELETED, where=lambda event, name=name: _is_of(event, name)
        )
    drill.start_repairs()
    again = drill.start_fault("memory leaks", service=service, pod=second)
    drill.expect(
        "a new alert is answered",
        Kind.COMMAND_FINISHED,
        ids={**RESTART, "status": "Success"},
        where=about(second),
        after=again,
        within=10 * MINUTE,
    )
    drill.end_fault("memory leaks", service=service, pod=first)
    drill.end_fault("memory leaks", service=other)
    drill.end_fault("memory leaks", service=service, pod=second)


def scoped_stops(drill: Drill) -> None:
    """`orion repairs stop --action` and `--service` stop these repairs, even on the bastion, and no others."""
    service, other = "positions", "market-data"
    (first,) = drill.target.ready_pods(service)[:1]
    _waiting_restart_is_cancelled(drill, service, first, "--action", "restart_pod")
    _collects(drill, other)
    drill.start_repairs("--action", "restart_pod")
    drill.end_fault("memory leaks", service=service, pod=first)
    drill.stop_repairs("--service", service)
    stopped = drill.start_fault(CRASHES, service=service)
    drill.expect(
        "the team is notified that the service's repairs are stopped",
        Kind.TOPIC_PUBLISHED,
        ids={"topic": team_topic(TEAM[service])},
        where=_says("stopped", service),
        after=stopped,
        within=15 * MINUTE,
    )
    drill.start_repairs("--service", service)
    drill.require_exactly(f"diagnostics of {service}", 0, Kind.COMMAND_STARTED, ids=DIAGNOSTICS, where=about(service))
    drill.end_fault(CRASHES, service=service)


def _waiting_restart_is_cancelled(drill: Drill, service: str, pod: str, *scope: str) -> None:
    """Have a restart wait on the bastion, and hold that `orion repairs stop` with this scope cancels it."""
    with drill.target.restarts_held(service):
        cause = drill.start_fault("memory leaks", service=service, pod=pod)
        started = drill.expect(
            "a restart waits for its turn",
            Kind.COMMAND_STARTED,
            ids=RESTART,
            where=about(pod),
            after=cause,
            within=8 * MINUTE,
        )
        drill.stop_repairs(*scope)
        drill.expect(
            "it is cancelled",
            Kind.COMMAND_FINISHED,
            ids={"command": started.ids["command"], "status": "Cancelled"},
            after=started,
        )


def _collects(drill: Drill, service: str) -> None:
    """Hold that diagnostics of a service's pods are collected."""
    cause = drill.start_fault(CRASHES, service=service)
    drill.expect(
        f"diagnostics of {service} are collected meanwhile",
        Kind.COMMAND_FINISHED,
        ids={**DIAGNOSTICS, "status": "Success"},
        where=about(service),
        after=cause,
        within=15 * MINUTE,
    )
    drill.end_fault(CRASHES, service=service)


def _says(status: str, service: str) -> Callable[[Event], bool]:
    """Say which messages are about a service's repairs that ended so."""

    def says(event: Event) -> bool:
        message = str(event.details.get("message", ""))
        return f'"status": "{status}"' in message.replace("\\", "") and service in message

    return says


def about(name: str) -> Callable[[Event], bool]:
    """Return what says whether a command is about a service or a pod: whether one of its parameters names it."""
    return lambda event: name in json.dumps(event.details.get("parameters", {}))


def _is_of(event: Event, service: str) -> bool:
    return event.ids["pod"].startswith(f"{service}-")


def fewest_ready(drill: Drill, service: str) -> int:
    """Return the smallest number of ready pods since the restarts began.

    A pod that ends and its successor that is ready may be seen in one look of the observer: then nothing is missing.
    """
    events = [event for event in drill.target.journal.events() if event.time >= drill.started]
    begin = next(event.time for event in events if event.kind is Kind.COMMAND_STARTED and about(service)(event))
    ready = fewest = PODS
    for event in events:
        if event.time < begin or event.kind not in {Kind.POD_READY, Kind.POD_DELETED} or not _is_of(event, service):
            continue
        ready += 1 if event.kind is Kind.POD_READY else -1
        fewest = min(fewest, ready)
    return fewest


LIMITS = Chapter(sequences=((thirty_pods, the_stop, scoped_stops),))
"""It comes after the story: a stop stops the story's own repair too."""
