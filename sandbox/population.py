"""What exists before the program is deployed: people in PagerDuty, channels in Slack, a network in AWS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
import httpx

REQUEST_TIMEOUT_SECONDS = 10.0
ACCOUNT_ID = "123456789012"
REGION = "us-east-1"
CREDENTIALS: Mapping[str, str] = {
    "AWS_ACCESS_KEY_ID": "sandbox",
    "AWS_SECRET_ACCESS_KEY": "sandbox",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
}
"""What the stand-in for AWS takes: any key at all."""
PAGERDUTY_TOKEN = "sandbox"  # noqa: S105 - the stand-in takes any token


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """The people (emails) and channels that the catalog names."""

    people: Sequence[str]
    channels: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A VPC and its subnets."""

    vpc_id: str
    subnet_ids: Sequence[str]


def aws_client(aws: str, service: str) -> Any:
    """Return a client of one of the services of the stand-in for AWS, for a name that is known only when it runs."""
    session: Any = boto3  # its types have a signature for each service's name, and none for any
    return session.client(
        service,
        endpoint_url=aws,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


def add_people(pagerduty: str, people: Sequence[str]) -> None:
    """Make a PagerDuty user of each email."""
    headers = {"Authorization": f"Token token={PAGERDUTY_TOKEN}", "From": people[0]}
    with httpx.Client(base_url=pagerduty, headers=headers, timeout=REQUEST_TIMEOUT_SECONDS) as client:
        for email in people:
            name = email.split("@", maxsplit=1)[0].replace("-", " ").capitalize()
            client.post("/users", json={"user": {"type": "user", "name": name, "email": email}}).raise_for_status()


def add_webhooks(slack: str, channels: Sequence[str]) -> dict[str, str]:
    """Make an incoming webhook for each channel, and return their addresses by channel."""
    with httpx.Client(base_url=slack, timeout=REQUEST_TIMEOUT_SECONDS) as client:
        return {
            channel: client.post("/sandbox/webhooks", json={"channel": channel}).raise_for_status().json()["url"]
            for channel in channels
        }


def find_network(aws: str) -> Network:
    """Return the network that the stand-in for AWS begins with."""
    ec2 = boto3.client(
        "ec2",
        endpoint_url=aws,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
    vpc_id = ec2.describe_vpcs()["Vpcs"][0].get("VpcId", "")
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["Subnets"]
    return Network(vpc_id=vpc_id, subnet_ids=sorted(subnet.get("SubnetId", "") for subnet in subnets)[:3])
