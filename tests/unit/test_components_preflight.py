"""What preflight says of an account that is not fit: every problem at once, each with what to do; and of a fit one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from alerting.settings import Settings
from alerting.stack_settings import settings_from_file
from components.other_stack import NetworkUnknown, with_network
from components.preflight import PreflightFailed, preflight
from components.providers import Providers, ProvidersArgs
from sandbox.mocked_account import Answer, fit_account
from sandbox.mocked_program import ISSUER, PRIVATE_ENDPOINT, Refused, Run, run_program
from tests.alerting_data import ROOT

CALLER = "aws:index/getCallerIdentity:getCallerIdentity"
REGION = "aws:index/getRegion:getRegion"
CLUSTER = "aws:eks/getCluster:getCluster"
ADD_ON = "aws:eks/getAddon:getAddon"
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


def checked(settings: Settings = PROD, answers: Mapping[str, Answer] | None = None, *, preview: bool = True) -> Run:
    """Run preflight where these look-ups are answered otherwise than in a fit account."""

    def program() -> None:
        token = pulumi.Output.secret("TOKEN")

        def check(account: pulumi.ProviderResource) -> None:
            preflight(settings, account)

        Providers("providers", ProvidersArgs(settings=settings, pagerduty_token=token, check=check))

    return run_program(program, preview=preview, answers={**fit_account(settings), **(answers or {})})


def problems(answers: Mapping[str, Answer], settings: Settings = PROD) -> tuple[str, ...]:
    with pytest.raises(PreflightFailed) as raised:
        checked(settings, answers)
    assert all(problem in str(raised.value) for problem in raised.value.problems)
    return raised.value.problems


def only(answers: Mapping[str, Answer], settings: Settings = PROD) -> str:
    found = problems(answers, settings)
    assert len(found) == 1, found
    return found[0]


def changed(token: str, **fields: Any) -> Answer:
    return lambda arguments: {**fit_account(PROD)[token](arguments), **fields}


def refused(_: Mapping[str, Any]) -> dict[str, Any]:
    raise Refused("AccessDeniedException: not authorized")


AUTO_MODE = changed(
    CLUSTER,
    computeConfigs=[{"enabled": True, "nodePools": []}],
    storageConfigs=[{"blockStorages": [{"enabled": True}]}],
)


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    return said


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


WORDS = (
    "is UPDATING",
    "authentication mode is CONFIG_MAP",
    "no add-on aws-ebs-csi-driver",
    "no add-on eks-pod-identity-agent",
    "network.subnet_ids[0]",
    "network.subnet_ids[1]",
)


def without(*names: str) -> Answer:
    def answer(arguments: Mapping[str, Any]) -> dict[str, Any]:
        return refused(arguments) if arguments["addonName"] in names else fit_account(PROD)[ADD_ON](arguments)

    return answer


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
    ("no EBS", {ADD_ON: without("aws-ebs-csi-driver")}, ["create-addon", "--addon-name aws-ebs-csi-driver"]),
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
def test_one_problem_is_one_line_with_its_fix(answers: dict[str, Answer], said: list[str]) -> None:
    problem = only(answers)

    assert all(words in problem for words in said), problem


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


def test_what_was_installed_otherwise_is_believed(warnings: list[str]) -> None:
    own = ["aws-ebs-csi-driver", "eks-pod-identity-agent", "vpc-cni", "aws-load-balancer-controller"]
    run = checked(stack(monitoring={"storage_class": None}, cluster={"self_managed": own}), {ADD_ON: refused})

    assert ADD_ON not in {call.token for call in run.calls}
    assert warnings == []


@pytest.mark.parametrize("version", ["1.30", "1.36", "2.0"])
def test_kubernetes_that_is_new_enough(version: str) -> None:
    assert checked(PROD, {CLUSTER: changed(CLUSTER, version=version)}).of_type("pulumi:providers:kubernetes")


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


def test_where_the_function_cannot_ask_alertmanager_is_a_warning_with_its_fix(warnings: list[str]) -> None:
    checked(stack(alertmanager_api=None))

    (warning,) = warnings
    assert warning.startswith("alertmanager_api: missing")
    assert "pulumi config set --stack prod alertmanager_api load-balancer" in warning
    assert "docs/deploying.md" in warning


UNSEEN = {TAGGED: changed(TAGGED, resourceTagMappingLists=[])}


def balanced(**changed: Any) -> Settings:
    """Return settings that have the program make a load balancer, with these parts changed."""
    cluster = {"self_managed": [], **changed.pop("cluster", {})}
    return stack(monitoring={"storage_class": "gp3"}, cluster=cluster, alertmanager_api="load-balancer", **changed)


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
