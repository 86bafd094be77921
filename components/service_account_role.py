"""A role that EKS gives to a service account: by pod identity, or by IRSA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import pulumi
import pulumi_aws as aws

from alerting.settings import RoleSource, Settings
from components.policies import service_account_trust_policy, trust_policy


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccountRole:
    """A role of one policy: whose it is, what it is for, and what it may."""

    service_account: str
    name: str
    description: str
    policy_name: str
    policy: pulumi.Input[str]


def service_account_role(
    name: str, role: ServiceAccountRole, settings: Settings, parent: pulumi.Resource
) -> aws.iam.Role:
    """Make the role with its policy, and what ties it to the service account: pods that start earlier lack it.

    By pod identity that is an association; by IRSA the role itself trusts the service account, which names the role
    (`components.monitoring_values`).
    """
    child = pulumi.ResourceOptions(parent=parent)
    made = aws.iam.Role(
        f"{name}-role",
        name=role.name,
        description=role.description,
        assume_role_policy=_trust(settings, role.service_account, parent),
        opts=child,
    )
    policy = aws.iam.RolePolicy(
        f"{name}-role-policy", name=role.policy_name, role=made.name, policy=role.policy, opts=child
    )
    if settings.cluster.identity is RoleSource.POD_IDENTITY:
        aws.eks.PodIdentityAssociation(
            f"{name}-association",
            cluster_name=settings.cluster.name,
            namespace=settings.cluster.namespace,
            service_account=role.service_account,
            role_arn=made.arn,
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[policy]),
        )
    return made


def _trust(settings: Settings, service_account: str, parent: pulumi.Resource) -> pulumi.Input[str]:
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
