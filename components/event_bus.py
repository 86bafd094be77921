"""SNS topics that carry alerts to the functions and results to people, and the key that encrypts all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from alerting import names
from alerting.platform_repairs import RepairTeam
from alerting.settings import RetainedResource, Settings
from components.naming import KEY_ALIAS, arn, type_token
from components.policies import Statement, policy_document
from components.protection import kept
from components.topics import TopicSpec, make_topic


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBusSpec:
    """Plain data of the event bus: the teams that are told of failures."""

    settings: Settings
    teams: tuple[RepairTeam, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBusArgs:
    """Arguments of the event bus."""

    spec: EventBusSpec


class EventBus(pulumi.ComponentResource):
    """Topics, and the key that encrypts them and all that the functions queue and keep."""

    key_arn: pulumi.Output[str]
    alert_topic_arn: pulumi.Output[str]
    notification_topic_arn: pulumi.Output[str]
    team_topic_arns: Mapping[str, pulumi.Output[str]]

    def __init__(self, name: str, args: EventBusArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("EventBus"), name, {}, opts)
        self._name = name
        self._settings = args.spec.settings
        self._child = pulumi.ResourceOptions(parent=self)

        self._key = self._make_key()
        alerts = self._topic("alerts", names.ALERT_TOPIC)
        notifications = self._topic("notifications", names.NOTIFICATION_TOPIC)
        team_topics = {team.name: self._team_topic(team) for team in args.spec.teams}

        self.key_arn = self._key.arn
        self.alert_topic_arn = alerts.arn
        self.notification_topic_arn = notifications.arn
        self.team_topic_arns = {team: topic.arn for team, topic in team_topics.items()}
        self.register_outputs(
            {
                "keyArn": self.key_arn,
                "alertTopicArn": self.alert_topic_arn,
                "notificationTopicArn": self.notification_topic_arn,
                "teamTopicArns": dict(self.team_topic_arns),
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
