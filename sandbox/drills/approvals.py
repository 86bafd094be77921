"""The drills of approvals: a repair that waits in its thread runs once it is approved, and not after a rejection."""

from __future__ import annotations

from sandbox.drills.chapter import Chapter
from sandbox.drills.drill import Drill
from sandbox.drills.repairs import about
from sandbox.drills.story import MINUTE, fires
from sandbox.drills.threads import click, replies, shows, thread
from sandbox.journal import Event, Kind

ALERT = "KafkaConsumerLag"
FAULT = "consumers lag"
SCALE = {"document": "orion-scale-consumers"}
REPLICAS = 2
CHAT_SECONDS = 60.0
"""Real seconds until chat's sweep, which comes every fifteen at the sandbox's scale, has seen what is due."""


def approved_in_slack(drill: Drill) -> None:
    """A repair that needs an approval waits in its thread, and runs once, as it was shown, after it was approved."""
    service = "market-data"
    cause, root = _proposed(drill, service)
    (person,) = drill.target.on_call(service)
    drill.require_exactly(f"commands for {service}", 0, Kind.COMMAND_STARTED, ids=SCALE, where=about(service))
    click(drill, person, root, "approve")
    drill.expect(
        "it is scaled",
        Kind.COMMAND_FINISHED,
        ids={**SCALE, "status": "Success"},
        where=about(service),
        after=cause,
        within=4 * MINUTE,
    )
    replies(drill, "its result", root, "The repair's command succeeded")
    drill.require_exactly(f"commands for {service}", 1, Kind.COMMAND_STARTED, ids=SCALE, where=about(service))
    drill.end_fault(FAULT, service=service)
    drill.target.scale_deployment(service, REPLICAS)


def rejected_and_stopped_in_slack(drill: Drill) -> None:
    """A rejected repair does not run. From its thread the service's repairs are stopped, and the stop is lifted."""
    service = "gateway"
    _, root = _proposed(drill, service)
    (person,) = drill.target.on_call(service)
    click(drill, person, root, "reject")
    rejected = replies(drill, "who rejected it", root, "Repair rejected by")
    click(drill, person, root, "stop-service")
    stopped = replies(drill, "who stopped repairs", root, f"Repairs of {service} stopped by", after=rejected)
    held = shows(drill, "that they are stopped", root, f"Repairs of {service} are stopped", after=stopped)
    drill.require_exactly(f"commands for {service}", 0, Kind.COMMAND_STARTED, ids=SCALE, where=about(service))
    click(drill, person, root, "lift-service-stop")
    lifted = replies(drill, "who lifted the stop", root, f"Repairs of {service} begin again", after=held)
    shows(drill, "the button that stops them again", root, "[Stop this service's repairs]", after=lifted)
    drill.end_fault(FAULT, service=service)


def expired(drill: Drill) -> None:
    """A repair that nobody approves in a quarter of an hour does not run, and its thread tells so."""
    service = "orders"
    _, root = _proposed(drill, service)
    within = 15 * MINUTE + drill.target.clock.story(CHAT_SECONDS)
    replies(drill, "that it has expired", root, "Repair expired: nothing was run", within=within)
    drill.require_exactly(f"commands for {service}", 0, Kind.COMMAND_STARTED, ids=SCALE, where=about(service))
    drill.end_fault(FAULT, service=service)


def _proposed(drill: Drill, service: str) -> tuple[Event, Event]:
    """Have a service's consumers lag. Returns the fault, and the thread that shows what waits for an approval."""
    cause = drill.start_fault(FAULT, service=service)
    fires(drill, cause, ALERT, service)
    root = thread(drill, ALERT, service, cause)
    shows(drill, "what would run", root, SCALE["document"])
    return cause, root


APPROVALS = Chapter(sequences=((approved_in_slack,), (rejected_and_stopped_in_slack,), (expired,)))
"""They can run beside chat's: those answer another alert. Where repairs are drilled, a stop would hold them."""
