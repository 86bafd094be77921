"""AWS' answers for an account, a cluster and a network that the program can be deployed to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import cycle
from typing import Any

from alerting.settings import AddOn, Settings
from sandbox.mocked_program import ISSUER, PRIVATE_ENDPOINT

Answer = Callable[[Mapping[str, Any]], dict[str, Any]]


def fit_account(settings: Settings) -> dict[str, Answer]:
    """Return the answers to preflight's look-ups, by token, as the stack with these settings needs them."""
    account, region, vpc_id = settings.aws.account_id, settings.aws.region, settings.network.vpc_id
    letters = cycle("abcdef")
    zones = {subnet: f"{region}{next(letters)}" for subnet in settings.network.subnet_ids}

    def subnet(arguments: Mapping[str, Any]) -> dict[str, Any]:
        zone = zones[arguments["id"]]
        return {
            "id": arguments["id"],
            "vpcId": vpc_id,
            "availabilityZone": zone,
            "availableIpAddressCount": 200,
            "cidrBlock": f"10.0.{list(zones).index(arguments['id'])}.0/24",
        }

    return {
        "aws:index/getCallerIdentity:getCallerIdentity": lambda _: {
            "accountId": account,
            "arn": f"arn:aws:iam::{account}:user/ada",
            "id": account,
            "userId": "AIDA",
        },
        "aws:index/getRegion:getRegion": lambda _: {"region": region, "id": region, "name": region},
        "aws:eks/getCluster:getCluster": lambda arguments: {
            "arn": f"arn:aws:eks:{region}:{account}:cluster/{arguments['name']}",
            "accessConfigs": [{"authenticationMode": "API_AND_CONFIG_MAP"}],
            "certificateAuthorities": [{"data": "Q0VSVElGSUNBVEU="}],
            "computeConfigs": [],
            "endpoint": "https://cluster.example.com",
            "identities": [{"oidcs": [{"issuer": f"https://{ISSUER}"}]}],
            "name": arguments["name"],
            "status": "ACTIVE",
            "storageConfigs": [],
            "version": "1.36",
            "vpcConfig": {**PRIVATE_ENDPOINT, "vpcId": vpc_id},
        },
        "aws:eks/getAddon:getAddon": lambda arguments: {
            "addonName": arguments["addonName"],
            "configurationValues": json.dumps(
                {
                    AddOn.EBS_CSI_DRIVER: {"defaultStorageClass": {"enabled": True}},
                    AddOn.VPC_CNI: {"enableNetworkPolicy": "true"},
                }.get(arguments["addonName"], {})
            ),
            "podIdentityAssociations": [],
            "serviceAccountRoleArn": f"arn:aws:iam::{account}:role/{arguments['addonName']}",
        },
        "aws:iam/getOpenIdConnectProvider:getOpenIdConnectProvider": lambda arguments: {
            "arn": f"arn:aws:iam::{account}:oidc-provider/{arguments['url'].removeprefix('https://')}",
            "clientIdLists": ["sts.amazonaws.com"],
            "url": arguments["url"].removeprefix("https://"),
        },
        "aws:ec2/getAmi:getAmi": lambda _: {
            "architecture": "arm64",
            "creationDate": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        },
        "aws:ec2/getVpc:getVpc": lambda arguments: {"id": arguments["id"]},
        "aws:ec2/getSubnet:getSubnet": subnet,
        "aws:ec2/getInstances:getInstances": lambda _: {"ids": []},
        "aws:ec2/getRouteTables:getRouteTables": lambda _: {"ids": ["rtb-1"]},
        "aws:ec2/getRouteTable:getRouteTable": lambda _: {
            "routes": [{"cidrBlock": "0.0.0.0/0", "natGatewayId": "nat-1", "gatewayId": ""}]
        },
        "aws:resourcegroupstaggingapi/getResources:getResources": lambda _: {
            "resourceTagMappingLists": [{"resourceArn": "arn:aws:elasticloadbalancing:::loadbalancer/app/a/1"}]
        },
    }
