"""Alertmanager's own AWS role, given to its service account by EKS: it may publish alerts, no more."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from alerting.settings import Settings
from components.naming import ALERTMANAGER, ALERTMANAGER_ROLE, type_token
from components.policies import Statement, policy_document
from components.service_account_role import ServiceAccountRole, service_account_role


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerIdentityArgs:
    """Arguments of the role: settings are known now, the topics and their key are outputs of other components."""

    settings: Settings
    alert_topic_arn: pulumi.Input[str]
    heartbeat_topic_arn: pulumi.Input[str]
    key_arn: pulumi.Input[str]


class AlertmanagerIdentity(pulumi.ComponentResource):
    """The role and what ties it to the service account. Pods started before it is there have no credentials."""

    role_arn: pulumi.Output[str]

    def __init__(self, name: str, args: AlertmanagerIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("AlertmanagerIdentity"), name, {}, opts)
        role = service_account_role(
            name,
            ServiceAccountRole(
                service_account=ALERTMANAGER,
                name=ALERTMANAGER_ROLE,
                description="Alertmanager publishes alerts",
                policy_name="publish-alerts",
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
            ),
            args.settings,
            self,
        )
        self.role_arn = role.arn
        self.register_outputs({"roleArn": self.role_arn})
