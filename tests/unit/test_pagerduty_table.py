"""The table of the embedded provider `pagerduty`, on the stand-in, without an engine."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi_pagerduty
import pytest
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.clock import Clock
from sandbox.clouds.pagerduty import create_application
from sandbox.clouds.pagerduty.model import Account, User
from sandbox.journal import Journal
from sandbox.providers.pagerduty.client import ADDRESS_VARIABLE, PagerDuty
from sandbox.providers.pagerduty.table import make_table
from sandbox.providers.provider_core import ProviderCore
from sandbox.providers.provider_table import Incomplete, ProviderFailed, Request
from sandbox.providers.provider_values import contains_unknown
from sandbox.service import HttpService, wait_until_ready

SDK = Path(pulumi_pagerduty.__file__).parent
TOKENS = {
    "Schedulev2": "pagerduty:index/schedulev2:Schedulev2",
    "EscalationPolicy": "pagerduty:index/escalationPolicy:EscalationPolicy",
    "Service": "pagerduty:index/service:Service",
    "ServiceIntegration": "pagerduty:index/serviceIntegration:ServiceIntegration",
    "Team": "pagerduty:index/team:Team",
    "EventOrchestration": "pagerduty:index/eventOrchestration:EventOrchestration",
    "EventOrchestrationIntegration": "pagerduty:index/eventOrchestrationIntegration:EventOrchestrationIntegration",
    "EventOrchestrationRouter": "pagerduty:index/eventOrchestrationRouter:EventOrchestrationRouter",
    "WebhookSubscription": "pagerduty:index/webhookSubscription:WebhookSubscription",
}
MODULES = {
    "EscalationPolicy": "escalation_policy.py",
    "ServiceIntegration": "service_integration.py",
    "EventOrchestration": "event_orchestration.py",
    "EventOrchestrationIntegration": "event_orchestration_integration.py",
    "EventOrchestrationRouter": "event_orchestration_router.py",
    "WebhookSubscription": "webhook_subscription.py",
}
EVENT: dict[str, Any] = {
    "name": "weekly",
    "startTime": "2026-01-05T09:00:00Z",
    "endTime": "2026-01-12T09:00:00Z",
    "effectiveSince": "2026-01-05T09:00:00Z",
    "recurrences": ["RRULE:FREQ=WEEKLY"],
    "assignmentStrategies": [{"type": "every_member_assignment_strategy", "members": [{"type": "empty_member"}]}],
}


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def api(tmp_path: Path, account: Account) -> Iterator[PagerDuty]:
    journal = Journal(tmp_path / "journal.jsonl")
    service = HttpService("pagerduty", create_application(journal, Clock(1), token="t", account=account))
    service.start()
    wait_until_ready(service, timeout_seconds=10)
    api = PagerDuty()
    api.configure({"token": "t", "apiUrlOverride": service.address})
    yield api
    service.stop()


@pytest.fixture
def machine(api: PagerDuty) -> ProviderCore:
    return ProviderCore(make_table(api))


def wrong(machine: ProviderCore, kind: str, **inputs: Any) -> list[str]:
    _, failures = machine.check(Request(token=TOKENS[kind], name="x", inputs=inputs))
    return [f"{failure.property}: {failure.reason}" for failure in failures]


def checked(machine: ProviderCore, kind: str, **inputs: Any) -> dict[str, Any]:
    found, failures = machine.check(Request(token=TOKENS[kind], name="x", inputs=inputs))
    assert failures == []
    return found


@pytest.mark.parametrize(
    ("kind", "inputs", "words"),
    [
        ("Service", {}, ["needs the property escalationPolicy"]),
        ("Service", {"escalationPolicy": "P", "alertGrouping": "time"}, ["no property alertGrouping"]),
        ("Service", {"escalationPolicy": "P", "autoResolveTimeout": "soon"}, ["autoResolveTimeout", "soon", '"null"']),
        ("Service", {"escalationPolicy": "P", "alertCreation": "create_incidents"}, ["alertCreation"]),
        (
            "Service",
            {"escalationPolicy": "P", "incidentUrgencyRule": {"type": "constant", "urgency": "huge"}},
            ["incidentUrgencyRule", "urgency"],
        ),
        ("ServiceIntegration", {"service": "P", "type": "generic_email_inbound_integration"}, ["type: found"]),
        (
            "ServiceIntegration",
            {"service": "P", "type": "events_api_v2_inbound_integration", "vendor": "V"},
            ["vendor"],
        ),
        (
            "EscalationPolicy",
            {"rules": [{"escalationDelayInMinutes": 5, "targets": [{"id": "P", "type": "team_reference"}]}]},
            ["0.targets.0.type"],
        ),
        (
            "EscalationPolicy",
            {"rules": [{"escalationDelayInMinutes": 5, "targets": [], "loops": 3}]},
            ["0.loops: Extra inputs"],
        ),
        ("EventOrchestrationIntegration", {"label": "a"}, ["needs the property eventOrchestration"]),
        (
            "EventOrchestrationRouter",
            {
                "eventOrchestration": "O",
                "catchAll": {"actions": {"routeTo": "unrouted"}},
                "set": {"id": "start", "rules": [{"actions": {"dynamicRouteTos": []}}]},
            },
            ["rules.0.actions.routeTo", "rules.0.actions.dynamicRouteTos"],
        ),
        (
            "WebhookSubscription",
            {"deliveryMethods": [], "events": [], "filters": [{"type": "incident_reference"}], "type": "webhook"},
            ["deliveryMethods: value", "events: value", "filters: 0.type", "type: found"],
        ),
        ("Schedulev2", {"rotations": []}, ["needs the property timeZone"]),
        (
            "Schedulev2",
            {"timeZone": "UTC", "rotations": [{"events": [{**EVENT, "startTime": "nine o'clock"}]}]},
            ["0.events.0.startTime"],
        ),
        (
            "Schedulev2",
            {"timeZone": "UTC", "rotations": [{"events": [{**EVENT, "assignmentStrategies": []}]}]},
            ["0.events.0.assignmentStrategies"],
        ),
        (
            "Schedulev2",
            {
                "timeZone": "UTC",
                "rotations": [
                    {
                        "events": [
                            {
                                **EVENT,
                                "assignmentStrategies": [
                                    {"type": "user_assignment_strategy", "members": [{"type": "empty_member"}]}
                                ],
                            }
                        ]
                    }
                ],
            },
            ["assignmentStrategies.0.type"],
        ),
    ],
)
def test_what_the_table_does_not_have_is_refused_by_name(
    machine: ProviderCore, kind: str, inputs: dict[str, Any], words: list[str]
) -> None:
    found = wrong(machine, kind, **inputs)

    assert found
    assert all(any(word in each for each in found) for word in words), found


@pytest.mark.parametrize("kind", sorted(TOKENS))
def test_every_property_of_the_table_is_one_of_the_sdk(machine: ProviderCore, kind: str) -> None:
    module = (SDK / MODULES.get(kind, f"{kind.lower()}.py")).read_text()
    described = machine.resource_type(TOKENS[kind])
    (resource,) = (node for node in ast.parse(module).body if isinstance(node, ast.ClassDef) and node.name == kind)
    known: set[str] = set()
    for function in (node for node in resource.body if isinstance(node, ast.FunctionDef)):
        for decorator in function.decorator_list:
            text = ast.unparse(decorator)
            if text.startswith("pulumi.getter"):
                known.add(text.split("'")[1] if "'" in text else function.name)

    assert f"'{TOKENS[kind]}'" in module
    assert known >= {*(described.properties or {}), *described.computed}


def test_defaults_are_the_sdk_s_own(machine: ProviderCore) -> None:
    inputs = checked(machine, "Service", escalationPolicy="P")

    assert (inputs["acknowledgementTimeout"], inputs["autoResolveTimeout"]) == ("1800", "14400")
    assert inputs["description"] == "Managed by Pulumi"


def test_a_schedule_that_fails_half_way_is_kept_as_incomplete(machine: ProviderCore) -> None:
    rotations = [{"events": [EVENT]}, {"events": [{**EVENT, "recurrences": ["RRULE:FREQ=NEVER"]}]}]
    inputs = checked(machine, "Schedulev2", timeZone="UTC", rotations=rotations)
    request = Request(token=TOKENS["Schedulev2"], name="x", inputs=inputs)
    with pytest.raises(Incomplete, match=r"event\.recurrence") as failed:
        machine.create(request)
    kept = Request(token=request.token, name="x", id=failed.value.id, inputs=inputs, state=failed.value.outputs)
    there = machine.read(kept)
    repaired = {**inputs, "rotations": [{"events": [EVENT]}]}
    machine.update(
        Request(
            token=request.token, name="x", id=kept.id, inputs=repaired, old_inputs=inputs, state=failed.value.outputs
        )
    )
    again = machine.read(Request(token=request.token, name="x", id=kept.id, inputs=repaired))

    assert there is not None
    assert again is not None
    assert len(again[1]["rotations"]) == 1


def test_rotations_that_mean_the_same_are_no_change(machine: ProviderCore) -> None:
    inputs = checked(machine, "Schedulev2", name="s", timeZone="UTC", rotations=[{"events": [EVENT]}])
    written = {
        **EVENT,
        "id": "E",
        "startTime": "2026-01-05T10:00:00+01:00",
        "effectiveSince": "2026-01-05T04:00:00-05:00",
    }
    other = {**inputs, "rotations": [{"id": "R", "events": [written]}]}
    later = {**inputs, "rotations": [{"events": [{**EVENT, "effectiveSince": "2026-01-06T09:00:00Z"}]}]}
    token = TOKENS["Schedulev2"]

    assert not machine.diff(Request(token=token, name="x", inputs=other, old_inputs=inputs)).changes
    assert machine.diff(Request(token=token, name="x", inputs=later, old_inputs=inputs)).changes


def test_what_is_gone_reads_as_gone_and_deletes_as_done(machine: ProviderCore) -> None:
    for kind, token in TOKENS.items():
        request = Request(token=token, name="x", id="PNONE", inputs={"service": "PNONE", "eventOrchestration": "PNONE"})
        assert machine.read(request) is None, kind
        machine.delete(request)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({}, "pagerduty:token is not set"), ({"token": "t"}, f"{ADDRESS_VARIABLE} is not set")],
)
def test_missing_settings_are_named(settings: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS_VARIABLE, raising=False)

    with pytest.raises(ProviderFailed, match=words):
        PagerDuty().configure(settings)


def test_an_address_that_nobody_is_at_is_named() -> None:
    api = PagerDuty()
    api.configure({"token": "t", "apiUrlOverride": "http://127.0.0.1:9"})

    with pytest.raises(ProviderFailed, match=r"127\.0\.0\.1:9"):
        api.get("/users")


def test_a_person_is_found_on_whatever_page_they_are(account: Account, machine: ProviderCore) -> None:
    for number in range(130):
        email = f"p{number:03}@example.com"
        account.users[email] = User(
            id=email, name=email, email=email, time_zone="UTC", role="user", job_title=None, description=None
        )
    found, failures = machine.invoke("pagerduty:index/getUser:getUser", {"email": "P129@example.com"})

    assert failures == []
    assert found["name"] == "p129@example.com"
    with pytest.raises(ProviderFailed, match="p130@example"):
        machine.invoke("pagerduty:index/getUser:getUser", {"email": "p130@example.com"})


def test_too_many_requests_are_waited_out() -> None:
    answers = [429, 429, 200]

    async def answer(_: HttpRequest) -> JSONResponse:
        return JSONResponse({"abilities": []}, answers.pop(0), headers={"Retry-After": "0"})

    busy = HttpService("busy", Starlette(routes=[Route("/abilities", answer)]))
    busy.start()
    wait_until_ready(busy, timeout_seconds=10)
    try:
        api = PagerDuty()
        api.configure({"token": "t", "apiUrlOverride": busy.address})

        assert api.get("/abilities") == {"abilities": []}
        assert answers == []
    finally:
        busy.stop()


SUBSCRIPTION: dict[str, Any] = {
    "deliveryMethods": [
        {
            "type": "http_delivery_method",
            "url": "https://ingress.example/pagerduty",
            "customHeaders": [{"name": "X-Orion", "value": "v"}],
        }
    ],
    "events": ["incident.acknowledged", "incident.resolved"],
    "filters": [{"type": "account_reference"}],
}


def test_a_subscription_keeps_the_secret_that_is_given_out_once(machine: ProviderCore) -> None:
    inputs = checked(machine, "WebhookSubscription", **SUBSCRIPTION)
    token = TOKENS["WebhookSubscription"]
    made = machine.create(Request(token=token, name="x", inputs=inputs))
    secret = made.outputs["deliveryMethods"][0]["secret"]
    fewer = {**inputs, "events": ["incident.resolved"]}
    changed = machine.update(
        Request(token=token, name="x", id=made.id, inputs=fewer, old_inputs=inputs, state=made.outputs)
    )
    there = machine.read(Request(token=token, name="x", id=made.id, inputs=fewer, state=changed))

    assert secret
    assert changed["deliveryMethods"][0]["secret"] == secret
    assert there is not None
    assert there[0] == fewer
    assert there[1]["deliveryMethods"][0]["secret"] == secret


def test_another_address_needs_another_subscription_and_another_order_of_events_none(machine: ProviderCore) -> None:
    inputs = checked(machine, "WebhookSubscription", **SUBSCRIPTION)
    (method,) = SUBSCRIPTION["deliveryMethods"]
    moved = {**inputs, "deliveryMethods": [{**method, "url": "https://other.example"}]}
    reordered = {**inputs, "events": SUBSCRIPTION["events"][::-1]}
    token = TOKENS["WebhookSubscription"]

    assert machine.diff(Request(token=token, name="x", inputs=moved, old_inputs=inputs)).replaces
    assert not machine.diff(Request(token=token, name="x", inputs=reordered, old_inputs=inputs)).changes


def test_the_secret_is_unknown_until_the_subscription_is_made(machine: ProviderCore) -> None:
    inputs = checked(machine, "WebhookSubscription", **SUBSCRIPTION)
    planned = machine.create(Request(token=TOKENS["WebhookSubscription"], name="x", inputs=inputs, preview=True))

    assert contains_unknown(planned.outputs["deliveryMethods"])
