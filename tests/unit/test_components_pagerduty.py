"""PagerDuty: turns that leave no gap, and no default that resolves, un-acknowledges or shows a key."""

from __future__ import annotations

import pytest

from components.pagerduty import PagerDutyOnCall, PagerDutyOnCallArgs
from sandbox.mocked_program import Run, run_program
from tests.component_data import on_call, providers, settings

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


def test_the_integration_key_is_secret() -> None:
    integration = deployed().one("pagerduty:index/serviceIntegration:ServiceIntegration")

    assert integration.inputs["type"] == "events_api_v2_inbound_integration"
    assert integration.secret_outputs == ("integrationKey",)
    assert (integration.parent, integration.provider) == ("on-call", "providers-pagerduty")


def test_of_two_keys_both_stay_and_the_new_one_is_used() -> None:
    used: list[str] = []

    def program() -> None:
        args = PagerDutyOnCallArgs(on_call=on_call(integration_keys=(1, 2)), paging=True)
        made = PagerDutyOnCall("on-call", args, providers(settings()))
        made.integration_keys["orders"].apply(used.append)

    run = run_program(program)
    first, second = run.of_type("pagerduty:index/serviceIntegration:ServiceIntegration")

    # The first is called as it is without a second one, so that the engine leaves it alone.
    assert [first.name, second.name] == ["on-call-integration-orders", "on-call-integration-orders.2"]
    assert [first.inputs["name"], second.inputs["name"]] == ["Alertmanager", "Alertmanager 2"]
    assert second.secret_outputs == ("integrationKey",)
    assert used == ["key-of-on-call-integration-orders.2"]


def test_people_are_looked_up_by_the_explicit_provider(*, preview: bool) -> None:
    lookups = [call for call in deployed(preview=preview).calls if call.token == "pagerduty:index/getUser:getUser"]

    assert {call.args["email"] for call in lookups} == {ADA, BOB, CYD}
    assert {call.provider for call in lookups} == {"providers-pagerduty"}
