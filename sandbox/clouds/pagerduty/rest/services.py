"""Services and their integrations."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clouds.pagerduty.model import (
    Agent,
    Integration,
    Service,
    UrgencyChoice,
)
from sandbox.clouds.pagerduty.rest.call import Body, Call, Reference, RestApi, invalid, not_found

AUTO_RESOLVE_SECONDS = 14_400
ACKNOWLEDGEMENT_SECONDS = 1_800
"""What a service gets that says nothing: incidents end after four hours, acknowledgements after half an hour."""


class UrgencyRuleBody(Body):
    """The urgency of incidents. Rules by support hours are not part of this stand-in."""

    type: Literal["constant"] = "constant"
    urgency: UrgencyChoice = "high"


class AlertGroupingBody(Body):
    """Alert grouping. Only none is accepted: Alertmanager has grouped the alerts already."""

    type: None = None
    config: None = None


class AutoPauseBody(Body):
    """The pause for transient alerts. It is off."""

    enabled: Literal[False] = False
    timeout: Literal[0] | None = None


class ServiceBody(Body):
    """The body of a new or updated service."""

    name: str | None = Field(default=None, min_length=1, max_length=255)
    description: str | None = None
    escalation_policy: Reference | None = None
    auto_resolve_timeout: int | None = Field(default=AUTO_RESOLVE_SECONDS, ge=0)
    acknowledgement_timeout: int | None = Field(default=ACKNOWLEDGEMENT_SECONDS, ge=0)
    incident_urgency_rule: UrgencyRuleBody | None = None
    support_hours: None = None
    scheduled_actions: tuple[()] = ()
    alert_creation: Literal["create_alerts_and_incidents"] = "create_alerts_and_incidents"
    alert_grouping: None = None
    alert_grouping_timeout: None = None
    alert_grouping_parameters: AlertGroupingBody | None = None
    auto_pause_notifications_parameters: AutoPauseBody | None = None
    response_play: None = None
    status: Literal["active", "warning", "critical", "maintenance", "disabled"] | None = None
    # What a service carries when it is read, and may be sent back with.
    created_at: str | None = None
    last_incident_timestamp: str | None = None
    teams: tuple[Any, ...] = ()
    integrations: tuple[Any, ...] = ()
    addons: tuple[Any, ...] = ()


class IntegrationBody(Body):
    """The body of a new or updated integration."""

    type: (
        Literal[
            "events_api_v2_inbound_integration",
            "generic_events_api_inbound_integration",
            "aws_cloudwatch_inbound_integration",
        ]
        | None
    ) = None
    name: str | None = Field(default=None, min_length=1, max_length=255)
    service: Reference | None = None
    integration_key: str | None = None
    created_at: str | None = None


def routes(api: RestApi) -> list[Route]:
    """Return the routes of this part of the API."""
    return [
        api.route("/services", get=_list, post=_create),
        api.route("/services/{id}", get=_get, put=_update, delete=_delete),
        api.route("/services/{id}/integrations", post=_create_integration),
        api.route(
            "/services/{id}/integrations/{integration_id}",
            get=_get_integration,
            put=_update_integration,
            delete=_delete_integration,
        ),
    ]


def _answer(call: Call, service: Service, status: int = 200) -> Response:
    whole = "integrations" in call.texts("include")
    return JSONResponse({"service": call.render.service(service, whole_integrations=whole)}, status)


def _list(call: Call) -> Response:
    query = call.request.query_params
    services = [
        service
        for service in call.account.services.values()
        if query.get("query", "").casefold() in service.name.casefold()
        and query.get("name", service.name) == service.name
    ]
    whole = "integrations" in call.texts("include")
    return call.page(
        "services",
        sorted(services, key=lambda service: service.name),
        lambda service: call.render.service(service, whole_integrations=whole),
    )


def _create(call: Call) -> Response:
    body = call.parse("service", ServiceBody)
    if body.name is None:
        raise invalid("Name cannot be empty")
    if body.escalation_policy is None:
        raise invalid("Escalation policy cannot be blank")
    service = Service(
        id=call.account.new_id(),
        name=body.name,
        description=body.description or "",
        escalation_policy=body.escalation_policy.id,
        acknowledgement_timeout=None,
        auto_resolve_timeout=None,
        urgency="high",
        enabled=True,
        created_at=call.now,
    )
    _fill(call, service, body, set(ServiceBody.model_fields))
    call.account.services[service.id] = service
    return _answer(call, service, 201)


def _get(call: Call) -> Response:
    return _answer(call, call.named("id", call.account.services))


def _update(call: Call) -> Response:
    service = call.named("id", call.account.services)
    body = call.parse("service", ServiceBody)
    _fill(call, service, body, body.model_fields_set)
    return _answer(call, service)


def _delete(call: Call) -> Response:
    service = call.named("id", call.account.services)
    for integration in call.account.integrations_of(service.id):
        del call.account.integrations[integration.id]
    for incident in call.account.incidents.values():
        if incident.service == service.id:
            call.responders.resolve(incident, Agent(kind="service", id=service.id))
    del call.account.services[service.id]
    return Response(status_code=204)


def _fill(call: Call, service: Service, body: ServiceBody, given: set[str]) -> None:
    """Change what a body gives. Raises `Refused` (400), before anything is changed."""
    name = body.name or service.name
    if any(other.name == name and other.id != service.id for other in call.account.services.values()):
        raise invalid("Name has already been taken")
    policy = body.escalation_policy.id if body.escalation_policy else service.escalation_policy
    if policy not in call.account.policies:
        raise invalid("Escalation policy not found")
    service.name, service.escalation_policy = name, policy
    if body.incident_urgency_rule is not None:
        service.urgency = body.incident_urgency_rule.urgency
    if "description" in given:
        service.description = body.description or ""
    if "auto_resolve_timeout" in given:
        service.auto_resolve_timeout = body.auto_resolve_timeout or None
    if "acknowledgement_timeout" in given:
        service.acknowledgement_timeout = body.acknowledgement_timeout or None
    if body.status is not None:
        service.enabled = body.status != "disabled"


def _integration(call: Call) -> Integration:
    service = call.named("id", call.account.services)
    integration = call.named("integration_id", call.account.integrations)
    if integration.service != service.id:
        raise not_found()
    return integration


def _create_integration(call: Call) -> Response:
    service = call.named("id", call.account.services)
    body = call.parse("integration", IntegrationBody)
    if body.type is None:
        raise invalid("Type cannot be blank")
    if body.integration_key is not None and call.account.integration_by_key(body.integration_key) is not None:
        raise invalid("Integration key has already been taken")
    integration = Integration(
        id=call.account.new_id(),
        service=service.id,
        name=body.name or "Events API V2",
        type=body.type,
        key=body.integration_key or call.account.new_key(),
        created_at=call.now,
    )
    call.account.integrations[integration.id] = integration
    return JSONResponse({"integration": call.render.integration(integration)}, 201)


def _get_integration(call: Call) -> Response:
    return JSONResponse({"integration": call.render.integration(_integration(call))})


def _update_integration(call: Call) -> Response:
    integration = _integration(call)
    body = call.parse("integration", IntegrationBody)
    if body.type not in (None, integration.type):
        raise invalid("Type cannot be changed")
    integration.name = body.name or integration.name
    return JSONResponse({"integration": call.render.integration(integration)})


def _delete_integration(call: Call) -> Response:
    del call.account.integrations[_integration(call).id]
    return Response(status_code=204)
