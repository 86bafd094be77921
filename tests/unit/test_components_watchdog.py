"""The dead man's switch: silence of Alertmanager, and that alone, pages through CloudWatch."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alerting.alertmanager import alertmanager_files
from alerting.build import load_catalog
from alerting.durations import milliseconds
from alerting.settings import Endpoints, Environment, Settings
from components.watchdog import PERIOD_SECONDS, Watchdog, WatchdogArgs
from sandbox.mocked_program import Run, run_program
from tests.alerting_data import ROOT
from tests.component_data import providers, settings

SNS = "arn:aws:sns:us-east-1:123456789012"
KEY = "arn:aws:kms:us-east-1:123456789012:key/key"


def deployed(stack: Settings, *, preview: bool = False) -> Run:
    def program() -> None:
        Watchdog("watchdog", WatchdogArgs(settings=stack, key_arn=KEY, pagerduty_service_id="P1"), providers(stack))

    return run_program(program, preview=preview)


def statements(run: Run, topic: str) -> dict[str, Any]:
    (policy,) = [one for one in run.of_type("aws:sns/topicPolicy:TopicPolicy") if one.name.endswith(topic)]
    return {one["Sid"]: one for one in json.loads(policy.inputs["policy"])["Statement"]}


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


def test_the_alarm_tells_the_topic_that_pages_when_it_begins_and_when_it_ends() -> None:
    run = deployed(settings())
    alarm = run.one("aws:cloudwatch/metricAlarm:MetricAlarm").inputs
    topics = {one.inputs["name"]: one for one in run.of_type("aws:sns/topic:Topic")}

    assert set(topics) == {"orion-watchdog", "orion-watchdog-silent"}
    assert all(one.inputs["kmsMasterKeyId"] == KEY for one in topics.values())
    assert alarm["alarmActions"] == alarm["okActions"]
    assert alarm["alarmActions"][0].endswith("orion-watchdog-silent")


def test_only_this_alarm_may_page_and_only_this_account_may_be_the_heartbeat() -> None:
    run = deployed(settings())
    silence, heartbeat = statements(run, "silence-topic-policy"), statements(run, "heartbeat-topic-policy")

    assert silence["Alarm"]["Principal"] == {"Service": ["cloudwatch.amazonaws.com"]}
    assert silence["Alarm"]["Condition"]["ArnEquals"] == {
        "aws:SourceArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:orion-watchdog-silent"
    }
    assert heartbeat["Account"]["Principal"] == {"AWS": ["arn:aws:iam::123456789012:root"]}
    assert heartbeat["Account"]["Action"] == silence["Alarm"]["Action"] == ["sns:Publish"]
    assert silence["RefusePlainHttp"]["Effect"] == heartbeat["RefusePlainHttp"]["Effect"] == "Deny"


@pytest.mark.parametrize("preview", [False, True])
def test_pagerdutys_cloudwatch_integration_is_subscribed_at_a_secret_address(*, preview: bool) -> None:
    run = deployed(settings(), preview=preview)
    integration = run.one("pagerduty:index/serviceIntegration:ServiceIntegration").inputs
    subscription = run.one("aws:sns/topicSubscription:TopicSubscription")

    assert (integration["type"], integration["service"]) == ("aws_cloudwatch_inbound_integration", "P1")
    assert subscription.inputs["protocol"] == "https"
    assert subscription.inputs["endpointAutoConfirms"] is True
    assert "endpoint" in subscription.secrets


def test_without_paging_nobody_is_paged_and_the_alarm_is_still_there() -> None:
    run = deployed(settings(Environment.DEV).model_copy(update={"paging": False}))

    made = {one.type for one in run.resources.values()}
    assert "aws:cloudwatch/metricAlarm:MetricAlarm" in made
    assert not made & {
        "aws:sns/topicSubscription:TopicSubscription",
        "pagerduty:index/serviceIntegration:ServiceIntegration",
    }


def test_in_the_sandbox_the_subscription_is_at_its_own_pagerduty() -> None:
    endpoints = Endpoints(sns="http://127.0.0.1:1", pagerduty_events="http://127.0.0.1:2/v2/enqueue")
    run = deployed(settings(Environment.SANDBOX).model_copy(update={"endpoints": endpoints}))

    assert run.one("aws:sns/topicSubscription:TopicSubscription").inputs["protocol"] == "http"


def test_alertmanager_sends_a_heartbeat_in_every_period() -> None:
    configuration = alertmanager_files(load_catalog(ROOT), settings()).configuration
    (route,) = [one for one in configuration["route"]["routes"] if one["receiver"] == "watchdog"]
    (receiver,) = [one for one in configuration["receivers"] if one["name"] == "watchdog"]

    assert set(receiver) == {"name", "sns_configs"}
    (heartbeat,) = receiver["sns_configs"]
    assert heartbeat["topic_arn"] == f"{SNS}:orion-watchdog"
    assert heartbeat["send_resolved"] is False
    # It is sent at the first interval after `repeat_interval`, so that this is less than one.
    assert milliseconds(route["repeat_interval"]) < milliseconds(route["group_interval"]) <= PERIOD_SECONDS * 1000
