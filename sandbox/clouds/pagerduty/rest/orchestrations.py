"""Event orchestrations, their integrations and their routers."""

from __future__ import annotations

import uuid
from typing import Literal

from pydantic import Field
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clouds.pagerduty.orchestrations import (
    CONDITIONS_OF_A_RULE,
    START,
    UNROUTED,
    Condition,
    ConditionRefused,
    GlobalIntegration,
    Orchestration,
    Router,
    RouterRule,
    parse_condition,
)
from sandbox.clouds.pagerduty.rest.call import Body, Call, Reference, RestApi, invalid
from sandbox.clouds.pagerduty.rest.render import Json, moment

PATH = "/event_orchestrations"


class OrchestrationBody(Body):
    """The properties of an orchestration that a request may set."""

    name: str | None = Field(default=None, min_length=1, max_length=255)
    description: str | None = None
    team: Reference | None = None


class IntegrationBody(Body):
    """The properties of an integration that a request may set."""

    label: str = Field(min_length=1, max_length=255)


class ConditionBody(Body):
    """A condition of a rule."""

    expression: str = Field(min_length=1)


class RouteBody(Body):
    """The service of a rule. Dynamic routes, which need an add-on, are not part of this stand-in."""

    route_to: str


class CatchAllBody(Body):
    """The actions for events that no rule takes."""

    actions: RouteBody = RouteBody(route_to=UNROUTED)


class RuleBody(Body):
    """A rule of a router."""

    id: str | None = None
    label: str | None = None
    conditions: tuple[ConditionBody, ...] = Field(default=(), max_length=CONDITIONS_OF_A_RULE)
    actions: RouteBody
    disabled: bool = False


class SetBody(Body):
    """The only set of rules that a router has."""

    id: Literal["start"]
    rules: tuple[RuleBody, ...] = ()


class RouterBody(Body):
    """A whole router: rules that the request leaves out are deleted."""

    parent: Reference | None = None
    sets: tuple[SetBody, ...] = Field(min_length=1, max_length=1)
    catch_all: CatchAllBody = CatchAllBody()


def routes(api: RestApi) -> list[Route]:
    """Return the routes of this part of the API."""
    return [
        api.route(PATH, get=_list, post=_create),
        api.route(f"{PATH}/{{id}}", get=_get, put=_update, delete=_delete),
        api.route(f"{PATH}/{{id}}/integrations", get=_list_integrations, post=_create_integration),
        api.route(
            f"{PATH}/{{id}}/integrations/{{integration_id}}",
            get=_get_integration,
            put=_update_integration,
            delete=_delete_integration,
        ),
        api.route(f"{PATH}/{{id}}/router", get=_get_router, put=_update_router),
    ]


def _version() -> str:
    return uuid.uuid4().hex


def _orchestration(call: Call) -> Orchestration:
    return call.named("id", call.account.orchestrations)


def _list(call: Call) -> Response:
    stored = sorted(call.account.orchestrations.values(), key=lambda orchestration: orchestration.name)
    return call.page("orchestrations", stored, lambda each: _json(call, each))


def _create(call: Call) -> Response:
    body = call.parse("orchestration", OrchestrationBody)
    if body.name is None:
        raise invalid("Name cannot be empty")
    _require_team(call, body)
    router = Router(updated_at=call.now, version=_version())
    orchestration = Orchestration(
        id=str(uuid.uuid4()),
        name=body.name,
        description=body.description or "",
        team=body.team.id if body.team else None,
        created_at=call.now,
        updated_at=call.now,
        version=_version(),
        router=router,
    )
    # PagerDuty makes the first integration itself.
    _add_integration(call, orchestration, f"{body.name} Default Integration")
    call.account.orchestrations[orchestration.id] = orchestration
    return JSONResponse({"orchestration": _json(call, orchestration)}, 201)


def _get(call: Call) -> Response:
    return JSONResponse({"orchestration": _json(call, _orchestration(call))})


def _update(call: Call) -> Response:
    orchestration = _orchestration(call)
    body = call.parse("orchestration", OrchestrationBody)
    _require_team(call, body)
    orchestration.name = body.name or orchestration.name
    if body.description is not None:
        orchestration.description = body.description
    if "team" in body.model_fields_set:
        orchestration.team = body.team.id if body.team else None
    orchestration.updated_at, orchestration.version = call.now, _version()
    return JSONResponse({"orchestration": _json(call, orchestration)})


def _delete(call: Call) -> Response:
    del call.account.orchestrations[_orchestration(call).id]
    return Response(status_code=204)


def _require_team(call: Call, body: OrchestrationBody) -> None:
    if body.team is not None and body.team.id not in call.account.teams:
        raise invalid("Team not found")


def _add_integration(call: Call, orchestration: Orchestration, label: str) -> GlobalIntegration:
    integration = GlobalIntegration(id=str(uuid.uuid4()), label=label, key=call.account.new_key().upper())
    orchestration.integrations[integration.id] = integration
    return integration


def _list_integrations(call: Call) -> Response:
    integrations = [_integration_json(each) for each in _orchestration(call).integrations.values()]
    return JSONResponse({"integrations": integrations, "total": len(integrations)})


def _create_integration(call: Call) -> Response:
    orchestration = _orchestration(call)
    integration = _add_integration(call, orchestration, call.parse("integration", IntegrationBody).label)
    return JSONResponse({"integration": _integration_json(integration)}, 201)


def _integration(call: Call) -> GlobalIntegration:
    return call.named("integration_id", _orchestration(call).integrations)


def _get_integration(call: Call) -> Response:
    return JSONResponse({"integration": _integration_json(_integration(call))})


def _update_integration(call: Call) -> Response:
    integration = _integration(call)
    integration.label = call.parse("integration", IntegrationBody).label
    return JSONResponse({"integration": _integration_json(integration)})


def _delete_integration(call: Call) -> Response:
    integration = _integration(call)
    del _orchestration(call).integrations[integration.id]
    return Response(status_code=204)


def _get_router(call: Call) -> Response:
    return JSONResponse({"orchestration_path": _router_json(call, _orchestration(call))})


def _update_router(call: Call) -> Response:
    orchestration = _orchestration(call)
    body = call.parse("orchestration_path", RouterBody)
    rules = tuple(_rule(call, rule) for rule in body.sets[0].rules)
    catch_all = body.catch_all.actions.route_to
    if catch_all != UNROUTED:
        _require_service(call, catch_all)
    orchestration.router = Router(rules=rules, catch_all=catch_all, updated_at=call.now, version=_version())
    return JSONResponse({"orchestration_path": _router_json(call, orchestration)})


def _require_service(call: Call, service: str) -> None:
    if service not in call.account.services:
        raise invalid(f"route_to: service {service} not found")


def _rule(call: Call, body: RuleBody) -> RouterRule:
    _require_service(call, body.actions.route_to)
    return RouterRule(
        id=body.id or uuid.uuid4().hex[:8],
        label=body.label,
        conditions=tuple(_condition(condition.expression) for condition in body.conditions),
        route_to=body.actions.route_to,
        disabled=body.disabled,
    )


def _condition(expression: str) -> Condition:
    try:
        return parse_condition(expression)
    except ConditionRefused as error:
        raise invalid(str(error)) from error


def _json(call: Call, orchestration: Orchestration) -> Json:
    return {
        "id": orchestration.id,
        "self": f"{call.render.base}{PATH}/{orchestration.id}",
        "name": orchestration.name,
        "description": orchestration.description,
        "team": _team_json(call, orchestration.team),
        "integrations": [_integration_json(each) for each in orchestration.integrations.values()],
        "routes": len({rule.route_to for rule in orchestration.router.rules}),
        "created_at": moment(orchestration.created_at),
        "updated_at": moment(orchestration.updated_at),
        "version": orchestration.version,
    }


def _team_json(call: Call, team: str | None) -> Json | None:
    if team is None:
        return None
    return {"id": team, "type": "team_reference", "self": f"{call.render.base}/teams/{team}"}


def _integration_json(integration: GlobalIntegration) -> Json:
    parameters = {"routing_key": integration.key, "type": "global"}
    return {"id": integration.id, "label": integration.label, "parameters": parameters}


def _router_json(call: Call, orchestration: Orchestration) -> Json:
    address = f"{call.render.base}{PATH}/{orchestration.id}"
    router = orchestration.router
    return {
        "type": "router",
        "parent": {"id": orchestration.id, "self": address, "type": "event_orchestration_reference"},
        "self": f"{address}/router",
        "sets": [{"id": START, "rules": [_rule_json(rule) for rule in router.rules]}],
        "catch_all": {"actions": {"route_to": router.catch_all}},
        "created_at": moment(orchestration.created_at),
        "updated_at": moment(router.updated_at),
        "version": router.version,
    }


def _rule_json(rule: RouterRule) -> Json:
    return {
        "id": rule.id,
        "label": rule.label,
        "conditions": [{"expression": condition.expression} for condition in rule.conditions],
        "actions": {"route_to": rule.route_to},
        "disabled": rule.disabled,
    }
