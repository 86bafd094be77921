"""Turns incidents, notes and status updates into the data of webhook events, which is not the REST API's JSON."""

from __future__ import annotations

from sandbox.clouds.pagerduty.model import Incident, Note, StatusUpdate
from sandbox.clouds.pagerduty.rest.render import Json, Renderer, moment


def event_data(render: Renderer, incident: Incident, about: Note | StatusUpdate | None) -> Json:
    """Return the data of an event: of what the event is about, or of the incident."""
    match about:
        case Note():
            return _part(render, incident, "incident_note", about.id, content=about.content)
        case StatusUpdate():
            return _part(render, incident, "incident_status_update", about.id, message=about.message)
        case None:
            return _incident(render, incident)


def _part(render: Renderer, incident: Incident, kind: str, part_id: str, **content: str) -> Json:
    reference = {**render.incident_reference(incident), "summary": incident.title}
    return {"incident": reference, "id": part_id, **content, "trimmed": False, "type": kind}


def _incident(render: Renderer, incident: Incident) -> Json:
    policy = render.account.policies.get(incident.escalation_policy)
    head = render.head("incident", f"/incidents/{incident.id}", incident.id, None)
    del head["summary"]
    return {
        **head,
        "number": incident.number,
        "status": incident.status,
        "incident_key": incident.key,
        "created_at": moment(incident.created_at),
        "title": incident.title,
        "service": render.service_reference(incident.service),
        "assignees": render.users(incident.assignees),
        "escalation_policy": render.policy_reference(incident.escalation_policy),
        "teams": render.team_references(policy.teams if policy else ()),
        "priority": render.priority_reference(incident.priority),
        "urgency": incident.urgency,
        "conference_bridge": None,
        "resolve_reason": render.resolve_reason(incident),
    }
