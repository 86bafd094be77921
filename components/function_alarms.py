"""CloudWatch alarms of the repair function: messages given up, messages that wait too long, invocations that fail."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from alerting import names
from components.naming import DEAD_LETTER_QUEUE, FUNCTION, FUNCTION_ERRORS_ALARM, QUEUE_AGE_ALARM

PERIOD_SECONDS = 60
QUEUE_AGE_SECONDS = 10 * 60
"""The oldest message's age at which the queue's alarm goes off.

The function acts on no message older than a quarter of an hour. A message that fails again and again is none of this
alarm's: after its third receive SQS no longer counts it (SQS' developer guide, "Available CloudWatch metrics"), nine
minutes after the first, and the dead letters' alarm reports it.
"""
ERROR_PERIODS = 5
ERRONEOUS_PERIODS = 3
"""One invocation that fails is tried again by the queue. The sweep alone invokes the function every minute."""


def make_function_alarms(name: str, *, topic_arn: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
    """Make the alarms, called NAME-...-alarm in the program, which report to a topic when they begin and end.

    Missing data is no trouble to any of them: an idle queue, or a function that is not invoked, sends none.
    """

    def alarm(key: str, alarm_name: str, **measured: Any) -> None:
        aws.cloudwatch.MetricAlarm(
            f"{name}-{key}-alarm",
            name=alarm_name,
            period=PERIOD_SECONDS,
            comparison_operator="GreaterThanThreshold",
            treat_missing_data="notBreaching",
            alarm_actions=[topic_arn],
            ok_actions=[topic_arn],
            opts=opts,
            **measured,
        )

    alarm(
        "dead-letters",
        DEAD_LETTER_QUEUE,
        alarm_description=(
            "Alerts or outcomes could not be handled by runbook automation, and wait in this queue: "
            'docs/repairs.md, "When messages fail"'
        ),
        namespace="AWS/SQS",
        metric_name="ApproximateNumberOfMessagesVisible",
        dimensions={"QueueName": DEAD_LETTER_QUEUE},
        statistic="Maximum",
        evaluation_periods=1,
        threshold=0,
    )
    alarm(
        "queue-age",
        QUEUE_AGE_ALARM,
        alarm_description=(
            "Nothing takes alerts out of runbook automation's queue: no repair runs, and messages expire after four "
            'days. docs/repairs.md, "When messages wait"'
        ),
        namespace="AWS/SQS",
        metric_name="ApproximateAgeOfOldestMessage",
        dimensions={"QueueName": names.REPAIR_QUEUE},
        statistic="Maximum",
        evaluation_periods=1,
        threshold=QUEUE_AGE_SECONDS,
    )
    alarm(
        "errors",
        FUNCTION_ERRORS_ALARM,
        alarm_description=(
            "The function of runbook automation fails again and again: no repair runs. "
            'docs/repairs.md, "When messages wait"'
        ),
        namespace="AWS/Lambda",
        metric_name="Errors",
        dimensions={"FunctionName": FUNCTION},
        statistic="Sum",
        evaluation_periods=ERROR_PERIODS,
        datapoints_to_alarm=ERRONEOUS_PERIODS,
        threshold=0,
    )
