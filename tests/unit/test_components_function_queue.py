"""The queue of each function: what may send to it, and what a lost or repeated message meets."""

from __future__ import annotations

import json

import pytest

from components.naming import FUNCTION_TIMEOUT_SECONDS
from runbook_automation.configuration import MAXIMUM_AGE_SECONDS
from tests.component_harness import (
    EVENTS,
    FUNCTION_NAME,
    QUEUE,
    SNS,
    SQS,
    SWEEP_NAME,
    assert_narrow,
    automation,
    statements,
)

FUNCTIONS = {FUNCTION_NAME: "runbook-automation", SWEEP_NAME: "repair-sweep"}
"""The functions' names in AWS, and their components'."""


@pytest.fixture(params=[False, True], ids=["update", "preview"])
def preview(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_queue_outlasts_six_tries_of_the_function(function: str, *, preview: bool) -> None:
    queue = automation(preview=preview).one("aws:sqs/queue:Queue", name=function).inputs

    assert queue["visibilityTimeoutSeconds"] >= 6 * FUNCTION_TIMEOUT_SECONDS


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_fails_five_times_is_kept_for_two_weeks(function: str) -> None:
    run = automation()
    queue = run.one("aws:sqs/queue:Queue", name=function).inputs
    dead_letters = run.one("aws:sqs/queue:Queue", name=f"{function}-dead-letters").inputs

    assert json.loads(queue["redrivePolicy"]) == {
        "deadLetterTargetArn": f"{SQS}:{function}-dead-letters",
        "maxReceiveCount": 5,
    }
    assert json.loads(dead_letters["redriveAllowPolicy"]) == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [f"{SQS}:{function}"],
    }
    assert dead_letters["messageRetentionSeconds"] == 14 * 86400 > queue["messageRetentionSeconds"]


def test_the_repair_function_still_acts_on_a_message_at_its_last_try() -> None:
    queue = automation().one("aws:sqs/queue:Queue", name=FUNCTION_NAME).inputs

    assert 5 * queue["visibilityTimeoutSeconds"] <= MAXIMUM_AGE_SECONDS


def test_alerts_reach_the_repair_queue_whole() -> None:
    subscription = automation().one("aws:sns/topicSubscription:TopicSubscription", protocol="sqs")

    assert subscription.inputs["topic"] == f"{SNS}:orion-alerts"
    assert (subscription.inputs["protocol"], subscription.inputs["endpoint"]) == ("sqs", QUEUE)
    assert subscription.inputs["rawMessageDelivery"] is False
    assert "filterPolicy" not in subscription.inputs
    assert json.loads(subscription.inputs["redrivePolicy"]) == {"deadLetterTargetArn": f"{QUEUE}-dead-letters"}
    assert "runbook-automation-queue-policy" in subscription.dependencies


@pytest.mark.parametrize(
    ("component", "senders"),
    [
        (
            "runbook-automation",
            {"Alerts": f"{SNS}:orion-alerts", "Outcomes": f"{EVENTS}/orion-repair-outcomes"},
        ),
        ("repair-sweep", {"Sweep": f"{EVENTS}/orion-repair-sweep"}),
    ],
)
def test_only_what_feeds_a_function_may_send_to_its_queues(component: str, senders: dict[str, str]) -> None:
    run = automation()

    for queue in ("queue", "dead-letters"):
        allowed = statements(run.resources[f"{component}-{queue}-policy"].inputs["policy"])
        refused = allowed.pop("RefusePlainHttp")
        assert {sid: one["Condition"]["ArnEquals"]["aws:SourceArn"] for sid, one in allowed.items()} == senders
        assert (refused["Effect"], refused["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
        assert_narrow(allowed)


def test_outcomes_of_our_documents_reach_the_repairs_and_a_sweep_a_minute_its_own_function() -> None:
    run = automation()
    outcomes = run.one("aws:cloudwatch/eventRule:EventRule", name="orion-repair-outcomes").inputs
    sweep = run.one("aws:cloudwatch/eventRule:EventRule", name="orion-repair-sweep").inputs
    targets = {one.inputs["rule"]: one.inputs for one in run.of_type("aws:cloudwatch/eventTarget:EventTarget")}

    assert json.loads(outcomes["eventPattern"]) == {
        "source": ["aws.ssm"],
        "detail-type": ["EC2 Command Invocation Status-change Notification"],
        "detail": {"document-name": ["orion-restart-pod"]},
    }
    assert sweep["scheduleExpression"] == "rate(1 minute)"
    assert {rule: target["arn"] for rule, target in targets.items()} == {
        "orion-repair-outcomes": QUEUE,
        "orion-repair-sweep": f"{SQS}:{SWEEP_NAME}",
    }
    assert json.loads(targets["orion-repair-sweep"]["input"]) == {"source": "orion.sweep"}
    assert "input" not in targets["orion-repair-outcomes"]
    assert all(target["deadLetterConfig"] == {"arn": f"{target['arn']}-dead-letters"} for target in targets.values())
