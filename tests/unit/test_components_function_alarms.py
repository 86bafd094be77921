"""CloudWatch pages when the repair function gives messages up, leaves them waiting, or fails."""

from __future__ import annotations

from typing import Any

import pytest

from components.function_alarms import make_function_alarms
from runbook_automation.configuration import MAXIMUM_AGE_SECONDS
from sandbox.mocked_program import run_program
from tests.component_data import providers, settings

TOPIC = "arn:aws:sns:us-east-1:123456789012:orion-alarms"


def alarms() -> dict[str, dict[str, Any]]:
    run = run_program(lambda: make_function_alarms("function", topic_arn=TOPIC, opts=providers(settings())))
    return {one.inputs["name"]: dict(one.inputs) for one in run.of_type("aws:cloudwatch/metricAlarm:MetricAlarm")}


@pytest.mark.parametrize(
    ("name", "metric", "dimensions", "statistic"),
    [
        (
            "orion-runbook-automation-dead-letters",
            ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
            {"QueueName": "orion-runbook-automation-dead-letters"},
            "Maximum",
        ),
        (
            "orion-runbook-automation-waiting",
            ("AWS/SQS", "ApproximateAgeOfOldestMessage"),
            {"QueueName": "orion-runbook-automation"},
            "Maximum",
        ),
        (
            "orion-runbook-automation-errors",
            ("AWS/Lambda", "Errors"),
            {"FunctionName": "orion-runbook-automation"},
            "Sum",
        ),
    ],
)
def test_each_alarm_measures_its_own(
    name: str, metric: tuple[str, str], dimensions: dict[str, str], statistic: str
) -> None:
    alarm = alarms()[name]

    assert (alarm["namespace"], alarm["metricName"]) == metric
    assert (alarm["dimensions"], alarm["statistic"]) == (dimensions, statistic)


def test_each_reports_its_beginning_and_its_end_and_takes_missing_data_for_no_trouble() -> None:
    made = alarms().values()

    assert len(made) == 3
    assert all(one["alarmActions"] == one["okActions"] == [TOPIC] for one in made)
    assert all(one["treatMissingData"] == "notBreaching" for one in made)
    assert all(one["comparisonOperator"] == "GreaterThanThreshold" for one in made)


def test_messages_that_wait_page_while_there_is_still_time_to_act_on_them() -> None:
    waiting = alarms()["orion-runbook-automation-waiting"]

    assert 0 < waiting["threshold"] < MAXIMUM_AGE_SECONDS
    assert waiting["threshold"] + waiting["period"] * waiting["evaluationPeriods"] <= MAXIMUM_AGE_SECONDS


def test_one_failed_invocation_is_no_alarm_and_three_minutes_with_failures_are() -> None:
    errors = alarms()["orion-runbook-automation-errors"]

    assert (errors["threshold"], errors["evaluationPeriods"], errors["datapointsToAlarm"]) == (0, 5, 3)
