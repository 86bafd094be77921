"""The drill of a maintenance window: reviewed data silences what is expected, and only for as long as it says."""

from __future__ import annotations

import time

from sandbox.drills.chapter import Chapter
from sandbox.drills.drill import Drill
from sandbox.drills.story import MINUTE, fires
from sandbox.journal import Event, Kind

ALERT, FAULT, SERVICE = "RedisDown", "redis is down", "database"
WINDOW = "redis-drill"
SCHEDULE_SECONDS = 15.0
"""Real seconds between two looks of chat at the windows, whatever the time scale (`components.chatops.schedule`)."""
WINDOW_SECONDS = 5 * SCHEDULE_SECONDS


def maintenance_window(drill: Drill) -> None:
    """An alert that a maintenance window matches pages nobody while it lasts, and pages after its end."""
    until = int(time.time() + WINDOW_SECONDS)
    with drill.target.maintenance_window(WINDOW, {"alertname": [ALERT]}, until):
        look = drill.target.clock.story(SCHEDULE_SECONDS)
        drill.wait_until("Alertmanager has its silence", lambda: _silences(drill) == 1, within=look)
        cause = drill.start_fault(FAULT)
        firing = fires(drill, cause, ALERT, SERVICE)
        drill.let_pass(story_seconds=drill.target.clock.story(max(until - 1 - time.time(), 0.0)))
        drill.require_exactly("pages within the window", 0, Kind.INCIDENT_TRIGGERED, where=_is_about)
        incident = drill.expect(
            "PagerDuty opens an incident after its end",
            Kind.INCIDENT_TRIGGERED,
            where=_is_about,
            after=firing,
            within=drill.target.clock.story(WINDOW_SECONDS) + 6 * MINUTE,
        )
        drill.require("it pages after the window", incident.time >= until - 1, expected=True)
        number = {"incident": incident.ids["incident"]}
        drill.expect("the person on call is notified", Kind.PERSON_NOTIFIED, ids=number, after=incident)
    drill.require("the window's silence has ended", _silences(drill), 0)
    mended = drill.end_fault(FAULT)
    resolved = drill.expect(
        "the alert resolves", Kind.ALERT_RESOLVED, ids={"alertname": ALERT}, after=mended, within=10 * MINUTE
    )
    drill.expect("its incident resolves", Kind.INCIDENT_RESOLVED, ids=number, after=resolved, within=6 * MINUTE)


def _is_about(event: Event) -> bool:
    return ALERT in str(event.details["summary"])


def _silences(drill: Drill) -> int:
    return sum(labels == {"alertname": ALERT} for labels in drill.target.silences())


WINDOWS = Chapter(sequences=((maintenance_window,),))
"""It runs beside chat's drills, none of which is about Redis."""
