"""Event orchestrations with their integrations and their routers, as the SDK's three resource types."""

from __future__ import annotations

from typing import Any

from sandbox.providers.pagerduty.client import PagerDuty
from sandbox.providers.pagerduty.shapes import CATCH_ALL, ROUTER_SET, TEXT, RouterSet, has_shape
from sandbox.providers.provider_table import Created, Property, ProviderFailed, Request, ResourceType
from sandbox.providers.provider_values import Properties

ORCHESTRATION = "pagerduty:index/eventOrchestration:EventOrchestration"
ORCHESTRATION_INTEGRATION = "pagerduty:index/eventOrchestrationIntegration:EventOrchestrationIntegration"
ORCHESTRATION_ROUTER = "pagerduty:index/eventOrchestrationRouter:EventOrchestrationRouter"
EMPTY_ROUTER: Properties = {
    "sets": [{"id": "start", "rules": []}],
    "catch_all": {"actions": {"route_to": "unrouted"}},
}


def orchestration_type(api: PagerDuty) -> ResourceType:
    """Return the description of `EventOrchestration`. The key of its default integration is among the outputs."""

    def body(inputs: Properties) -> Properties:
        team = {"id": inputs["team"]} if inputs.get("team") else None
        description = inputs.get("description", "")
        return {"orchestration": {"name": inputs["name"], "description": description, "team": team}}

    def outputs(orchestration: Properties) -> Properties:
        return {
            "integrations": [_integration_property(each) for each in orchestration["integrations"]],
            "routes": orchestration["routes"],
        }

    def create(request: Request) -> Created:
        made = api.post("/event_orchestrations", body(request.inputs))["orchestration"]
        return Created(id=made["id"], outputs=outputs(made))

    def read(request: Request) -> Properties | None:
        answer = api.get(f"/event_orchestrations/{request.id}")
        if answer is None:
            return None
        orchestration = answer["orchestration"]
        properties: Properties = {"name": orchestration["name"], **outputs(orchestration)}
        if orchestration["description"]:
            properties["description"] = orchestration["description"]
        if orchestration["team"] is not None:
            properties["team"] = orchestration["team"]["id"]
        return properties

    def update(request: Request) -> Properties:
        return outputs(api.put(f"/event_orchestrations/{request.id}", body(request.inputs))["orchestration"])

    return ResourceType(
        token=ORCHESTRATION,
        properties={
            "name": Property(check=has_shape(TEXT)),
            "description": Property(check=has_shape(TEXT)),
            "team": Property(check=has_shape(TEXT)),
        },
        name_property="name",
        computed=("integrations", "routes"),
        create=create,
        read=read,
        update=update,
        delete=lambda request: api.delete(f"/event_orchestrations/{request.id}"),
    )


def _integration_property(integration: dict[str, Any]) -> Properties:
    return {"id": integration["id"], "label": integration["label"], "parameters": [_parameters(integration)]}


def _parameters(integration: dict[str, Any]) -> Properties:
    parameters = integration["parameters"]
    return {"routingKey": parameters["routing_key"], "type": parameters["type"]}


def orchestration_integration_type(api: PagerDuty) -> ResourceType:
    """Return the description of `EventOrchestrationIntegration`. As in the SDK, its key is not secret by itself.

    The real provider moves an integration to another orchestration; this one makes it anew there.
    """

    def folder(properties: Properties) -> str:
        return f"/event_orchestrations/{properties['eventOrchestration']}/integrations"

    def body(inputs: Properties) -> Properties:
        return {"integration": {"label": inputs["label"]}}

    def create(request: Request) -> Created:
        made = api.post(folder(request.inputs), body(request.inputs))["integration"]
        return Created(id=made["id"], outputs={"parameters": [_parameters(made)]})

    def read(request: Request) -> Properties | None:
        orchestration = (request.inputs or request.state).get("eventOrchestration")
        if orchestration is None:
            raise ProviderFailed("an integration is read by its orchestration too: import is not supported")
        answer = api.get(f"/event_orchestrations/{orchestration}/integrations/{request.id}")
        if answer is None:
            return None
        integration = answer["integration"]
        return {
            "eventOrchestration": orchestration,
            "label": integration["label"],
            "parameters": [_parameters(integration)],
        }

    def update(request: Request) -> Properties:
        changed = api.put(f"{folder(request.inputs)}/{request.id}", body(request.inputs))["integration"]
        return {"parameters": [_parameters(changed)]}

    return ResourceType(
        token=ORCHESTRATION_INTEGRATION,
        properties={
            "eventOrchestration": Property(required=True, replaces=True, check=has_shape(TEXT)),
            "label": Property(required=True, check=has_shape(TEXT)),
        },
        name_property=None,
        computed=("parameters",),
        create=create,
        read=read,
        update=update,
        delete=lambda request: api.delete(f"{folder(request.inputs or request.state)}/{request.id}"),
    )


def router_type(api: PagerDuty) -> ResourceType:
    """Return the description of `EventOrchestrationRouter`: every orchestration has one, deleted it is empty."""

    def put(orchestration: str, router: Properties) -> Properties:
        return api.put(f"/event_orchestrations/{orchestration}/router", {"orchestration_path": router})

    def body(inputs: Properties) -> Properties:
        rules = [
            {
                "label": rule.label,
                "conditions": [condition.model_dump() for condition in rule.conditions],
                "actions": rule.actions.model_dump(),
                "disabled": rule.disabled,
            }
            for rule in ROUTER_SET.validate_python(inputs["set"]).rules
        ]
        catch_all = CATCH_ALL.validate_python(inputs["catchAll"])
        return {"sets": [{"id": "start", "rules": rules}], "catch_all": catch_all.model_dump()}

    def create(request: Request) -> Created:
        orchestration = request.inputs["eventOrchestration"]
        put(orchestration, body(request.inputs))
        return Created(id=orchestration)

    def read(request: Request) -> Properties | None:
        answer = api.get(f"/event_orchestrations/{request.id}/router")
        if answer is None:
            return None
        router = answer["orchestration_path"]
        return {
            "eventOrchestration": router["parent"]["id"],
            "set": {"id": "start", "rules": [_rule_property(rule) for rule in router["sets"][0]["rules"]]},
            "catchAll": {"actions": {"routeTo": router["catch_all"]["actions"]["route_to"]}},
        }

    def update(request: Request) -> Properties:
        put(request.id, body(request.inputs))
        return {}

    def delete(request: Request) -> None:
        if api.get(f"/event_orchestrations/{request.id}") is not None:
            put(request.id, EMPTY_ROUTER)

    return ResourceType(
        token=ORCHESTRATION_ROUTER,
        properties={
            "eventOrchestration": Property(required=True, replaces=True, check=has_shape(TEXT)),
            "set": Property(required=True, check=has_shape(ROUTER_SET), same=_same_set),
            "catchAll": Property(required=True, check=has_shape(CATCH_ALL)),
        },
        name_property=None,
        create=create,
        read=read,
        update=update,
        delete=delete,
    )


def _rule_property(rule: dict[str, Any]) -> Properties:
    properties: Properties = {
        "id": rule["id"],
        "conditions": rule["conditions"],
        "actions": {"routeTo": rule["actions"]["route_to"]},
    }
    if rule["label"] is not None:
        properties["label"] = rule["label"]
    if rule["disabled"]:
        properties["disabled"] = True
    return properties


def _same_set(old: object, new: object) -> bool:
    """Report whether two sets have the same rules in the same order. Ids of rules do not count."""
    sets: list[RouterSet] = [ROUTER_SET.validate_python(value) for value in (old, new)]
    before, after = ([rule.model_dump(exclude={"id"}) for rule in each.rules] for each in sets)
    return before == after
