"""The network from another stack's outputs, and the error where it is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from alerting.settings import Settings
from components.network_stack_reference import NetworkUnknown, with_network
from sandbox.mocked_program import Refused, run_program
from tests.preflight_harness import stack

OTHER = "pulumi:pulumi:readStackOutputs"
FROM = {"from_stack": {"stack": "orion/network/prod"}, "vpc_id": "", "subnet_ids": []}


def network(outputs: object) -> Settings:
    found: list[Settings] = []

    def answer(arguments: Mapping[str, Any]) -> dict[str, Any]:
        assert arguments["name"] == "orion/network/prod"
        if isinstance(outputs, Exception):
            raise outputs
        return {"name": arguments["name"], "outputs": outputs, "secretOutputNames": []}

    run_program(lambda: found.append(with_network(stack(network=FROM))), answers={OTHER: answer})
    return found[0]


def test_another_stack_gives_the_network() -> None:
    settings = network({"vpcId": "vpc-9", "privateSubnetIds": ["subnet-8", "subnet-9"], "else": 1})

    assert (settings.network.vpc_id, settings.network.subnet_ids) == ("vpc-9", ("subnet-8", "subnet-9"))
    assert settings.network.from_stack is None


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        (Refused("no stack named"), "orion/network/prod cannot be read: "),
        ({"privateSubnetIds": ["subnet-9"]}, "has no output 'vpcId'; it has: privateSubnetIds"),
        ({"vpcId": "vpc-9"}, "has no output 'privateSubnetIds'; it has: vpcId"),
        ({}, "it has: none at all"),
        ({"vpcId": ["vpc-9"], "privateSubnetIds": ["subnet-9"]}, "output 'vpcId' of stack orion/network/prod is not"),
        ({"vpcId": "vpc-9", "privateSubnetIds": "subnet-9"}, "output 'privateSubnetIds' of stack orion/network/prod"),
        ({"vpcId": "vpc-9", "privateSubnetIds": []}, "gives a network that will not do: subnet_ids: found []"),
        ({"vpcId": "9", "privateSubnetIds": ["subnet-9"]}, "gives a network that will not do: vpc_id: found '9'"),
    ],
)
def test_another_stack_that_does_not_is_told_with_what_it_has(outputs: object, said: str) -> None:
    with pytest.raises(NetworkUnknown) as raised:
        network(outputs)

    assert said in str(raised.value)
    assert "network.from_stack" in str(raised.value)
