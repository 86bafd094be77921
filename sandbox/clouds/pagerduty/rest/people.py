"""Abilities, users and teams. People are looked up by the program, never made; they are made here to begin with."""

from __future__ import annotations

from pydantic import Field
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clouds.pagerduty.model import Team, User
from sandbox.clouds.pagerduty.rest.call import Body, Call, RestApi, invalid, time_zones
from sandbox.clouds.pagerduty.rest.schedules import has_member

ABILITIES = ("teams", "urgencies", "on_call_schedules_v3")
ROLES = (
    "admin",
    "limited_user",
    "observer",
    "owner",
    "read_only_user",
    "restricted_access",
    "read_only_limited_user",
    "user",
)


class UserBody(Body):
    """The body of a new user."""

    name: str = Field(min_length=1, max_length=100)
    email: str = Field(min_length=6, max_length=100, pattern=r"^[^@\s]+@[^@\s]+$")
    time_zone: str = "Etc/UTC"
    role: str = "user"
    job_title: str | None = Field(default=None, max_length=100)
    description: str | None = None
    color: str | None = None


class TeamBody(Body):
    """The body of a new team."""

    name: str = Field(min_length=1, max_length=100)
    description: str | None = Field(default=None, max_length=1024)
    default_role: str | None = None


def routes(api: RestApi) -> list[Route]:
    """Return the routes of this part of the API."""
    return [
        api.route("/abilities", get=_abilities),
        api.route("/users", get=_list_users, post=_create_user),
        api.route("/users/{id}", get=_get_user, delete=_delete_user),
        api.route("/teams", get=_list_teams, post=_create_team),
        api.route("/teams/{id}", get=_get_team, put=_update_team, delete=_delete_team),
    ]


def _abilities(_: Call) -> Response:
    return JSONResponse({"abilities": list(ABILITIES)})


def _list_users(call: Call) -> Response:
    wanted = call.request.query_params.get("query", "").casefold()
    users = [
        user
        for user in call.account.users.values()
        if wanted in user.name.casefold() or wanted in user.email.casefold()
    ]
    return call.page("users", sorted(users, key=lambda user: user.name), call.render.user)


def _create_user(call: Call) -> Response:
    body = call.parse("user", UserBody)
    if call.account.user_by_email(body.email) is not None:
        raise invalid("Email has already been taken")
    if body.role not in ROLES:
        raise invalid(f"Role must be one of {', '.join(ROLES)}")
    if body.time_zone not in time_zones():
        raise invalid(f"Time zone {body.time_zone!r} is unknown")
    user = User(
        id=call.account.new_id(),
        name=body.name,
        email=body.email,
        time_zone=body.time_zone,
        role=body.role,
        job_title=body.job_title,
        description=body.description,
    )
    call.account.users[user.id] = user
    return JSONResponse({"user": call.render.user(user)}, 201)


def _get_user(call: Call) -> Response:
    return JSONResponse({"user": call.render.user(call.named("id", call.account.users))})


def _delete_user(call: Call) -> Response:
    user = call.named("id", call.account.users)
    if call.account.policies_with("user", user.id):
        raise invalid("The user cannot be deleted: an escalation policy has them as a target")
    if any(has_member(schedule, user.id) for schedule in call.account.schedules.values()):
        raise invalid("The user cannot be deleted: a schedule has them as a member")
    if any(user.id in incident.assignees for incident in call.account.incidents.values()):
        raise invalid("The user cannot be deleted: open incidents are assigned to them")
    del call.account.users[user.id]
    return Response(status_code=204)


def _list_teams(call: Call) -> Response:
    wanted = call.request.query_params.get("query", "").casefold()
    teams = [team for team in call.account.teams.values() if wanted in team.name.casefold()]
    return call.page("teams", sorted(teams, key=lambda team: team.name), call.render.team)


def _create_team(call: Call) -> Response:
    body = call.parse("team", TeamBody)
    _refuse_taken_name(call, body.name, but=None)
    team = Team(id=call.account.new_id(), name=body.name, description=body.description or "")
    call.account.teams[team.id] = team
    return JSONResponse({"team": call.render.team(team)}, 201)


def _get_team(call: Call) -> Response:
    return JSONResponse({"team": call.render.team(call.named("id", call.account.teams))})


def _update_team(call: Call) -> Response:
    team = call.named("id", call.account.teams)
    body = call.parse("team", TeamBody)
    _refuse_taken_name(call, body.name, but=team.id)
    team.name, team.description = body.name, body.description or ""
    return JSONResponse({"team": call.render.team(team)})


def _delete_team(call: Call) -> Response:
    team = call.named("id", call.account.teams)
    if any(team.id in policy.teams for policy in call.account.policies.values()):
        raise invalid("The team cannot be deleted: an escalation policy belongs to it")
    del call.account.teams[team.id]
    return Response(status_code=204)


def _refuse_taken_name(call: Call, name: str, *, but: str | None) -> None:
    if any(team.name == name and team.id != but for team in call.account.teams.values()):
        raise invalid("Name has already been taken")
