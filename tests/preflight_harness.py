"""Preflight as it runs on mocks, in an account that is fit but for what a test has answered otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from alerting.settings import Settings
from alerting.settings.load import settings_from_file
from components.preflight import PreflightFailed, preflight
from components.providers import Providers, ProvidersArgs
from sandbox.mocked_account import Answer, fit_account
from sandbox.mocked_program import Refused, Run, run_program
from tests.alerting_data import ROOT

CALLER = "aws:index/getCallerIdentity:getCallerIdentity"
REGION = "aws:index/getRegion:getRegion"
CLUSTER = "aws:eks/getCluster:getCluster"
ADD_ON = "aws:eks/getAddon:getAddon"
IMAGE = "aws:ec2/getAmi:getAmi"
VPC = "aws:ec2/getVpc:getVpc"
SUBNET = "aws:ec2/getSubnet:getSubnet"
TABLES = "aws:ec2/getRouteTables:getRouteTables"
TABLE = "aws:ec2/getRouteTable:getRouteTable"
PROVIDER = "aws:iam/getOpenIdConnectProvider:getOpenIdConnectProvider"
NODES = "aws:ec2/getInstances:getInstances"
TAGGED = "aws:resourcegroupstaggingapi/getResources:getResources"


def stack(**changed: Any) -> Settings:
    """Return prod's settings with these parts changed, a mapping for the fields of a part."""
    plain = settings_from_file(ROOT, "prod").model_dump(mode="json")
    plain["alertmanager_api"] = "http://alertmanager:9093"
    for key, value in changed.items():
        plain[key] = {**plain[key], **value} if isinstance(value, Mapping) else value
    return Settings.model_validate(plain)


PROD = stack(monitoring={"storage_class": None}, cluster={"self_managed": []})
AUTO = stack(monitoring={"storage_class": "auto"}, cluster={"self_managed": []})


def checked(
    settings: Settings = PROD,
    answers: Mapping[str, Answer] | None = None,
    *,
    preview: bool = True,
    slack_token: str | None = None,
) -> Run:
    """Run preflight where these look-ups are answered otherwise than in a fit account."""

    def program() -> None:
        token = pulumi.Output.secret("TOKEN")

        def check(account: pulumi.ProviderResource) -> None:
            preflight(settings, account, slack_token=slack_token)

        Providers("providers", ProvidersArgs(settings=settings, pagerduty_token=token, check=check))

    return run_program(program, preview=preview, answers={**fit_account(settings), **(answers or {})})


def problems(answers: Mapping[str, Answer], settings: Settings = PROD) -> tuple[str, ...]:
    """Return what preflight refuses, where these look-ups are answered otherwise."""
    with pytest.raises(PreflightFailed) as raised:
        checked(settings, answers)
    assert all(problem in str(raised.value) for problem in raised.value.problems)
    return raised.value.problems


def only(answers: Mapping[str, Answer], settings: Settings = PROD) -> str:
    """Return the one thing that preflight refuses."""
    found = problems(answers, settings)
    assert len(found) == 1, found
    return found[0]


def changed(token: str, **fields: Any) -> Answer:
    """Return a fit account's answer to a look-up, with these fields changed."""
    return lambda arguments: {**fit_account(PROD)[token](arguments), **fields}


def refused(_: Mapping[str, Any]) -> dict[str, Any]:
    """Answer as AWS does whom it does not let in."""
    raise Refused("AccessDeniedException: not authorized")


AUTO_MODE = changed(
    CLUSTER,
    computeConfigs=[{"enabled": True, "nodePools": []}],
    storageConfigs=[{"blockStorages": [{"enabled": True}]}],
)


def without(*names: str) -> Answer:
    """Return the answer of a cluster that has every add-on but these."""

    def answer(arguments: Mapping[str, Any]) -> dict[str, Any]:
        return refused(arguments) if arguments["addonName"] in names else fit_account(PROD)[ADD_ON](arguments)

    return answer


def balanced(**changed: Any) -> Settings:
    """Return settings that have the program make a load balancer, with these parts changed."""
    cluster = {"self_managed": [], **changed.pop("cluster", {})}
    return stack(monitoring={"storage_class": "gp3"}, cluster=cluster, alertmanager_api="load-balancer", **changed)
