"""Security groups in the settings' network, and what they let through: one TCP port a rule, and nothing else."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from alerting.settings import Settings

EVERYWHERE = "0.0.0.0/0"
HTTPS_PORT = 443


def security_group(
    name: str, called: str, description: str, *, settings: Settings, opts: pulumi.ResourceOptions
) -> aws.ec2.SecurityGroup:
    """Make a group that lets nothing through. `called` is its name in AWS, and its tag."""
    return aws.ec2.SecurityGroup(
        name,
        name=called,
        description=description,
        vpc_id=settings.network.vpc_id,
        tags={"Name": called},
        opts=opts,
    )


def let_out(
    name: str,
    group_id: pulumi.Input[str],
    port: int,
    description: str,
    *,
    opts: pulumi.ResourceOptions,
    to_group_id: pulumi.Input[str] | None = None,
) -> aws.vpc.SecurityGroupEgressRule:
    """Let a group's members reach a port of those of another group, or of everybody where none is named."""
    return aws.vpc.SecurityGroupEgressRule(
        name,
        security_group_id=group_id,
        description=description,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        cidr_ipv4=EVERYWHERE if to_group_id is None else None,
        referenced_security_group_id=to_group_id,
        opts=opts,
    )


def let_in(
    name: str,
    group_id: pulumi.Input[str],
    port: int,
    description: str,
    *,
    from_group_id: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> aws.vpc.SecurityGroupIngressRule:
    """Let the members of one group, and nobody else, reach a port of another's."""
    return aws.vpc.SecurityGroupIngressRule(
        name,
        security_group_id=group_id,
        description=description,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        referenced_security_group_id=from_group_id,
        opts=opts,
    )
