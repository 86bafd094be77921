"""The drills of the story: each is read from top to bottom as what happens and what must be seen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from alerting.names import ALERT_TOPIC, NOTIFICATION_TOPIC, REPAIR_QUEUE
from alerting.routing.group_key import deduplication_key
from sandbox import loopback
from sandbox.drills.chapter import Chapter
from sandbox.drills.drill import PEER_SECONDS, Drill, DrillFailed
from sandbox.journal import Event, Kind

MINUTE = 60.0
PAGED_WITHIN_SECONDS = 60.0
"""The story's first test case: an incident within one minute of firing, in real time at every scale."""
ALERTMANAGERS = 3
GROUPED_ALERTS = 25
DELIVERIES = 10
BUDGET_LEFT = r"(nothing \()?-?[0-9.]+%"
"""How a page says what is left of an error budget, as a pattern."""
LONGEST_BACK_OFF_SECONDS = 300.0
"""How long Kubernetes may wait before it starts a container again that ended often, in story seconds."""


def _mentions(*texts: str) -> Callable[[Event], bool]:
    """Say which events hold all of these texts anywhere in their details."""

    def holds(event: Event) -> bool:
        said = json.dumps(event.details)
        return all(text in said for text in texts)

    return holds


def _notification(event: Event) -> dict[str, Any]:
    """Return what Alertmanager told the alert topic: our message, with the notification in it; empty if unreadable."""
    try:
        return json.loads(event.details["message"])
    except (KeyError, json.JSONDecodeError):
        return {}


def tells_of(alertname: str, service: str) -> Callable[[Event], bool]:
    """Return what says whether a message to the alert topic is about this alert of this service."""

    def tells(event: Event) -> bool:
        labels = _notification(event).get("notification", {}).get("groupLabels", {})
        return labels.get("alertname") == alertname and labels.get("service") == service

    return tells


def _incident_of(alertname: str, service: str) -> Callable[[Event], bool]:
    """Say which incidents are about this alert, in the PagerDuty service of this service."""
    return lambda event: event.ids["service"] == service and alertname in str(event.details["summary"])


def fires(drill: Drill, cause: Event, alertname: str, service: str) -> Event:
    """Return the alert's firing. The longest `for:` of an alert that is waited for here is five minutes."""
    return drill.expect(
        f"{alertname} fires for {service}",
        Kind.ALERT_FIRING,
        ids={"alertname": alertname, "service": service},
        after=cause,
        within=8 * MINUTE,
    )


def critical_alert(drill: Drill) -> None:
    """A critical alert pages the person on call within a minute of firing."""
    service = "market-data"  # of a team whose critical alerts wait ten seconds for others of their group
    alert = {"alertname": "CriticalLatency", "service": service}
    cause = drill.start_fault("requests are slow", service=service)
    firing = fires(drill, cause, **alert)
    # When time is scaled the page is half a second after the alert: it can be out before the alert is seen firing.
    incident = drill.expect(
        "PagerDuty opens an incident",
        Kind.INCIDENT_TRIGGERED,
        ids={"service": service},
        where=_incident_of(**alert),
        after=cause,
        within=(firing.time - cause.time) * drill.target.clock.scale + MINUTE,
    )
    number = {"incident": incident.ids["incident"]}
    person = drill.expect("the person on call is notified", Kind.PERSON_NOTIFIED, ids=number, after=incident)
    drill.require_within("from firing to the page", firing, person, limit_seconds=PAGED_WITHIN_SECONDS)
    drill.require("who was notified", [person.ids["person"]], drill.target.on_call(service))

    told = drill.expect(
        "the same group reaches the alert topic",
        Kind.TOPIC_PUBLISHED,
        ids={"topic": ALERT_TOPIC},
        where=tells_of(**alert),
        after=cause,
        within=(firing.time - cause.time) * drill.target.clock.scale + MINUTE,
    )
    message = _notification(told)
    key = deduplication_key(message["route"], message["notification"]["groupLabels"])
    drill.require("the incident's dedup key", incident.ids["dedup_key"], key)
    drill.require("the incident's severity", incident.details["severity"], "critical")
    drill.require("the incident's service", incident.details["custom_details"]["service"], service)
    links = {link["text"]: str(link["href"]) for link in incident.details["links"]}
    annotations = firing.details["annotations"]
    drill.require("the link to the runbook", links["Runbook"], annotations["runbook_url"])
    section = urlsplit(links["Runbook"]).fragment
    page = loopback.get(links["Runbook"]).text
    drill.require("the link leads to a section of the runbook's page", f'id="{section}"' in page, expected=True)
    drill.require("the link to the dashboard", links["Dashboard"], annotations["dashboard_url"])
    silenced = parse_qs(urlsplit(links["Silence"]).fragment.partition("?")[2])["filter"][0]
    for name, value in alert.items():
        drill.require(f"the silence is for {name}", f'{name}="{value}"' in silenced, expected=True)

    mended = drill.end_fault("requests are slow", service=service)
    # P95 is back after five minutes, and the alert holds for fifteen: in the story's own time nothing waits for that.
    if drill.target.clock.scale > 1:
        resolved = drill.expect("the alert resolves", Kind.ALERT_RESOLVED, ids=alert, after=mended, within=23 * MINUTE)
        drill.expect("its incident resolves", Kind.INCIDENT_RESOLVED, ids=number, after=resolved, within=6 * MINUTE)
    drill.require_exactly("incidents of this episode", 1, Kind.INCIDENT_TRIGGERED, where=_incident_of(**alert))


def grouped_alerts(drill: Drill) -> None:
    """Twenty-five alerts with the same group labels are one notification, though three replicas have them all."""
    service = "market-data"
    drill.target.scale_deployment(service, GROUPED_ALERTS)
    drill.wait_until("pods are ready", lambda: len(drill.target.ready_pods(service)) == GROUPED_ALERTS)
    drill.start_fault("pods are not ready", service=service)
    fired = drill.expect_count(
        f"{GROUPED_ALERTS} alerts fire",
        GROUPED_ALERTS,
        Kind.ALERT_FIRING,
        ids={"alertname": "PodNotReady", "service": service},
        within=8 * MINUTE,
    )
    message = drill.expect(
        "Slack shows them in #orion-alerts",
        Kind.MESSAGE_POSTED,
        ids={"channel": "#orion-alerts"},
        where=_mentions("PodNotReady", service),
        after=fired[-1],
        within=2 * MINUTE,
    )
    drill.require(
        f"the message counts {GROUPED_ALERTS}", f":{GROUPED_ALERTS}]" in json.dumps(message.details), expected=True
    )
    drill.let_pass(peers=ALERTMANAGERS)
    drill.require_exactly(
        "messages in #orion-alerts",
        1,
        Kind.MESSAGE_POSTED,
        ids={"channel": "#orion-alerts"},
        where=_mentions("PodNotReady", service),
    )
    drill.require_exactly(
        "messages to the alert topic",
        1,
        Kind.TOPIC_PUBLISHED,
        ids={"topic": ALERT_TOPIC},
        where=tells_of("PodNotReady", service),
    )
    drill.end_fault("pods are not ready", service=service)
    drill.target.scale_deployment(service, 2)


def automatic_repair(drill: Drill) -> None:
    """HighMemoryUsage has its pod replaced, once, however often and by whomever it is told."""
    service = "positions"
    cause = drill.start_fault("memory leaks", service=service)
    firing = fires(drill, cause, "HighMemoryUsage", service)
    pod, uid = firing.ids["pod"], firing.ids["uid"]
    told = drill.expect(
        "Alertmanager tells the alert topic",
        Kind.TOPIC_PUBLISHED,
        ids={"topic": ALERT_TOPIC},
        where=tells_of("HighMemoryUsage", service),
        after=firing,
        within=2 * MINUTE,
    )
    drill.expect(
        "the function has run",
        Kind.FUNCTION_INVOKED,
        ids={"queue": REPAIR_QUEUE},
        where=lambda event: event.details["failed"] == 0,
        after=told,
    )
    command = drill.expect(
        "Systems Manager runs the restart",
        Kind.COMMAND_STARTED,
        ids={"document": "orion-restart-pod"},
        where=_mentions(pod),
        after=told,
    )
    drill.expect(f"pod {pod} is gone", Kind.POD_DELETED, ids={"uid": uid}, after=command)
    drill.expect(
        "a new pod is ready",
        Kind.POD_READY,
        where=lambda event: event.ids["pod"].startswith(service) and event.ids["uid"] != uid,
        after=command,
    )
    drill.expect(
        "the result is published",
        Kind.TOPIC_PUBLISHED,
        ids={"topic": NOTIFICATION_TOPIC},
        where=_mentions("restart_pod", pod),
        after=command,
    )
    drill.target.publish_alerts(told.details["message"], times=DELIVERIES, publishers=ALERTMANAGERS)
    drill.wait_until("every delivery is dealt with", lambda: drill.target.unread_repair_messages() == 0)
    drill.require_exactly(
        f"restarts of that pod after {DELIVERIES} more deliveries",
        1,
        Kind.COMMAND_STARTED,
        ids={"document": "orion-restart-pod"},
        where=_mentions(pod),
    )
    for what, kind in (("gone", Kind.POD_DELETED), ("made", Kind.POD_CREATED)):
        drill.require_exactly(
            f"pods of {service} {what}", 1, kind, where=lambda event: event.ids["pod"].startswith(f"{service}-")
        )
    drill.end_fault("memory leaks", service=service)


def channels_and_inhibition(drill: Drill) -> None:
    """A database warning reaches both its channels; a service that is down silences its pods, and only its own."""
    database = {"dbinstance_identifier": "orion-aurora-1"}
    down, other = "gateway", "orders"
    drill.start_fault("database is busy", **database)
    drill.start_fault("pods are not ready", service=down)
    is_down = drill.start_fault("service is down", service=down)
    sound_pod = drill.target.ready_pods(other)[0]
    drill.start_fault("pods are not ready", service=other, pod=sound_pod)

    fires(drill, is_down, "ServiceDown", down)
    drill.expect(
        "PagerDuty opens an incident",
        Kind.INCIDENT_TRIGGERED,
        ids={"service": down},
        where=_incident_of("ServiceDown", down),
        after=is_down,
        within=8 * MINUTE,
    )
    silenced = fires(drill, is_down, "PodNotReady", down)
    drill.expect(
        f"Slack is notified of the pod of {other}",
        Kind.MESSAGE_POSTED,
        ids={"channel": "#orion-alerts"},
        where=_mentions("PodNotReady", sound_pod),
        after=is_down,
        within=8 * MINUTE,
    )
    drill.let_pass(story_seconds=MINUTE / 2)
    drill.require_exactly(
        f"messages about the pods of {down} while it is down",
        0,
        Kind.MESSAGE_POSTED,
        where=_mentions("PodNotReady", down),
    )
    back = drill.end_fault("service is down", service=down)
    drill.require("PodNotReady fired before the service came back", silenced.time < back.time, expected=True)
    drill.expect(
        "with the service back, Slack is notified of its pods",
        Kind.MESSAGE_POSTED,
        ids={"channel": "#orion-alerts"},
        where=_mentions("PodNotReady", down),
        after=back,
        within=12 * MINUTE,
    )
    drill.expect(
        "the resolved alert resolves its incident",
        Kind.INCIDENT_RESOLVED,
        where=_incident_of("ServiceDown", down),
        after=back,
        within=12 * MINUTE,
    )
    for channel in ("#orion-alerts", "#orion-database-team"):
        drill.expect(
            f"{channel} is notified of the database",
            Kind.MESSAGE_POSTED,
            ids={"channel": channel},
            where=_mentions("AuroraHighCPU"),
            within=14 * MINUTE,
        )
    drill.end_fault("database is busy", **database)
    drill.end_fault("pods are not ready", service=down)
    drill.end_fault("pods are not ready", service=other, pod=sound_pod)


def _one_incident(drill: Drill, cause: Event, firing: Event, *, budget: str = BUDGET_LEFT) -> Event:
    """Return the incident of a burning error budget, whose text says that so much of the `budget`, a pattern, is left.

    It may be out before the alert is seen firing.
    """
    incident = drill.expect(
        "PagerDuty opens an incident",
        Kind.INCIDENT_TRIGGERED,
        where=_incident_of("HighErrorBudgetBurn", firing.ids["service"]),
        after=cause,
        within=(firing.time - cause.time) * drill.target.clock.scale + MINUTE + ALERTMANAGERS * PEER_SECONDS,
    )
    descriptions = json.dumps(incident.details["custom_details"]["descriptions"])
    told = re.search(rf"budget: ({budget})", descriptions) is not None
    drill.require(f"what is left of the error budget is in {descriptions}", told, expected=True)
    return incident


def _still_one_incident(drill: Drill, service: str) -> None:
    """Hold that there is one incident when every replica has had its turn, the killed one too."""
    drill.wait_until(
        "three replicas see each other again",
        lambda: drill.target.alertmanagers_ready() == ALERTMANAGERS,
        within=LONGEST_BACK_OFF_SECONDS,
    )
    drill.let_pass(peers=ALERTMANAGERS)
    drill.require_exactly(
        f"incidents of {service}",
        1,
        Kind.INCIDENT_TRIGGERED,
        where=_incident_of("HighErrorBudgetBurn", service),
    )


def replica_killed_before(drill: Drill) -> None:
    """With one Alertmanager killed before the alert fires, and down until the page, there is still one incident."""
    service = "positions"
    cause = drill.start_fault("requests fail", service=service)
    drill.expect(
        "HighErrorBudgetBurn is pending",
        Kind.ALERT_PENDING,
        ids={"alertname": "HighErrorBudgetBurn", "service": service},
        after=cause,
        within=8 * MINUTE,
    )
    with drill.target.held_down(drill.target.first_to_notify()) as killed:
        firing = fires(drill, cause, "HighErrorBudgetBurn", service)
        drill.require("it was killed before the alert fired", killed < firing.time, expected=True)
        _one_incident(drill, cause, firing)
        drill.require("replicas that answer at the page", drill.target.alertmanagers_answering(), ALERTMANAGERS - 1)
    _still_one_incident(drill, service)
    drill.end_fault("requests fail", service=service)


def replica_killed_between(drill: Drill) -> None:
    """With the Alertmanager whose turn it is killed between firing and paging, there is still one incident."""
    # Half a minute is 1.5 real seconds when time is scaled: the page can be out before the process is killed.
    for service in ("gateway", "market-data"):
        if _killed_in_time(drill, service):
            return
    alert = {"alertname": "HighErrorBudgetBurn", "service": "gateway"}
    drill.expect("the first alert has resolved", Kind.ALERT_RESOLVED, ids=alert, within=90 * MINUTE)
    if not _killed_in_time(Drill(name=drill.name, target=drill.target, hops=drill.hops), "gateway"):
        raise DrillFailed("the replica was killed too late, three times: the drill shows nothing")


def _killed_in_time(drill: Drill, service: str) -> bool:
    """Kill the replica whose turn it is as soon as the alert fires, and say whether that was before the page."""
    whose_turn = drill.target.first_to_notify()
    cause = drill.start_fault("requests fail", service=service)
    firing = fires(drill, cause, "HighErrorBudgetBurn", service)
    with drill.target.held_down(whose_turn) as killed:
        # In real time it is the first drill: nothing is known of a budget before five minutes have been counted.
        incident = _one_incident(drill, cause, firing, budget=f"not known|{BUDGET_LEFT}")
    _still_one_incident(drill, service)
    drill.end_fault("requests fail", service=service)
    return firing.time < killed < incident.time


STORY = Chapter(
    sequences=(
        (critical_alert,),
        # A killed replica may have told Slack and died before it told its peers: what counts messages comes first.
        (grouped_alerts, replica_killed_before, replica_killed_between),
        (automatic_repair,),
        (channels_and_inhibition,),
    )
)
STORY_IN_REAL_TIME = Chapter(
    sequences=(
        (critical_alert,),
        # Five minutes pass until the alerts fire whose messages are counted: the replica is back after three.
        (replica_killed_between,),
        (grouped_alerts, replica_killed_before),
        (automatic_repair,),
        (channels_and_inhibition,),
    )
)
