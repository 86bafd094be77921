"""Grafana's own AWS role, given to its service account by EKS: it may read metrics of CloudWatch, no more."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from alerting.settings import Settings
from components.naming import GRAFANA, GRAFANA_ROLE, type_token
from components.policies import Statement, policy_document
from components.service_account_role import ServiceAccountRole, service_account_role


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
        role = service_account_role(
            name,
            ServiceAccountRole(
                service_account=GRAFANA,
                name=GRAFANA_ROLE,
                description="Grafana reads metrics of CloudWatch",
                policy_name="read-metrics",
                policy=policy_document(
                    Statement(
                        sid="ReadMetrics",
                        actions=["cloudwatch:GetMetricData", "cloudwatch:ListMetrics"],
                        # CloudWatch's own list of actions has no resource for either.
                        resources=["*"],
                    )
                ),
            ),
            args.settings,
            self,
        )
        self.role_arn = role.arn
        self.register_outputs({"roleArn": self.role_arn})
