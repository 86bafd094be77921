"""The queue that feeds a function, its dead letters, and what may send to it: topics and EventBridge rules."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from alerting import names
from alerting.settings import Settings
from components.naming import FUNCTION_TIMEOUT_SECONDS, arn, dead_letter_queue
from components.policies import Statement, policy_document, refuse_plain_http

VISIBILITY_SECONDS = 6 * FUNCTION_TIMEOUT_SECONDS
"""AWS asks for at least six times the function's timeout, so that a throttled batch is not handed out twice."""
MAXIMUM_RECEIVES = 5
DAY_SECONDS = 24 * 60 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicFeed:
    """An SNS topic whose messages go to the queue. `key` is a part of the subscription's name in the program."""

    key: str
    sid: str
    topic: str
    topic_arn: pulumi.Input[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFeed:
    """An EventBridge rule that sends to the queue: events of a pattern, or a message by a schedule.

    `key` is a part of the rule's name in the program, `rule` its name in AWS. Without `message` the event itself is
    sent.
    """

    key: str
    sid: str
    rule: str
    description: str
    pattern: Mapping[str, Any] | None = None
    schedule: str | None = None
    message: Mapping[str, Any] | None = None


Feed = TopicFeed | RuleFeed


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionQueue:
    """A function's queue. Whoever sends to it comes after `allowed`, its policy."""

    queue: aws.sqs.Queue
    dead_letters: aws.sqs.Queue
    allowed: aws.sqs.QueuePolicy


def make_function_queue(
    name: str,
    queue_name: str,
    feeds: Sequence[Feed],
    *,
    settings: Settings,
    key_arn: pulumi.Input[str],
    parent: pulumi.Resource,
) -> FunctionQueue:
    """Make the queue `queue_name` with its dead-letter queue, and what feeds it.

    Everything is a child of `parent`, whose `name` its names begin with.
    """
    child = pulumi.ResourceOptions(parent=parent)
    dead_letters = aws.sqs.Queue(
        f"{name}-dead-letters",
        name=dead_letter_queue(queue_name),
        kms_master_key_id=key_arn,
        # A message keeps the age it had in the first queue: this one has to outlast it.
        message_retention_seconds=14 * DAY_SECONDS,
        redrive_allow_policy=json.dumps(
            {"redrivePermission": "byQueue", "sourceQueueArns": [arn(settings, "sqs", queue_name)]}
        ),
        opts=child,
    )
    queue = aws.sqs.Queue(
        f"{name}-queue",
        name=queue_name,
        kms_master_key_id=key_arn,
        visibility_timeout_seconds=VISIBILITY_SECONDS,
        message_retention_seconds=4 * DAY_SECONDS,
        redrive_policy=pulumi.Output.json_dumps(
            {"deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": MAXIMUM_RECEIVES}
        ),
        opts=child,
    )
    # What SNS and EventBridge cannot deliver goes to the dead-letter queue too, so both policies let them in.
    allowed, _ = (
        _queue_policy(f"{name}-{key}-policy", made, feeds, settings=settings, opts=child)
        for key, made in (("queue", queue), ("dead-letters", dead_letters))
    )
    function_queue = FunctionQueue(queue=queue, dead_letters=dead_letters, allowed=allowed)
    for feed in feeds:
        _connect(name, feed, function_queue, queue_name, parent)
    return function_queue


def _queue_policy(
    name: str, queue: aws.sqs.Queue, feeds: Sequence[Feed], *, settings: Settings, opts: pulumi.ResourceOptions
) -> aws.sqs.QueuePolicy:
    statements = [_let_in(feed, queue.arn, settings) for feed in feeds]
    if settings.aws.require_tls:
        statements.append(refuse_plain_http("sqs:*", queue.arn))
    return aws.sqs.QueuePolicy(name, queue_url=queue.url, policy=policy_document(*statements), opts=opts)


def _let_in(feed: Feed, queue_arn: pulumi.Input[str], settings: Settings) -> Statement:
    if isinstance(feed, TopicFeed):
        service, source = "sns.amazonaws.com", names.topic_arn(settings, feed.topic)
    else:
        service, source = "events.amazonaws.com", arn(settings, "events", f"rule/{feed.rule}")
    return Statement(
        sid=feed.sid,
        services=[service],
        actions=["sqs:SendMessage"],
        resources=[queue_arn],
        conditions={"ArnEquals": {"aws:SourceArn": source}},
    )


def _connect(name: str, feed: Feed, to: FunctionQueue, queue_name: str, parent: pulumi.Resource) -> None:
    after_policy = pulumi.ResourceOptions(parent=parent, depends_on=[to.allowed])
    if isinstance(feed, TopicFeed):
        aws.sns.TopicSubscription(
            f"{name}-{feed.key}-to-queue",
            topic=feed.topic_arn,
            protocol="sqs",
            endpoint=to.queue.arn,
            raw_message_delivery=False,
            redrive_policy=pulumi.Output.json_dumps({"deadLetterTargetArn": to.dead_letters.arn}),
            opts=after_policy,
        )
        return
    rule = aws.cloudwatch.EventRule(
        f"{name}-{feed.key}",
        name=feed.rule,
        description=feed.description,
        event_pattern=None if feed.pattern is None else json.dumps(feed.pattern),
        schedule_expression=feed.schedule,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    aws.cloudwatch.EventTarget(
        f"{name}-{feed.key}-to-queue",
        rule=rule.name,
        target_id=queue_name,
        arn=to.queue.arn,
        input=None if feed.message is None else json.dumps(feed.message),
        dead_letter_config=aws.cloudwatch.EventTargetDeadLetterConfigArgs(arn=to.dead_letters.arn),
        opts=after_policy,
    )
