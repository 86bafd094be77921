"""Schedules of the API's third version: the schedule itself, its rotations and their events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, Field
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clouds.pagerduty.oncall import BadRecurrence, recurrence
from sandbox.clouds.pagerduty.rest.call import (
    Body,
    Call,
    Reference,
    RestApi,
    invalid,
    invalid_v3,
    not_found,
    time_zones,
)
from sandbox.clouds.pagerduty.rest.render import Json, Renderer, final_schedule, member_json, moment
from sandbox.clouds.pagerduty.schedule_model import Assignment, Member, Rotation, RotationEvent, Schedule

MAXIMUM_MEMBERS = 20
FURTHEST_START = timedelta(days=366)
"""How far ahead an event may take effect: 12 months."""


class MemberBody(Body):
    """A place in a shift."""

    type: Literal["user_member", "empty_member"]
    user_id: str | None = None


class ScheduleBody(Body):
    """The body of a new or updated schedule."""

    name: str | None = Field(default=None, min_length=1, max_length=255)
    time_zone: str | None = None
    description: str | None = Field(default=None, max_length=1024)
    teams: tuple[Reference, ...] | None = None


class ZonedTimeBody(Body):
    """A time with the zone that recurrences of it are counted in."""

    date_time: AwareDatetime
    time_zone: str


class AssignmentBody(Body):
    """The assignment of occurrences to members."""

    type: Literal["rotating_member_assignment_strategy", "every_member_assignment_strategy"]
    shifts_per_member: int | None = Field(default=None, ge=1)
    members: tuple[MemberBody, ...] = Field(min_length=1, max_length=MAXIMUM_MEMBERS)


class EventChangeBody(Body):
    """The body of an event's update."""

    name: str | None = Field(default=None, min_length=1, max_length=255)
    start_time: ZonedTimeBody | None = None
    end_time: ZonedTimeBody | None = None
    effective_since: AwareDatetime | None = None
    effective_until: AwareDatetime | None = None
    recurrence: tuple[str, ...] | None = None
    assignment_strategy: AssignmentBody | None = None


class EventBody(Body):
    """The body of a new event."""

    name: str = Field(min_length=1, max_length=255)
    start_time: ZonedTimeBody
    end_time: ZonedTimeBody
    effective_since: AwareDatetime
    effective_until: AwareDatetime | None = None
    recurrence: tuple[str, ...] = Field(min_length=1)
    assignment_strategy: AssignmentBody


def routes(api: RestApi) -> list[Route]:
    """Return the routes of this part of the API."""
    rotation = "/v3/schedules/{id}/rotations/{rotation_id}"
    return [
        api.route("/v3/schedules", get=_list, post=_create),
        api.route("/v3/schedules/{id}", get=_get, put=_update, delete=_delete),
        api.route("/v3/schedules/{id}/rotations", get=_list_rotations, post=_create_rotation),
        api.route(rotation, get=_get_rotation, delete=_delete_rotation),
        api.route(f"{rotation}/events", get=_list_events, post=_create_event),
        api.route(f"{rotation}/events/{{event_id}}", get=_get_event, put=_update_event, delete=_delete_event),
    ]


def schedule_of(call: Call) -> Schedule:
    """Return the schedule that the path names. Raises `Refused` (404)."""
    return call.named("id", call.account.schedules)


def member_of(call: Call, body: MemberBody, field: str) -> Member:
    """Return a member. Raises `Refused` (400) unless it names a person of the account, or is empty."""
    if body.type == "empty_member":
        return Member(None)
    if body.user_id not in call.account.users:
        raise invalid_v3(field, f"user_id {body.user_id!r} is no user of this account")
    return Member(body.user_id)


def _list(call: Call) -> Response:
    wanted = call.request.query_params.get("query", "").casefold()
    found = [schedule for schedule in call.account.schedules.values() if wanted in schedule.name.casefold()]
    render = call.render
    return call.page(
        "schedules",
        sorted(found, key=lambda schedule: schedule.name),
        lambda each: render.head("schedule_v3_reference", f"/v3/schedules/{each.id}", each.id, each.name),
    )


def _create(call: Call) -> Response:
    body = call.parse("schedule", ScheduleBody, v3=True)
    if body.name is None:
        raise invalid_v3("schedule.name", "can't be blank")
    if body.time_zone is None:
        raise invalid_v3("schedule.time_zone", "can't be blank")
    schedule = Schedule(id=call.account.new_id(), name=body.name, time_zone="", description="", teams=())
    _fill(call, schedule, body)
    call.account.schedules[schedule.id] = schedule
    return JSONResponse({"schedule": schedule_json(call, schedule)}, 201)


def _get(call: Call) -> Response:
    schedule = schedule_of(call)
    found = schedule_json(call, schedule)
    include = call.texts("include")
    if "users" in include:
        ids = {member.user for member in _members(schedule) if member.user}
        found["users"] = call.render.users(tuple(sorted(ids)))
    since, until = call.moment("since"), call.moment("until")
    if "final_schedule" in include and since is not None and until is not None:
        if until <= since:
            raise invalid_v3("until", "must be after since")
        whole = call.request.query_params.get("overflow") == "true"
        found["final_schedule"] = final_schedule(schedule, since, until, whole=whole)
    return JSONResponse({"schedule": found})


def _update(call: Call) -> Response:
    schedule = schedule_of(call)
    _fill(call, schedule, call.parse("schedule", ScheduleBody, v3=True))
    return JSONResponse({"schedule": schedule_json(call, schedule)})


def _delete(call: Call) -> Response:
    schedule = schedule_of(call)
    # PagerDuty's own words, as reports of its Terraform provider quote them (issues 902 and 358).
    if call.account.policies_with("schedule", schedule.id):
        raise invalid("Schedule can't be deleted if it's being used by escalation policies")
    if call.account.open_incidents_with(schedule.id):
        message = "Schedule can't be deleted if it's being used by an escalation policy snapshot with open incidents"
        raise invalid(message)
    del call.account.schedules[schedule.id]
    return Response(status_code=204)


def _fill(call: Call, schedule: Schedule, body: ScheduleBody) -> None:
    if any(other.name == body.name and other is not schedule for other in call.account.schedules.values()):
        raise invalid_v3("schedule.name", "has already been taken")
    if body.time_zone is not None and body.time_zone not in time_zones():
        raise invalid_v3("schedule.time_zone", f"{body.time_zone!r} is no IANA time zone")
    teams = schedule.teams if body.teams is None else tuple(team.id for team in body.teams)
    if not set(teams) <= set(call.account.teams):
        raise invalid_v3("schedule.teams", "not found")
    schedule.name = body.name or schedule.name
    schedule.time_zone = body.time_zone or schedule.time_zone
    schedule.teams = teams
    if body.description is not None:
        schedule.description = body.description


def _rotation(call: Call) -> tuple[Schedule, Rotation]:
    schedule = schedule_of(call)
    wanted = call.request.path_params["rotation_id"]
    for rotation in schedule.rotations:
        if rotation.id == wanted:
            return schedule, rotation
    raise not_found()


def _list_rotations(call: Call) -> Response:
    schedule = schedule_of(call)
    return call.page("rotations", schedule.rotations, lambda each: _rotation_json(call.render, schedule, each))


def _create_rotation(call: Call) -> Response:
    schedule = schedule_of(call)
    rotation = Rotation(id=call.account.new_v3_id())
    schedule.rotations.append(rotation)
    return JSONResponse({"rotation": _rotation_json(call.render, schedule, rotation)}, 201)


def _get_rotation(call: Call) -> Response:
    schedule, rotation = _rotation(call)
    return JSONResponse({"rotation": _rotation_json(call.render, schedule, rotation)})


def _delete_rotation(call: Call) -> Response:
    schedule, rotation = _rotation(call)
    schedule.rotations.remove(rotation)
    return Response(status_code=204)


def _event(call: Call) -> tuple[Schedule, Rotation, RotationEvent]:
    schedule, rotation = _rotation(call)
    wanted = call.request.path_params["event_id"]
    for event in rotation.events:
        if event.id == wanted:
            return schedule, rotation, event
    raise not_found()


def _list_events(call: Call) -> Response:
    schedule, rotation = _rotation(call)
    return call.page("events", rotation.events, lambda each: _event_json(call.render, schedule, rotation, each))


def _create_event(call: Call) -> Response:
    schedule, rotation = _rotation(call)
    body = call.parse("event", EventBody, v3=True)
    event = RotationEvent(
        id=call.account.new_v3_id(),
        name=body.name,
        start=body.start_time.date_time.astimezone(UTC),
        end=body.end_time.date_time.astimezone(UTC),
        time_zone=body.start_time.time_zone,
        recurrence=body.recurrence,
        assignment=_assignment(call, body.assignment_strategy),
        effective_since=max(body.effective_since.astimezone(UTC), call.now),  # a past one is moved to now
        effective_until=_until(body.effective_until),
    )
    _refuse_impossible(call, event)
    rotation.events.append(event)
    return JSONResponse({"event": _event_json(call.render, schedule, rotation, event)}, 201)


def _get_event(call: Call) -> Response:
    schedule, rotation, event = _event(call)
    return JSONResponse({"event": _event_json(call.render, schedule, rotation, event)})


def _update_event(call: Call) -> Response:
    schedule, rotation, event = _event(call)
    body = call.parse("event", EventChangeBody, v3=True)
    if event.effective_until is not None and event.effective_until <= call.now:
        raise invalid_v3("event", "Past events cannot be updated")
    changed = _changed(call, event, body)
    if event.effective_since <= call.now and replace(changed, effective_until=event.effective_until) != event:
        raise invalid_v3("event", "Only effective_until of an active event can be updated")
    _refuse_impossible(call, changed)
    rotation.events[rotation.events.index(event)] = changed
    return JSONResponse({"event": _event_json(call.render, schedule, rotation, changed)})


def _delete_event(call: Call) -> Response:
    _, rotation, event = _event(call)
    rotation.events.remove(event)
    return Response(status_code=204)


def _changed(call: Call, event: RotationEvent, body: EventChangeBody) -> RotationEvent:
    """Return the event with what a body gives."""
    changed = event
    if body.name is not None:
        changed = replace(changed, name=body.name)
    if body.start_time is not None:
        start = body.start_time
        changed = replace(changed, start=start.date_time.astimezone(UTC), time_zone=start.time_zone)
    if body.end_time is not None:
        changed = replace(changed, end=body.end_time.date_time.astimezone(UTC))
    if body.effective_since is not None and body.effective_since != event.effective_since:
        changed = replace(changed, effective_since=max(body.effective_since.astimezone(UTC), call.now))
    if "effective_until" in body.model_fields_set:
        changed = replace(changed, effective_until=_until(body.effective_until))
    if body.recurrence is not None:
        changed = replace(changed, recurrence=body.recurrence)
    if body.assignment_strategy is not None:
        changed = replace(changed, assignment=_assignment(call, body.assignment_strategy))
    return changed


def _until(at: datetime | None) -> datetime | None:
    return at.astimezone(UTC) if at else None


def _assignment(call: Call, body: AssignmentBody) -> Assignment:
    field = "event.assignment_strategy"
    rotating = body.type == "rotating_member_assignment_strategy"
    if rotating and body.shifts_per_member is None:
        raise invalid_v3(f"{field}.shifts_per_member", "is required for rotating_member_assignment_strategy")
    members = tuple(member_of(call, member, f"{field}.members") for member in body.members)
    return Assignment(members=members, shifts_per_member=body.shifts_per_member if rotating else None)


def _refuse_impossible(call: Call, event: RotationEvent) -> None:
    if event.time_zone not in time_zones():
        raise invalid_v3("event.start_time.time_zone", f"{event.time_zone!r} is no IANA time zone")
    if event.end <= event.start:
        raise invalid_v3("event.end_time", "must be after start_time")
    if event.effective_since > call.now + FURTHEST_START:
        raise invalid_v3("event.effective_since", "Date cannot be more than 12 months in the future")
    if event.effective_until is not None and event.effective_until <= event.effective_since:
        raise invalid_v3("event.effective_until", "must be after effective_since")
    try:
        recurrence(event.recurrence, event.start, ZoneInfo(event.time_zone))
    except BadRecurrence as error:
        raise invalid_v3("event.recurrence", str(error)) from error


def _members(schedule: Schedule) -> Iterator[Member]:
    for rotation in schedule.rotations:
        for event in rotation.events:
            yield from event.assignment.members


def has_member(schedule: Schedule, user: str) -> bool:
    """Say whether a schedule names a person."""
    return Member(user) in set(_members(schedule))


def schedule_json(call: Call, schedule: Schedule) -> Json:
    """Return a schedule with its rotations."""
    render = call.render
    policies = call.account.policies_with("schedule", schedule.id)
    return {
        **render.head("schedule_v3", f"/v3/schedules/{schedule.id}", schedule.id, schedule.name),
        "name": schedule.name,
        "time_zone": schedule.time_zone,
        "description": schedule.description,
        "teams": render.team_references(schedule.teams),
        "escalation_policies": [render.policy_reference(policy.id) for policy in policies],
        "rotations": [_rotation_json(render, schedule, rotation) for rotation in schedule.rotations],
    }


def _addresses(render: Renderer, path: str) -> Json:
    return {"self": f"{render.base}{path}", "html_url": f"{render.base}{path}"}


def _rotation_json(render: Renderer, schedule: Schedule, rotation: Rotation) -> Json:
    return {
        "id": rotation.id,
        "type": "schedule_rotation",
        "events": [_event_json(render, schedule, rotation, event) for event in rotation.events],
        **_addresses(render, f"/v3/schedules/{schedule.id}/rotations/{rotation.id}"),
    }


def _event_json(render: Renderer, schedule: Schedule, rotation: Rotation, event: RotationEvent) -> Json:
    assignment = event.assignment
    strategy: Json = {
        "type": "every_member_assignment_strategy",
        "members": [member_json(member) for member in assignment.members],
    }
    if assignment.shifts_per_member is not None:
        strategy["type"] = "rotating_member_assignment_strategy"
        strategy["shifts_per_member"] = assignment.shifts_per_member
    return {
        "id": event.id,
        "type": "schedule_event",
        "name": event.name,
        "start_time": {"date_time": moment(event.start), "time_zone": event.time_zone},
        "end_time": {"date_time": moment(event.end), "time_zone": event.time_zone},
        "effective_since": moment(event.effective_since),
        "effective_until": moment(event.effective_until) if event.effective_until else None,
        "recurrence": list(event.recurrence),
        "assignment_strategy": strategy,
        **_addresses(render, f"/v3/schedules/{schedule.id}/rotations/{rotation.id}/events/{event.id}"),
    }
