"""PagerDuty: turns that leave no gap, and no default that resolves, un-acknowledges or shows a key."""

from __future__ import annotations

import dataclasses
import datetime

import pytest
from dateutil.rrule import rrulestr

from components.on_call import PagerDutyOnCall, PagerDutyOnCallArgs, recurrence
from tests.component_data import WEEK_SECONDS, on_call, providers, settings
from tests.pulumi_program import Run, run_program

ADA, BOB, CYD = (f"{name}@orion.example.com" for name in ("ada", "bob", "cyd"))


@pytest.fixture(params=[False, True], ids=["update", "preview"])
def preview(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def deployed(*, preview: bool = False) -> Run:
    args = PagerDutyOnCallArgs(on_call=on_call())
    return run_program(lambda: PagerDutyOnCall("on-call", args, providers(settings())), preview=preview)


def test_people_take_turns_in_their_order(*, preview: bool) -> None:
    schedule = deployed(preview=preview).one("pagerduty:index/schedulev2:Schedulev2")
    ((event,),) = [rotation["events"] for rotation in schedule.inputs["rotations"]]

    assert schedule.inputs["timeZone"] == "Europe/London"
    assert (event["startTime"], event["endTime"]) == ("2027-01-04T08:00:00Z", "2027-01-11T08:00:00Z")
    assert event["effectiveSince"] == "2027-01-04T08:00:00Z"
    assert event["recurrences"] == ["RRULE:FREQ=WEEKLY;INTERVAL=1"]
    assert event["assignmentStrategies"] == [
        {
            "type": "rotating_member_assignment_strategy",
            "shiftsPerMember": 1,
            "members": [
                {"type": "user_member", "userId": f"P-{ADA}"},
                {"type": "user_member", "userId": f"P-{BOB}"},
            ],
        }
    ]


@pytest.mark.parametrize("days", [1, 2, 7, 14])
def test_one_turn_begins_when_the_one_before_ends(days: int) -> None:
    rotation = dataclasses.replace(on_call().schedules[0].rotations[0], shift_seconds=days * 86400)
    start = datetime.datetime(2027, 1, 4, 8, tzinfo=datetime.UTC)
    first, second, third = list(rrulestr(recurrence(rotation), dtstart=start).xafter(start, count=3, inc=True))

    assert (second - first, third - second) == (datetime.timedelta(days=days),) * 2


def test_a_turn_of_hours_is_refused() -> None:
    rotation = dataclasses.replace(on_call().schedules[0].rotations[0], shift_seconds=WEEK_SECONDS + 3600)

    with pytest.raises(ValueError, match=r"rotation weekly: found a shift of 608400 s; allowed: whole days or weeks"):
        recurrence(rotation)


def test_more_people_than_pagerduty_takes_are_refused() -> None:
    given = on_call()
    rotation = dataclasses.replace(given.schedules[0].rotations[0], people=(ADA,) * 21)
    schedule = dataclasses.replace(given.schedules[0], rotations=(rotation,))
    args = PagerDutyOnCallArgs(on_call=dataclasses.replace(given, schedules=(schedule,)))

    with pytest.raises(ValueError, match=r"weekly: found 21 people; allowed: at most 20"):
        run_program(lambda: PagerDutyOnCall("on-call", args, providers(settings())))


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


def test_people_are_looked_up_by_the_explicit_provider(*, preview: bool) -> None:
    lookups = [call for call in deployed(preview=preview).calls if call.token == "pagerduty:index/getUser:getUser"]

    assert {call.args["email"] for call in lookups} == {ADA, BOB, CYD}
    assert {call.provider for call in lookups} == {"providers-pagerduty"}
