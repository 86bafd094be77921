"""The table: the resource types and the function that the program uses, as pulumi_pagerduty 4.37 names them.

What the SDK knows besides (e-mail integrations, alert grouping, maintenance windows, ...) is not in the table, so that
a program that uses it is told so by name.
"""

from __future__ import annotations

from importlib.metadata import version

from sandbox.providers.pagerduty.client import PagerDuty
from sandbox.providers.pagerduty.orchestrations import (
    orchestration_integration_type,
    orchestration_type,
    router_type,
)
from sandbox.providers.pagerduty.schedules import MANAGED, schedule_type
from sandbox.providers.pagerduty.shapes import (
    COUNT,
    NEVER,
    RULES,
    TEXT,
    URGENCY_RULE,
    has_shape,
    is_timeout,
)
from sandbox.providers.pagerduty.webhooks import webhook_subscription_type
from sandbox.providers.provider_table import (
    Created,
    Invoke,
    Property,
    ProviderFailed,
    Request,
    ResourceType,
    Setting,
    Table,
    by_token,
)
from sandbox.providers.provider_values import Properties

TEAM = "pagerduty:index/team:Team"
ESCALATION_POLICY = "pagerduty:index/escalationPolicy:EscalationPolicy"
SERVICE = "pagerduty:index/service:Service"
SERVICE_INTEGRATION = "pagerduty:index/serviceIntegration:ServiceIntegration"
GET_USER = "pagerduty:index/getUser:getUser"
ALERT_CREATION = "create_alerts_and_incidents"
INTEGRATION_TYPES = (
    "events_api_v2_inbound_integration",
    "generic_events_api_inbound_integration",
    "aws_cloudwatch_inbound_integration",
)


def team_type(api: PagerDuty) -> ResourceType:
    """Return the description of `Team`."""

    def body(inputs: Properties) -> Properties:
        return {"team": {"type": "team", "name": inputs["name"], "description": inputs["description"]}}

    def create(request: Request) -> Created:
        team = api.post("/teams", body(request.inputs))["team"]
        return Created(id=team["id"], outputs={"htmlUrl": team["html_url"]})

    def read(request: Request) -> Properties | None:
        answer = api.get(f"/teams/{request.id}")
        if answer is None:
            return None
        team = answer["team"]
        return {"name": team["name"], "description": team["description"], "htmlUrl": team["html_url"]}

    def update(request: Request) -> Properties:
        api.put(f"/teams/{request.id}", body(request.inputs))
        return {}

    return ResourceType(
        token=TEAM,
        properties={
            "name": Property(check=has_shape(TEXT)),
            "description": Property(check=has_shape(TEXT), default=MANAGED),
        },
        name_property="name",
        computed=("htmlUrl",),
        create=create,
        read=read,
        update=update,
        delete=lambda request: api.delete(f"/teams/{request.id}"),
    )


def policy_type(api: PagerDuty) -> ResourceType:
    """Return the description of `EscalationPolicy`."""

    def body(inputs: Properties) -> Properties:
        rules = [rule.model_dump(exclude_none=True, exclude={"id"}) for rule in RULES.validate_python(inputs["rules"])]
        policy: Properties = {
            "type": "escalation_policy",
            "name": inputs["name"],
            "description": inputs["description"],
            "num_loops": int(inputs.get("numLoops", 0)),
            "escalation_rules": rules,
            "teams": [{"id": inputs["teams"], "type": "team_reference"}] if inputs.get("teams") else [],
        }
        return {"escalation_policy": policy}

    def create(request: Request) -> Created:
        return Created(id=api.post("/escalation_policies", body(request.inputs))["escalation_policy"]["id"])

    def read(request: Request) -> Properties | None:
        answer = api.get(f"/escalation_policies/{request.id}")
        if answer is None:
            return None
        policy = answer["escalation_policy"]
        found: Properties = {
            "name": policy["name"],
            "description": policy["description"],
            "numLoops": policy["num_loops"],
            "rules": [
                {
                    "id": rule["id"],
                    "escalationDelayInMinutes": rule["escalation_delay_in_minutes"],
                    "targets": [{"id": target["id"], "type": target["type"]} for target in rule["targets"]],
                    "escalationRuleAssignmentStrategy": rule["escalation_rule_assignment_strategy"],
                }
                for rule in policy["escalation_rules"]
            ],
        }
        if policy["teams"]:
            found["teams"] = policy["teams"][0]["id"]
        return found

    def update(request: Request) -> Properties:
        api.put(f"/escalation_policies/{request.id}", body(request.inputs))
        return {}

    return ResourceType(
        token=ESCALATION_POLICY,
        properties={
            "name": Property(check=has_shape(TEXT)),
            "description": Property(check=has_shape(TEXT), default=MANAGED),
            "numLoops": Property(check=has_shape(COUNT)),
            "rules": Property(required=True, check=has_shape(RULES), same=_same_rules),
            "teams": Property(check=has_shape(TEXT)),
        },
        name_property="name",
        create=create,
        read=read,
        update=update,
        delete=lambda request: api.delete(f"/escalation_policies/{request.id}"),
    )


def _same_rules(old: object, new: object) -> bool:
    """Say whether two lists of rules mean the same: ids do not count, nor whether a default is written out."""
    meanings = [
        [
            (rule.escalation_delay_in_minutes, rule.targets, strategy.type if strategy else "assign_to_everyone")
            for rule in RULES.validate_python(rules)
            for strategy in (rule.escalation_rule_assignment_strategy,)
        ]
        for rules in (old, new)
    ]
    return meanings[0] == meanings[1]


def service_type(api: PagerDuty) -> ResourceType:
    """Return the description of `Service`."""

    def body(inputs: Properties) -> Properties:
        service: Properties = {
            "type": "service",
            "name": inputs["name"],
            "description": inputs["description"],
            "escalation_policy": {"id": inputs["escalationPolicy"], "type": "escalation_policy_reference"},
            "acknowledgement_timeout": _seconds(inputs["acknowledgementTimeout"]),
            "auto_resolve_timeout": _seconds(inputs["autoResolveTimeout"]),
            "alert_creation": inputs["alertCreation"],
        }
        if "incidentUrgencyRule" in inputs:
            rule = URGENCY_RULE.validate_python(inputs["incidentUrgencyRule"])
            service["incident_urgency_rule"] = rule.model_dump(exclude_none=True)
        return {"service": service}

    def outputs(service: Properties) -> Properties:
        # `status` and `lastIncidentTimestamp` are not set by the real provider either: they drift.
        return {
            "createdAt": service["created_at"],
            "htmlUrl": service["html_url"],
            "type": service["type"],
        }

    def create(request: Request) -> Created:
        service = api.post("/services", body(request.inputs))["service"]
        return Created(id=service["id"], outputs=outputs(service))

    def read(request: Request) -> Properties | None:
        answer = api.get(f"/services/{request.id}")
        if answer is None:
            return None
        service = answer["service"]
        return {
            "name": service["name"],
            "description": service["description"],
            "escalationPolicy": service["escalation_policy"]["id"],
            "acknowledgementTimeout": _text(service["acknowledgement_timeout"]),
            "autoResolveTimeout": _text(service["auto_resolve_timeout"]),
            "alertCreation": service["alert_creation"],
            "incidentUrgencyRule": {
                "type": service["incident_urgency_rule"]["type"],
                "urgency": service["incident_urgency_rule"]["urgency"],
            },
            **outputs(service),
        }

    def update(request: Request) -> Properties:
        return outputs(api.put(f"/services/{request.id}", body(request.inputs))["service"])

    return ResourceType(
        token=SERVICE,
        properties={
            "name": Property(check=has_shape(TEXT)),
            "description": Property(check=has_shape(TEXT), default=MANAGED),
            "escalationPolicy": Property(required=True, check=has_shape(TEXT)),
            "acknowledgementTimeout": Property(check=is_timeout, default="1800"),
            "autoResolveTimeout": Property(check=is_timeout, default="14400"),
            "alertCreation": Property(check=_alert_creation, default=ALERT_CREATION),
            "incidentUrgencyRule": Property(check=has_shape(URGENCY_RULE)),
        },
        name_property="name",
        computed=("createdAt", "htmlUrl", "type"),
        create=create,
        read=read,
        update=update,
        delete=lambda request: api.delete(f"/services/{request.id}"),
    )


def _alert_creation(value: object) -> str | None:
    return None if value == ALERT_CREATION else f"found {value!r}; allowed: {ALERT_CREATION}"


def _seconds(timeout: str) -> int | None:
    return None if timeout == NEVER else int(timeout)


def _text(timeout: int | None) -> str:
    return NEVER if timeout is None else str(timeout)


def integration_type(api: PagerDuty) -> ResourceType:
    """Return the description of `ServiceIntegration`. As in the SDK, the key is not marked secret by itself."""

    def path(request: Request) -> str:
        return f"/services/{request.inputs['service']}/integrations/{request.id}"

    def outputs(integration: Properties) -> Properties:
        return {
            "integrationKey": integration["integration_key"],
            "htmlUrl": integration["html_url"],
            "integrationEmail": "",
        }

    def create(request: Request) -> Created:
        body = {"integration": {"type": request.inputs["type"], "name": request.inputs["name"]}}
        made = api.post(f"/services/{request.inputs['service']}/integrations", body)["integration"]
        return Created(id=made["id"], outputs=outputs(made))

    def read(request: Request) -> Properties | None:
        service = (request.inputs or request.state).get("service")
        if service is None:
            raise ProviderFailed("a service integration is read by its service too: import is not supported")
        answer = api.get(f"/services/{service}/integrations/{request.id}")
        if answer is None:
            return None
        found = answer["integration"]
        return {
            "name": found["name"],
            "type": found["type"],
            "service": found["service"]["id"],
            **outputs(found),
        }

    def update(request: Request) -> Properties:
        body = {"integration": {"type": request.inputs["type"], "name": request.inputs["name"]}}
        return outputs(api.put(path(request), body)["integration"])

    return ResourceType(
        token=SERVICE_INTEGRATION,
        properties={
            "name": Property(check=has_shape(TEXT)),
            "service": Property(required=True, replaces=True, check=has_shape(TEXT)),
            "type": Property(required=True, replaces=True, check=_integration_kind),
        },
        name_property="name",
        computed=("integrationKey", "htmlUrl", "integrationEmail"),
        create=create,
        read=read,
        update=update,
        delete=lambda request: api.delete(path(request)),
    )


def _integration_kind(value: object) -> str | None:
    return None if value in INTEGRATION_TYPES else f"found {value!r}; allowed: {', '.join(INTEGRATION_TYPES)}"


def user_invoke(api: PagerDuty) -> Invoke:
    """Return the description of `getUser`: a person by their address."""

    def call(arguments: Properties) -> Properties:
        email = arguments["email"]
        for user in api.every("/users", "users", query=email):
            if user["email"].casefold() == email.casefold():
                return {
                    "id": user["id"],
                    "email": user["email"],
                    "name": user["name"],
                    "role": user["role"],
                    "jobTitle": user["job_title"],
                    "timeZone": user["time_zone"],
                    "description": user["description"] or "",
                }
        raise ProviderFailed(f"Unable to locate any user with the email: {email}. People are not made by this program")

    return Invoke(
        token=GET_USER,
        arguments={"email": Property(required=True, check=has_shape(TEXT))},
        call=call,
    )


def make_table(api: PagerDuty) -> Table:
    """Return the table, over a connection that is configured by the engine."""
    return Table(
        name="pagerduty",
        version=version("pulumi-pagerduty"),
        resources=by_token(
            team_type(api),
            schedule_type(api),
            policy_type(api),
            service_type(api),
            integration_type(api),
            orchestration_type(api),
            orchestration_integration_type(api),
            router_type(api),
            webhook_subscription_type(api),
        ),
        invokes=by_token(user_invoke(api)),
        settings={
            "token": Setting(secret=True),
            "apiUrlOverride": Setting(),
            "skipCredentialsValidation": Setting(is_json=True),
        },
        configure=api.configure,
    )


TABLE = make_table(PagerDuty())
