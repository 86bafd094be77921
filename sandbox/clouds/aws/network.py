"""A network with ids that somebody else chose: moto makes ids up and takes none."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from types import ModuleType

from moto.ec2.models import ec2_backends, subnets, vpcs

EVERYWHERE = "0.0.0.0/0"


def make_network(account_id: str, region: str, vpc_id: str, subnet_ids: Sequence[str]) -> None:
    """Make a VPC and its private subnets, one after the other in the region's zones, with a way out through NAT.

    They are made in the moto of this process.
    """
    backend = ec2_backends[account_id][region]
    zones = [zone.name for zone in backend.describe_availability_zones()]
    with _next_id(vpcs, "random_vpc_id", vpc_id):
        backend.create_vpc("10.0.0.0/16")
    for at, subnet_id in enumerate(subnet_ids):
        with _next_id(subnets, "random_subnet_id", subnet_id):
            backend.create_subnet(vpc_id, f"10.0.{at}.0/24", availability_zone=zones[at % len(zones)])
    public = backend.create_subnet(vpc_id, "10.0.255.0/24", availability_zone=zones[0])
    gateway = backend.create_nat_gateway(public.id, "", connectivity_type="private")
    (table,) = backend.describe_route_tables(filters={"vpc-id": vpc_id, "association.main": "true"})
    backend.create_route(table.id, EVERYWHERE, nat_gateway_id=gateway.id)


@contextmanager
def _next_id(module: ModuleType, maker: str, chosen: str) -> Generator[None]:
    """Have moto take this id for the next thing that it makes."""
    before = getattr(module, maker)
    setattr(module, maker, lambda: chosen)
    try:
        yield
    finally:
        setattr(module, maker, before)
