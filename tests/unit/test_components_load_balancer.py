"""The Service that a load balancer is made of: whose it is, what it says of it, and what it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from alerting.settings import AddOn, ClusterSettings, NetworkSettings
from components.alertmanager_load_balancer import AlertmanagerLoadBalancer, AlertmanagerLoadBalancerArgs
from sandbox.mocked_program import Answers, Run, run_program
from sandbox.providers.provider_values import UNKNOWN
from tests.component_data import providers, settings

CLUSTER = "aws:eks/getCluster:getCluster"
SUBNET = "aws:ec2/getSubnet:getSubnet"
SERVICE = "kubernetes:core/v1:Service"
AUTO_MODE = {
    "computeConfigs": [{"enabled": True, "nodePools": []}],
    "storageConfigs": [{"blockStorages": [{"enabled": True}]}],
}
NETWORKS = {"subnet-1": "10.0.1.0/24", "subnet-2": "10.0.2.0/24"}


def made(cluster: Mapping[str, Any], *, installed: bool = False, preview: bool = False) -> Run:
    """Make the load balancer in a cluster that AWS describes like this."""
    stack = settings().model_copy(
        update={
            "cluster": ClusterSettings(
                name="orion", self_managed=(AddOn.LOAD_BALANCER_CONTROLLER,) if installed else ()
            ),
            "network": NetworkSettings(vpc_id="vpc-1", subnet_ids=tuple(NETWORKS)),
        }
    )
    answers: Answers = {
        CLUSTER: lambda _: {"endpoint": "https://a", "certificateAuthorities": [{"data": ""}], **cluster},
        SUBNET: lambda arguments: {"id": arguments["id"], "cidrBlock": NETWORKS[arguments["id"]]},
    }

    def program() -> None:
        args = AlertmanagerLoadBalancerArgs(settings=stack, namespace="monitoring", client_group_id="sg-client")
        balancer = AlertmanagerLoadBalancer("balancer", args, providers(stack))
        pulumi.CustomResource("test:index:Asker", "asker", {"address": balancer.address})

    return run_program(program, preview=preview, answers=answers)


@pytest.mark.parametrize(
    ("cluster", "installed", "whose"),
    [
        ({}, True, "service.k8s.aws/nlb"),
        ({}, False, "service.k8s.aws/nlb"),
        (AUTO_MODE, False, "eks.amazonaws.com/nlb"),
        (AUTO_MODE, True, "service.k8s.aws/nlb"),
    ],
    ids=["controller", "seen controller", "auto mode", "controller beside auto mode"],
)
def test_it_is_left_to_what_makes_load_balancers_there(
    cluster: Mapping[str, Any], whose: str, *, installed: bool
) -> None:
    service = made(cluster, installed=installed).one(SERVICE).inputs["spec"]

    assert (service["type"], service["loadBalancerClass"]) == ("LoadBalancer", whose)


@pytest.mark.parametrize("preview", [False, True])
def test_it_stands_in_the_subnets_and_sends_to_the_pods_themselves(*, preview: bool) -> None:
    service = made({}, preview=preview).one(SERVICE).inputs
    prefix = "service.beta.kubernetes.io/aws-load-balancer-"
    said = {name.removeprefix(prefix): value for name, value in service["metadata"]["annotations"].items()}

    assert said.pop("security-groups") == (UNKNOWN if preview else "balancer-group-id")
    assert said == {
        "scheme": "internal",
        "subnets": "subnet-1,subnet-2",
        "manage-backend-security-group-rules": "true",
        "nlb-target-type": "ip",
        "target-group-attributes": "preserve_client_ip.enabled=false",
        "attributes": "load_balancing.cross_zone.enabled=true",
        "healthcheck-protocol": "http",
        "healthcheck-port": "traffic-port",
        "healthcheck-path": "/-/ready",
    }
    assert service["metadata"]["namespace"] == "monitoring"
    assert "labels" not in service["metadata"], "the chart's ServiceMonitor would scrape Alertmanager twice"
    assert service["spec"]["selector"] == {
        "app.kubernetes.io/name": "alertmanager",
        "alertmanager": "prometheus-kube-prometheus-alertmanager",
    }
    assert service["spec"]["ports"] == [{"name": "alertmanager", "port": 9093, "targetPort": 9093}]
    assert service["spec"]["loadBalancerSourceRanges"] == list(NETWORKS.values())


def test_its_own_group_goes_after_the_load_balancer_that_has_it() -> None:
    run = made({})

    assert "balancer-group" in run.one(SERVICE).dependencies
    assert run.resources["asker"].inputs["address"] == "http://balancer-service.elb.us-east-1.amazonaws.com:9093"


def test_a_load_balancer_without_a_name_is_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def outputs(_: object) -> dict[str, Any]:
        return {"status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.9"}]}}}

    monkeypatch.setattr("sandbox.mocked_program._outputs", outputs)

    with pytest.raises(pulumi.RunError, match=r"orion-alertmanager-load-balancer has no host name.*kubectl describe"):
        made({})
