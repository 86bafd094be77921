"""`orion preview`: the real engine's plan of dev and of prod, from this repository's own files, and nothing is made."""

from __future__ import annotations

import io
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from alerting.build import load_catalog
from alerting.names import STATE_TABLE
from alerting.settings import RetainedResource, Settings
from alerting.settings.load import settings_from_file
from cli.chart import FOUND_BESIDE
from cli.preview import preview_plan, run_preview
from components.protection import import_command
from orion_common.names import KEY
from sandbox import loopback
from sandbox.cluster.kubectl import kubectl
from sandbox.engine import DeploymentFailed
from sandbox.engine_preview import PreviewAccount
from sandbox.runs import Run
from tests.alerting_data import ROOT

pytestmark = pytest.mark.integration


def chart() -> str:
    """Return the chart that is on this machine, or that there is none: the registry is nobody's to ask in a test."""
    beside = sorted((ROOT.parent / FOUND_BESIDE).glob("kube-prometheus-stack-*.tgz"))
    return str(beside[-1]) if beside else "none"


def stack(name: str) -> Settings:
    return settings_from_file(ROOT, name)


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Generator[PreviewAccount]:
    """Return an account for the plan of prod, which each test leaves as empty as it was."""
    plan, _ = preview_plan(ROOT, "prod", stack("prod"), load_catalog(ROOT), chart=chart())
    with Run(tmp_path_factory.mktemp("prod")) as run, PreviewAccount(plan, run, lambda _: None) as account:
        yield account


def test_the_plan_of_prod_holds_everything_and_makes_nothing(prod: PreviewAccount) -> None:
    preview = prod.preview()
    session = prod.credentials.session()
    topics = session.client("sns", endpoint_url=prod.aws.address).list_topics()["Topics"]
    queues = session.client("sqs", endpoint_url=prod.aws.address).list_queues().get("QueueUrls", [])
    namespaces = kubectl(prod.plane.kubeconfig, "get", "namespaces", "--output=name")
    headers = prod.credentials.pagerduty_headers()
    services = loopback.get(f"{prod.pagerduty.address}/services", headers=headers).json()["services"]

    by_name = {step.name: step for step in preview.steps}
    assert set(preview.result.changes) == {"create"}
    assert preview.result.changes["create"] == len(preview.steps) > 100
    assert by_name["bastion-group"].inputs["vpcId"] == stack("prod").network.vpc_id
    assert by_name["bastion-instance"].inputs["subnetId"] == stack("prod").network.subnet_ids[0]
    assert by_name["event-bus-alerts-topic"].inputs["name"] == "orion-alerts"
    assert by_name["state-diagnostics-bucket"].inputs["bucket"] == "orion-diagnostics-222222222222"
    assert (topics, queues, services) == ([], [], [])
    assert "monitoring" not in str(namespaces)
    balancer = by_name["runbook-automation-alertmanager-service"].inputs
    assert balancer["spec"]["loadBalancerClass"] == "service.k8s.aws/nlb"
    assert balancer["spec"]["loadBalancerSourceRanges"] == ["10.0.0.0/24", "10.0.1.0/24"]
    # The stand-in has no image of the id in prod's file, which is a placeholder.
    (warning,) = preview.result.warnings
    assert warning.startswith(f"bastion.image: {stack('prod').bastion.image} cannot be read in us-east-1")
    assert "invented" not in str([step.inputs for step in preview.steps])


def test_the_plan_of_dev_is_printed_whole_with_its_counts() -> None:
    told = Console(file=io.StringIO(), width=80, soft_wrap=True)
    code = run_preview(ROOT, told, "dev", chart="none")
    assert isinstance(told.file, io.StringIO)
    lines = told.file.getvalue().splitlines()

    assert code == 0
    (total,) = (line for line in lines if line.startswith("dev: "))
    assert total.endswith(" to create. Nothing was made.")
    topic = next(line for line in lines if "event-bus-alerts-topic " in f"{line} ")
    assert topic.split() == ["+", "aws", "sns", "Topic", "orion-alerts", "event-bus-alerts-topic"]
    assert "PagerDuty: nothing is made there, since orion-alerting:paging is off" in lines
    assert "on-call (0)" in lines
    assert not [line for line in lines if line.split()[1:2] == ["pagerduty"] or "providers-pagerduty" in line]
    assert not [line for line in lines if "…" in line or "04da6b54" in line]
    assert not [line for line in lines if "warning" in line]
    counts = sum(int(line.rpartition("(")[2].rstrip(")")) for line in lines if line.endswith(")") and line[0] != " ")
    headings = len([line for line in lines if line.endswith(")") and line[0] != " "])
    assert int(total.split()[1]) == counts + headings + 1  # the components at the top, and the stack


def test_what_preflight_refuses_is_refused_in_the_preview_too(tmp_path: Path) -> None:
    settings = stack("dev")
    subnets = tuple(settings.network.subnet_ids[:1])
    wrong = settings.model_copy(update={"network": settings.network.model_copy(update={"subnet_ids": subnets})})
    plan, _ = preview_plan(ROOT, "dev", wrong, load_catalog(ROOT), chart="none")
    # The cluster's issuer is in IAM here as IRSA needs it, so nothing is said of that.
    plan = replace(plan, configuration={**plan.configuration, "cluster": {"identity": "irsa"}})
    with (
        Run(tmp_path) as run,
        PreviewAccount(plan, run, lambda _: None) as account,
        pytest.raises(DeploymentFailed, match=r"network\.subnet_ids\[1\]: subnet .* cannot be read") as raised,
    ):
        account.preview()

    assert "Traceback" not in str(raised.value)
    assert "cluster.identity" not in str(raised.value)


def test_what_an_earlier_stack_left_is_refused_with_the_commands_that_import_it(prod: PreviewAccount) -> None:
    """The engine ends a preview at the first that it would make: what else was left may be named by the next one."""
    bucket = "orion-functions-222222222222"
    session = prod.credentials.session()
    tables = session.client("dynamodb", endpoint_url=prod.aws.address)
    buckets = session.client("s3", endpoint_url=prod.aws.address)
    tables.create_table(
        TableName=STATE_TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": KEY, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": KEY, "AttributeType": "S"}],
    )
    buckets.create_bucket(Bucket=bucket)
    kubectl(prod.plane.kubeconfig, "create", "namespace", "monitoring")
    remove: dict[str, Callable[[], object]] = {
        import_command("prod", RetainedResource.STATE_TABLE, STATE_TABLE): (
            lambda: tables.delete_table(TableName=STATE_TABLE)
        ),
        import_command("prod", RetainedResource.FUNCTIONS_BUCKET, bucket): (
            lambda: buckets.delete_bucket(Bucket=bucket)
        ),
        import_command("prod", RetainedResource.NAMESPACE, "monitoring"): (
            lambda: kubectl(prod.plane.kubeconfig, "delete", "namespace", "monitoring")
        ),
    }
    while remove:
        with pytest.raises(DeploymentFailed) as raised:
            prod.preview()
        named = [command for command in remove if command in str(raised.value)]
        assert named, str(raised.value)
        assert "Traceback" not in str(raised.value)
        for command in named:
            remove.pop(command)()
    preview = prod.preview()

    assert set(preview.result.changes) == {"create"}
