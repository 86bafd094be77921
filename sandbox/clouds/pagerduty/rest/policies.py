"""Escalation policies, and who is on call because of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clouds.pagerduty.model import EscalationPolicy, EscalationRule, Target
from sandbox.clouds.pagerduty.oncall import shifts
from sandbox.clouds.pagerduty.rest.call import Body, Call, Reference, RestApi, invalid
from sandbox.clouds.pagerduty.rest.render import moment

MAXIMUM_LOOPS = 9
MAXIMUM_RULES = 20


class StrategyBody(Body):
    """The strategy by which a level's targets share its incidents."""

    type: Literal["assign_to_everyone"] = "assign_to_everyone"


class TargetBody(Reference):
    """A target of an escalation level."""

    type: Literal["user", "user_reference", "schedule", "schedule_reference", "schedule_v3_reference"]


class RuleBody(Body):
    """One level."""

    id: str | None = None
    escalation_delay_in_minutes: int = Field(ge=1)
    targets: tuple[TargetBody, ...] = Field(min_length=1, max_length=10)
    # The published schema has a string here; the clients send and read an object.
    escalation_rule_assignment_strategy: StrategyBody | Literal["assign_to_everyone"] | None = None


class PolicyBody(Body):
    """The body of a new or updated escalation policy."""

    name: str = Field(min_length=1, max_length=255)
    description: str | None = None
    num_loops: int = Field(default=0, ge=0, le=MAXIMUM_LOOPS)
    on_call_handoff_notifications: Literal["if_has_services", "always"] = "if_has_services"
    escalation_rules: tuple[RuleBody, ...] = Field(min_length=1, max_length=MAXIMUM_RULES)
    teams: tuple[Reference, ...] = Field(default=(), max_length=1)
    services: tuple[Any, ...] = ()  # read only; may be sent back


def routes(api: RestApi) -> list[Route]:
    """Return the routes of this part of the API."""
    return [
        api.route("/escalation_policies", get=_list, post=_create),
        api.route("/escalation_policies/{id}", get=_get, put=_update, delete=_delete),
        api.route("/oncalls", get=_oncalls),
    ]


def _list(call: Call) -> Response:
    wanted = call.request.query_params.get("query", "").casefold()
    policies = [policy for policy in call.account.policies.values() if wanted in policy.name.casefold()]
    return call.page("escalation_policies", sorted(policies, key=lambda policy: policy.name), call.render.policy)


def _create(call: Call) -> Response:
    policy = _policy(call, call.account.new_id())
    call.account.policies[policy.id] = policy
    return JSONResponse({"escalation_policy": call.render.policy(policy)}, 201)


def _get(call: Call) -> Response:
    return JSONResponse({"escalation_policy": call.render.policy(call.named("id", call.account.policies))})


def _update(call: Call) -> Response:
    policy = _policy(call, call.named("id", call.account.policies).id)
    call.account.policies[policy.id] = policy
    return JSONResponse({"escalation_policy": call.render.policy(policy)})


def _delete(call: Call) -> Response:
    policy = call.named("id", call.account.policies)
    if services := call.account.services_of(policy.id):
        raise invalid(f"The escalation policy cannot be deleted: the service {services[0].name} uses it")
    del call.account.policies[policy.id]
    return Response(status_code=204)


def _policy(call: Call, policy_id: str) -> EscalationPolicy:
    """Return the policy that the body describes. Raises `Refused` (400)."""
    body = call.parse("escalation_policy", PolicyBody)
    if any(other.name == body.name and other.id != policy_id for other in call.account.policies.values()):
        raise invalid("Name has already been taken")
    teams = tuple(team.id for team in body.teams)
    if not set(teams) <= set(call.account.teams):
        raise invalid("Team not found")
    return EscalationPolicy(
        id=policy_id,
        name=body.name,
        description=body.description or "",
        num_loops=body.num_loops,
        handoff_notifications=body.on_call_handoff_notifications,
        rules=tuple(_rule(call, rule) for rule in body.escalation_rules),
        teams=teams,
    )


def _rule(call: Call, body: RuleBody) -> EscalationRule:
    return EscalationRule(
        id=body.id or call.account.new_id(),
        delay_minutes=body.escalation_delay_in_minutes,
        targets=tuple(_target(call, target) for target in body.targets),
    )


def _target(call: Call, body: TargetBody) -> Target:
    kind: Literal["user", "schedule"] = "user" if body.type.startswith("user") else "schedule"
    known: Mapping[str, object] = call.account.users if kind == "user" else call.account.schedules
    if body.id not in known:
        raise invalid(f"Escalation rule target {body.type} {body.id} not found")
    return Target(kind=kind, id=body.id)


def _oncalls(call: Call) -> Response:
    since = call.moment("since") or call.now
    until = call.moment("until") or since + timedelta(microseconds=1)
    if until <= since:
        raise invalid("until must be after since")
    found = [entry for policy in call.account.policies.values() for entry in _entries(call, policy, since, until)]
    for name, key in (
        ("user_ids", "user"),
        ("escalation_policy_ids", "escalation_policy"),
        ("schedule_ids", "schedule"),
    ):
        wanted = call.texts(name)
        if wanted:
            found = [entry for entry in found if entry[key] is not None and entry[key]["id"] in wanted]
    found.sort(
        key=lambda entry: (entry["escalation_policy"]["summary"], entry["escalation_level"], entry["start"] or "")
    )
    if call.request.query_params.get("earliest") == "true":
        earliest = {
            (entry["escalation_policy"]["id"], entry["escalation_level"], entry["user"]["id"]): entry
            for entry in reversed(found)
        }
        found = list(reversed(earliest.values()))
    return call.page("oncalls", found, lambda entry: entry)


def _entries(call: Call, policy: EscalationPolicy, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    render = call.render
    for level, rule in enumerate(policy.rules, start=1):
        common = {"escalation_policy": render.policy_reference(policy.id), "escalation_level": level}
        for target in rule.targets:
            if target.kind == "user":
                user = render.user_reference(call.account.users[target.id])
                yield {**common, "user": user, "schedule": None, "start": None, "end": None}
                continue
            for shift in shifts(call.account.schedules[target.id], since, until):
                if shift.member.user is None or shift.start >= until:
                    continue
                user = render.user_reference(call.account.users[shift.member.user])
                times = {"start": moment(shift.start), "end": moment(shift.end)}
                yield {**common, "user": user, "schedule": render.target(target), **times}
