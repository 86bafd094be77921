"""The drill of restarted Alertmanagers: each learns anew what fires, and may notify of nothing that is inhibited."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.drills.chapter import Chapter
from sandbox.drills.drill import Drill
from sandbox.drills.silence import START_DELAY_SECONDS
from sandbox.drills.story import ALERTMANAGERS, LONGEST_BACK_OFF_SECONDS, MINUTE
from sandbox.journal import Event, Kind

SERVICE = "orders"
INHIBITING, INHIBITED = "HighErrorRate", "CriticalLatency"
FIRES_SECONDS = 8 * MINUTE


def restarted_while_inhibited(drill: Drill) -> None:
    """An alert that another inhibits pages nobody when one Alertmanager is restarted, nor when all are."""
    errors = drill.start_fault("a tenth of requests fail", service=SERVICE)
    _fires(drill, errors, INHIBITING)
    drill.expect(
        "PagerDuty opens an incident",
        Kind.INCIDENT_TRIGGERED,
        where=_about(INHIBITING),
        after=errors,
        within=FIRES_SECONDS,
    )
    slow = drill.start_fault("requests are slow", service=SERVICE)
    _fires(drill, slow, INHIBITED)
    for pods in ([drill.target.first_to_notify()], drill.target.alertmanagers()):
        with drill.target.held_down(*pods):
            pass  # they are killed once, and start again
        drill.wait_until(
            f"{ALERTMANAGERS} replicas see each other again",
            lambda: drill.target.alertmanagers_ready() == ALERTMANAGERS,
            within=LONGEST_BACK_OFF_SECONDS,
        )
        drill.let_pass(story_seconds=drill.target.clock.story(START_DELAY_SECONDS) + MINUTE, peers=ALERTMANAGERS)
        drill.require_exactly(f"incidents of {INHIBITED}", 0, Kind.INCIDENT_TRIGGERED, where=_about(INHIBITED))
        drill.require_exactly(f"incidents of {INHIBITING}", 1, Kind.INCIDENT_TRIGGERED, where=_about(INHIBITING))
    mended = drill.end_fault("requests are slow", service=SERVICE)
    ids = {"alertname": INHIBITED, "service": SERVICE}
    drill.expect("the inhibited alert ends", Kind.ALERT_RESOLVED, ids=ids, after=mended, within=11 * MINUTE)
    drill.end_fault("a tenth of requests fail", service=SERVICE)
    drill.require_exactly(f"incidents of {INHIBITED}", 0, Kind.INCIDENT_TRIGGERED, where=_about(INHIBITED))


def _fires(drill: Drill, cause: Event, alertname: str) -> None:
    ids = {"alertname": alertname, "service": SERVICE}
    drill.expect(f"{alertname} fires", Kind.ALERT_FIRING, ids=ids, after=cause, within=FIRES_SECONDS)


def _about(alertname: str) -> Callable[[Event], bool]:
    return lambda event: event.ids["service"] == SERVICE and alertname in str(event.details["summary"])


RESTART = Chapter(sequences=((restarted_while_inhibited,),))
"""It comes after the story: it restarts what every other drill counts on."""
