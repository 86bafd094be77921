"""Incidents, their alerts, notes and logs. Whoever changes one says who they are, by the header `From`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Literal

from pydantic import Field
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clouds.pagerduty.model import Agent, Alert, Incident, LogEntry, Status, Urgency, User, by_id
from sandbox.clouds.pagerduty.rest.call import Body, Call, Reference, RestApi, invalid, not_found, too_large
from sandbox.clouds.pagerduty.rest.priorities import set_priority, wanted_priority
from sandbox.clouds.pagerduty.rest.render import Json

INCIDENTS_DAYS = 30
"""How far back incidents are listed when nobody says since when."""
UPDATED_AT_ONCE = 250
"""How many incidents one request may change, as documented: more are answered with 413."""
ALREADY_RESOLVED = "Incident Already Resolved"


class AssignmentBody(Body):
    """To whom."""

    assignee: Reference
    at: str | None = None


class IncidentBody(Body):
    """The body of an incident's update."""

    type: Literal["incident", "incident_reference"]
    status: Status | None = None
    title: str | None = Field(default=None, min_length=1)
    resolution: str | None = None
    urgency: Urgency | None = None
    escalation_level: int | None = Field(default=None, ge=1)
    assignments: tuple[AssignmentBody, ...] | None = Field(default=None, min_length=1)
    escalation_policy: Reference | None = None
    priority: Reference | str | None = None


class IncidentInListBody(IncidentBody):
    """One of several incidents that are changed at once."""

    id: str


class NoteBody(Body):
    """The body of a new note."""

    content: str = Field(min_length=1)


class AlertBody(Body):
    """The body of an alert's update."""

    status: Literal["resolved"]


class IncidentsBody(Body):
    """Several incidents that are changed at once."""

    incidents: tuple[IncidentInListBody, ...] = Field(min_length=1)


def routes(api: RestApi) -> list[Route]:
    """Return the routes of this part of the API."""
    return [
        api.route("/incidents", get=_list, put=_update_many),
        api.route("/incidents/{id}", get=_get, put=_update),
        api.route("/incidents/{id}/alerts", get=_list_alerts),
        api.route("/incidents/{id}/alerts/{alert_id}", get=_get_alert, put=_update_alert),
        api.route("/incidents/{id}/log_entries", get=_list_log),
        api.route("/incidents/{id}/notes", get=_list_notes, post=_create_note),
        api.route("/log_entries", get=_list_whole_log),
        api.route("/log_entries/{id}", get=_get_log_entry),
    ]


def named_incident(call: Call) -> Incident:
    """Return the incident that the path names, by id or by number. Raises `Refused` (404)."""
    wanted = call.request.path_params["id"]
    for incident in call.account.incidents.values():
        if wanted in (incident.id, str(incident.number)):
            return incident
    raise not_found()


def _list(call: Call) -> Response:
    query = call.request.query_params
    everything = query.get("date_range") == "all"
    until = call.moment("until")
    since = call.moment("since") or (until or call.now) - timedelta(days=INCIDENTS_DAYS)
    statuses, urgencies = call.texts("statuses"), call.texts("urgencies")
    services, users = call.texts("service_ids"), call.texts("user_ids")
    for status in statuses:
        if status not in {*Status}:
            raise invalid(f"statuses: {status!r} is none of {', '.join(Status)}")
    key = query.get("incident_key")
    found = [
        incident
        for incident in call.account.incidents.values()
        if (everything or (incident.created_at >= since and (until is None or incident.created_at < until)))
        and (not statuses or incident.status in statuses)
        and (not urgencies or incident.urgency in urgencies)
        and (not services or incident.service in services)
        and (not users or set(users) & set(incident.assignees))
        and (key is None or key == incident.key)
    ]
    descending = query.get("sort_by", "").endswith(":desc")
    found.sort(key=lambda incident: incident.number, reverse=descending)
    return call.page("incidents", found, call.render.incident)


def _get(call: Call) -> Response:
    return JSONResponse({"incident": call.render.incident(named_incident(call))})


def _update(call: Call) -> Response:
    user = call.requester()
    incident = named_incident(call)
    body = call.parse("incident", IncidentBody)
    _check(call, incident, body)
    _apply(call, incident, body, user)
    return JSONResponse({"incident": call.render.incident(incident)})


def _update_many(call: Call) -> Response:
    user = call.requester()
    wanted = call.parse_whole(IncidentsBody).incidents
    if len(wanted) > UPDATED_AT_ONCE:
        raise too_large(f"{len(wanted)} incidents, allowed are {UPDATED_AT_ONCE} at a time")
    found: list[tuple[Incident, IncidentBody]] = []
    for body in wanted:
        incident = call.account.incidents.get(body.id)
        if incident is None:
            raise invalid(f"Incident {body.id} not found")
        _check(call, incident, body)
        found.append((incident, body))
    for incident, body in found:
        _apply(call, incident, body, user)
    return call.page("incidents", [incident for incident, _ in found], call.render.incident, default=100)


def _check(call: Call, incident: Incident, body: IncidentBody) -> None:
    """Raise `Refused` (400) for a change that can't be, before any is made."""
    opens = body.status in (Status.TRIGGERED, Status.ACKNOWLEDGED)
    moves = any(each is not None for each in (body.escalation_level, body.assignments, body.escalation_policy))
    if incident.status is Status.RESOLVED and (opens or moves):
        raise invalid(ALREADY_RESOLVED)
    if incident.service not in call.account.services and opens:
        raise invalid("The incident's service has been deleted")
    if body.escalation_level is not None and body.escalation_level > len(incident.snapshot.rules):
        raise invalid("Escalation level does not exist")
    if body.escalation_policy is not None and body.escalation_policy.id not in call.account.policies:
        raise invalid(f"Escalation policy {body.escalation_policy.id} not found")
    if body.priority is not None:
        wanted_priority(call.account, body.priority)
    for assignment in body.assignments or ():
        if assignment.assignee.id not in call.account.users:
            raise invalid(f"Assignee {assignment.assignee.id} not found")


def _apply(call: Call, incident: Incident, body: IncidentBody, user: User) -> None:
    agent = Agent(kind="user", id=user.id)
    responders = call.responders
    if body.title is not None:
        incident.title = body.title
    if body.urgency is not None and body.urgency is not incident.urgency:
        responders.set_urgency(incident, body.urgency, agent)
    if body.status is Status.RESOLVED and body.resolution:
        responders.annotate(incident, user, f"Resolution Note: {body.resolution}")
    _set_status(call, incident, body.status, agent)
    if body.priority is not None:
        set_priority(responders, incident, wanted_priority(call.account, body.priority), agent)
    if body.escalation_policy is not None:
        responders.delegate(incident, call.account.policies[body.escalation_policy.id], agent)
    if body.escalation_level is not None:
        responders.escalate(incident, body.escalation_level, agent)
    if body.assignments is not None:
        people = by_id(call.account.users, (assignment.assignee.id for assignment in body.assignments))
        responders.assign(incident, people, agent)


def _set_status(call: Call, incident: Incident, status: Status | None, agent: Agent) -> None:
    match status:
        case Status.ACKNOWLEDGED:
            call.responders.acknowledge(incident, agent)
        case Status.RESOLVED:
            call.responders.resolve(incident, agent)
        case Status.TRIGGERED:
            call.responders.unacknowledge(incident, agent)
        case None:
            return


def _list_alerts(call: Call) -> Response:
    incident = named_incident(call)
    statuses, keys = call.texts("statuses"), call.texts("alert_key")
    found = [
        alert
        for alert in incident.alerts
        if (not statuses or ("resolved" if alert.resolved else "triggered") in statuses)
        and (not keys or alert.key in keys)
    ]
    return call.page("alerts", found, lambda alert: call.render.alert(incident, alert))


def _alert(call: Call) -> tuple[Incident, Alert]:
    incident = named_incident(call)
    for alert in incident.alerts:
        if alert.id == call.request.path_params["alert_id"]:
            return incident, alert
    raise not_found()


def _get_alert(call: Call) -> Response:
    return JSONResponse({"alert": call.render.alert(*_alert(call))})


def _update_alert(call: Call) -> Response:
    user = call.requester()
    incident, alert = _alert(call)
    call.parse("alert", AlertBody)
    call.responders.resolve_alert(incident, alert, Agent(kind="user", id=user.id))
    return JSONResponse({"alert": call.render.alert(incident, alert)})


def _list_log(call: Call) -> Response:
    incident = named_incident(call)
    return call.page("log_entries", _newest_first([(incident, entry) for entry in incident.log]), _render_entry(call))


def _list_whole_log(call: Call) -> Response:
    entries = [(incident, entry) for incident in call.account.incidents.values() for entry in incident.log]
    return call.page("log_entries", _newest_first(entries), _render_entry(call))


def _get_log_entry(call: Call) -> Response:
    for incident in call.account.incidents.values():
        for entry in incident.log:
            if entry.id == call.request.path_params["id"]:
                return JSONResponse({"log_entry": call.render.log_entry(incident, entry)})
    raise not_found()


def _newest_first(entries: list[tuple[Incident, LogEntry]]) -> list[tuple[Incident, LogEntry]]:
    entries.sort(key=lambda each: each[1].at)
    entries.reverse()  # of two at one moment, the later one comes first
    return entries


def _render_entry(call: Call) -> Callable[[tuple[Incident, LogEntry]], Json]:
    return lambda each: call.render.log_entry(*each)


def _list_notes(call: Call) -> Response:
    incident = named_incident(call)
    return JSONResponse({"notes": [call.render.note(note) for note in reversed(incident.notes)]})


def _create_note(call: Call) -> Response:
    user = call.requester()
    incident = named_incident(call)
    body = call.parse("note", NoteBody)
    note = call.responders.annotate(incident, user, body.content)
    return JSONResponse({"note": call.render.note(note)})
