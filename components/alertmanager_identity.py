"""Alertmanager's own AWS role, given to its service account by EKS: it may publish alerts, no more."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from alerting.settings import RoleSource, Settings
from components.naming import ALERTMANAGER, ALERTMANAGER_ROLE, type_token
from components.policies import Statement, policy_document
from components.service_account_trust import service_account_trust


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerIdentityArgs:
    """Arguments of the role: settings are known now, the topics and their key are outputs of other components."""

    settings: Settings
    alert_topic_arn: pulumi.Input[str]
    heartbeat_topic_arn: pulumi.Input[str]
    key_arn: pulumi.Input[str]


class AlertmanagerIdentity(pulumi.ComponentResource):
    """The role and what ties it to the service account. Pods started before it is there have no credentials.

    By pod identity that is an association; by IRSA the role itself trusts the service account, which names the role
    (`components.monitoring_values`).
    """

    role_arn: pulumi.Output[str]

    def __init__(self, name: str, args: AlertmanagerIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("AlertmanagerIdentity"), name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings = args.settings
        role = aws.iam.Role(
            f"{name}-role",
            name=ALERTMANAGER_ROLE,
            description="Alertmanager publishes alerts",
            assume_role_policy=service_account_trust(settings, ALERTMANAGER, self),
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
        if settings.cluster.identity is RoleSource.POD_IDENTITY:
            aws.eks.PodIdentityAssociation(
                f"{name}-association",
                cluster_name=settings.cluster.name,
                namespace=settings.cluster.namespace,
                service_account=ALERTMANAGER,
                role_arn=role.arn,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
            )
        self.role_arn = role.arn
        self.register_outputs({"roleArn": self.role_arn})
