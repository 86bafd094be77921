"""Alertmanager's own AWS role, given to its service account by EKS pod identity: it may publish alerts, no more."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from alerting.settings import Settings
from components.naming import ALERTMANAGER, ALERTMANAGER_ROLE, type_token
from components.policies import Statement, policy_document, trust_policy


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerIdentityArgs:
    """What the role is made from: settings are known now, the topics and their key are other components' outputs."""

    settings: Settings
    alert_topic_arn: pulumi.Input[str]
    heartbeat_topic_arn: pulumi.Input[str]
    key_arn: pulumi.Input[str]


class AlertmanagerIdentity(pulumi.ComponentResource):
    """The role and what ties it to the service account. Pods started before it is there have no credentials."""

    role_arn: pulumi.Output[str]

    def __init__(self, name: str, args: AlertmanagerIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("AlertmanagerIdentity"), name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            f"{name}-role",
            name=ALERTMANAGER_ROLE,
            description="Alertmanager publishes alerts",
            assume_role_policy=trust_policy("pods.eks.amazonaws.com", actions=["sts:AssumeRole", "sts:TagSession"]),
            opts=child,
        )
        policy = aws.iam.RolePolicy(
            f"{name}-role-policy",
            name="publish-alerts",
            role=role.name,
            policy=policy_document(
                Statement(
                    sid="PublishAlerts",
                    actions=["sns:Publish"],
                    resources=[args.alert_topic_arn, args.heartbeat_topic_arn],
                ),
                Statement(
                    sid="EncryptAlerts", actions=["kms:GenerateDataKey*", "kms:Decrypt"], resources=[args.key_arn]
                ),
            ),
            opts=child,
        )
        aws.eks.PodIdentityAssociation(
            f"{name}-association",
            cluster_name=args.settings.cluster.name,
            namespace=args.settings.cluster.namespace,
            service_account=ALERTMANAGER,
            role_arn=role.arn,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        self.role_arn = role.arn
        self.register_outputs({"roleArn": self.role_arn})
