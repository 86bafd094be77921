"""The trust policies of roles that EKS gives to a service account: by pod identity, or by IRSA."""

from __future__ import annotations

from typing import assert_never

import pulumi
import pulumi_aws as aws

from alerting.settings import RoleSource, Settings
from components.policies import service_account_trust_policy, trust_policy


def service_account_trust(settings: Settings, service_account: str, parent: pulumi.Resource) -> pulumi.Input[str]:
    """Return who may take a role: EKS for an association's service account, or the service account itself."""
    match settings.cluster.identity:
        case RoleSource.POD_IDENTITY:
            return trust_policy("pods.eks.amazonaws.com", actions=["sts:AssumeRole", "sts:TagSession"])
        case RoleSource.IRSA:
            cluster = aws.eks.get_cluster_output(name=settings.cluster.name, opts=pulumi.InvokeOptions(parent=parent))
            return cluster.apply(
                lambda found: service_account_trust_policy(
                    found.identities[0].oidcs[0].issuer,
                    account_id=settings.aws.account_id,
                    namespace=settings.cluster.namespace,
                    service_account=service_account,
                )
            )
        case _:
            assert_never(settings.cluster.identity)
