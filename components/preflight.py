"""What has to be there before anything is made: account, cluster and network are looked at, and found fit or refused.

Only AWS' reading calls are used. Each refusal says what to do; all of them come at once, and nothing has been made.
What AWS cannot be asked about is a warning, or is believed where `cluster.self_managed` names it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, cast

import pulumi
import pulumi_aws as aws
import yaml

from alerting.settings import LOAD_BALANCER, AddOn, Environment, RoleSource, Settings
from components.cluster import runs_itself
from components.naming import arn
from components.policies import STS_AUDIENCE

ACCESS_ENTRY_MODES = ("API", "API_AND_CONFIG_MAP")
EVERYWHERE = "0.0.0.0/0"
LEAST_ZONES = 2
LEAST_KUBERNETES = (1, 30)
"""The oldest that the program is made for (docs/deploying.md, 1). It is tested with the newest."""
LOAD_BALANCERS = "elasticloadbalancing:loadbalancer"
CONTROLLERS_TAG = "elbv2.k8s.aws/cluster"
"""The tag that the AWS Load Balancer Controller gives to all that it makes: its cluster's name."""
NODES_TAG = "kubernetes.io/cluster/"
"""What a node's tag begins with, before its cluster's name."""
NEEDED: dict[AddOn, str] = {
    AddOn.EBS_CSI_DRIVER: "Prometheus and Alertmanager keep their data on EBS volumes",
    AddOn.POD_IDENTITY_AGENT: "Alertmanager publishes to SNS with the role that EKS pod identity gives it, "
    "unless cluster.identity is irsa",
}

_Found = TypeVar("_Found")
_PREFACES = re.compile(r"^invoke of \S+ failed: |invocation of \S+ returned an error: ")
"""What engine and SDK put before a look-up's own words."""


class PreflightFailed(pulumi.RunError):
    """Something that the program builds on is not there or not fit. The message has a line for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep every problem, one a line."""
        listed = "\n".join(f"- {problem}" for problem in problems)
        super().__init__(f"Nothing was made, since what has to be there already is not:\n{listed}")
        self.problems = tuple(problems)


class Unreadable(Exception):
    """A look-up failed. The message is AWS' own."""


def preflight(settings: Settings, provider: pulumi.ProviderResource) -> None:
    """Look at everything, by the provider that would make the rest.

    Raises `PreflightFailed` with every problem. What is only worth knowing becomes a warning of the engine.
    """
    checks = _Checks(settings, pulumi.InvokeOptions(provider=provider))
    # What another account or region answers says nothing of ours.
    problems = list(checks.account()) or [*checks.cluster(), *checks.network(), *checks.load_balancer()]
    if problems:
        raise PreflightFailed(problems)
    if settings.alertmanager_api is None and settings.environment is not Environment.SANDBOX:
        pulumi.log.warn(
            "alertmanager_api: missing, so that of a group of more than 100 alerts those that a message has no room "
            "for are not repaired: the team hears how many there were. Have the program make a load balancer for it "
            f"(docs/deploying.md, 3): `pulumi config set --stack {settings.environment} alertmanager_api "
            f"{LOAD_BALANCER}`; or give the address of one that the network's subnets reach"
        )


def _read(look_up: Callable[[], _Found]) -> _Found:
    try:
        return look_up()
    except Exception as error:  # Pulumi's SDK raises nothing narrower for a look-up that fails
        raise Unreadable(_PREFACES.sub("", str(error)).strip().removesuffix("()").strip()) from error


class _Checks:
    """One stack's look-ups."""

    def __init__(self, settings: Settings, options: pulumi.InvokeOptions) -> None:
        self._settings = settings
        self._options = options
        self._believed = settings.cluster.self_managed
        self._cluster_vpc = ""
        self._zones: dict[str, str] = {}

    def account(self) -> Iterator[str]:
        wanted = self._settings.aws
        try:
            caller = _read(lambda: aws.get_caller_identity(opts=self._options))
            region = _read(lambda: aws.get_region(opts=self._options))
        except Unreadable as error:
            yield (
                f"aws: the credentials in use are not accepted: {error}. Sign in to account {wanted.account_id} "
                "(`aws sts get-caller-identity` shows who you are)"
            )
            return
        if caller.account_id != wanted.account_id:
            yield (
                f"aws.account_id: the credentials in use are of account {caller.account_id}, and this stack belongs to "
                f"{wanted.account_id}. Sign in to that account, or choose the other stack"
            )
        if region.region != wanted.region:
            yield f"aws.region: found {region.region}, where this stack is in {wanted.region}. Unset AWS_REGION"

    def cluster(self) -> Iterator[str]:
        name = self._settings.cluster.name
        try:
            cluster = _read(lambda: aws.eks.get_cluster(name=name, opts=self._options))
        except Unreadable as error:
            aws_settings = self._settings.aws
            yield (
                f"cluster.name: no EKS cluster {name!r} can be read in {aws_settings.region} of account "
                f"{aws_settings.account_id}: {error}. Make it first, correct the name, or allow eks:DescribeCluster"
            )
            return
        expected = arn(self._settings, "eks", f"cluster/{name}")
        if cluster.arn != expected:
            yield f"cluster.name: found {cluster.arn}; allowed: {expected}"
        if cluster.status != "ACTIVE":
            yield f"cluster.name: cluster {name} is {cluster.status}; wait until it is ACTIVE, or repair it"
        if _version(cluster.version) < LEAST_KUBERNETES:
            yield (
                f"cluster {name}: found Kubernetes {cluster.version or 'of no version that is told'}; allowed: "
                f"{'.'.join(map(str, LEAST_KUBERNETES))} or newer. Upgrade it, one minor version at a time: "
                f"`aws eks update-cluster-version --name {name} --kubernetes-version VERSION`"
            )
        self._cluster_vpc = cluster.vpc_config.vpc_id
        mode = cluster.access_configs[0].authentication_mode if cluster.access_configs else ""
        if mode not in ACCESS_ENTRY_MODES:
            yield (
                f"cluster {name}: its authentication mode is {mode or 'not told'}, and the bastion gets its rights by "
                "an access entry. Allow these beside aws-auth, which goes on working and cannot be undone: "
                f"`aws eks update-cluster-config --name {name} "
                "--access-config authenticationMode=API_AND_CONFIG_MAP`"
            )
        self._endpoint(name, cluster.vpc_config)
        if self._settings.cluster.identity is RoleSource.IRSA:
            yield from self._issuer(name, _issuer_of(cluster))
        auto_mode = runs_itself(cluster)
        if not auto_mode:
            yield from self._add_ons(name)
        self._policies(name, auto_mode=auto_mode)
        yield from self._storage(name, auto_mode=auto_mode)
        if not auto_mode:
            yield from self._load_balancers(name)

    def _endpoint(self, cluster: str, network: aws.eks.outputs.GetClusterVpcConfigResult) -> None:
        """Say where the bastion may find the cluster closed. At a private endpoint it is let in by its own rule."""
        if network.endpoint_private_access or EVERYWHERE in network.public_access_cidrs:
            return
        pulumi.log.warn(
            f"cluster {cluster}: its private endpoint is off, and its public one admits "
            f"{', '.join(network.public_access_cidrs) or 'nobody'} only. The bastion comes from the public address of "
            "its subnet's NAT gateway: unless that is among them, every repair fails. Turn the private endpoint on: "
            f"`aws eks update-cluster-config --name {cluster} --resources-vpc-config endpointPrivateAccess=true`, or "
            "add NAT's address to publicAccessCidrs"
        )

    def _issuer(self, cluster: str, issuer: str) -> Iterator[str]:
        """IAM has to know who issues the tokens of the cluster's service accounts, made out to STS."""
        if not issuer:
            yield f"cluster.identity: found irsa, and cluster {cluster} tells no issuer of tokens. Set pod-identity"
            return
        try:
            provider = _read(lambda: aws.iam.get_open_id_connect_provider(url=issuer, opts=self._options))
        except Unreadable as error:
            yield (
                f"cluster.identity: found irsa, and no OIDC provider can be read in IAM for {issuer}, the issuer of "
                f"cluster {cluster}: {error}. Make it with `eksctl utils associate-iam-oidc-provider "
                f"--region {self._settings.aws.region} --cluster {cluster} --approve` or "
                f"`aws iam create-open-id-connect-provider --url {issuer} --client-id-list {STS_AUDIENCE}`; if it is "
                "there, allow iam:ListOpenIDConnectProviders and iam:GetOpenIDConnectProvider"
            )
            return
        if STS_AUDIENCE not in provider.client_id_lists:
            found = ", ".join(provider.client_id_lists) or "none"
            yield (
                f"cluster.identity: found irsa, and the OIDC provider {provider.arn} takes tokens for these client ids "
                f"only: {found}. EKS makes them out to {STS_AUDIENCE}: `aws iam "
                f"add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {provider.arn} "
                f"--client-id {STS_AUDIENCE}`"
            )

    def _storage(self, cluster: str, *, auto_mode: bool) -> Iterator[str]:
        """Volumes need a class: the one that the settings name, or one that is known to be the default."""
        if self._settings.monitoring.storage_class is not None or AddOn.EBS_CSI_DRIVER in self._believed:
            return
        if not auto_mode:
            try:
                if _makes_default_class(self._add_on(cluster, AddOn.EBS_CSI_DRIVER)):
                    return
            except Unreadable:
                return  # told already
        yield (
            f"monitoring.storage_class: missing, and nothing says that cluster {cluster} has a default class: "
            "Prometheus and Alertmanager would wait for their volumes for ever. Name one (`kubectl get storageclass` "
            "lists them)"
            + (
                ""
                if auto_mode
                else ", or have the add-on make it: "
                f"`aws eks update-addon --cluster-name {cluster} --addon-name {AddOn.EBS_CSI_DRIVER.value} "
                """--configuration-values '{"defaultStorageClass":{"enabled":true}}'`"""
            )
        )

    def _load_balancers(self, cluster: str) -> Iterator[str]:
        """Say where nothing shows that anything makes load balancers; refuse it where the function waits for one."""
        if AddOn.LOAD_BALANCER_CONTROLLER in self._believed or self._has_load_balancer(cluster):
            return
        seen = f"no load balancer of the AWS Load Balancer Controller is to be seen in cluster {cluster}"
        install = "Install it (https://kubernetes-sigs.github.io/aws-load-balancer-controller)"
        named = f"name {AddOn.LOAD_BALANCER_CONTROLLER.value} in cluster.self_managed"
        if self._settings.alertmanager_api == LOAD_BALANCER:
            yield (
                f"alertmanager_api: found {LOAD_BALANCER}, and {seen}, so that nothing would make this one. {install}; "
                f"where it is, {named}. Without it, give an address that the network's subnets reach: "
                f"`pulumi config set --stack {self._settings.environment} alertmanager_api http://HOST:PORT`"
            )
        else:
            pulumi.log.warn(
                f"{seen}, so that the links of notifications (addresses.*) may lead nowhere. {install} and put an "
                f"internal Ingress before each page; if something else does that, {named}"
            )

    def _has_load_balancer(self, cluster: str) -> bool:
        """Say whether the controller has made one for this cluster, as far as AWS can be asked."""
        tags = [aws.resourcegroupstaggingapi.GetResourcesTagFilterArgs(key=CONTROLLERS_TAG, values=[cluster])]
        try:
            found = _read(
                lambda: aws.resourcegroupstaggingapi.get_resources(
                    resource_type_filters=[LOAD_BALANCERS], tag_filters=tags, opts=self._options
                )
            )
        except Unreadable:
            return False
        return bool(found.resource_tag_mapping_lists)

    def _add_ons(self, cluster: str) -> Iterator[str]:
        for add_on, reason in NEEDED.items():
            if add_on in self._believed or self._is_replaced(add_on):
                continue
            try:
                self._add_on(cluster, add_on)
            except Unreadable as error:
                yield (
                    f"cluster {cluster}: it has no add-on {add_on.value} ({reason}): {error}. "
                    f"`aws eks create-addon --cluster-name {cluster} --addon-name {add_on.value}`; if it was installed "
                    "otherwise, name it in cluster.self_managed"
                )

    def _policies(self, cluster: str, *, auto_mode: bool) -> None:
        """Say where nothing shows that a NetworkPolicy is enforced. Of an Auto Mode cluster nothing ever does."""
        if AddOn.VPC_CNI in self._believed:
            return
        if auto_mode:
            pulumi.log.warn(
                f"cluster {cluster}: an Auto Mode cluster enforces NetworkPolicy only where that was turned on, which "
                "AWS does not tell; until then any pod may reach Alertmanager. `kubectl --namespace kube-system create "
                "configmap amazon-vpc-cni --from-literal enable-network-policy-controller=true`, and give the node "
                "pools a NodeClass with `networkPolicy: DefaultAllow` "
                "(https://docs.aws.amazon.com/eks/latest/userguide/auto-net-pol.html); then name vpc-cni in "
                "cluster.self_managed"
            )
            return
        try:
            network = self._add_on(cluster, AddOn.VPC_CNI)
        except Unreadable:
            network = ""
        if not _enforces_policies(network):
            pulumi.log.warn(
                f"cluster {cluster}: the add-on vpc-cni does not say that it enforces NetworkPolicy, so that any pod "
                f"may reach Alertmanager. `aws eks update-addon --cluster-name {cluster} --addon-name vpc-cni "
                """--configuration-values '{"enableNetworkPolicy":"true"}'`; if something else enforces them, name """
                "vpc-cni in cluster.self_managed"
            )

    def _is_replaced(self, add_on: AddOn) -> bool:
        """Say whether an OIDC provider stands in an add-on's place."""
        return add_on is AddOn.POD_IDENTITY_AGENT and self._settings.cluster.identity is RoleSource.IRSA

    def _add_on(self, cluster: str, add_on: AddOn) -> str:
        """Return an add-on's configuration. Raises `Unreadable` if the cluster does not have it."""
        found = _read(lambda: aws.eks.get_addon(cluster_name=cluster, addon_name=add_on.value, opts=self._options))
        return found.configuration_values or ""

    def network(self) -> Iterator[str]:
        network = self._settings.network
        try:
            _read(lambda: aws.ec2.get_vpc(id=network.vpc_id, opts=self._options))
        except Unreadable as error:
            yield f"network.vpc_id: VPC {network.vpc_id} cannot be read: {error}. Correct it, or allow ec2:DescribeVpcs"
            return
        if self._cluster_vpc not in {"", network.vpc_id}:
            yield (
                f"network.vpc_id: found {network.vpc_id}, and cluster {self._settings.cluster.name} stands in "
                f"{self._cluster_vpc}. The bastion has to reach the cluster: give the cluster's VPC"
            )
        for at, subnet_id in enumerate(network.subnet_ids):
            for problem in self._subnet(subnet_id):
                yield f"network.subnet_ids[{at}]: {problem}"
        zones = sorted(set(self._zones.values()))
        if len(self._zones) == len(network.subnet_ids) and len(zones) < LEAST_ZONES:
            yield (
                f"network.subnet_ids: found subnets of zone {', '.join(zones)} only; allowed: two zones or more, so "
                "that losing one can be repaired. Add a private subnet of another zone"
            )

    def load_balancer(self) -> Iterator[str]:
        """Look at the subnets as those of the load balancer that the program makes, if it does."""
        if self._settings.alertmanager_api != LOAD_BALANCER:
            return
        for zone, count in sorted(Counter(self._zones.values()).items()):
            if count > 1:
                yield (
                    f"network.subnet_ids: found {count} subnets of zone {zone}, and a load balancer (alertmanager_api) "
                    "stands in one of each zone. Give one of each"
                )
        self._nodes_beside_it()

    def _nodes_beside_it(self) -> None:
        """Say where nodes stand in the load balancer's subnets, all of which the NetworkPolicy has to admit."""
        cluster, subnets = self._settings.cluster.name, self._settings.network.subnet_ids
        filters = [
            aws.ec2.GetInstancesFilterArgs(name="subnet-id", values=list(subnets)),
            aws.ec2.GetInstancesFilterArgs(name="tag-key", values=[f"{NODES_TAG}{cluster}"]),
        ]
        try:
            nodes = _read(lambda: aws.ec2.get_instances(filters=filters, opts=self._options)).ids
        except Unreadable:
            return
        if nodes:
            pulumi.log.warn(
                f"network.subnet_ids: nodes of cluster {cluster} stand in these subnets, which the NetworkPolicy "
                "admits for the load balancer (alertmanager_api), so that any pod there may reach Alertmanager too. "
                "Give small private subnets of their own, where no node stands"
            )

    def _subnet(self, subnet_id: str) -> Iterator[str]:
        vpc_id = self._settings.network.vpc_id
        try:
            subnet = _read(lambda: aws.ec2.get_subnet(id=subnet_id, opts=self._options))
        except Unreadable as error:
            yield f"subnet {subnet_id} cannot be read: {error}. Correct it, or allow ec2:DescribeSubnets"
            return
        if subnet.vpc_id != vpc_id:
            yield f"subnet {subnet_id} is in {subnet.vpc_id}, not in {vpc_id}. Give private subnets of {vpc_id}"
            return
        self._zones[subnet_id] = subnet.availability_zone
        if subnet.available_ip_address_count < 1:
            yield f"subnet {subnet_id} has no free address left. Give another, or free some"
        try:
            routes = self._routes(subnet_id)
        except Unreadable as error:
            yield f"the routes of subnet {subnet_id} cannot be read: {error}. Allow ec2:DescribeRouteTables"
            return
        default = next((route for route in routes if route.cidr_block == EVERYWHERE), None)
        if default is None:
            yield (
                f"subnet {subnet_id} has no way out (no route to {EVERYWHERE}): the bastion would reach neither "
                "Systems Manager nor its packages. Route it through a NAT gateway, or give a subnet that is"
            )
        elif default.gateway_id.startswith("igw-"):
            yield (
                f"subnet {subnet_id} is a public one (its way out is {default.gateway_id}), and the bastion has no "
                "public address. Give a private subnet whose way out is a NAT gateway"
            )

    def _routes(self, subnet_id: str) -> Sequence[aws.ec2.outputs.GetRouteTableRouteResult]:
        """Return the routes of a subnet: those of its own table, else of its network's main one."""
        vpc_id = self._settings.network.vpc_id
        for name, value in (("association.subnet-id", subnet_id), ("association.main", "true")):
            filters = [aws.ec2.GetRouteTablesFilterArgs(name=name, values=[value])]
            tables = _read(
                lambda wanted=filters: aws.ec2.get_route_tables(vpc_id=vpc_id, filters=wanted, opts=self._options)
            )
            if tables.ids:
                return self._routes_of(tables.ids[0])
        return ()

    def _routes_of(self, table_id: str) -> Sequence[aws.ec2.outputs.GetRouteTableRouteResult]:
        return _read(lambda: aws.ec2.get_route_table(route_table_id=table_id, opts=self._options)).routes


def _issuer_of(cluster: aws.eks.AwaitableGetClusterResult) -> str:
    return next((oidc.issuer for identity in cluster.identities or () for oidc in identity.oidcs), "")


def _version(text: str) -> tuple[int, ...]:
    """Return a version such as 1.36 as numbers, which compare as versions do; none where it is no such version."""
    return tuple(map(int, text.split("."))) if re.fullmatch(r"\d+\.\d+", text) else ()


def _enforces_policies(configuration: str) -> bool:
    return str(_value(configuration, "enableNetworkPolicy")).lower() == "true"


def _makes_default_class(configuration: str) -> bool:
    return str(_value(configuration, "defaultStorageClass", "enabled")).lower() == "true"


def _value(configuration: str, *path: str) -> object:
    """Return what an add-on's configuration, which is JSON or YAML, says at a path; None where it says nothing."""
    try:
        value: object = yaml.safe_load(configuration or "{}")
    except yaml.YAMLError:
        return None
    for name in path:
        value = cast("dict[str, object]", value).get(name) if isinstance(value, dict) else None
    return value
