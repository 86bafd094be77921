"""The account that `orion check` runs the program in is fit for the stack, whatever its settings name."""

from __future__ import annotations

from alerting.settings import NetworkSettings
from sandbox.mocked_account import fit_account
from tests.alerting_data import settings

SUBNETS = tuple(f"subnet-{number}" for number in range(9))


def test_every_subnet_is_there_however_many_a_stack_names() -> None:
    account = fit_account(
        settings().model_copy(update={"network": NetworkSettings(vpc_id="vpc-1", subnet_ids=SUBNETS)})
    )

    found = [account["aws:ec2/getSubnet:getSubnet"]({"id": subnet}) for subnet in SUBNETS]

    assert len({one["cidrBlock"] for one in found}) == len(SUBNETS)
    assert all(one["availabilityZone"].startswith(settings().aws.region) for one in found)
