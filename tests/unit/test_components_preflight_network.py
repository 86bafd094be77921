"""Preflight reports the problems of a network and of its load balancer, each with what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.mocked_account import Answer, fit_account
from sandbox.mocked_program import PRIVATE_ENDPOINT
from tests.preflight_harness import (
    ADD_ON,
    CLUSTER,
    NODES,
    PROD,
    SUBNET,
    TABLE,
    TABLES,
    TAGGED,
    VPC,
    balanced,
    changed,
    checked,
    only,
    problems,
    refused,
    stack,
)

ONE_PROBLEM: list[tuple[str, dict[str, Answer], list[str]]] = [
    ("no VPC", {VPC: refused}, ["network.vpc_id: VPC vpc-0123456789abcdef0 cannot be read", "ec2:DescribeVpcs"]),
    (
        "the cluster's VPC is another",
        {CLUSTER: changed(CLUSTER, vpcConfig={**PRIVATE_ENDPOINT, "vpcId": "vpc-2"})},
        ["network.vpc_id: found vpc-0123456789abcdef0", "stands in vpc-2", "give the cluster's VPC"],
    ),
    (
        "one zone",
        {SUBNET: changed(SUBNET, availabilityZone="us-east-1a")},
        ["network.subnet_ids: found subnets of zone us-east-1a only; allowed: two zones or more", "Add a private"],
    ),
]


@pytest.mark.parametrize(("answers", "said"), [one[1:] for one in ONE_PROBLEM], ids=[one[0] for one in ONE_PROBLEM])
def test_one_problem_of_the_network_is_one_line_with_its_fix(answers: dict[str, Answer], said: list[str]) -> None:
    problem = only(answers)

    assert all(words in problem for words in said), problem


EACH_SUBNET: list[tuple[str, dict[str, Answer], str]] = [
    ("unreadable", {SUBNET: refused}, "ec2:DescribeSubnets"),
    ("another VPC's", {SUBNET: changed(SUBNET, vpcId="vpc-2")}, "is in vpc-2, not in vpc-0123456789abcdef0"),
    ("full", {SUBNET: changed(SUBNET, availableIpAddressCount=0)}, "has no free address left"),
    ("no routes", {TABLES: changed(TABLES, ids=[])}, "no way out (no route to 0.0.0.0/0)"),
    ("unreadable routes", {TABLES: refused}, "ec2:DescribeRouteTables"),
    (
        "public",
        {TABLE: changed(TABLE, routes=[{"cidrBlock": "0.0.0.0/0", "gatewayId": "igw-1"}])},
        "is a public one (its way out is igw-1)",
    ),
]


@pytest.mark.parametrize(("answers", "said"), [one[1:] for one in EACH_SUBNET], ids=[one[0] for one in EACH_SUBNET])
def test_a_subnet_that_is_not_fit_is_named_by_its_place(answers: dict[str, Answer], said: str) -> None:
    found = problems(answers)

    assert [problem.split(":")[0] for problem in found] == ["network.subnet_ids[0]", "network.subnet_ids[1]"]
    assert all(said in problem for problem in found), found


UNSEEN = {TAGGED: changed(TAGGED, resourceTagMappingLists=[])}


def test_a_load_balancer_that_nothing_would_make_is_refused(warnings: list[str]) -> None:
    problem = only(UNSEEN, balanced())

    assert problem.startswith("alertmanager_api: found load-balancer")
    for fix in (
        "https://kubernetes-sigs.github.io/aws-load-balancer-controller",
        "name aws-load-balancer-controller in cluster.self_managed",
        "pulumi config set --stack prod alertmanager_api http://HOST:PORT",
    ):
        assert fix in problem
    assert warnings == []


def test_a_load_balancer_is_let_through_where_something_makes_it(warnings: list[str]) -> None:
    auto = changed(
        CLUSTER,
        computeConfigs=[{"enabled": True, "nodePools": []}],
        storageConfigs=[{"blockStorages": [{"enabled": True}]}],
    )

    checked(balanced())
    checked(balanced(cluster={"self_managed": ["aws-load-balancer-controller"]}), UNSEEN)
    checked(balanced(cluster={"self_managed": ["vpc-cni"]}), {**UNSEEN, CLUSTER: auto, ADD_ON: refused})
    assert warnings == []


def test_a_load_balancer_stands_in_one_subnet_of_a_zone() -> None:
    three = {"vpc_id": "vpc-0123456789abcdef0", "subnet_ids": ["subnet-0", "subnet-1", "subnet-2"]}

    def answer(arguments: Mapping[str, Any]) -> dict[str, Any]:
        zone = "us-east-1a" if arguments["id"] == "subnet-0" else "us-east-1b"
        return {**fit_account(balanced(network=three))[SUBNET](arguments), "availabilityZone": zone}

    problem = only({SUBNET: answer}, balanced(network=three))
    checked(stack(network=three), {SUBNET: answer})

    assert problem.startswith("network.subnet_ids: found 2 subnets of zone us-east-1b")
    assert problem.endswith("Give one of each")


def test_nodes_beside_the_load_balancer_are_a_warning(warnings: list[str]) -> None:
    asked: list[Any] = []

    def answer(arguments: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(arguments["filters"])
        return {"ids": ["i-1"]}

    checked(balanced(), {NODES: answer})
    checked(PROD, {NODES: answer})
    checked(balanced(), {NODES: refused})

    (warning,) = warnings
    assert "any pod there may reach Alertmanager too" in warning
    assert "where no node stands" in warning
    assert asked == [
        [
            {"name": "subnet-id", "values": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]},
            {"name": "tag-key", "values": ["kubernetes.io/cluster/orion-prod"]},
        ]
    ]
