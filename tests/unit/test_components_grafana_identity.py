"""Grafana's role reads metrics of CloudWatch and does nothing else, and only Grafana's service account has it."""

from __future__ import annotations

import json

import pulumi
import pytest

from alerting.settings import RoleSource, Settings
from components.grafana_identity import GrafanaIdentity, GrafanaIdentityArgs
from sandbox.mocked_program import ISSUER, Run
from tests.component_harness import deployed, statements


def identity(source: RoleSource, *, preview: bool = False) -> Run:
    def make(stack: Settings, options: pulumi.ResourceOptions) -> None:
        cluster = stack.cluster.model_copy(update={"identity": source})
        args = GrafanaIdentityArgs(settings=stack.model_copy(update={"cluster": cluster}))
        GrafanaIdentity("grafana-identity", args, options)

    return deployed(make, preview=preview)


@pytest.mark.parametrize("preview", [False, True])
@pytest.mark.parametrize("source", RoleSource)
def test_it_may_read_metrics_and_nothing_else(source: RoleSource, *, preview: bool) -> None:
    allowed = statements(identity(source, preview=preview).one("aws:iam/rolePolicy:RolePolicy").inputs["policy"])

    assert {sid: one["Action"] for sid, one in allowed.items()} == {
        "ReadMetrics": ["cloudwatch:GetMetricData", "cloudwatch:ListMetrics"]
    }


def test_by_pod_identity_the_association_is_for_grafanas_service_account() -> None:
    run = identity(RoleSource.POD_IDENTITY)
    association = run.one("aws:eks/podIdentityAssociation:PodIdentityAssociation").inputs

    assert (association["namespace"], association["serviceAccount"]) == ("monitoring", "prometheus-grafana")


def test_by_irsa_the_role_trusts_grafanas_service_account_and_there_is_no_association() -> None:
    run = identity(RoleSource.IRSA)
    (trust,) = json.loads(run.one("aws:iam/role:Role").inputs["assumeRolePolicy"])["Statement"]

    assert trust["Condition"]["StringEquals"][f"{ISSUER}:sub"] == "system:serviceaccount:monitoring:prometheus-grafana"
    assert not [one for one in run.resources.values() if "podIdentity" in one.type]
