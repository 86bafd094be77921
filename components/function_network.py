"""Network of a function that asks Alertmanager: the settings' subnets and a security group of its own.

Where the settings name no Alertmanager, the function is in no network of ours and needs none of this.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

import pulumi
import pulumi_aws as aws

from alerting.settings import LOAD_BALANCER, Settings
from components.alertmanager_load_balancer import AlertmanagerLoadBalancer, AlertmanagerLoadBalancerArgs
from components.naming import arn
from components.policies import Statement
from components.security_groups import HTTPS_PORT, let_out, security_group

HTTP_PORT = 80
INTERFACE_ACTIONS = (
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)
"""What Lambda's managed policy AWSLambdaVPCAccessExecutionRole has, but for the logs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionNetwork:
    """The function's network, and Alertmanager's address as reached from there, without a path."""

    vpc_config: aws.lambda_.FunctionVpcConfigArgs
    alertmanager_api: pulumi.Input[str]


def network_statements(settings: Settings, function: str) -> tuple[Statement, ...]:
    """Return the statements that let Lambda put the function into that network, and the function's own code not."""
    if settings.alertmanager_api is None:
        return ()
    return (
        # Lambda makes the interfaces with this role before any of them has a name.
        Statement(sid="ManageNetworkInterfaces", actions=INTERFACE_ACTIONS, resources=["*"]),
        Statement(
            sid="LeaveInterfacesToLambda",
            effect="Deny",
            actions=INTERFACE_ACTIONS,
            resources=["*"],
            conditions={"ArnEquals": {"lambda:SourceFunctionArn": arn(settings, "lambda", f"function:{function}")}},
        ),
    )


def make_function_network(
    name: str,
    function: str,
    *,
    title: str,
    settings: Settings,
    namespace: pulumi.Input[str],
    role_policy: aws.iam.RolePolicy,
    parent: pulumi.Resource,
) -> FunctionNetwork | None:
    """Make the function's security group and, if the settings say so, the load balancer that lets it in.

    Everything is a child of `parent`, whose `name` its names begin with. `role_policy` has the function's statements.
    """
    api = settings.alertmanager_api
    if api is None:
        return None
    group = security_group(
        f"{name}-group",
        function,
        f"Orion {title}: nothing in, HTTPS and Alertmanager out",
        settings=settings,
        # It goes once Lambda has removed the function's interfaces, which it does with the role's rights.
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[role_policy]),
    )
    child = pulumi.ResourceOptions(parent=parent)
    let_out(f"{name}-{HTTPS_PORT}-out", group.id, HTTPS_PORT, "HTTPS to AWS", opts=child)
    if api == LOAD_BALANCER:
        load_balancer = AlertmanagerLoadBalancer(
            f"{name}-alertmanager",
            AlertmanagerLoadBalancerArgs(settings=settings, namespace=namespace, client_group_id=group.id),
            child,
        )
        address: pulumi.Input[str] = load_balancer.address
    else:
        address, port = api, _port(api)
        if port != HTTPS_PORT:
            let_out(f"{name}-{port}-out", group.id, port, "Alertmanager", opts=child)
    vpc_config = aws.lambda_.FunctionVpcConfigArgs(
        subnet_ids=list(settings.network.subnet_ids), security_group_ids=[group.id]
    )
    return FunctionNetwork(vpc_config=vpc_config, alertmanager_api=address)


def _port(address: str) -> int:
    parts = urlsplit(address)
    return parts.port or (HTTPS_PORT if parts.scheme == "https" else HTTP_PORT)
