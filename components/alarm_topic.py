"""SNS topic for the platform's own CloudWatch alarms. PagerDuty's CloudWatch integration is subscribed to it.

No code of ours stands between an alarm and the page. Where paging is off, the topic exists without the subscription,
and the alarms can still be looked at.

The topic is not encrypted with the stack's key, or with any other. Alarms watch everything that needs that key: a key
that is disabled or deleted silences the alert topics, the queue, the table and the heartbeat, and this page is what
reports it. A message holds the alarm's name, description and figures, and nothing secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_pagerduty as pagerduty

from alerting import names
from alerting.settings import ChatMode, Settings
from components.naming import (
    ALERTMANAGER_FUNCTION,
    CHAT_FUNCTION,
    CHAT_GIVEN_UP_ALARM,
    FUNCTIONS,
    INGRESS_FUNCTION,
    arn,
    dead_letter_queue,
    errors_alarm,
    queue_age_alarm,
    type_token,
)
from components.policies import Statement
from components.topics import TopicSpec, make_topic

PAGERDUTY = "https://events.pagerduty.com"


def alarm_names(settings: Settings) -> list[str]:
    """Return the alarms that may page, by name. The alarm on a dead-letter queue has the queue's name."""
    has_chat = settings.chat is ChatMode.ON
    fed = (*FUNCTIONS, *((CHAT_FUNCTION,) if has_chat else ()))
    invoked = (INGRESS_FUNCTION, ALERTMANAGER_FUNCTION) if has_chat else ()
    return [
        names.SILENCE_ALARM,
        *(alarm(function) for function in fed for alarm in (dead_letter_queue, queue_age_alarm, errors_alarm)),
        *(errors_alarm(function) for function in invoked),
        *((CHAT_GIVEN_UP_ALARM,) if has_chat else ()),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmsArgs:
    """Arguments of the alarm topic: PagerDuty's services, and the team whose service pages."""

    settings: Settings
    service_ids: Mapping[str, pulumi.Input[str]]
    operating_team: str


class Alarms(pulumi.ComponentResource):
    """The topic that alarms tell when they begin and when they end, and the integration that pages."""

    topic_arn: pulumi.Output[str]

    def __init__(self, name: str, args: AlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("Alarms"), name, {}, opts)
        self._name = name
        self._settings = args.settings
        allowed = Statement(
            sid="Alarms",
            services=["cloudwatch.amazonaws.com"],
            actions=["sns:Publish"],
            resources=[],
            conditions={
                "ArnEquals": {
                    "aws:SourceArn": [
                        arn(args.settings, "cloudwatch", f"alarm:{alarm}") for alarm in alarm_names(args.settings)
                    ]
                },
                "StringEquals": {"aws:SourceAccount": args.settings.aws.account_id},
            },
        )
        topic = make_topic(
            name,
            TopicSpec(name=names.ALARM_TOPIC, allowed=[allowed]),
            args.settings,
            key_arn=None,
            opts=pulumi.ResourceOptions(parent=self),
        )
        if args.settings.paging:
            self._page(topic, args.service_ids[args.operating_team])
        self.topic_arn = topic.arn
        self.register_outputs({"topicArn": self.topic_arn})

    def _page(self, topic: aws.sns.Topic, service_id: pulumi.Input[str]) -> None:
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
            topic=topic.arn,
            protocol=base.partition(":")[0],
            endpoint=pulumi.Output.secret(
                pulumi.Output.format("{0}/integration/{1}/enqueue", base, integration.integration_key)
            ),
            endpoint_auto_confirms=True,
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["endpoint"]),
        )
