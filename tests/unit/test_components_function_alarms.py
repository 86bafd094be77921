"""CloudWatch pages when a function gives messages up, leaves them waiting, or fails."""

from __future__ import annotations

from typing import Any

import pytest

from components.chat_alarms import CHAT_ERRORS_ALARM, CHAT_QUEUE_ALARMS
from components.function_alarms import make_errors_alarm, make_queue_alarms
from components.function_queue import VISIBILITY_SECONDS
from components.repair_sweep import ERRORS_ALARM as SWEEP_ERRORS
from components.repair_sweep import QUEUE_ALARMS as SWEEP_QUEUE
from components.runbook_automation import ERRORS_ALARM as REPAIR_ERRORS
from components.runbook_automation import QUEUE_ALARMS as REPAIR_QUEUE
from runbook_automation.configuration import MAXIMUM_AGE_SECONDS
from sandbox.mocked_program import run_program
from tests.component_data import providers, settings

TOPIC = "arn:aws:sns:us-east-1:123456789012:orion-alarms"
FUNCTIONS = {
    "orion-runbook-automation": (REPAIR_QUEUE, REPAIR_ERRORS),
    "orion-repair-sweep": (SWEEP_QUEUE, SWEEP_ERRORS),
    "orion-chatops": (CHAT_QUEUE_ALARMS, CHAT_ERRORS_ALARM),
}


def alarms(function: str) -> dict[str, dict[str, Any]]:
    def program() -> None:
        queue, errors = FUNCTIONS[function]
        opts = providers(settings())
        make_queue_alarms("name", function, queue, topic_arn=TOPIC, opts=opts)
        make_errors_alarm("name", function, errors, topic_arn=TOPIC, opts=opts)

    made = run_program(program).of_type("aws:cloudwatch/metricAlarm:MetricAlarm")
    return {one.inputs["name"].removeprefix(function): dict(one.inputs) for one in made}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_alarm_measures_its_own(function: str) -> None:
    made = alarms(function)

    assert {
        name: (one["namespace"], one["metricName"], one["dimensions"], one["statistic"]) for name, one in made.items()
    } == {
        "-dead-letters": (
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            {"QueueName": f"{function}-dead-letters"},
            "Maximum",
        ),
        "-waiting": ("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": function}, "Maximum"),
        "-errors": ("AWS/Lambda", "Errors", {"FunctionName": function}, "Sum"),
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_reports_its_beginning_and_its_end_and_takes_missing_data_for_no_trouble(function: str) -> None:
    made = alarms(function).values()

    assert all(one["alarmActions"] == one["okActions"] == [TOPIC] for one in made)
    assert all(one["treatMissingData"] == "notBreaching" for one in made)
    assert all(one["comparisonOperator"] == "GreaterThanThreshold" for one in made)


def test_messages_that_wait_page_while_there_is_still_time_to_act_on_them() -> None:
    waiting = alarms("orion-runbook-automation")["-waiting"]

    assert 0 < waiting["threshold"] < MAXIMUM_AGE_SECONDS
    assert waiting["threshold"] + waiting["period"] * waiting["evaluationPeriods"] <= MAXIMUM_AGE_SECONDS


def test_one_failed_invocation_is_no_alarm_and_three_of_the_queues_tries_are() -> None:
    """A message that fails comes again each time that its visibility ends."""
    errors = alarms("orion-runbook-automation")["-errors"]
    third_failure = 2 * VISIBILITY_SECONDS

    assert (errors["threshold"], errors["datapointsToAlarm"]) == (0, 3)
    assert third_failure < errors["evaluationPeriods"] * errors["period"] < MAXIMUM_AGE_SECONDS


def test_three_failures_of_the_sweep_in_five_minutes_are_an_alarm() -> None:
    errors = alarms("orion-repair-sweep")["-errors"]

    assert (errors["threshold"], errors["evaluationPeriods"], errors["datapointsToAlarm"]) == (0, 5, 3)
