"""Preflight reports every problem of an account at once, each with what to do, and none of a fit one."""

from __future__ import annotations

import pytest

from tests.preflight_harness import (
    ADD_ON,
    CALLER,
    CLUSTER,
    IMAGE,
    REGION,
    SUBNET,
    TABLE,
    TABLES,
    TAGGED,
    VPC,
    changed,
    checked,
    only,
    problems,
    refused,
    stack,
)


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "update"])
def test_a_fit_account_is_let_through_and_only_read(warnings: list[str], *, preview: bool) -> None:
    run = checked(preview=preview)

    assert {call.token for call in run.calls} >= {CALLER, REGION, CLUSTER, ADD_ON, VPC, SUBNET, TABLES, TABLE, TAGGED}
    assert all(call.provider == "providers-aws" for call in run.calls)
    assert all(one.type.startswith("pulumi:providers:") for one in run.resources.values() if one.custom)
    assert warnings == []


def test_another_account_or_region_is_the_only_thing_told() -> None:
    said = problems(
        {
            CALLER: changed(CALLER, accountId="999999999999"),
            REGION: changed(REGION, region="eu-west-1"),
            CLUSTER: refused,
            VPC: refused,
        }
    )

    assert [problem.split(":")[0] for problem in said] == ["aws.account_id", "aws.region"]
    assert "account 999999999999" in said[0]
    assert "222222222222" in said[0]
    assert "eu-west-1" in said[1]


def test_credentials_that_are_not_accepted() -> None:
    assert "aws sts get-caller-identity" in only({CALLER: refused})


WORDS = (
    "is UPDATING",
    "authentication mode is CONFIG_MAP",
    "no add-on aws-ebs-csi-driver",
    "no add-on eks-pod-identity-agent",
    "network.subnet_ids[0]",
    "network.subnet_ids[1]",
)


def test_several_problems_come_at_once_each_with_its_fix() -> None:
    said = problems(
        {
            CLUSTER: changed(CLUSTER, accessConfigs=[{"authenticationMode": "CONFIG_MAP"}], status="UPDATING"),
            ADD_ON: refused,
            TABLE: changed(TABLE, routes=[]),
        }
    )

    assert [next(word for word in WORDS if word in problem) for problem in said] == [
        "is UPDATING",
        "authentication mode is CONFIG_MAP",
        "no add-on aws-ebs-csi-driver",
        "no add-on eks-pod-identity-agent",
        "network.subnet_ids[0]",
        "network.subnet_ids[1]",
    ]


def test_where_the_function_cannot_ask_alertmanager_is_a_warning_with_its_fix(warnings: list[str]) -> None:
    checked(stack(alertmanager_api=None))

    (warning,) = warnings
    assert warning.startswith("alertmanager_api: missing")
    assert "pulumi config set --stack prod alertmanager_api load-balancer" in warning
    assert "docs/deploying.md" in warning


class TestImage:
    def test_an_old_image_is_told(self, warnings: list[str]) -> None:
        checked(answers={IMAGE: changed(IMAGE, creationDate="2020-01-01T00:00:00.000Z")})

        (said,) = warnings
        assert said.startswith("bastion.image: ami-0123456789abcdef0 is ")
        assert "days old" in said

    def test_an_image_for_another_processor_is_told(self, warnings: list[str]) -> None:
        checked(answers={IMAGE: changed(IMAGE, architecture="x86_64")})

        assert warnings == ["bastion.image: ami-0123456789abcdef0 is for x86_64; allowed: arm64. Name another"]

    def test_an_image_that_cannot_be_read_is_told(self, warnings: list[str]) -> None:
        checked(answers={IMAGE: refused})

        (said,) = warnings
        assert "cannot be read in us-east-1 among Amazon's images" in said

    def test_without_an_image_nothing_is_asked(self) -> None:
        dev = stack(environment="dev", bastion={"image": None})

        assert IMAGE not in {call.token for call in checked(dev).calls}
