"""Preflight reports the problems of a cluster and its add-ons, each with what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.mocked_account import Answer
from sandbox.mocked_program import ISSUER, PRIVATE_ENDPOINT
from tests.preflight_harness import (
    ADD_ON,
    AUTO,
    AUTO_MODE,
    CLUSTER,
    PROD,
    PROVIDER,
    TAGGED,
    changed,
    checked,
    only,
    refused,
    stack,
    without,
)

ONE_PROBLEM: list[tuple[str, dict[str, Answer], list[str]]] = [
    ("no cluster", {CLUSTER: refused}, ["cluster.name: no EKS cluster 'orion-prod'", "eks:DescribeCluster"]),
    (
        "aws-auth only",
        {CLUSTER: changed(CLUSTER, accessConfigs=[{"authenticationMode": "CONFIG_MAP"}])},
        ["aws eks update-cluster-config --name orion-prod", "authenticationMode=API_AND_CONFIG_MAP"],
    ),
    (
        "old Kubernetes",
        {CLUSTER: changed(CLUSTER, version="1.9")},
        [
            "cluster orion-prod: found Kubernetes 1.9; allowed: 1.30 or newer",
            "`aws eks update-cluster-version --name orion-prod --kubernetes-version VERSION`",
        ],
    ),
    ("no version", {CLUSTER: changed(CLUSTER, version="")}, ["found Kubernetes of no version that is told; allowed"]),
    ("another account's", {CLUSTER: changed(CLUSTER, arn="arn:aws:eks:a:1:cluster/b")}, ["allowed: arn:aws:eks"]),
    (
        "no EBS",
        {ADD_ON: without("aws-ebs-csi-driver")},
        [
            "create-addon",
            "--addon-name aws-ebs-csi-driver --pod-identity-associations serviceAccount=ebs-csi-controller-sa,roleArn=",
        ],
    ),
    (
        "no identity agent",
        {ADD_ON: without("eks-pod-identity-agent")},
        ["--addon-name eks-pod-identity-agent", "cluster.self_managed", "unless cluster.identity is irsa"],
    ),
    (
        "no default storage class",
        {ADD_ON: changed(ADD_ON, configurationValues='{"enableNetworkPolicy": "true"}')},
        ["monitoring.storage_class: missing", "kubectl get storageclass", '"defaultStorageClass":{"enabled":true}'],
    ),
]


@pytest.mark.parametrize(("answers", "said"), [one[1:] for one in ONE_PROBLEM], ids=[one[0] for one in ONE_PROBLEM])
def test_one_problem_of_the_cluster_is_one_line_with_its_fix(answers: dict[str, Answer], said: list[str]) -> None:
    problem = only(answers)

    assert all(words in problem for words in said), problem


@pytest.mark.parametrize("version", ["1.30", "1.36", "2.0"])
def test_kubernetes_that_is_new_enough(version: str) -> None:
    assert checked(PROD, {CLUSTER: changed(CLUSTER, version=version)}).of_type("pulumi:providers:kubernetes")


def with_endpoint(*, private: bool, public_to: list[str]) -> Answer:
    network = {"vpcId": PROD.network.vpc_id, "endpointPrivateAccess": private, "publicAccessCidrs": public_to}
    return changed(CLUSTER, vpcConfig={**PRIVATE_ENDPOINT, **network})


def test_a_public_endpoint_that_admits_only_some_is_a_warning_with_its_fix(warnings: list[str]) -> None:
    checked(PROD, {CLUSTER: with_endpoint(private=False, public_to=["198.51.100.0/24", "203.0.113.5/32"])})

    (warning,) = warnings
    assert "cluster orion-prod: its private endpoint is off" in warning
    assert "admits 198.51.100.0/24, 203.0.113.5/32 only" in warning
    assert "--resources-vpc-config endpointPrivateAccess=true" in warning
    assert "NAT's address" in warning


@pytest.mark.parametrize(("private", "public_to"), [(True, []), (True, ["203.0.113.5/32"]), (False, ["0.0.0.0/0"])])
def test_an_endpoint_that_admits_the_bastion_is_no_warning(
    warnings: list[str], *, private: bool, public_to: list[str]
) -> None:
    checked(PROD, {CLUSTER: with_endpoint(private=private, public_to=public_to)})

    assert warnings == []


IRSA = stack(monitoring={"storage_class": None}, cluster={"self_managed": [], "identity": "irsa"})
NO_ISSUER: list[tuple[str, dict[str, Answer], list[str]]] = [
    (
        "no provider",
        {PROVIDER: refused},
        [
            f"no OIDC provider can be read in IAM for https://{ISSUER}, the issuer of cluster orion-prod: AccessDenied",
            "`eksctl utils associate-iam-oidc-provider --region us-east-1 --cluster orion-prod --approve`",
            f"`aws iam create-open-id-connect-provider --url https://{ISSUER} --client-id-list sts.amazonaws.com`",
            "iam:GetOpenIDConnectProvider",
        ],
    ),
    (
        "for other clients",
        {PROVIDER: changed(PROVIDER, clientIdLists=["kubernetes"])},
        [
            "takes tokens for these client ids only: kubernetes",
            "`aws iam add-client-id-to-open-id-connect-provider",
            f"--open-id-connect-provider-arn arn:aws:iam::222222222222:oidc-provider/{ISSUER}",
            "--client-id sts.amazonaws.com`",
        ],
    ),
    ("for no client", {PROVIDER: changed(PROVIDER, clientIdLists=[])}, ["only: none"]),
    ("no issuer", {CLUSTER: changed(CLUSTER, identities=[])}, ["tells no issuer of tokens. Set pod-identity"]),
]


@pytest.mark.parametrize(("answers", "said"), [one[1:] for one in NO_ISSUER], ids=[one[0] for one in NO_ISSUER])
def test_irsa_needs_the_clusters_issuer_in_iam(answers: dict[str, Answer], said: list[str]) -> None:
    problem = only(answers, IRSA)

    assert problem.startswith("cluster.identity: found irsa, and ")
    assert all(words in problem for words in said), problem


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "update"])
def test_irsa_needs_no_agent_and_pod_identity_no_provider(*, preview: bool) -> None:
    by_provider = checked(IRSA, {ADD_ON: without("eks-pod-identity-agent")}, preview=preview)
    by_agent = checked(PROD, {PROVIDER: refused}, preview=preview)

    assert [call.args for call in by_provider.calls if call.token == PROVIDER] == [{"url": f"https://{ISSUER}"}]
    assert PROVIDER not in {call.token for call in by_agent.calls}


def test_irsa_needs_the_other_add_ons_and_its_provider_in_an_auto_mode_cluster_too() -> None:
    missing = only({ADD_ON: without("aws-ebs-csi-driver", "eks-pod-identity-agent")}, IRSA)
    auto = stack(monitoring={"storage_class": "auto"}, cluster={"self_managed": [], "identity": "irsa"})

    assert "no add-on aws-ebs-csi-driver" in missing
    assert "no OIDC provider can be read" in only({CLUSTER: AUTO_MODE, PROVIDER: refused}, auto)


NO_ROLE: dict[str, Any] = {"serviceAccountRoleArn": "", "podIdentityAssociations": []}
ASSOCIATION = {"roleArn": "arn:aws:iam::222222222222:role/ebs", "serviceAccount": "ebs-csi-controller-sa"}


def test_a_driver_of_volumes_without_a_role_is_a_warning_with_its_fix(warnings: list[str]) -> None:
    checked(PROD, {ADD_ON: changed(ADD_ON, **NO_ROLE)})

    (warning,) = warnings
    assert warning.startswith("cluster orion-prod: the add-on aws-ebs-csi-driver has no role of its own")
    assert "AmazonEBSCSIDriverPolicy" in warning
    assert "aws eks update-addon --cluster-name orion-prod --addon-name aws-ebs-csi-driver" in warning
    assert "serviceAccount=ebs-csi-controller-sa,roleArn=ROLE" in warning


@pytest.mark.parametrize(
    "role", [{"podIdentityAssociations": [ASSOCIATION]}, {"serviceAccountRoleArn": ASSOCIATION["roleArn"]}]
)
def test_a_driver_of_volumes_has_its_role_either_way(warnings: list[str], role: dict[str, Any]) -> None:
    checked(PROD, {ADD_ON: changed(ADD_ON, **{**NO_ROLE, **role})})

    assert warnings == []


def test_what_was_installed_otherwise_is_believed(warnings: list[str]) -> None:
    own = ["aws-ebs-csi-driver", "eks-pod-identity-agent", "vpc-cni", "aws-load-balancer-controller"]
    run = checked(stack(monitoring={"storage_class": None}, cluster={"self_managed": own}), {ADD_ON: refused})

    assert ADD_ON not in {call.token for call in run.calls}
    assert warnings == []


def test_a_named_storage_class_is_taken_as_it_is() -> None:
    named = stack(monitoring={"storage_class": "gp3"}, cluster={"self_managed": []})

    run = checked(named, {ADD_ON: changed(ADD_ON, configurationValues='{"enableNetworkPolicy": "true"}')})

    assert run.of_type("pulumi:providers:kubernetes")


def test_an_auto_mode_cluster_has_its_own_but_no_storage_class(warnings: list[str]) -> None:
    assert only({CLUSTER: AUTO_MODE, ADD_ON: refused}).startswith("monitoring.storage_class: missing")
    checked(AUTO, {CLUSTER: AUTO_MODE, ADD_ON: refused})
    assert not [warning for warning in warnings if "NetworkPolicy" not in warning]


def test_an_auto_mode_cluster_does_not_enforce_network_policies_by_itself(warnings: list[str]) -> None:
    checked(AUTO, {CLUSTER: AUTO_MODE})
    (warning,) = warnings
    warnings.clear()
    believed = stack(monitoring={"storage_class": "auto"}, cluster={"self_managed": ["vpc-cni"]})
    checked(believed, {CLUSTER: AUTO_MODE})

    assert warning.startswith("cluster orion-prod: an Auto Mode cluster enforces NetworkPolicy only where")
    assert "configmap amazon-vpc-cni --from-literal enable-network-policy-controller=true`" in warning
    assert "NodeClass with `networkPolicy: DefaultAllow`" in warning
    assert "name vpc-cni in cluster.self_managed" in warning
    assert warnings == []


def test_what_cannot_be_known_is_a_warning_with_its_fix(warnings: list[str]) -> None:
    plain = json.dumps({"defaultStorageClass": {"enabled": True}})
    checked(
        PROD,
        {
            ADD_ON: changed(ADD_ON, configurationValues=plain),
            TAGGED: changed(TAGGED, resourceTagMappingLists=[]),
        },
    )

    assert "does not say that it enforces NetworkPolicy" in warnings[0]
    assert "enableNetworkPolicy" in warnings[0]
    assert "AWS Load Balancer Controller" in warnings[1]
    assert len(warnings) == 2
