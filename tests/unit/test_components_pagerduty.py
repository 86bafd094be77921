"""PagerDuty: turns that leave no gap, and no default that resolves, un-acknowledges or shows a key."""

from __future__ import annotations

import pytest

from components.pagerduty import PagerDutyOnCall, PagerDutyOnCallArgs
from sandbox.mocked_program import Run, run_program
from tests.component_data import on_call, providers, settings

INTEGRATION = "pagerduty:index/eventOrchestrationIntegration:EventOrchestrationIntegration"
ADA, BOB, CYD = (f"{name}@orion.example.com" for name in ("ada", "bob", "cyd"))


@pytest.fixture(params=[False, True], ids=["update", "preview"])
def preview(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def deployed(*, preview: bool = False) -> Run:
    args = PagerDutyOnCallArgs(on_call=on_call(), paging=True)
    return run_program(lambda: PagerDutyOnCall("on-call", args, providers(settings())), preview=preview)


def test_each_turn_is_an_event_of_one_person(*, preview: bool) -> None:
    schedule = deployed(preview=preview).one("pagerduty:index/schedulev2:Schedulev2")
    (first,), (second,) = (rotation["events"] for rotation in schedule.inputs["rotations"])

    assert schedule.inputs["timeZone"] == "Europe/London"
    assert (first["startTime"], first["endTime"]) == ("2027-01-04T09:00:00Z", "2027-01-11T09:00:00Z")
    assert (second["startTime"], second["effectiveSince"]) == ("2027-01-11T09:00:00Z", "2027-01-04T09:00:00Z")
    assert second["recurrences"] == ["RRULE:FREQ=WEEKLY;INTERVAL=2", "EXDATE:20270125T090000Z"]
    assert [event["assignmentStrategies"] for event in (first, second)] == [
        [
            {
                "type": "rotating_member_assignment_strategy",
                "shiftsPerMember": 1,
                "members": [{"type": "user_member", "userId": f"P-{person}"}],
            }
        ]
        for person in (ADA, BOB)
    ]


def test_a_team_s_schedules_and_policy_carry_it_and_nobody_is_made_a_member() -> None:
    run = deployed()
    team = run.one("pagerduty:index/team:Team")

    assert team.inputs == {"name": "trading", "description": "Owns orders"}
    assert run.one("pagerduty:index/schedulev2:Schedulev2").inputs["teams"] == ["on-call-team-trading-id"]
    assert run.one("pagerduty:index/escalationPolicy:EscalationPolicy").inputs["teams"] == "on-call-team-trading-id"
    assert not [one for one in run.resources.values() if "Membership" in one.type]


def test_levels_follow_each_other() -> None:
    policy = deployed().one("pagerduty:index/escalationPolicy:EscalationPolicy").inputs

    assert policy["numLoops"] == 2
    assert [(rule["escalationDelayInMinutes"], rule["targets"]) for rule in policy["rules"]] == [
        (5, [{"type": "schedule_reference", "id": "on-call-schedule-trading-primary-id"}]),
        (10, [{"type": "user_reference", "id": f"P-{CYD}"}]),
    ]


def test_a_service_neither_resolves_nor_forgets_by_itself(*, preview: bool) -> None:
    service = deployed(preview=preview).one("pagerduty:index/service:Service").inputs

    assert service["autoResolveTimeout"] == "null"
    assert service["acknowledgementTimeout"] == "1800"
    assert service["incidentUrgencyRule"] == {"type": "constant", "urgency": "severity_based"}
    assert "alertGroupingParameters" not in service


def test_the_integration_keys_are_secret_and_those_of_one_orchestration() -> None:
    run = deployed()
    orchestration = run.one("pagerduty:index/eventOrchestration:EventOrchestration")
    integrations = run.of_type(INTEGRATION)

    assert [one.name for one in integrations] == ["on-call-key-1", "on-call-key-2"]
    assert {one.inputs["eventOrchestration"] for one in integrations} == {"on-call-orchestration-id"}
    assert {one.secret_outputs for one in integrations} == {("parameters",)}
    assert {(one.parent, one.provider) for one in integrations} == {("on-call", "providers-pagerduty")}
    # PagerDuty's own integration has a key too.
    assert orchestration.secret_outputs == ("integrations",)
    assert orchestration.inputs["team"] == "on-call-team-trading-id"


def test_the_router_picks_the_service_by_the_event_and_sends_the_rest_to_the_fallback(*, preview: bool) -> None:
    router = deployed(preview=preview).one("pagerduty:index/eventOrchestrationRouter:EventOrchestrationRouter").inputs

    (rule,) = router["set"]["rules"]
    assert router["set"]["id"] == "start"
    assert (rule["label"], rule["conditions"]) == ("orders", [{"expression": "event.component matches 'orders'"}])
    assert rule["actions"]["routeTo"] == router["catchAll"]["actions"]["routeTo"]
    assert preview or rule["actions"]["routeTo"] == "on-call-service-orders-id"


def test_of_two_keys_both_stay_and_the_new_one_is_used() -> None:
    used: list[str] = []

    def program() -> None:
        args = PagerDutyOnCallArgs(on_call=on_call(integration_keys=(1, 2)), paging=True)
        made = PagerDutyOnCall("on-call", args, providers(settings()))
        made.integration_keys["key-2"].apply(used.append)

    run = run_program(program)
    first, second = (one for one in run.of_type(INTEGRATION) if one.name.startswith("on-call-key-2"))

    # The first is called as it is without a second one, so that the engine leaves it alone.
    assert [first.name, second.name] == ["on-call-key-2", "on-call-key-2.2"]
    assert [first.inputs["label"], second.inputs["label"]] == ["Alertmanager key-2", "Alertmanager key-2, number 2"]
    assert second.secret_outputs == ("parameters",)
    assert used == ["key-of-on-call-key-2.2"]


def test_people_are_looked_up_by_the_explicit_provider(*, preview: bool) -> None:
    lookups = [call for call in deployed(preview=preview).calls if call.token == "pagerduty:index/getUser:getUser"]

    assert {call.args["email"] for call in lookups} == {ADA, BOB, CYD}
    assert {call.provider for call in lookups} == {"providers-pagerduty"}
