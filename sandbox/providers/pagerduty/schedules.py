"""Schedules with their rotations: one resource for the SDK, many objects for the API.

Events that have begun can't be changed in the API, only ended. So a rotation that differs is made anew, and those that
don't are left alone: who is on call there does not shift.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sandbox.providers.pagerduty.client import PagerDuty
from sandbox.providers.pagerduty.shapes import ROTATIONS, TEXT, Event, Rotation, has_shape
from sandbox.providers.provider_table import Created, Incomplete, Property, ProviderFailed, Request, ResourceType
from sandbox.providers.provider_values import Properties

SCHEDULE = "pagerduty:index/schedulev2:Schedulev2"
MANAGED = "Managed by Pulumi"


def schedule_type(api: PagerDuty) -> ResourceType:
    """Return the description of `Schedulev2`."""

    def create(request: Request) -> Created:
        made = api.post("/v3/schedules", {"schedule": _head(request.inputs)})["schedule"]
        try:
            rotations = [_add(api, made["id"], request.inputs["timeZone"], each) for each in _wanted(request.inputs)]
        except ProviderFailed as error:
            raise Incomplete(str(error), id=made["id"], outputs=dict(request.inputs)) from error
        return Created(id=made["id"], outputs={"rotations": rotations} if rotations else {})

    def read(request: Request) -> Properties | None:
        answer = api.get(f"/v3/schedules/{request.id}")
        if answer is None:
            return None
        schedule = answer["schedule"]
        known = _ids(request.state)
        live = sorted(
            schedule["rotations"], key=lambda each: known.index(each["id"]) if each["id"] in known else len(known)
        )
        said = _wanted(request.inputs or request.state)
        found: Properties = {
            "name": schedule["name"],
            "description": schedule["description"],
            "timeZone": schedule["time_zone"],
        }
        rotations = [_as_property(each, said[at] if at < len(said) else None) for at, each in enumerate(live)]
        if rotations:
            found["rotations"] = rotations
        if schedule["teams"]:
            found["teams"] = [team["id"] for team in schedule["teams"]]
        return found

    def update(request: Request) -> Properties:
        old, new = _wanted(request.old_inputs), _wanted(request.inputs)
        zone = request.inputs["timeZone"]
        path = f"/v3/schedules/{request.id}"
        schedule = api.put(path, {"schedule": _head(request.inputs)})["schedule"]
        live = [rotation["id"] for rotation in schedule["rotations"]]
        known = _ids(request.state)
        same_zone = request.old_inputs.get("timeZone") == zone
        kept = {
            at: request.state["rotations"][at]
            for at in range(min(len(old), len(new), len(known)))
            if same_zone and known[at] in live and _meaning(old[at]) == _meaning(new[at])
        }
        rotations = [kept[at] if at in kept else _add(api, request.id, zone, each) for at, each in enumerate(new)]
        # What is there and unknown was made by a run that failed half way.
        for rotation in {*known, *live} - {each["id"] for each in kept.values()}:
            api.delete(f"{path}/rotations/{rotation}")
        return {"rotations": rotations} if rotations else {}

    def delete(request: Request) -> None:
        api.delete(f"/v3/schedules/{request.id}")

    return ResourceType(
        token=SCHEDULE,
        properties={
            "name": Property(check=has_shape(TEXT)),
            "description": Property(check=has_shape(TEXT), default=MANAGED),
            "timeZone": Property(required=True, check=has_shape(TEXT)),
            "rotations": Property(check=has_shape(ROTATIONS), same=_same),
            "teams": Property(),
        },
        name_property="name",
        create=create,
        read=read,
        update=update,
        delete=delete,
    )


def _head(inputs: Properties) -> Properties:
    teams = [{"id": team, "type": "team_reference"} for team in inputs.get("teams", [])]
    return {
        "name": inputs["name"],
        "time_zone": inputs["timeZone"],
        "description": inputs["description"],
        "teams": teams,
    }


def _wanted(properties: Properties) -> tuple[Rotation, ...]:
    return ROTATIONS.validate_python(properties.get("rotations", []))


def _ids(state: Properties) -> list[str]:
    return [rotation.id for rotation in _wanted(state) if rotation.id is not None]


def _same(old: Any, new: Any) -> bool:
    """Say whether two lists of rotations mean the same: ids and the notation of times do not count."""
    return _meanings(ROTATIONS.validate_python(old)) == _meanings(ROTATIONS.validate_python(new))


def _meanings(rotations: Sequence[Rotation]) -> list[Any]:
    return [_meaning(rotation) for rotation in rotations]


def _meaning(rotation: Rotation) -> Any:
    # Aware times that are the same moment are equal, however they were written.
    return [event.model_dump(exclude={"id"}) for event in rotation.events]


def _add(api: PagerDuty, schedule: str, zone: str, rotation: Rotation) -> Properties:
    """Make a rotation with its events, and return it as a property, with the ids."""
    made = api.post(f"/v3/schedules/{schedule}/rotations", {})["rotation"]
    path = f"/v3/schedules/{schedule}/rotations/{made['id']}/events"
    events = [(event, api.post(path, {"event": _event(event, zone)})["event"]["id"]) for event in rotation.events]
    return {
        "id": made["id"],
        "events": [
            {**event.model_dump(mode="json", by_alias=True, exclude_none=True), "id": event_id}
            for event, event_id in events
        ],
    }


def _event(event: Event, zone: str) -> Properties:
    strategy = event.assignment_strategies[0]
    assignment: Properties = {
        "type": strategy.type,
        "members": [member.model_dump(exclude_none=True) for member in strategy.members],
    }
    if strategy.shifts_per_member is not None:
        assignment["shifts_per_member"] = strategy.shifts_per_member
    return {
        "name": event.name,
        "start_time": {"date_time": _utc(event.start_time), "time_zone": zone},
        "end_time": {"date_time": _utc(event.end_time), "time_zone": zone},
        "effective_since": _utc(event.effective_since),
        "effective_until": _utc(event.effective_until) if event.effective_until else None,
        "recurrence": list(event.recurrences),
        "assignment_strategy": assignment,
    }


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _as_property(live: dict[str, Any], said: Rotation | None) -> Properties:
    """Return a rotation of the API as a property. A start that the API moved to now is still what the program said."""
    events: list[Properties] = []
    for at, event in enumerate(live["events"]):
        since = event["effective_since"]
        if (
            said is not None
            and at < len(said.events)
            and said.events[at].effective_since < datetime.fromisoformat(since)
        ):
            since = _utc(said.events[at].effective_since)
        strategy = event["assignment_strategy"]
        assignment: Properties = {
            "type": strategy["type"],
            "members": [
                {"type": member["type"], **({"userId": member["user_id"]} if "user_id" in member else {})}
                for member in strategy["members"]
            ],
        }
        if "shifts_per_member" in strategy:
            assignment["shiftsPerMember"] = strategy["shifts_per_member"]
        found: Properties = {
            "id": event["id"],
            "name": event["name"],
            "startTime": event["start_time"]["date_time"],
            "endTime": event["end_time"]["date_time"],
            "effectiveSince": since,
            "recurrences": event["recurrence"],
            "assignmentStrategies": [assignment],
        }
        if event["effective_until"] is not None:
            found["effectiveUntil"] = event["effective_until"]
        events.append(found)
    return {"id": live["id"], "events": events}
