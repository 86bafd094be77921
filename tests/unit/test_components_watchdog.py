"""The dead man's switch: silence of Alertmanager, and that alone, pages through CloudWatch."""

from __future__ import annotations

import json

import pytest

from alerting.routing.alertmanager import alertmanager_files
from alerting.settings import Settings
from alerting.source.durations import milliseconds
from components.watchdog import PERIOD_SECONDS, Watchdog, WatchdogArgs
from sandbox.mocked_program import Run, run_program
from tests.alerting_data import fixture_catalog
from tests.component_data import providers, settings

SNS = "arn:aws:sns:us-east-1:123456789012"
KEY = "arn:aws:kms:us-east-1:123456789012:key/key"


def deployed(stack: Settings, *, preview: bool = False) -> Run:
    def program() -> None:
        args = WatchdogArgs(settings=stack, key_arn=KEY, alarm_topic_arn=f"{SNS}:orion-alarms")
        Watchdog("watchdog", args, providers(stack))

    return run_program(program, preview=preview)


@pytest.mark.parametrize("preview", [False, True])
def test_five_minutes_of_silence_alarm_and_missing_data_is_silence(*, preview: bool) -> None:
    alarm = deployed(settings(), preview=preview).one("aws:cloudwatch/metricAlarm:MetricAlarm").inputs

    assert (alarm["namespace"], alarm["metricName"], alarm["statistic"]) == (
        "AWS/SNS",
        "NumberOfMessagesPublished",
        "Sum",
    )
    assert alarm["dimensions"] == {"TopicName": "orion-watchdog"}
    assert (alarm["comparisonOperator"], alarm["threshold"]) == ("LessThanThreshold", 1)
    assert (alarm["period"], alarm["evaluationPeriods"], alarm["datapointsToAlarm"]) == (60, 5, 5)
    assert alarm["treatMissingData"] == "breaching"
    assert "/Watchdog" in alarm["alarmDescription"]


def test_the_first_deployment_has_an_hour_until_silence_is_an_alarm() -> None:
    alarm = deployed(settings()).one("aws:cloudwatch/metricAlarm:MetricAlarm").inputs

    # Not `onlyStartEvaluatingAfterWarmUpPeriodEnds`: the alarm works as soon as the heartbeat does.
    assert alarm["warmUpConfiguration"] == {"warmUpPeriodDurationInMinutes": 60}


def test_the_alarm_tells_the_topic_that_pages_when_it_begins_and_when_it_ends() -> None:
    run = deployed(settings())
    alarm = run.one("aws:cloudwatch/metricAlarm:MetricAlarm").inputs

    assert alarm["alarmActions"] == alarm["okActions"] == [f"{SNS}:orion-alarms"]


def test_only_this_account_may_be_the_heartbeat() -> None:
    run = deployed(settings())
    policy = json.loads(run.one("aws:sns/topicPolicy:TopicPolicy").inputs["policy"])
    allowed = {one["Sid"]: one for one in policy["Statement"]}

    topic = run.one("aws:sns/topic:Topic").inputs
    assert (topic["name"], topic["kmsMasterKeyId"]) == ("orion-watchdog", KEY)
    assert set(allowed) == {"Account", "RefusePlainHttp"}
    assert allowed["Account"]["Principal"] == {"AWS": ["arn:aws:iam::123456789012:root"]}
    assert allowed["Account"]["Action"] == ["sns:Publish"]
    assert allowed["RefusePlainHttp"]["Effect"] == "Deny"


def test_alertmanager_sends_a_heartbeat_in_every_period() -> None:
    configuration = alertmanager_files(fixture_catalog(), settings()).configuration
    (route,) = [one for one in configuration["route"]["routes"] if one["receiver"] == "watchdog"]
    (receiver,) = [one for one in configuration["receivers"] if one["name"] == "watchdog"]

    assert set(receiver) == {"name", "sns_configs"}
    (heartbeat,) = receiver["sns_configs"]
    assert heartbeat["topic_arn"] == f"{SNS}:orion-watchdog"
    assert heartbeat["send_resolved"] is False
    # It is sent at the first interval after `repeat_interval`, so that this is less than one.
    assert milliseconds(route["repeat_interval"]) < milliseconds(route["group_interval"]) <= PERIOD_SECONDS * 1000
