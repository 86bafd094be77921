"""The dead man's switch: an alarm, with no code of ours in it, that pages when alerting itself has gone silent.

`Watchdog` fires always, and Alertmanager tells a topic of it every minute. CloudWatch counts what is published there:
five to eight minutes without anything, for whatever reason (no Prometheus, no Alertmanager, no cluster, no way to AWS),
and the alarm tells the topic that pages (`components.alarm_topic`).
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from alerting import names
from alerting.settings import Settings
from components.naming import type_token
from components.policies import Statement
from components.topics import TopicSpec, make_topic

PERIOD_SECONDS = 60
SILENT_PERIODS = 5
"""A replica that starts anew, or a message that is late, is no silence. An alert outlives Prometheus by 4 minutes.

CloudWatch fills in missing data only where two periods more have none either ("Configuring how CloudWatch alarms treat
missing data" in its user guide), so that silence is heard after seven periods, or eight by when it began.
"""
WARM_UP_MINUTES = 60
"""How long the first `up` may take until the first heartbeat, in which silence is no alarm.

The warm-up ends early, once heartbeats fill the alarm's periods, and begins anew with no later `up` (CloudWatch's user
guide, "Alarm warm-up periods"). An `up` that fails half-way, and leaves nothing that sends heartbeats, pages after it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchdogArgs:
    """Arguments of the dead man's switch: the key of its topic, and the topic that its alarm notifies."""

    settings: Settings
    key_arn: pulumi.Input[str]
    alarm_topic_arn: pulumi.Input[str]


class Watchdog(pulumi.ComponentResource):
    """The topic of the heartbeat, and the alarm on its silence."""

    heartbeat_topic_arn: pulumi.Output[str]

    def __init__(self, name: str, args: WatchdogArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("Watchdog"), name, {}, opts)
        self._name = name
        self._settings = args.settings
        self._child = pulumi.ResourceOptions(parent=self)

        account = args.settings.aws.account_id
        allowed = Statement(sid="Account", accounts=[account], actions=["sns:Publish"], resources=[])
        # With the stack's key, which Alertmanager's other topic has too: a key that is disabled silences the heartbeat,
        # and the alarm, whose own topic has no key, reports it.
        heartbeat = make_topic(
            f"{name}-heartbeat",
            TopicSpec(name=names.WATCHDOG_TOPIC, allowed=[allowed]),
            args.settings,
            key_arn=args.key_arn,
            opts=self._child,
        )
        self._alarm(args.alarm_topic_arn)
        self.heartbeat_topic_arn = heartbeat.arn
        self.register_outputs({"heartbeatTopicArn": heartbeat.arn})

    def _alarm(self, topic_arn: pulumi.Input[str]) -> None:
        aws.cloudwatch.MetricAlarm(
            f"{self._name}-alarm",
            name=names.SILENCE_ALARM,
            alarm_description=(
                "Nothing is heard of Alertmanager: no alert would reach anybody. "
                f"{self._settings.addresses.runbook('Watchdog')}"
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
            warm_up_configuration=aws.cloudwatch.MetricAlarmWarmUpConfigurationArgs(
                warm_up_period_duration_in_minutes=WARM_UP_MINUTES
            ),
            alarm_actions=[topic_arn],
            ok_actions=[topic_arn],
            opts=self._child,
        )
