"""The drills of approvals: a repair that waits in its thread runs once it is approved, and not after a rejection."""

from __future__ import annotations

import json
from collections.abc import Callable

from sandbox.drills.chapter import Chapter
from sandbox.drills.drill import Drill
from sandbox.drills.story import MINUTE, fires
from sandbox.journal import Event, Kind

ALERT = "KafkaConsumerLag"
FAULT = "consumers lag"
CHANNEL = {"channel": "#orion-alerts"}
SCALE = {"document": "orion-scale-consumers"}
REPLICAS = 2
SANDBOX = ("--stack", "sandbox")
CHAT_SECONDS = 150.0
"""Real seconds until chat's sweep, which is not scaled, has seen what is due."""


def approved_in_slack(drill: Drill) -> None:
    """A repair that needs an approval waits in its thread, and runs once, as it was shown, after it was approved."""
    service = "market-data"
    cause, root = _proposed(drill, service)
    (person,) = drill.target.on_call(service)
    drill.require_exactly(f"commands for {service}", 0, Kind.COMMAND_STARTED, ids=SCALE, where=_of(service))
    drill.target.click(person, CHANNEL["channel"], root.details["ts"], "approve")
    drill.expect(
        "it is scaled",
        Kind.COMMAND_FINISHED,
        ids={**SCALE, "status": "Success"},
        where=_of(service),
        after=cause,
        within=4 * MINUTE,
    )
    _replies(drill, "the thread tells its result", root, "The repair's command succeeded")
    drill.require_exactly(f"commands for {service}", 1, Kind.COMMAND_STARTED, ids=SCALE, where=_of(service))
    drill.end_fault(FAULT, service=service)
    drill.target.scale_deployment(service, REPLICAS)


def rejected_and_stopped_in_slack(drill: Drill) -> None:
    """A rejected repair does not run. From its thread the service's repairs are stopped, until `orion` lifts that."""
    service = "gateway"
    _, root = _proposed(drill, service)
    (person,) = drill.target.on_call(service)
    drill.target.click(person, CHANNEL["channel"], root.details["ts"], "reject")
    rejected = _replies(drill, "the thread tells who rejected it", root, "Repair rejected by")
    drill.target.click(person, CHANNEL["channel"], root.details["ts"], "stop-service")
    _replies(drill, "the thread tells who stopped repairs", root, f"Repairs of {service} stopped by", after=rejected)
    drill.require_exactly(f"commands for {service}", 0, Kind.COMMAND_STARTED, ids=SCALE, where=_of(service))
    drill.target.orion("repairs", "start", *SANDBOX)
    drill.end_fault(FAULT, service=service)


def expired(drill: Drill) -> None:
    """A repair that nobody approves in a quarter of an hour does not run, and its thread tells so."""
    service = "orders"
    _, root = _proposed(drill, service)
    within = 15 * MINUTE + drill.target.clock.story(CHAT_SECONDS)
    _replies(drill, "the thread tells that it has expired", root, "Repair expired: nothing was run", within=within)
    drill.require_exactly(f"commands for {service}", 0, Kind.COMMAND_STARTED, ids=SCALE, where=_of(service))
    drill.end_fault(FAULT, service=service)


def _proposed(drill: Drill, service: str) -> tuple[Event, Event]:
    """Have a service's consumers lag. Returns the fault, and the thread that shows what waits for an approval."""
    cause = drill.start_fault(FAULT, service=service)
    fires(drill, cause, ALERT, service)
    root = drill.expect(
        "Slack shows its thread",
        Kind.MESSAGE_POSTED,
        ids=CHANNEL,
        where=_is_root(service),
        after=cause,
        within=10 * MINUTE,
    )
    drill.expect(
        "the thread shows what would run",
        Kind.MESSAGE_UPDATED,
        ids=CHANNEL,
        where=lambda event: event.details["ts"] == root.details["ts"] and "orion-scale-consumers" in _text(event),
        after=root,
        within=5 * MINUTE,
    )
    return cause, root


def _replies(
    drill: Drill, what: str, root: Event, text: str, *, after: Event | None = None, within: float = 5 * MINUTE
) -> Event:
    return drill.expect(
        what,
        Kind.MESSAGE_POSTED,
        ids=CHANNEL,
        where=lambda event: event.details.get("thread") == root.details["ts"] and text in _text(event),
        after=after or root,
        within=within,
    )


def _of(service: str) -> Callable[[Event], bool]:
    """Return what says whether a command names a service."""
    return lambda event: service in json.dumps(event.details.get("parameters", {}))


def _is_root(service: str) -> Callable[[Event], bool]:
    """Return what says whether a message is the first of a thread about the alert of a service."""

    def is_root(event: Event) -> bool:
        text = _text(event)
        return event.details.get("thread") is None and ALERT in text and service in text

    return is_root


def _text(event: Event) -> str:
    return f"{event.details['title']} {event.details['message']}"


APPROVALS = Chapter(sequences=((approved_in_slack,), (rejected_and_stopped_in_slack,), (expired,)))
"""They can run beside chat's: those answer another alert. Where repairs are drilled, a stop would hold them."""
