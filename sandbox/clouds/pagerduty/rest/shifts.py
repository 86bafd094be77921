"""A schedule's exceptions: custom shifts and overrides."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, TypeVar

from pydantic import AwareDatetime, Field
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clouds.pagerduty.model import CustomShift, Override, Schedule
from sandbox.clouds.pagerduty.rest.call import Body, Call, RestApi, invalid_v3, not_found
from sandbox.clouds.pagerduty.rest.render import Json, moment
from sandbox.clouds.pagerduty.rest.schedules import MemberBody, member_json, member_of, schedule_of

Part = TypeVar("Part", CustomShift, Override)


class ShiftAssignmentBody(Body):
    """The member who covers a custom shift."""

    type: Literal["shift_assignment"]
    member: MemberBody


class CustomShiftBody(Body):
    """The body of a new custom shift."""

    type: Literal["custom_shift"] = "custom_shift"
    start_time: AwareDatetime
    end_time: AwareDatetime
    assignments: tuple[ShiftAssignmentBody, ...] = Field(min_length=1, max_length=1)


class OverrideBody(Body):
    """The body of a new override."""

    type: Literal["override_shift"] = "override_shift"
    rotation_id: str | None = None
    custom_shift_id: str | None = None
    start_time: AwareDatetime
    end_time: AwareDatetime
    overridden_member: MemberBody
    overriding_member: MemberBody


class OverrideChangeBody(Body):
    """The body of an override's update."""

    start_time: AwareDatetime | None = None
    end_time: AwareDatetime | None = None
    overriding_member: MemberBody | None = None


class CustomShiftsBody(Body):
    """The whole body: several at once."""

    custom_shifts: tuple[CustomShiftBody, ...] = Field(min_length=1)


class OverridesBody(Body):
    """The whole body: several at once."""

    overrides: tuple[OverrideBody, ...] = Field(min_length=1)


def routes(api: RestApi) -> list[Route]:
    """Return the routes of this part of the API."""
    schedule = "/v3/schedules/{id}"
    return [
        api.route(f"{schedule}/custom_shifts", get=_list_custom_shifts, post=_create_custom_shifts),
        api.route(f"{schedule}/custom_shifts/{{part_id}}", get=_get_custom_shift, delete=_delete_custom_shift),
        api.route(f"{schedule}/overrides", get=_list_overrides, post=_create_overrides),
        api.route(
            f"{schedule}/overrides/{{part_id}}", get=_get_override, put=_update_override, delete=_delete_override
        ),
    ]


def _refuse_no_time(start: datetime, end: datetime) -> None:
    if end <= start:
        raise invalid_v3("end_time", "must be after start_time")


def _within(call: Call, parts: list[Part]) -> list[Part]:
    """Return what touches the time that the query asks for. Raises `Refused` (400) if it asks for none."""
    since, until = call.moment("since"), call.moment("until")
    if since is None or until is None:
        raise invalid_v3("since", "since and until are required")
    return [part for part in parts if part.start < until and part.end > since]


def _named(call: Call, parts: list[Part]) -> Part:
    for part in parts:
        if part.id == call.request.path_params["part_id"]:
            return part
    raise not_found()


def _list_custom_shifts(call: Call) -> Response:
    schedule = schedule_of(call)
    return call.page(
        "custom_shifts", _within(call, schedule.custom_shifts), lambda each: _custom_shift(call, schedule, each)
    )


def _create_custom_shifts(call: Call) -> Response:
    schedule = schedule_of(call)
    made: list[CustomShift] = []
    for each in call.parse_whole(CustomShiftsBody, v3=True).custom_shifts:
        _refuse_no_time(each.start_time, each.end_time)
        made.append(
            CustomShift(
                id=call.account.new_v3_id(),
                assignment_id=call.account.new_v3_id(),
                start=each.start_time.astimezone(UTC),
                end=each.end_time.astimezone(UTC),
                member=member_of(call, each.assignments[0].member, "custom_shifts.assignments.member"),
            )
        )
    schedule.custom_shifts += made
    return JSONResponse({"custom_shifts": [_custom_shift(call, schedule, each) for each in made]}, 201)


def _get_custom_shift(call: Call) -> Response:
    schedule = schedule_of(call)
    return JSONResponse({"custom_shift": _custom_shift(call, schedule, _named(call, schedule.custom_shifts))})


def _delete_custom_shift(call: Call) -> Response:
    schedule = schedule_of(call)
    schedule.custom_shifts.remove(_named(call, schedule.custom_shifts))
    return Response(status_code=204)


def _list_overrides(call: Call) -> Response:
    schedule = schedule_of(call)
    return call.page("overrides", _within(call, schedule.overrides), lambda each: _override(call, schedule, each))


def _create_overrides(call: Call) -> Response:
    schedule = schedule_of(call)
    made: list[Override] = []
    for each in call.parse_whole(OverridesBody, v3=True).overrides:
        _refuse_no_time(each.start_time, each.end_time)
        known = {rotation.id for rotation in schedule.rotations}, {custom.id for custom in schedule.custom_shifts}
        if (each.rotation_id is None) == (each.custom_shift_id is None):
            raise invalid_v3("overrides.rotation_id", "exactly one of rotation_id and custom_shift_id is required")
        if each.rotation_id not in {*known[0], None} or each.custom_shift_id not in {*known[1], None}:
            raise invalid_v3("overrides", "neither a rotation nor a custom shift of this schedule")
        made.append(
            Override(
                id=call.account.new_v3_id(),
                rotation=each.rotation_id,
                custom_shift=each.custom_shift_id,
                start=each.start_time.astimezone(UTC),
                end=each.end_time.astimezone(UTC),
                overridden=member_of(call, each.overridden_member, "overrides.overridden_member"),
                overriding=member_of(call, each.overriding_member, "overrides.overriding_member"),
            )
        )
    schedule.overrides += made
    return JSONResponse({"overrides": [_override(call, schedule, each) for each in made]}, 201)


def _get_override(call: Call) -> Response:
    schedule = schedule_of(call)
    return JSONResponse({"override": _override(call, schedule, _named(call, schedule.overrides))})


def _update_override(call: Call) -> Response:
    schedule = schedule_of(call)
    override = _named(call, schedule.overrides)
    body = call.parse("override", OverrideChangeBody, v3=True)
    changed = Override(
        id=override.id,
        rotation=override.rotation,
        custom_shift=override.custom_shift,
        start=body.start_time.astimezone(UTC) if body.start_time else override.start,
        end=body.end_time.astimezone(UTC) if body.end_time else override.end,
        overridden=override.overridden,
        overriding=member_of(call, body.overriding_member, "override.overriding_member")
        if body.overriding_member
        else override.overriding,
    )
    _refuse_no_time(changed.start, changed.end)
    schedule.overrides[schedule.overrides.index(override)] = changed
    return JSONResponse({"override": _override(call, schedule, changed)})


def _delete_override(call: Call) -> Response:
    schedule = schedule_of(call)
    schedule.overrides.remove(_named(call, schedule.overrides))
    return Response(status_code=204)


def _custom_shift(call: Call, schedule: Schedule, custom: CustomShift) -> Json:
    address = f"{call.render.base}/v3/schedules/{schedule.id}/custom_shifts/{custom.id}"
    return {
        "id": custom.id,
        "type": "custom_shift",
        "start_time": moment(custom.start),
        "end_time": moment(custom.end),
        "assignments": [{"id": custom.assignment_id, "type": "shift_assignment", "member": member_json(custom.member)}],
        "self": address,
        "html_url": address,
    }


def _override(call: Call, schedule: Schedule, override: Override) -> Json:
    address = f"{call.render.base}/v3/schedules/{schedule.id}/overrides/{override.id}"
    source = {"rotation_id": override.rotation} if override.rotation else {"custom_shift_id": override.custom_shift}
    return {
        "id": override.id,
        "type": "override_shift",
        **source,
        "start_time": moment(override.start),
        "end_time": moment(override.end),
        "overridden_member": member_json(override.overridden),
        "overriding_member": member_json(override.overriding),
        "self": address,
        "html_url": address,
    }
