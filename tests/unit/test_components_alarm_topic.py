"""This platform's own alarms page through CloudWatch and PagerDuty's integration, and through nothing of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alerting.settings import ChatMode, Endpoints, Environment, Settings
from components.alarm_topic import Alarms, AlarmsArgs, alarm_names
from sandbox.mocked_program import Run, run_program
from tests.component_data import providers, settings


def deployed(stack: Settings, *, preview: bool = False) -> Run:
    services = {"platform": "P1"} if stack.paging else {}

    def program() -> None:
        args = AlarmsArgs(settings=stack, service_ids=services, operating_team="platform")
        Alarms("alarms", args, providers(stack))

    return run_program(program, preview=preview)


def statements(run: Run) -> dict[str, Any]:
    policy = run.one("aws:sns/topicPolicy:TopicPolicy").inputs["policy"]
    return {one["Sid"]: one for one in json.loads(policy)["Statement"]}


def test_only_this_platforms_alarms_may_page() -> None:
    run = deployed(settings())
    allowed = statements(run)

    assert set(allowed) == {"Alarms", "RefusePlainHttp"}
    assert allowed["Alarms"]["Principal"] == {"Service": ["cloudwatch.amazonaws.com"]}
    assert allowed["Alarms"]["Action"] == ["sns:Publish"]
    alarm = "arn:aws:cloudwatch:us-east-1:123456789012:alarm"
    assert allowed["Alarms"]["Condition"] == {
        "ArnEquals": {
            "aws:SourceArn": [
                f"{alarm}:orion-watchdog-silent",
                f"{alarm}:orion-runbook-automation-dead-letters",
                f"{alarm}:orion-runbook-automation-waiting",
                f"{alarm}:orion-runbook-automation-errors",
                f"{alarm}:orion-repair-sweep-dead-letters",
                f"{alarm}:orion-repair-sweep-waiting",
                f"{alarm}:orion-repair-sweep-errors",
            ]
        },
        "StringEquals": {"aws:SourceAccount": "123456789012"},
    }
    assert allowed["RefusePlainHttp"]["Effect"] == "Deny"


def test_the_topic_needs_no_key_since_a_key_that_is_disabled_is_what_it_may_have_to_report() -> None:
    run = deployed(settings())

    assert "kmsMasterKeyId" not in run.one("aws:sns/topic:Topic").inputs


@pytest.mark.parametrize("preview", [False, True])
def test_pagerdutys_cloudwatch_integration_is_subscribed_at_a_secret_address(*, preview: bool) -> None:
    run = deployed(settings(), preview=preview)
    integration = run.one("pagerduty:index/serviceIntegration:ServiceIntegration").inputs
    subscription = run.one("aws:sns/topicSubscription:TopicSubscription")

    assert (integration["type"], integration["service"]) == ("aws_cloudwatch_inbound_integration", "P1")
    assert subscription.inputs["protocol"] == "https"
    assert subscription.inputs["endpointAutoConfirms"] is True
    assert "endpoint" in subscription.secrets


def test_where_nobody_is_paged_the_topic_is_there_and_nobody_is_subscribed() -> None:
    run = deployed(settings(Environment.DEV).model_copy(update={"paging": False}))

    made = {one.type for one in run.resources.values() if not one.type.startswith(("pulumi:", "orion:"))}
    assert made == {"aws:sns/topic:Topic", "aws:sns/topicPolicy:TopicPolicy"}


def test_in_the_sandbox_the_subscription_is_at_its_own_pagerduty() -> None:
    endpoints = Endpoints(sns="http://127.0.0.1:1", pagerduty_events="http://127.0.0.1:2/v2/enqueue")
    run = deployed(settings(Environment.SANDBOX).model_copy(update={"endpoints": endpoints}))

    assert run.one("aws:sns/topicSubscription:TopicSubscription").inputs["protocol"] == "http"


@pytest.mark.parametrize("chat", ChatMode)
def test_an_alarm_is_named_once(chat: ChatMode) -> None:
    alarms = alarm_names(settings().model_copy(update={"chat": chat}))

    assert len(set(alarms)) == len(alarms)
    assert ("orion-chat-ingress-errors" in alarms) is (chat is ChatMode.ON)
