"""SNS topics as this program makes them: open only to the principals that their policy names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pulumi
import pulumi_aws as aws

from alerting.settings import Settings
from components.policies import Statement, policy_document, refuse_plain_http


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """One topic. Who `allowed` lets in is let in to this topic: the statements name no resource themselves.

    `sender` is whom its e-mails come from.
    """

    name: str
    allowed: Sequence[Statement]
    sender: str | None = None


def make_topic(
    resource: str,
    spec: TopicSpec,
    settings: Settings,
    *,
    key_arn: pulumi.Input[str] | None,
    opts: pulumi.ResourceOptions,
) -> aws.sns.Topic:
    """Make a topic called RESOURCE-topic in the program, and its policy.

    `key_arn` is the KMS key that encrypts it; None leaves it unencrypted.
    """
    topic = aws.sns.Topic(
        f"{resource}-topic", name=spec.name, display_name=spec.sender, kms_master_key_id=key_arn, opts=opts
    )
    statements = [replace(one, resources=[topic.arn]) for one in spec.allowed]
    if settings.aws.require_tls:
        statements.append(refuse_plain_http("sns:Publish", topic.arn))
    aws.sns.TopicPolicy(f"{resource}-topic-policy", arn=topic.arn, policy=policy_document(*statements), opts=opts)
    return topic
