"""Preflight of the network: subnets with a way out and room, in two zones, and fit for the load balancer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import pulumi
import pulumi_aws as aws

from alerting.settings import LOAD_BALANCER, Settings
from components.lookups import Unreadable, read
from components.security_groups import EVERYWHERE

LEAST_ZONES = 2
NODES_TAG = "kubernetes.io/cluster/"
"""What a node's tag begins with, before its cluster's name."""


class NetworkChecks:
    """The look-ups of the settings' network. `cluster_vpc` is the cluster's own, empty where it cannot be read."""

    def __init__(self, settings: Settings, options: pulumi.InvokeOptions, *, cluster_vpc: str) -> None:
        self._settings = settings
        self._options = options
        self._cluster_vpc = cluster_vpc
        self._zones: dict[str, str] = {}

    def problems(self) -> Iterator[str]:
        """Yield what is not fit about network and subnets, and then about them as those of the load balancer."""
        yield from self._network()
        yield from self._load_balancer()

    def _network(self) -> Iterator[str]:
        network = self._settings.network
        try:
            read(lambda: aws.ec2.get_vpc(id=network.vpc_id, opts=self._options))
        except Unreadable as error:
            yield f"network.vpc_id: VPC {network.vpc_id} cannot be read: {error}. Correct it, or allow ec2:DescribeVpcs"
            return
        if self._cluster_vpc not in {"", network.vpc_id}:
            yield (
                f"network.vpc_id: found {network.vpc_id}, and cluster {self._settings.cluster.name} stands in "
                f"{self._cluster_vpc}. The bastion has to reach the cluster: give the cluster's VPC"
            )
        for at, subnet_id in enumerate(network.subnet_ids):
            for problem in self._subnet(subnet_id):
                yield f"network.subnet_ids[{at}]: {problem}"
        zones = sorted(set(self._zones.values()))
        if len(self._zones) == len(network.subnet_ids) and len(zones) < LEAST_ZONES:
            yield (
                f"network.subnet_ids: found subnets of zone {', '.join(zones)} only; allowed: two zones or more, so "
                "that losing one can be repaired. Add a private subnet of another zone"
            )

    def _subnet(self, subnet_id: str) -> Iterator[str]:
        vpc_id = self._settings.network.vpc_id
        try:
            subnet = read(lambda: aws.ec2.get_subnet(id=subnet_id, opts=self._options))
        except Unreadable as error:
            yield f"subnet {subnet_id} cannot be read: {error}. Correct it, or allow ec2:DescribeSubnets"
            return
        if subnet.vpc_id != vpc_id:
            yield f"subnet {subnet_id} is in {subnet.vpc_id}, not in {vpc_id}. Give private subnets of {vpc_id}"
            return
        self._zones[subnet_id] = subnet.availability_zone
        if subnet.available_ip_address_count < 1:
            yield f"subnet {subnet_id} has no free address left. Give another, or free some"
        try:
            routes = self._routes(subnet_id)
        except Unreadable as error:
            yield f"the routes of subnet {subnet_id} cannot be read: {error}. Allow ec2:DescribeRouteTables"
            return
        default = next((route for route in routes if route.cidr_block == EVERYWHERE), None)
        if default is None:
            yield (
                f"subnet {subnet_id} has no way out (no route to {EVERYWHERE}): the bastion would reach neither "
                "Systems Manager nor its packages. Route it through a NAT gateway, or give a subnet that is"
            )
        elif default.gateway_id.startswith("igw-"):
            yield (
                f"subnet {subnet_id} is a public one (its way out is {default.gateway_id}), and the bastion has no "
                "public address. Give a private subnet whose way out is a NAT gateway"
            )

    def _routes(self, subnet_id: str) -> Sequence[aws.ec2.outputs.GetRouteTableRouteResult]:
        """Return the routes of a subnet: those of its own table, else of its network's main one."""
        vpc_id = self._settings.network.vpc_id
        for name, value in (("association.subnet-id", subnet_id), ("association.main", "true")):
            filters = [aws.ec2.GetRouteTablesFilterArgs(name=name, values=[value])]
            tables = read(
                lambda wanted=filters: aws.ec2.get_route_tables(vpc_id=vpc_id, filters=wanted, opts=self._options)
            )
            if tables.ids:
                return self._routes_of(tables.ids[0])
        return ()

    def _routes_of(self, table_id: str) -> Sequence[aws.ec2.outputs.GetRouteTableRouteResult]:
        return read(lambda: aws.ec2.get_route_table(route_table_id=table_id, opts=self._options)).routes

    def _load_balancer(self) -> Iterator[str]:
        """Look at the subnets as those of the load balancer that the program makes, if it does."""
        if self._settings.alertmanager_api != LOAD_BALANCER:
            return
        for zone, count in sorted(Counter(self._zones.values()).items()):
            if count > 1:
                yield (
                    f"network.subnet_ids: found {count} subnets of zone {zone}, and a load balancer (alertmanager_api) "
                    "stands in one of each zone. Give one of each"
                )
        self._nodes_beside_it()

    def _nodes_beside_it(self) -> None:
        """Say where nodes stand in the load balancer's subnets, all of which the NetworkPolicy has to admit."""
        cluster, subnets = self._settings.cluster.name, self._settings.network.subnet_ids
        filters = [
            aws.ec2.GetInstancesFilterArgs(name="subnet-id", values=list(subnets)),
            aws.ec2.GetInstancesFilterArgs(name="tag-key", values=[f"{NODES_TAG}{cluster}"]),
        ]
        try:
            nodes = read(lambda: aws.ec2.get_instances(filters=filters, opts=self._options)).ids
        except Unreadable:
            return
        if nodes:
            pulumi.log.warn(
                f"network.subnet_ids: nodes of cluster {cluster} stand in these subnets, which the NetworkPolicy "
                "admits for the load balancer (alertmanager_api), so that any pod there may reach Alertmanager too. "
                "Give small private subnets of their own, where no node stands"
            )
