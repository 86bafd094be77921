"""The functions of the embedded AWS provider: look-ups in moto, and policies from data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.credentials import Credentials
from sandbox.providers.provider_table import ProviderFailed
from sandbox.providers.provider_values import Properties
from sandbox.seed_data import find_network
from tests.aws_account import ACCOUNT, Provider, moto_account

IMAGE_PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with moto_account():
        yield Provider()


def invoke(provider: Provider, token: str, **arguments: Any) -> Properties:
    returned, failures = provider.core.invoke(token, arguments)
    assert failures == []
    return returned


def test_caller_and_region(provider: Provider) -> None:
    assert invoke(provider, "aws:index/getCallerIdentity:getCallerIdentity")["accountId"] == ACCOUNT
    assert invoke(provider, "aws:index/getRegion:getRegion")["region"] == "us-east-1"


def test_the_image_of_amazon_linux_is_found_both_ways(provider: Provider) -> None:
    parameter = invoke(provider, "aws:ssm/getParameter:getParameter", name=IMAGE_PARAMETER)
    image = invoke(
        provider,
        "aws:ec2/getAmi:getAmi",
        mostRecent=True,
        owners=["amazon"],
        filters=[{"name": "architecture", "values": ["arm64"]}],
        nameRegex="^al2023-ami-2023",
    )

    assert parameter["value"].startswith("ami-")
    assert image["name"].startswith("al2023-ami-2023")
    assert image["architecture"] == "arm64"


def test_networks_are_found(provider: Provider) -> None:
    vpc = invoke(provider, "aws:ec2/getVpc:getVpc", default=True)
    zone = {"availabilityZone": "us-east-1a", "vpcId": vpc["id"]}
    subnet = invoke(provider, "aws:ec2/getSubnet:getSubnet", **zone)

    assert invoke(provider, "aws:ec2/getSubnet:getSubnet", id=subnet["id"])["vpcId"] == vpc["id"]


def test_running_instances_are_found_by_where_they_stand(provider: Provider) -> None:
    image = invoke(provider, "aws:ssm/getParameter:getParameter", name=IMAGE_PARAMETER)["value"]
    made = provider.aws.ec2.run_instances(ImageId=image, MinCount=2, MaxCount=2)["Instances"]
    ended, kept = (one.get("InstanceId", "") for one in made)
    provider.aws.ec2.terminate_instances(InstanceIds=[ended])

    def found(*subnets: str) -> list[str]:
        filters = [{"name": "subnet-id", "values": list(subnets)}]
        return invoke(provider, "aws:ec2/getInstances:getInstances", filters=filters)["ids"]

    assert found(made[0].get("SubnetId", "")) == [kept]
    assert found("subnet-0123456789abcdef0") == []


def test_the_way_out_of_a_network_is_found_by_its_main_table(provider: Provider) -> None:
    network = find_network(os.environ["AWS_ENDPOINT_URL"], Credentials.new())
    main = [{"name": "association.main", "values": ["true"]}]
    tables = invoke(provider, "aws:ec2/getRouteTables:getRouteTables", vpcId=network.vpc_id, filters=main)
    own = [{"name": "association.subnet-id", "values": [network.subnet_ids[0]]}]
    table = invoke(provider, "aws:ec2/getRouteTable:getRouteTable", routeTableId=tables["ids"][0])

    assert len(tables["ids"]) == 1
    assert invoke(provider, "aws:ec2/getRouteTables:getRouteTables", vpcId=network.vpc_id, filters=own)["ids"] == []
    (way_out,) = [route for route in table["routes"] if route["cidrBlock"] == "0.0.0.0/0"]
    assert way_out["natGatewayId"].startswith("nat-")
    assert way_out["gatewayId"] == ""
    assert find_network(os.environ["AWS_ENDPOINT_URL"], Credentials.new()) == network


def test_an_identity_provider_is_found_by_its_address_and_its_arn(provider: Provider) -> None:
    token = "aws:iam/getOpenIdConnectProvider:getOpenIdConnectProvider"
    host = "oidc.eks.us-east-1.amazonaws.com/id/1"
    made = provider.aws.iam.create_open_id_connect_provider(
        Url=f"https://{host}", ClientIDList=["sts.amazonaws.com"], Tags=[{"Key": "team", "Value": "platform"}]
    )
    found = invoke(provider, token, url=f"https://{host}")

    assert found["arn"] == made["OpenIDConnectProviderArn"] == f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host}"
    assert (found["url"], found["clientIdLists"], found["tags"]) == (host, ["sts.amazonaws.com"], {"team": "platform"})
    assert found == invoke(provider, token, arn=found["arn"]) == invoke(provider, token, url=host)
    with pytest.raises(ProviderFailed, match=r"by url \(https://oidc.eks.us-east-1.amazonaws.com/id/2\): not found"):
        invoke(provider, token, url="https://oidc.eks.us-east-1.amazonaws.com/id/2")


def test_tagged_resources_are_found(provider: Provider) -> None:
    arn = provider.aws.sns.create_topic(Name="tagged", Tags=[{"Key": "team", "Value": "platform"}])["TopicArn"]
    token = "aws:resourcegroupstaggingapi/getResources:getResources"
    found = invoke(provider, token, resourceTypeFilters=["sns"], tagFilters=[{"key": "team", "values": ["platform"]}])
    none = invoke(provider, token, resourceTypeFilters=["elasticloadbalancing:loadbalancer"])

    assert [one["resourceArn"] for one in found["resourceTagMappingLists"]] == [arn]
    assert found["resourceTagMappingLists"][0]["tags"] == {"team": "platform"}
    assert none["resourceTagMappingLists"] == []


def test_several_that_fit_are_no_answer(provider: Provider) -> None:
    with pytest.raises(ProviderFailed, match="exactly one"):
        invoke(provider, "aws:ec2/getSubnet:getSubnet")


def test_an_unknown_argument_and_an_unknown_function_are_refused_by_name(provider: Provider) -> None:
    _, failures = provider.core.invoke("aws:index/getRegion:getRegion", {"zone": "a"})
    _, unknown = provider.core.invoke("aws:rds/getCluster:getCluster", {})

    assert "zone" in failures[0].reason
    assert "aws:rds/getCluster:getCluster" in unknown[0].reason


@pytest.mark.parametrize(
    ("token", "argument"), [("aws:dynamodb/getTable:getTable", "name"), ("aws:s3/getBucket:getBucket", "bucket")]
)
def test_a_table_and_a_bucket_are_found_once_they_are_there(provider: Provider, token: str, argument: str) -> None:
    with pytest.raises(ClientError, match=r"ResourceNotFoundException|404"):
        invoke(provider, token, **{argument: "orion-left"})
    if argument == "bucket":
        provider.aws.s3.create_bucket(Bucket="orion-left")
    else:
        provider.aws.dynamodb.create_table(
            TableName="orion-left",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        )

    assert invoke(provider, token, **{argument: "orion-left"})["id"] == "orion-left"
