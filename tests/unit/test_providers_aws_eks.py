"""The EKS types of the embedded AWS provider against the front's answers for the cluster: moto has none."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sandbox.clouds.aws.cluster_access import ClusterAccess, ClusterDescription
from sandbox.providers.aws.client import Aws
from sandbox.providers.provider_table import ProviderFailed
from sandbox.providers.provider_values import Properties
from tests.aws_account import ACCOUNT, REGION, Made, Provider, served

ENTRY = "aws:eks/accessEntry:AccessEntry"
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/orion-bastion"


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    access = ClusterAccess(
        ClusterDescription(name="orion", endpoint="https://127.0.0.1:6443", authority="YQ=="),
        region=REGION,
        account_id=ACCOUNT,
        vpc_id=lambda: "vpc-1",
    )
    with served(access.answer, monkeypatch):
        yield Provider(Aws(region=REGION, default_tags={"project": "orion"}))


def read_again(provider: Provider, made: Made) -> Properties:
    found = provider.read(made)
    assert found is not None
    assert found[0] == made.inputs
    return found[1]


def test_an_access_entry_is_made_changed_and_removed(provider: Provider) -> None:
    inputs = {"clusterName": "orion", "principalArn": ROLE, "kubernetesGroups": ["orion:repairs"], "type": "STANDARD"}
    entry = provider.create(ENTRY, inputs)
    assert entry.id == f"orion:{ROLE}"
    assert entry.outputs["accessEntryArn"].startswith(f"arn:aws:eks:{REGION}:{ACCOUNT}:access-entry/orion/")
    assert entry.outputs["tagsAll"] == {"project": "orion"}
    assert read_again(provider, entry)["kubernetesGroups"] == ["orion:repairs"]

    changed = {**inputs, "kubernetesGroups": ["orion:readers"], "tags": {"team": "platform"}}
    entry = provider.update(entry, changed)
    assert read_again(provider, entry)["kubernetesGroups"] == ["orion:readers"]
    assert entry.outputs["tagsAll"] == {"project": "orion", "team": "platform"}

    provider.delete(entry)
    provider.delete(entry)
    assert provider.read(entry) is None


def test_a_pod_identity_is_made_changed_and_removed(provider: Provider) -> None:
    inputs = {"clusterName": "orion", "namespace": "monitoring", "serviceAccount": "alertmanager", "roleArn": ROLE}
    association = provider.create(ASSOCIATION, inputs)
    assert association.id == association.outputs["associationId"]
    assert read_again(provider, association)["roleArn"] == ROLE

    association = provider.update(association, {**inputs, "roleArn": f"{ROLE}-2"})
    assert read_again(provider, association)["roleArn"] == f"{ROLE}-2"

    provider.delete(association)
    provider.delete(association)
    assert provider.read(association) is None


def test_the_cluster_is_found(provider: Provider) -> None:
    cluster, failures = provider.core.invoke("aws:eks/getCluster:getCluster", {"name": "orion"})

    assert failures == []
    assert cluster["endpoint"] == "https://127.0.0.1:6443"
    assert cluster["accessConfigs"][0]["authenticationMode"] == "API"
    assert cluster["certificateAuthorities"] == [{"data": "YQ=="}]
    assert cluster["vpcConfig"]["vpcId"] == "vpc-1"
    assert cluster["vpcConfig"]["endpointPrivateAccess"] is False
    assert cluster["vpcConfig"]["publicAccessCidrs"] == ["0.0.0.0/0"]
    assert cluster["computeConfigs"][0]["enabled"] is False


def test_its_add_ons_are_found_and_one_that_it_does_not_have_is_not(provider: Provider) -> None:
    token = "aws:eks/getAddon:getAddon"
    found, failures = provider.core.invoke(token, {"clusterName": "orion", "addonName": "vpc-cni"})

    assert failures == []
    assert json.loads(found["configurationValues"]) == {"enableNetworkPolicy": "true"}
    with pytest.raises(ProviderFailed, match=r"orion:coredns.*No addon: coredns"):
        provider.core.invoke(token, {"clusterName": "orion", "addonName": "coredns"})
