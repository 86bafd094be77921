"""CloudWatch alarms of a function: messages given up, messages that wait too long, invocations that fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.naming import dead_letter_queue, errors_alarm, queue_age_alarm
from orion_common.names import METRICS_NAMESPACE

PERIOD_SECONDS = 60
QUEUE_AGE_SECONDS = 10 * 60
"""The oldest message's age at which the queue's alarm goes off.

The repair function acts on no message older than a quarter of an hour. A message that fails again and again is none of
this alarm's: after its third receive SQS no longer counts it (SQS' developer guide, "Available CloudWatch metrics"),
nine minutes after the first, and the dead letters' alarm reports it.
"""
ERRONEOUS_PERIODS = 3
"""The number of minutes with a failed invocation at which the errors' alarm goes off.

One failure is no alarm, since the queue tries its message again; three in a row are no accident. A message that one
invocation could not handle is none of this alarm's: its invocation reports the message and succeeds, and the queue's
and the dead letters' alarms watch it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorsAlarm:
    """Text of the alarm on a function's failed invocations.

    Failures in `ERRONEOUS_PERIODS` of the last `minutes` minutes are an alarm. These must hold that many
    invocations of a function that is idle but for the one message that it fails at, and end before the queue gives
    that message up.
    """

    description: str
    minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueAlarms:
    """Texts of the alarms on a function's queue: on messages that were given up, and on those that wait."""

    given_up: str
    waiting: str


def make_queue_alarms(
    name: str, function: str, alarms: QueueAlarms, *, topic_arn: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> None:
    """Make the alarms, called NAME-...-alarm in the program, which report to a topic when they begin and end.

    `function` is the name of the function and its queue.
    """
    alarm = _maker(name, topic_arn, opts)
    alarm(
        "dead-letters",
        dead_letter_queue(function),
        alarm_description=alarms.given_up,
        namespace="AWS/SQS",
        metric_name="ApproximateNumberOfMessagesVisible",
        dimensions={"QueueName": dead_letter_queue(function)},
        statistic="Maximum",
        evaluation_periods=1,
        threshold=0,
    )
    alarm(
        "queue-age",
        queue_age_alarm(function),
        alarm_description=alarms.waiting,
        namespace="AWS/SQS",
        metric_name="ApproximateAgeOfOldestMessage",
        dimensions={"QueueName": function},
        statistic="Maximum",
        evaluation_periods=1,
        threshold=QUEUE_AGE_SECONDS,
    )


def make_errors_alarm(
    name: str, function: str, failing: ErrorsAlarm, *, topic_arn: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> None:
    """Make the alarm on failed invocations."""
    alarm = _maker(name, topic_arn, opts)
    alarm(
        "errors",
        errors_alarm(function),
        alarm_description=failing.description,
        namespace="AWS/Lambda",
        metric_name="Errors",
        dimensions={"FunctionName": function},
        statistic="Sum",
        evaluation_periods=failing.minutes,
        datapoints_to_alarm=ERRONEOUS_PERIODS,
        threshold=0,
    )


def make_count_alarm(
    name: str,
    alarm_name: str,
    description: str,
    metric: str,
    service: str,
    *,
    topic_arn: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> None:
    """Make the alarm on a count of a function's own: it goes off in every minute in which something was counted."""
    alarm = _maker(name, topic_arn, opts)
    alarm(
        "count",
        alarm_name,
        alarm_description=description,
        namespace=METRICS_NAMESPACE,
        metric_name=metric,
        dimensions={"service": service},
        statistic="Sum",
        evaluation_periods=1,
        threshold=0,
    )


def _maker(name: str, topic_arn: pulumi.Input[str], opts: pulumi.ResourceOptions) -> Callable[..., None]:
    """Return what makes an alarm: its key in the program, its name in AWS, and what it measures.

    Missing data is no trouble to any: an idle queue, or a function that is not invoked, sends none.
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

    return alarm
