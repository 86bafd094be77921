"""The drills of rollouts: a revision that fails is taken back, and the hotfix of one that fails is not."""

from __future__ import annotations

from collections.abc import Callable

from alerting.names import NOTIFICATION_TOPIC
from sandbox.drills.chapter import Chapter
from sandbox.drills.drill import Drill
from sandbox.drills.story import MINUTE
from sandbox.journal import Event, Kind

ALERT = "HighErrorRateAfterRollout"
DOCUMENT = "orion-rollback-deployment"
FAILS = "a revision fails"
ASKED_SECONDS = 14 * MINUTE
"""When it is known at the latest whether a revision is at fault, after its rollout."""


def failing_revision(drill: Drill) -> None:
    """A revision whose errors began with its rollout is taken back, once."""
    service = "orders"
    bad = _after(drill.target.rolled_out(service))
    drill.start_fault(FAILS, service=service, revision=bad)
    _roll_out(drill, service, bad)
    firing = drill.expect(
        f"{ALERT} fires for {service}",
        Kind.ALERT_FIRING,
        ids={"alertname": ALERT, "service": service},
        within=ASKED_SECONDS,
    )
    command = drill.expect(
        "Systems Manager runs the rollback",
        Kind.COMMAND_STARTED,
        ids={"document": DOCUMENT},
        where=_of(service),
        after=firing,
        within=2 * MINUTE,
    )
    drill.expect(
        "the result is published",
        Kind.TOPIC_PUBLISHED,
        ids={"topic": NOTIFICATION_TOPIC},
        where=lambda event: "rollback_deployment" in str(event.details),
        after=command,
    )
    drill.wait_until("the revision before is back", lambda: drill.target.rolled_out(service) == _after(bad))
    drill.require_exactly(
        f"rollbacks of {service}", 1, Kind.COMMAND_STARTED, ids={"document": DOCUMENT}, where=_of(service)
    )
    drill.end_fault(FAILS, service=service, revision=bad)


def hotfix(drill: Drill) -> None:
    """The hotfix of a revision that fails stays, though the window still holds the errors of that revision."""
    service = "gateway"
    bad = _after(drill.target.rolled_out(service))
    fixed = _after(bad)
    drill.start_fault(FAILS, service=service, revision=bad)
    _roll_out(drill, service, bad)
    drill.let_pass(story_seconds=2 * MINUTE)  # of errors: a hotfix comes before the revision is found to be at fault
    _roll_out(drill, service, fixed)
    drill.let_pass(story_seconds=ASKED_SECONDS)
    drill.require_exactly(f"{ALERT} of {service}", 0, Kind.ALERT_FIRING, ids={"alertname": ALERT, "service": service})
    drill.require_exactly(
        f"rollbacks of {service}", 0, Kind.COMMAND_STARTED, ids={"document": DOCUMENT}, where=_of(service)
    )
    drill.require(f"the revision of {service}", drill.target.rolled_out(service), fixed)
    drill.end_fault(FAILS, service=service, revision=bad)


def _roll_out(drill: Drill, service: str, revision: str) -> None:
    drill.target.roll_out(service)
    drill.wait_until(f"revision {revision} is rolled out", lambda: drill.target.rolled_out(service) == revision)


def _after(revision: str) -> str:
    return str(int(revision) + 1)


def _of(service: str) -> Callable[[Event], bool]:
    """Return whether a command is about the deployment of this service."""
    return lambda event: event.details["parameters"].get("deployment") == service


ROLLOUTS = Chapter(sequences=((failing_revision,), (hotfix,)))
"""It comes after the story: a service whose requests failed within the hour has no revision to blame."""
