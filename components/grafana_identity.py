"""Grafana's own AWS role, given to its service account by EKS: it may read metrics of CloudWatch, no more."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from alerting.settings import RoleSource, Settings
from components.naming import GRAFANA, GRAFANA_ROLE, type_token
from components.policies import Statement, policy_document
from components.service_account_trust import service_account_trust


@dataclass(frozen=True, slots=True, kw_only=True)
class GrafanaIdentityArgs:
    """Arguments of the role: settings alone, which are known now."""

    settings: Settings


class GrafanaIdentity(pulumi.ComponentResource):
    """The role, and what ties it to the service account, for the panels of the functions' own metrics.

    A Grafana that started before it is there has no credentials.
    """

    role_arn: pulumi.Output[str]

    def __init__(self, name: str, args: GrafanaIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("GrafanaIdentity"), name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings = args.settings
        role = aws.iam.Role(
            f"{name}-role",
            name=GRAFANA_ROLE,
            description="Grafana reads metrics of CloudWatch",
            assume_role_policy=service_account_trust(settings, GRAFANA, self),
            opts=child,
        )
        policy = aws.iam.RolePolicy(
            f"{name}-role-policy",
            name="read-metrics",
            role=role.name,
            policy=policy_document(
                Statement(
                    sid="ReadMetrics",
                    actions=["cloudwatch:GetMetricData", "cloudwatch:ListMetrics"],
                    # CloudWatch's own list of actions has no resource for either.
                    resources=["*"],
                )
            ),
            opts=child,
        )
        if settings.cluster.identity is RoleSource.POD_IDENTITY:
            aws.eks.PodIdentityAssociation(
                f"{name}-association",
                cluster_name=settings.cluster.name,
                namespace=settings.cluster.namespace,
                service_account=GRAFANA,
                role_arn=role.arn,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
            )
        self.role_arn = role.arn
        self.register_outputs({"roleArn": self.role_arn})
