"""The load balancer by which the repair function asks Alertmanager: inside the network, and for nobody else.

The AWS Load Balancer Controller, or EKS Auto Mode itself, makes it of a Service, and removes it with the Service.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from alerting.settings import AddOn, Settings
from components.eks_auto_mode import runs_itself
from components.monitoring_values import selector_labels
from components.naming import ALERTMANAGER, ALERTMANAGER_LOAD_BALANCER, type_token
from components.network_policy import WEB, subnet_networks
from components.security_groups import let_in, let_out, security_group

CONTROLLERS_CLASS = "service.k8s.aws/nlb"
AUTO_MODE_CLASS = "eks.amazonaws.com/nlb"
ANNOTATION = "service.beta.kubernetes.io/aws-load-balancer-"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerLoadBalancerArgs:
    """Settings are known now; the namespace is made before, and the group of who may ask is another's output."""

    settings: Settings
    namespace: pulumi.Input[str]
    client_group_id: pulumi.Input[str]


class AlertmanagerLoadBalancer(pulumi.ComponentResource):
    """The Service, and the security group that lets one other group in, on Alertmanager's port. `address` has no path.

    The Service is there before Alertmanager's pods, which wait for nothing of this. The provider waits until it has an
    address, and for pods only if some are starting at that moment (pulumi-kubernetes, `await/service.go`). On the way
    out it waits until the controller has removed the load balancer; only then are the groups removed.
    """

    address: pulumi.Output[str]

    def __init__(
        self, name: str, args: AlertmanagerLoadBalancerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(type_token("AlertmanagerLoadBalancer"), name, {}, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        group = self._security_group()
        self.address = self._service(group).status.apply(_address)
        self.register_outputs({"address": self.address})

    def _security_group(self) -> aws.ec2.SecurityGroup:
        """In comes the client's group, out goes what was asked and whether the pods are well: both to Alertmanager."""
        client = self._args.client_group_id
        group = security_group(
            f"{self._name}-group",
            ALERTMANAGER_LOAD_BALANCER,
            "Orion Alertmanager: the repair function in, its pods out",
            settings=self._args.settings,
            opts=self._child,
        )
        let_in(
            f"{self._name}-client-in",
            group.id,
            WEB,
            "The repair function",
            from_group_id=client,
            opts=self._child,
        )
        let_out(f"{self._name}-pods-out", group.id, WEB, "The pods, wherever they are", opts=self._child)
        let_out(f"{self._name}-client-out", client, WEB, "Alertmanager", to_group_id=group.id, opts=self._child)
        return group

    def _service(self, group: aws.ec2.SecurityGroup) -> kubernetes.core.v1.Service:
        settings = self._args.settings
        cluster = aws.eks.get_cluster_output(name=settings.cluster.name, opts=pulumi.InvokeOptions(parent=self))
        return kubernetes.core.v1.Service(
            f"{self._name}-service",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name=ALERTMANAGER_LOAD_BALANCER,
                namespace=self._args.namespace,
                annotations=_annotations(settings, group.id),
            ),
            spec=kubernetes.core.v1.ServiceSpecArgs(
                type="LoadBalancer",
                load_balancer_class=cluster.apply(lambda found: _class(settings, found)),
                # A controller that does not know the annotation of the security group lets these in, and not everybody.
                load_balancer_source_ranges=subnet_networks(settings, self),
                # The load balancer sends to the pods themselves.
                allocate_load_balancer_node_ports=False,
                selector=selector_labels("alertmanager", ALERTMANAGER),
                ports=[kubernetes.core.v1.ServicePortArgs(name="alertmanager", port=WEB, target_port=WEB)],
            ),
            # The API server refuses another class for a Service that is there.
            opts=pulumi.ResourceOptions(
                parent=self, replace_on_changes=["spec.loadBalancerClass"], delete_before_replace=True
            ),
        )


def _annotations(settings: Settings, group_id: pulumi.Input[str]) -> dict[str, pulumi.Input[str]]:
    values: dict[str, pulumi.Input[str]] = {
        "scheme": "internal",
        "subnets": ",".join(settings.network.subnet_ids),
        "security-groups": group_id,
        # Who names a group has to say so, or the controller leaves the pods' own groups closed to the load balancer.
        "manage-backend-security-group-rules": "true",
        "nlb-target-type": "ip",
        # The NetworkPolicy admits the load balancer's addresses, and not its clients'.
        "target-group-attributes": "preserve_client_ip.enabled=false",
        # One Alertmanager that is well is enough, in whichever zone.
        "attributes": "load_balancing.cross_zone.enabled=true",
        "healthcheck-protocol": "http",
        "healthcheck-port": "traffic-port",
        "healthcheck-path": "/-/ready",
    }
    return {f"{ANNOTATION}{name}": value for name, value in values.items()}


def _class(settings: Settings, cluster: aws.eks.GetClusterResult) -> str:
    """Return whose the Service is: the controller's where somebody installed one, even beside Auto Mode's own."""
    installed = AddOn.LOAD_BALANCER_CONTROLLER in settings.cluster.self_managed
    return AUTO_MODE_CLASS if runs_itself(cluster) and not installed else CONTROLLERS_CLASS


def _address(status: kubernetes.core.v1.outputs.ServiceStatus | None) -> str:
    """Return where the function asks. Raises `pulumi.RunError` if what made the load balancer gave it no name."""
    balancer = status.load_balancer if status is not None else None
    hostname = balancer.ingress[0].hostname if balancer is not None and balancer.ingress else None
    if not hostname:
        raise pulumi.RunError(
            f"Service {ALERTMANAGER_LOAD_BALANCER} has no host name in its status, as the AWS Load Balancer Controller "
            "gives it one. See what took it: "
            f"`kubectl describe service --all-namespaces --field-selector metadata.name={ALERTMANAGER_LOAD_BALANCER}`"
        )
    return f"http://{hostname}:{WEB}"
