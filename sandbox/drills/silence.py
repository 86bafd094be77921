"""The drills of the dead man's switch: what pages when alerting itself falls silent, and nothing else can."""

from __future__ import annotations

from contextlib import AbstractContextManager

from alerting.names import SILENCE_ALARM
from sandbox.drills.chapter import Chapter
from sandbox.drills.drill import Drill
from sandbox.drills.story import LONGEST_BACK_OFF_SECONDS, MINUTE
from sandbox.journal import Event, Kind

OUTLIVED_SECONDS = 4 * MINUTE
"""How long Alertmanager goes on with the alerts of a Prometheus that is gone."""
HEARTBEAT_SECONDS = MINUTE
SILENCE_SECONDS = 8 * MINUTE
"""Five silent periods, two more that CloudWatch looks at, and the one that has begun."""
START_DELAY_SECONDS = 10.0
"""How long Alertmanagers that have started send nothing, in real seconds at the sandbox's usual scale of 20."""


def prometheus_falls_silent(drill: Drill) -> None:
    """With Prometheus down no alert could fire: CloudWatch hears it, pages, and ends the page when it is back."""
    _pages_while_down(drill, drill.target.prometheuses(), within=OUTLIVED_SECONDS + HEARTBEAT_SECONDS + SILENCE_SECONDS)


def alertmanagers_fall_silent(drill: Drill) -> None:
    """With all Alertmanagers down no alert could reach anybody: CloudWatch pages without them."""
    _pages_while_down(drill, drill.target.alertmanagers(), within=SILENCE_SECONDS)


def _pages_while_down(drill: Drill, pods: list[str], *, within: float) -> None:
    pages_meanwhile(drill, f"without {', '.join(pods)}", drill.target.held_down(*pods), within=within)


def pages_meanwhile(drill: Drill, what: str, cause: AbstractContextManager[float], *, within: float) -> None:
    """Hold that the dead man's switch pages the person on call while a cause lasts, and ends the page after it."""
    with cause:
        alarm = drill.expect(
            f"{what}, the alarm on the silence goes off",
            Kind.ALARM_CHANGED,
            ids={"alarm": SILENCE_ALARM, "state": "ALARM"},
            within=within,
        )
        incident = drill.expect(
            "PagerDuty opens an incident", Kind.INCIDENT_TRIGGERED, where=_about_the_silence, after=alarm
        )
        number = {"incident": incident.ids["incident"]}
        person = drill.expect("the person on call is notified", Kind.PERSON_NOTIFIED, ids=number, after=incident)
        drill.require("who was notified", [person.ids["person"]], drill.target.on_call(incident.ids["service"]))
        drill.require("the incident's severity", incident.details["severity"], "critical")
    back = drill.expect(
        "the alarm hears alerting again",
        Kind.ALARM_CHANGED,
        ids={"alarm": SILENCE_ALARM, "state": "OK"},
        after=person,
        within=LONGEST_BACK_OFF_SECONDS + 3 * MINUTE + drill.target.clock.story(START_DELAY_SECONDS),
    )
    drill.expect("its incident resolves", Kind.INCIDENT_RESOLVED, ids=number, after=back)
    drill.require_exactly("incidents of the silence", 1, Kind.INCIDENT_TRIGGERED, where=_about_the_silence)


def _about_the_silence(event: Event) -> bool:
    return SILENCE_ALARM in str(event.details["summary"])


SILENCE = Chapter(sequences=((prometheus_falls_silent, alertmanagers_fall_silent),))
"""It comes after every other chapter, which could show nothing meanwhile."""
