"""The drill of restarted Alertmanagers: each learns anew what fires, and may notify of nothing that is inhibited."""

from __future__ import annotations

from sandbox.drills.chapter import Chapter
from sandbox.drills.drill import Drill
from sandbox.drills.silence import START_DELAY_SECONDS
from sandbox.drills.story import ALERTMANAGERS, LONGEST_BACK_OFF_SECONDS, MINUTE, fires, tells_of
from sandbox.journal import Event, Kind

SERVICE = "orders"
INHIBITING, INHIBITED = "CriticalLatency", "HighP99Latency"
GROUP_WAIT_SECONDS = MINUTE
"""How long a warning waits for others of its group."""


def restarted_while_inhibited(drill: Drill) -> None:
    """No one is notified of an alert that another inhibits when one Alertmanager is restarted, nor when all are."""
    slow = drill.start_fault("requests are slow", service=SERVICE)
    fires(drill, slow, INHIBITING, SERVICE)
    drill.expect("PagerDuty opens an incident", Kind.INCIDENT_TRIGGERED, where=_is_paged, after=slow, within=8 * MINUTE)
    fires(drill, slow, INHIBITED, SERVICE)
    for pods in ([drill.target.first_to_notify()], drill.target.alertmanagers()):
        with drill.target.held_down(*pods):
            pass  # they are killed once, and start again
        drill.wait_until(
            f"{ALERTMANAGERS} replicas see each other again",
            lambda: drill.target.alertmanagers_ready() == ALERTMANAGERS,
            within=LONGEST_BACK_OFF_SECONDS,
        )
        waits = drill.target.clock.story(START_DELAY_SECONDS) + GROUP_WAIT_SECONDS + MINUTE
        drill.let_pass(story_seconds=waits, peers=ALERTMANAGERS)
        drill.require_exactly(
            f"messages about {INHIBITED}", 0, Kind.TOPIC_PUBLISHED, where=tells_of(INHIBITED, SERVICE)
        )
        drill.require_exactly(f"incidents of {INHIBITING}", 1, Kind.INCIDENT_TRIGGERED, where=_is_paged)
    mended = drill.end_fault("requests are slow", service=SERVICE)
    drill.expect("the incident resolves", Kind.INCIDENT_RESOLVED, where=_is_paged, after=mended, within=30 * MINUTE)


def _is_paged(event: Event) -> bool:
    return event.ids["service"] == SERVICE and INHIBITING in str(event.details["summary"])


RESTART = Chapter(sequences=((restarted_while_inhibited,),))
"""It comes after the story: it restarts what every other drill counts on."""
