"""The dead man's switch: an alarm, with no code of ours in it, that pages when alerting itself has gone silent.

`Watchdog` fires always, and Alertmanager tells a topic of it every minute. CloudWatch counts what is published there:
five to eight minutes without anything, for whatever reason (no Prometheus, no Alertmanager, no cluster, no way to AWS),
and the alarm tells another topic, which PagerDuty's CloudWatch integration is subscribed to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pulumi
import pulumi_aws as aws
import pulumi_pagerduty as pagerduty

from alerting import names
from alerting.settings import Settings
from components.naming import arn, type_token
from components.policies import Statement, policy_document, refuse_plain_http

PERIOD_SECONDS = 60
SILENT_PERIODS = 5
"""A replica that starts anew, or a message that is late, is no silence. An alert outlives Prometheus by 4 minutes.

CloudWatch fills in missing data only where two periods more have none either ("Configuring how CloudWatch alarms treat
missing data" in its user guide), so that silence is heard after seven periods, or eight by when it began.
"""
PAGERDUTY = "https://events.pagerduty.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchdogArgs:
    """What the switch is made from: the key of the topics, and the PagerDuty service of the team that is paged."""

    settings: Settings
    key_arn: pulumi.Input[str]
    pagerduty_service_id: pulumi.Input[str]


class Watchdog(pulumi.ComponentResource):
    """The topic of the heartbeat, the alarm on its silence, and the topic and subscription that page."""

    heartbeat_topic_arn: pulumi.Output[str]
    silence_topic_arn: pulumi.Output[str]

    def __init__(self, name: str, args: WatchdogArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("Watchdog"), name, {}, opts)
        self._name = name
        self._settings = args.settings
        self._key_arn = args.key_arn
        self._child = pulumi.ResourceOptions(parent=self)
        account = args.settings.aws.account_id

        heartbeat = self._topic(
            "heartbeat",
            names.WATCHDOG_TOPIC,
            Statement(sid="Account", accounts=[account], actions=["sns:Publish"], resources=[]),
        )
        alarm = arn(args.settings, "cloudwatch", f"alarm:{names.SILENCE_ALARM}")
        silence = self._topic(
            "silence",
            names.SILENCE_TOPIC,
            Statement(
                sid="Alarm",
                services=["cloudwatch.amazonaws.com"],
                actions=["sns:Publish"],
                resources=[],
                conditions={"ArnEquals": {"aws:SourceArn": alarm}, "StringEquals": {"aws:SourceAccount": account}},
            ),
        )
        if args.settings.paging:
            self._page(silence, args.pagerduty_service_id)
        self._alarm(silence)
        self.heartbeat_topic_arn = heartbeat.arn
        self.silence_topic_arn = silence.arn
        self.register_outputs({"heartbeatTopicArn": heartbeat.arn, "silenceTopicArn": silence.arn})

    def _topic(self, key: str, topic_name: str, allowed: Statement) -> aws.sns.Topic:
        """Make a topic that only `allowed` lets in; what it is about is the topic itself."""
        topic = aws.sns.Topic(
            f"{self._name}-{key}-topic", name=topic_name, kms_master_key_id=self._key_arn, opts=self._child
        )
        statements = [replace(allowed, resources=[topic.arn])]
        if self._settings.aws.require_tls:
            statements.append(refuse_plain_http("sns:Publish", topic.arn))
        aws.sns.TopicPolicy(
            f"{self._name}-{key}-topic-policy", arn=topic.arn, policy=policy_document(*statements), opts=self._child
        )
        return topic

    def _page(self, silence: aws.sns.Topic, service_id: pulumi.Input[str]) -> None:
        integration = pagerduty.ServiceIntegration(
            f"{self._name}-integration",
            name="CloudWatch",
            type="aws_cloudwatch_inbound_integration",
            service=service_id,
            # Whoever has this key can open and close incidents, and it is part of the subscription's address.
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["integration_key"]),
        )
        base = (self._settings.endpoints.pagerduty_events or PAGERDUTY).removesuffix("/v2/enqueue")
        aws.sns.TopicSubscription(
            f"{self._name}-page",
            topic=silence.arn,
            protocol=base.partition(":")[0],
            endpoint=pulumi.Output.secret(
                pulumi.Output.format("{0}/integration/{1}/enqueue", base, integration.integration_key)
            ),
            endpoint_auto_confirms=True,
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["endpoint"]),
        )

    def _alarm(self, silence: aws.sns.Topic) -> None:
        aws.cloudwatch.MetricAlarm(
            f"{self._name}-alarm",
            name=names.SILENCE_ALARM,
            alarm_description=(
                "Nothing is heard of Alertmanager: no alert would reach anybody. "
                f"{self._settings.addresses.runbooks}/Watchdog"
            ),
            namespace="AWS/SNS",
            metric_name="NumberOfMessagesPublished",
            dimensions={"TopicName": names.WATCHDOG_TOPIC},
            statistic="Sum",
            period=PERIOD_SECONDS,
            evaluation_periods=SILENT_PERIODS,
            datapoints_to_alarm=SILENT_PERIODS,
            comparison_operator="LessThanThreshold",
            threshold=1,
            # A topic that nobody publishes to has no data at all.
            treat_missing_data="breaching",
            alarm_actions=[silence.arn],
            ok_actions=[silence.arn],
            opts=self._child,
        )
