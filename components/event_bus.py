"""Topics, queues with dead-letter queues, and event rules that carry alerts and outcomes to functions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from alerting import names
from alerting.platform import RepairTeam
from alerting.settings import RetainedResource, Settings
from components.naming import (
    DEAD_LETTER_QUEUE,
    FUNCTION_TIMEOUT_SECONDS,
    KEY_ALIAS,
    OUTCOME_RULE,
    SWEEP_RULE,
    arn,
    type_token,
)
from components.policies import Statement, policy_document, refuse_plain_http
from components.protection import kept
from components.topics import TopicSpec, make_topic
from orion_common.names import OUTCOME_DETAIL_TYPE, SWEEP_SOURCE

VISIBILITY_SECONDS = 6 * FUNCTION_TIMEOUT_SECONDS
"""AWS asks for at least six times the function's timeout, so that a throttled batch is not handed out twice."""
MAXIMUM_RECEIVES = 5
DAY_SECONDS = 24 * 60 * 60
SWEEP_INPUT = {"source": SWEEP_SOURCE}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBusSpec:
    """Plain data of the event bus: the teams that are told of failures, and the documents whose outcomes are wanted."""

    settings: Settings
    teams: tuple[RepairTeam, ...]
    documents: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBusArgs:
    """Arguments of the event bus."""

    spec: EventBusSpec


class EventBus(pulumi.ComponentResource):
    """Topics, the repairs' queue, the rules that feed it, and the key that encrypts all of them."""

    key_arn: pulumi.Output[str]
    alert_topic_arn: pulumi.Output[str]
    notification_topic_arn: pulumi.Output[str]
    team_topic_arns: Mapping[str, pulumi.Output[str]]
    queue_arn: pulumi.Output[str]
    queue_url: pulumi.Output[str]
    dead_letter_queue_arn: pulumi.Output[str]

    def __init__(self, name: str, args: EventBusArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("EventBus"), name, {}, opts)
        self._name = name
        self._settings = args.spec.settings
        self._child = pulumi.ResourceOptions(parent=self)

        self._key = self._make_key()
        alerts = self._topic("alerts", names.ALERT_TOPIC)
        notifications = self._topic("notifications", names.NOTIFICATION_TOPIC)
        team_topics = {team.name: self._team_topic(team) for team in args.spec.teams}
        dead_letters = self._dead_letter_queue()
        queue = self._queue(dead_letters)
        queue_policy = self._queue_policies(queue, dead_letters)
        self._subscription(alerts, queue, dead_letters, queue_policy)
        self._rules(args.spec.documents, queue, dead_letters, queue_policy)

        self.key_arn = self._key.arn
        self.alert_topic_arn = alerts.arn
        self.notification_topic_arn = notifications.arn
        self.team_topic_arns = {team: topic.arn for team, topic in team_topics.items()}
        self.queue_arn = queue.arn
        self.queue_url = queue.url
        self.dead_letter_queue_arn = dead_letters.arn
        self.register_outputs(
            {
                "keyArn": self.key_arn,
                "alertTopicArn": self.alert_topic_arn,
                "notificationTopicArn": self.notification_topic_arn,
                "teamTopicArns": dict(self.team_topic_arns),
                "queueArn": self.queue_arn,
                "queueUrl": self.queue_url,
                "deadLetterQueueArn": self.dead_letter_queue_arn,
            }
        )

    def _make_key(self) -> aws.kms.Key:
        account = self._settings.aws.account_id
        use = ["kms:GenerateDataKey*", "kms:Decrypt"]
        # In a key's own policy "*" is that key, and its ARN is not known before it exists.
        this_key = ["*"]
        key = aws.kms.Key(
            f"{self._name}-key",
            description="Encrypts what Orion Alerting sends, queues and stores",
            enable_key_rotation=True,
            deletion_window_in_days=30,
            policy=policy_document(
                Statement(sid="Account", accounts=[account], actions=["kms:*"], resources=this_key),
                # SNS names the topic whose messages it delivers: only the alerts' goes to queues.
                Statement(
                    sid="TopicsToEncryptedQueues",
                    services=["sns.amazonaws.com"],
                    actions=use,
                    resources=this_key,
                    conditions={"ArnEquals": {"aws:SourceArn": names.topic_arn(self._settings, names.ALERT_TOPIC)}},
                ),
                Statement(
                    sid="Logs",
                    services=[f"logs.{self._settings.aws.region}.amazonaws.com"],
                    actions=["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
                    resources=this_key,
                    conditions={
                        "ArnLike": {
                            "kms:EncryptionContext:aws:logs:arn": arn(self._settings, "logs", "log-group:/aws/lambda/*")
                        }
                    },
                ),
                # EventBridge sends no source with this: a condition on it stops delivery without an error.
                Statement(
                    sid="EventsToEncryptedQueues", services=["events.amazonaws.com"], actions=use, resources=this_key
                ),
            ),
            opts=pulumi.ResourceOptions.merge(
                self._child, kept(self._settings, RetainedResource.KEY, found_as="KEY_ID")
            ),
        )
        aws.kms.Alias(f"{self._name}-key-alias", name=KEY_ALIAS, target_key_id=key.key_id, opts=self._child)
        return key

    def _team_topic(self, team: RepairTeam) -> aws.sns.Topic:
        """Make a team's topic, and subscribe its addresses: SNS tells each only when somebody there has confirmed."""
        sender = f"Orion repairs ({self._settings.environment.value})"
        topic = self._topic(f"team-{team.name}", names.team_topic(team.name), sender=sender)
        for address in team.mail:
            aws.sns.TopicSubscription(
                f"{self._name}-team-{team.name}-mail-{address}",
                topic=topic.arn,
                protocol="email",
                endpoint=address,
                opts=self._child,
            )
        return topic

    def _topic(self, key: str, topic_name: str, *, sender: str | None = None) -> aws.sns.Topic:
        allowed = Statement(
            sid="Account",
            accounts=[self._settings.aws.account_id],
            actions=["sns:Publish", "sns:Subscribe", "sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic"],
            resources=[],
        )
        spec = TopicSpec(name=topic_name, allowed=[allowed], sender=sender)
        return make_topic(f"{self._name}-{key}", spec, self._settings, key_arn=self._key.arn, opts=self._child)

    def _dead_letter_queue(self) -> aws.sqs.Queue:
        return aws.sqs.Queue(
            f"{self._name}-dead-letters",
            name=DEAD_LETTER_QUEUE,
            kms_master_key_id=self._key.arn,
            # A message keeps the age it had in the first queue: this one has to outlast it.
            message_retention_seconds=14 * DAY_SECONDS,
            redrive_allow_policy=json.dumps(
                {"redrivePermission": "byQueue", "sourceQueueArns": [arn(self._settings, "sqs", names.REPAIR_QUEUE)]}
            ),
            opts=self._child,
        )

    def _queue(self, dead_letters: aws.sqs.Queue) -> aws.sqs.Queue:
        return aws.sqs.Queue(
            f"{self._name}-queue",
            name=names.REPAIR_QUEUE,
            kms_master_key_id=self._key.arn,
            visibility_timeout_seconds=VISIBILITY_SECONDS,
            message_retention_seconds=4 * DAY_SECONDS,
            redrive_policy=pulumi.Output.json_dumps(
                {"deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": MAXIMUM_RECEIVES}
            ),
            opts=self._child,
        )

    def _queue_policies(self, queue: aws.sqs.Queue, dead_letters: aws.sqs.Queue) -> aws.sqs.QueuePolicy:
        """Allow SNS and EventBridge on both queues: what they cannot deliver goes to the dead-letter queue."""
        policies: list[aws.sqs.QueuePolicy] = []
        for key, one in (("queue", queue), ("dead-letters", dead_letters)):
            statements = [
                Statement(
                    sid="Alerts",
                    services=["sns.amazonaws.com"],
                    actions=["sqs:SendMessage"],
                    resources=[one.arn],
                    conditions={"ArnEquals": {"aws:SourceArn": names.topic_arn(self._settings, names.ALERT_TOPIC)}},
                ),
                *(
                    Statement(
                        sid=sid,
                        services=["events.amazonaws.com"],
                        actions=["sqs:SendMessage"],
                        resources=[one.arn],
                        conditions={"ArnEquals": {"aws:SourceArn": arn(self._settings, "events", f"rule/{rule}")}},
                    )
                    for sid, rule in (("Outcomes", OUTCOME_RULE), ("Sweep", SWEEP_RULE))
                ),
            ]
            if self._settings.aws.require_tls:
                statements.append(refuse_plain_http("sqs:*", one.arn))
            policies.append(
                aws.sqs.QueuePolicy(
                    f"{self._name}-{key}-policy",
                    queue_url=one.url,
                    policy=policy_document(*statements),
                    opts=self._child,
                )
            )
        return policies[0]

    def _subscription(
        self, alerts: aws.sns.Topic, queue: aws.sqs.Queue, dead_letters: aws.sqs.Queue, allowed: aws.sqs.QueuePolicy
    ) -> None:
        aws.sns.TopicSubscription(
            f"{self._name}-alerts-to-queue",
            topic=alerts.arn,
            protocol="sqs",
            endpoint=queue.arn,
            raw_message_delivery=False,
            redrive_policy=pulumi.Output.json_dumps({"deadLetterTargetArn": dead_letters.arn}),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[allowed]),
        )

    def _rules(
        self, documents: Sequence[str], queue: aws.sqs.Queue, dead_letters: aws.sqs.Queue, allowed: aws.sqs.QueuePolicy
    ) -> None:
        outcomes = aws.cloudwatch.EventRule(
            f"{self._name}-outcomes",
            name=OUTCOME_RULE,
            description="Outcomes of repairs' commands",
            event_pattern=json.dumps(
                {
                    "source": ["aws.ssm"],
                    "detail-type": [OUTCOME_DETAIL_TYPE],
                    "detail": {"document-name": sorted(documents)},
                }
            ),
            opts=self._child,
        )
        sweep = aws.cloudwatch.EventRule(
            f"{self._name}-sweep",
            name=SWEEP_RULE,
            description="Looks for repairs whose outcome was never heard of",
            schedule_expression="rate(1 minute)",
            opts=self._child,
        )
        for key, rule, constant in (("outcomes", outcomes, None), ("sweep", sweep, SWEEP_INPUT)):
            aws.cloudwatch.EventTarget(
                f"{self._name}-{key}-to-queue",
                rule=rule.name,
                target_id=names.REPAIR_QUEUE,
                arn=queue.arn,
                input=json.dumps(constant) if constant is not None else None,
                dead_letter_config=aws.cloudwatch.EventTargetDeadLetterConfigArgs(arn=dead_letters.arn),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[allowed]),
            )
