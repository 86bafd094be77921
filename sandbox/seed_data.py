"""Seed data, created before the program is deployed: people, channels and webhooks, and a network in AWS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from sandbox.credentials import REGION, Credentials

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

REQUEST_TIMEOUT_SECONDS = 10.0
EVERYWHERE = "0.0.0.0/0"
NO_EMAIL = "visitor"
"""The Slack user without an email: nobody in PagerDuty can be found for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedData:
    """The people (emails) and channels that the catalog names."""

    people: Sequence[str]
    channels: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A VPC and its subnets."""

    vpc_id: str
    subnet_ids: Sequence[str]


def add_people(pagerduty: str, people: Sequence[str], credentials: Credentials) -> None:
    """Make a PagerDuty user of each email."""
    headers = {**credentials.pagerduty_headers(), "From": people[0]}
    with httpx.Client(base_url=pagerduty, headers=headers, timeout=REQUEST_TIMEOUT_SECONDS) as client:
        for email in people:
            user = {"type": "user", "name": _name(email), "email": email}
            client.post("/users", json={"user": user}).raise_for_status()


def add_slack_users(slack: str, people: Sequence[str]) -> dict[str, str]:
    """Make a Slack user of each email, and one who has none. Returns their ids by email, and by `NO_EMAIL`."""
    bodies = [{"name": email.split("@")[0], "real_name": _name(email), "email": email} for email in people]
    bodies.append({"name": NO_EMAIL, "real_name": _name(NO_EMAIL)})
    with httpx.Client(base_url=slack, timeout=REQUEST_TIMEOUT_SECONDS) as client:
        made = [client.post("/sandbox/users", json=body).raise_for_status().json() for body in bodies]
    return {user["email"] or NO_EMAIL: user["id"] for user in made}


def add_channels(slack: str, channels: Sequence[str]) -> None:
    """Make the channels, with the app's bot in each."""
    with httpx.Client(base_url=slack, timeout=REQUEST_TIMEOUT_SECONDS) as client:
        for channel in channels:
            client.post("/sandbox/channels", json={"channel": channel}).raise_for_status()


def _name(email: str) -> str:
    return email.split("@", maxsplit=1)[0].replace("-", " ").capitalize()


def add_webhooks(slack: str, channels: Sequence[str]) -> dict[str, str]:
    """Make an incoming webhook for each channel, and return their addresses by channel."""
    with httpx.Client(base_url=slack, timeout=REQUEST_TIMEOUT_SECONDS) as client:
        return {
            channel: client.post("/sandbox/webhooks", json={"channel": channel}).raise_for_status().json()["url"]
            for channel in channels
        }


def find_network(aws: str, credentials: Credentials, region: str = REGION) -> Network:
    """Return the network that the stand-in for AWS begins with, once it has a way out as a private one has: NAT."""
    ec2 = credentials.session(region).client("ec2", endpoint_url=aws)
    vpc_id = ec2.describe_vpcs()["Vpcs"][0].get("VpcId", "")
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["Subnets"]
    _give_way_out(ec2, vpc_id, subnets[-1].get("SubnetId", ""))
    return Network(vpc_id=vpc_id, subnet_ids=sorted(subnet.get("SubnetId", "") for subnet in subnets)[:3])


def _give_way_out(ec2: EC2Client, vpc_id: str, public_subnet_id: str) -> None:
    """Route what leaves the network through a NAT gateway, as the subnets that the program wants have it."""
    filters: list[Any] = [{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": "association.main", "Values": ["true"]}]
    table = ec2.describe_route_tables(Filters=filters)["RouteTables"][0]
    if any(route.get("DestinationCidrBlock") == EVERYWHERE for route in table.get("Routes", [])):
        return
    gateway = ec2.create_nat_gateway(SubnetId=public_subnet_id, ConnectivityType="private")["NatGateway"]
    ec2.create_route(
        RouteTableId=table.get("RouteTableId", ""),
        DestinationCidrBlock=EVERYWHERE,
        NatGatewayId=gateway.get("NatGatewayId", ""),
    )


def send_interactions(slack: str, url: str, credentials: Credentials) -> None:
    """Have clicks in Slack sent to `url`, as the request URL of the app's interactivity."""
    answer = httpx.put(
        f"{slack}/sandbox/app",
        json={"request_url": url},
        headers=credentials.slack_headers(),
        timeout=REQUEST_TIMEOUT_SECONDS,
    )
    answer.raise_for_status()
