"""The drills of chat: an incident is one thread in Slack, in step with Alertmanager and PagerDuty."""

from __future__ import annotations

from alerting.names import ALERT_TOPIC
from sandbox.drills.chapter import Chapter
from sandbox.drills.drill import MACHINE_SECONDS, Drill
from sandbox.drills.story import MINUTE, fires, tells_of
from sandbox.drills.threads import CHANNEL, click, is_root, replies, shows, text_of, thread
from sandbox.journal import Event, Kind
from sandbox.seed_data import NO_EMAIL

ALERT = "CriticalLatency"
FAULT = "requests are slow"
ENDS_WITHIN_SECONDS = 120.0
"""Real seconds until chat has proved that nothing fires: it trusts a replica that has run for 30, and looks twice."""


def one_thread(drill: Drill) -> None:
    """An incident is one message in Slack: who is on call, an acknowledgement, its end, and the draft of its report."""
    service = "orders"
    cause = drill.start_fault(FAULT, service=service)
    fires(drill, cause, ALERT, service)
    notified = drill.expect(
        "Alertmanager notifies the alert topic",
        Kind.TOPIC_PUBLISHED,
        ids={"topic": ALERT_TOPIC},
        where=tells_of(ALERT, service),
        after=cause,
        within=10 * MINUTE,
    )
    root = thread(drill, ALERT, service, notified)
    drill.require_within("from notification to thread", notified, root, limit_seconds=MACHINE_SECONDS)
    drill.require("its colour", root.details["color"], "danger")
    (person,) = drill.target.on_call(service)
    on_call = shows(drill, "who is on call", root, f"@{drill.target.slack_user(person)}")
    click(drill, NO_EMAIL, root, "acknowledge")
    drill.expect(
        "a stranger who clicks is told why not",
        Kind.MESSAGE_POSTED,
        ids=CHANNEL,
        where=lambda event: bool(event.details.get("only_for")) and "does not allow" in text_of(event),
        after=on_call,
    )
    click(drill, person, root, "acknowledge")
    drill.expect(
        "the person's click acknowledges in PagerDuty",
        Kind.INCIDENT_ACKNOWLEDGED,
        ids={"service": service},
        where=lambda event: ALERT in str(event.details["summary"]),
        after=on_call,
    )
    shows(drill, "who acknowledged", root, f"Acknowledged by:* {person}")
    ended = _resolves(drill, root, service)
    replies(drill, "where the post-incident draft is", root, "Post-incident draft", after=ended)
    click(drill, person, root, "needed-a-human")
    shows(drill, "that it needed a human", root, "Needed a human:* yes", after=ended)
    _acknowledged_once(drill, service)
    drill.require_exactly("messages of this incident", 1, Kind.MESSAGE_POSTED, where=is_root(ALERT, service))


def acknowledged_in_pagerduty(drill: Drill) -> None:
    """An acknowledgement in PagerDuty is shown in the thread, and is not sent back."""
    service = "gateway"
    root, incident = _incident(drill, service)
    (person,) = drill.target.on_call(service)
    drill.target.acknowledge(person, incident.ids["incident"])
    acknowledged = drill.expect(
        "PagerDuty is acknowledged",
        Kind.INCIDENT_ACKNOWLEDGED,
        ids={"incident": incident.ids["incident"]},
        after=incident,
    )
    replies(drill, "by whom", root, f"Acknowledged by {person}", after=acknowledged)
    shows(drill, "who acknowledged", root, f"Acknowledged by:* {person}")
    _resolves(drill, root, service)
    _acknowledged_once(drill, service)


def silenced_and_lifted(drill: Drill) -> None:
    """A thread's silence matches exactly its group, and can be lifted; what resolves while it is silenced resolves."""
    service = "positions"
    root, incident = _incident(drill, service)
    (person,) = drill.target.on_call(service)
    click(drill, person, root, "silence-1h")
    drill.wait_until("Alertmanager has the silence", lambda: _silences(drill, service) == 1)
    shows(drill, "that it is silenced", root, "Silenced until")
    click(drill, person, root, "lift-silence")
    drill.wait_until("the silence is lifted", lambda: _silences(drill, service) == 0)
    replies(drill, "who lifted it", root, "Silence lifted by", after=incident)
    click(drill, person, root, "silence-until-resolved")
    drill.wait_until("it is silenced until it resolves", lambda: _silences(drill, service) == 1)
    ended = _resolves(drill, root, service)
    drill.expect(
        "the silenced incident resolves",
        Kind.INCIDENT_RESOLVED,
        ids={"incident": incident.ids["incident"]},
        after=ended,
    )
    drill.wait_until("its silence has ended with it", lambda: _silences(drill, service) == 0)


def _incident(drill: Drill, service: str) -> tuple[Event, Event]:
    """Have requests to a service become slow. Returns the thread's root message and PagerDuty's incident."""
    cause = drill.start_fault(FAULT, service=service)
    fires(drill, cause, ALERT, service)
    incident = drill.expect(
        "PagerDuty opens an incident",
        Kind.INCIDENT_TRIGGERED,
        ids={"service": service},
        where=lambda event: ALERT in str(event.details["summary"]),
        after=cause,
        within=10 * MINUTE,
    )
    return thread(drill, ALERT, service, cause), incident


def _resolves(drill: Drill, root: Event, service: str) -> Event:
    """End the fault, and return how the thread shows that the episode has ended."""
    mended = drill.end_fault(FAULT, service=service)
    resolved = drill.expect(
        "the alert resolves",
        Kind.ALERT_RESOLVED,
        ids={"alertname": ALERT, "service": service},
        after=mended,
        within=23 * MINUTE,
    )
    within = 6 * MINUTE + drill.target.clock.story(ENDS_WITHIN_SECONDS)
    return shows(drill, "that it has resolved", root, "[RESOLVED]", after=resolved, within=within)


def _acknowledged_once(drill: Drill, service: str) -> None:
    drill.require_exactly("acknowledgements", 1, Kind.INCIDENT_ACKNOWLEDGED, ids={"service": service})


def _silences(drill: Drill, service: str) -> int:
    """Return how many silences match exactly the alerts of the drill's group."""
    matched = {"alertname": ALERT, "service": service}
    return sum(matched.items() <= labels.items() for labels in drill.target.silences())


CHAT = Chapter(sequences=((one_thread,), (acknowledged_in_pagerduty,), (silenced_and_lifted,)))
"""It comes after the story, whose killed replicas prove nothing until they have run for a while.

Each drill has a service of whose `ALERT` the story tells nothing: an episode that has not ended has its thread already.
"""
