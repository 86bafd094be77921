"""The bastion's rights in the account: those of the actions that answer an alert, and none without one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alerting.platform_repairs import AccountRight
from tests import component_harness
from tests.component_data import repairs, settings

POLICY = "aws:iam/rolePolicy:RolePolicy"


def test_the_role_gets_what_the_actions_need_in_the_account_and_region(monkeypatch: pytest.MonkeyPatch) -> None:
    right = AccountRight(service="rds", actions=("DescribeDBClusters", "FailoverDBCluster"), resources=("cluster:*",))
    with_right = replace(repairs(), account_rights=(right,))
    monkeypatch.setattr(component_harness, "repairs", lambda: with_right)
    stack = settings()

    policy = component_harness.statements(component_harness.bastion(stack=stack).one(POLICY).inputs["policy"])

    assert policy["Repair1"]["Action"] == ["rds:DescribeDBClusters", "rds:FailoverDBCluster"]
    assert policy["Repair1"]["Resource"] == [f"arn:aws:rds:{stack.aws.region}:{stack.aws.account_id}:cluster:*"]


def test_without_such_an_action_the_role_gets_nothing_of_the_account() -> None:
    policy = component_harness.statements(component_harness.bastion().one(POLICY).inputs["policy"])

    assert not [name for name in policy if name.startswith("Repair")]
