"""Things done to incidents beside updates: merges and status updates; and the list of priorities."""

from __future__ import annotations

from pydantic import Field
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clouds.pagerduty.model import Agent, Incident, Status, StatusUpdate
from sandbox.clouds.pagerduty.rest.call import Body, Call, Reference, RestApi, invalid
from sandbox.clouds.pagerduty.rest.incidents import named_incident
from sandbox.clouds.pagerduty.rest.render import moment

ALERTS_MOST = 1_000
"""How many alerts an incident may hold after a merge, as documented."""


class MergeBody(Body):
    """The incidents that are merged into the one that the path names."""

    source_incidents: tuple[Reference, ...] = Field(min_length=1)


class StatusUpdateBody(Body):
    """The body of a new status update."""

    message: str = Field(min_length=1)
    subject: str | None = None
    html_message: str | None = None


def routes(api: RestApi) -> list[Route]:
    """Return the routes of this part of the API."""
    return [
        api.route("/priorities", get=_list_priorities),
        api.route("/incidents/{id}/merge", put=_merge),
        api.route("/incidents/{id}/status_updates", post=_create_status_update),
    ]


def _list_priorities(call: Call) -> Response:
    return call.page("priorities", list(call.account.priorities.values()), call.render.priority)


def _merge(call: Call) -> Response:
    user = call.requester()
    target = named_incident(call)
    sources = [_source(call, target, each.id) for each in call.parse_whole(MergeBody).source_incidents]
    if target.status is Status.RESOLVED:
        raise invalid("The target incident must be open")
    if len(target.alerts) + sum(len(source.alerts) for source in sources) > ALERTS_MOST:
        raise invalid(f"An incident cannot have more than {ALERTS_MOST} alerts")
    for source in sources:
        call.responders.resolve(source, Agent(kind="user", id=user.id), into=target)
    return JSONResponse({"incident": call.render.incident_reference(target)})


def _source(call: Call, target: Incident, wanted: str) -> Incident:
    source = call.account.incidents.get(wanted)
    if source is None or source is target:
        raise invalid(f"Incident {wanted} cannot be merged")
    if source.status is Status.RESOLVED:
        raise invalid("Incident Already Resolved")
    return source


def _create_status_update(call: Call) -> Response:
    user = call.requester()
    incident = named_incident(call)
    body = call.parse_whole(StatusUpdateBody)
    update = StatusUpdate(
        id=call.account.new_id(),
        user=user.id,
        message=body.message,
        at=call.now,
        subject=body.subject,
        html_message=body.html_message,
    )
    call.responders.publish("status_update_published", incident, Agent(kind="user", id=user.id), update)
    answer = {
        "id": update.id,
        "message": update.message,
        "sender": call.render.user_reference(user),
        "created_at": moment(update.at),
        **{
            name: value
            for name, value in (("subject", update.subject), ("html_message", update.html_message))
            if value is not None
        },
    }
    return JSONResponse({"status_update": answer})
