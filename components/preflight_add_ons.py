"""Preflight of what runs in the cluster: add-ons, a storage class, NetworkPolicy, and who makes load balancers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pulumi
import pulumi_aws as aws
import yaml

from alerting.settings import LOAD_BALANCER, AddOn, RoleSource, Settings
from components.lookups import Unreadable, read

LOAD_BALANCERS = "elasticloadbalancing:loadbalancer"
CONTROLLERS_TAG = "elbv2.k8s.aws/cluster"
"""The tag that the AWS Load Balancer Controller gives to all that it makes: its cluster's name."""
NEEDED: dict[AddOn, str] = {
    AddOn.EBS_CSI_DRIVER: "Prometheus and Alertmanager keep their data on EBS volumes",
    AddOn.POD_IDENTITY_AGENT: "Alertmanager publishes to SNS with the role that EKS pod identity gives it, "
    "unless cluster.identity is irsa",
}
VOLUMES_ROLE = "--pod-identity-associations serviceAccount=ebs-csi-controller-sa,roleArn=ROLE"
"""How the add-on that makes volumes is given the right to."""


class AddOnChecks:
    """The look-ups of what the settings' cluster has. An Auto Mode cluster has most of it by itself."""

    def __init__(self, settings: Settings, options: pulumi.InvokeOptions, *, auto_mode: bool) -> None:
        self._settings = settings
        self._options = options
        self._cluster = settings.cluster.name
        self._believed = settings.cluster.self_managed
        self._auto_mode = auto_mode

    def problems(self) -> Iterator[str]:
        """Yield what is missing. What cannot be known becomes a warning."""
        if not self._auto_mode:
            yield from self._add_ons()
        self._policies()
        yield from self._storage()
        if not self._auto_mode:
            yield from self._load_balancers()

    def _add_ons(self) -> Iterator[str]:
        for add_on, reason in NEEDED.items():
            if add_on in self._believed or self._is_replaced(add_on):
                continue
            try:
                found = self._add_on(add_on)
            except Unreadable as error:
                role = f" {VOLUMES_ROLE}" if add_on is AddOn.EBS_CSI_DRIVER else ""
                yield (
                    f"cluster {self._cluster}: it has no add-on {add_on.value} ({reason}): {error}. "
                    f"`aws eks create-addon --cluster-name {self._cluster} --addon-name {add_on.value}{role}`; if it "
                    "was installed otherwise, name it in cluster.self_managed"
                )
            else:
                if add_on is AddOn.EBS_CSI_DRIVER:
                    self._volumes_role(found)

    def _volumes_role(self, driver: aws.eks.GetAddonResult) -> None:
        """Say where the driver has no role. It may have its nodes', of which AWS tells nothing here."""
        if driver.service_account_role_arn or driver.pod_identity_associations:
            return
        pulumi.log.warn(
            f"cluster {self._cluster}: the add-on {AddOn.EBS_CSI_DRIVER.value} has no role of its own. Unless its "
            "nodes' role has the policy AmazonEBSCSIDriverPolicy, Prometheus and Alertmanager would wait for their "
            f"volumes for ever: `aws eks update-addon --cluster-name {self._cluster} --addon-name "
            f"{AddOn.EBS_CSI_DRIVER.value} {VOLUMES_ROLE}`, of a role that has it (docs/deploying.md, 1)"
        )

    def _is_replaced(self, add_on: AddOn) -> bool:
        """Say whether an OIDC provider stands in an add-on's place."""
        return add_on is AddOn.POD_IDENTITY_AGENT and self._settings.cluster.identity is RoleSource.IRSA

    def _policies(self) -> None:
        """Say where nothing shows that a NetworkPolicy is enforced. Of an Auto Mode cluster nothing ever does."""
        if AddOn.VPC_CNI in self._believed:
            return
        if self._auto_mode:
            pulumi.log.warn(
                f"cluster {self._cluster}: an Auto Mode cluster enforces NetworkPolicy only where that was turned on, "
                "which AWS does not tell; until then any pod may reach Alertmanager. `kubectl --namespace kube-system "
                "create configmap amazon-vpc-cni --from-literal enable-network-policy-controller=true`, and give the "
                "node pools a NodeClass with `networkPolicy: DefaultAllow` "
                "(https://docs.aws.amazon.com/eks/latest/userguide/auto-net-pol.html); then name vpc-cni in "
                "cluster.self_managed"
            )
            return
        try:
            network = self._add_on(AddOn.VPC_CNI).configuration_values
        except Unreadable:
            network = ""
        if not _enforces_policies(network):
            pulumi.log.warn(
                f"cluster {self._cluster}: the add-on vpc-cni does not say that it enforces NetworkPolicy, so that any "
                f"pod may reach Alertmanager. `aws eks update-addon --cluster-name {self._cluster} --addon-name "
                """vpc-cni --configuration-values '{"enableNetworkPolicy":"true"}'`; if something else enforces """
                "them, name vpc-cni in cluster.self_managed"
            )

    def _storage(self) -> Iterator[str]:
        """Volumes need a class: the one that the settings name, or one that is known to be the default."""
        if self._settings.monitoring.storage_class is not None or AddOn.EBS_CSI_DRIVER in self._believed:
            return
        if not self._auto_mode:
            try:
                if _makes_default_class(self._add_on(AddOn.EBS_CSI_DRIVER).configuration_values):
                    return
            except Unreadable:
                return  # told already
        yield (
            f"monitoring.storage_class: missing, and nothing says that cluster {self._cluster} has a default class: "
            "Prometheus and Alertmanager would wait for their volumes for ever. Name one (`kubectl get storageclass` "
            "lists them)"
            + (
                ""
                if self._auto_mode
                else ", or have the add-on make it: "
                f"`aws eks update-addon --cluster-name {self._cluster} --addon-name {AddOn.EBS_CSI_DRIVER.value} "
                """--configuration-values '{"defaultStorageClass":{"enabled":true}}'`"""
            )
        )

    def _load_balancers(self) -> Iterator[str]:
        """Say where nothing shows that anything makes load balancers; refuse it where the function waits for one."""
        if AddOn.LOAD_BALANCER_CONTROLLER in self._believed or self._has_load_balancer():
            return
        seen = f"no load balancer of the AWS Load Balancer Controller is to be seen in cluster {self._cluster}"
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

    def _has_load_balancer(self) -> bool:
        """Say whether the controller has made one for this cluster, as far as AWS can be asked."""
        tags = [aws.resourcegroupstaggingapi.GetResourcesTagFilterArgs(key=CONTROLLERS_TAG, values=[self._cluster])]
        try:
            found = read(
                lambda: aws.resourcegroupstaggingapi.get_resources(
                    resource_type_filters=[LOAD_BALANCERS], tag_filters=tags, opts=self._options
                )
            )
        except Unreadable:
            return False
        return bool(found.resource_tag_mapping_lists)

    def _add_on(self, add_on: AddOn) -> aws.eks.GetAddonResult:
        """Return what AWS says of an add-on. Raises `Unreadable` if the cluster does not have it."""
        return read(lambda: aws.eks.get_addon(cluster_name=self._cluster, addon_name=add_on.value, opts=self._options))


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
