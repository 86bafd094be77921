"""The NetworkPolicy that limits who reaches Alertmanager."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from alerting.settings import LOAD_BALANCER, Settings
from components.naming import ALERTMANAGER, PROMETHEUS, type_token

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
WEB = 9093
GOSSIP = 9094
RELOADER = 8080
"""Where the operator has Alertmanager, its gossip, and its configuration's reloader listen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerNetworkArgs:
    """Settings are known now; the namespace is made before."""

    settings: Settings
    namespace: pulumi.Input[str]


class AlertmanagerNetwork(pulumi.ComponentResource):
    """Allows Prometheus, Grafana, Alertmanager's own replicas and its load balancer to reach Alertmanager.

    Nobody else does. It is there before Alertmanager is. Where no add-on enforces it, it does nothing; preflight says
    so.
    """

    def __init__(self, name: str, args: AlertmanagerNetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("AlertmanagerNetwork"), name, {}, opts)
        kubernetes.networking.v1.NetworkPolicy(
            f"{name}-policy",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(name=ALERTMANAGER, namespace=args.namespace),
            spec=kubernetes.networking.v1.NetworkPolicySpecArgs(
                pod_selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=_pods("alertmanager", ALERTMANAGER)),
                policy_types=["Ingress"],
                ingress=[
                    _from_pages(args.settings),
                    _from_replicas(),
                    _from_prometheus(),
                    *self._from_load_balancer(args.settings),
                ],
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})

    def _from_load_balancer(self, settings: Settings) -> list[kubernetes.networking.v1.NetworkPolicyIngressRuleArgs]:
        """The load balancer that the program makes has an address of its own, and not its client's, in each subnet."""
        if settings.alertmanager_api != LOAD_BALANCER:
            return []
        peers = [_network(network) for network in subnet_networks(settings, self)]
        return [kubernetes.networking.v1.NetworkPolicyIngressRuleArgs(from_=peers, ports=[_port("TCP", WEB)])]


def subnet_networks(settings: Settings, parent: pulumi.Resource) -> list[pulumi.Output[str]]:
    """Return the address ranges of the settings' subnets, such as 10.0.0.0/24, looked up by the parent's provider."""
    lookup = pulumi.InvokeOptions(parent=parent)
    return [aws.ec2.get_subnet_output(id=one, opts=lookup).cidr_block for one in settings.network.subnet_ids]


def _from_pages(settings: Settings) -> kubernetes.networking.v1.NetworkPolicyIngressRuleArgs:
    """Grafana, the namespaces of ingress controllers, and the networks of load balancers that go to pods directly."""
    monitoring = settings.monitoring
    peers = [_peer(match_labels={"app.kubernetes.io/name": "grafana"})]
    peers += [
        kubernetes.networking.v1.NetworkPolicyPeerArgs(
            namespace_selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels={NAMESPACE_LABEL: namespace})
        )
        for namespace in monitoring.page_namespaces
    ]
    peers += [_network(network) for network in monitoring.page_networks]
    return kubernetes.networking.v1.NetworkPolicyIngressRuleArgs(from_=peers, ports=[_port("TCP", WEB)])


def _from_replicas() -> kubernetes.networking.v1.NetworkPolicyIngressRuleArgs:
    """Replicas gossip over TCP and UDP; what one has notified, the others do not."""
    return kubernetes.networking.v1.NetworkPolicyIngressRuleArgs(
        from_=[_peer(match_labels=_pods("alertmanager", ALERTMANAGER))],
        ports=[_port("TCP", WEB), _port("TCP", GOSSIP), _port("UDP", GOSSIP)],
    )


def _from_prometheus() -> kubernetes.networking.v1.NetworkPolicyIngressRuleArgs:
    """Prometheus sends alerts, and scrapes Alertmanager and what reloads it."""
    return kubernetes.networking.v1.NetworkPolicyIngressRuleArgs(
        from_=[_peer(match_labels=_pods("prometheus", PROMETHEUS))], ports=[_port("TCP", WEB), _port("TCP", RELOADER)]
    )


def _pods(application: str, instance: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": application, application: instance}


def _peer(*, match_labels: dict[str, str]) -> kubernetes.networking.v1.NetworkPolicyPeerArgs:
    """Return pods of the policy's own namespace."""
    return kubernetes.networking.v1.NetworkPolicyPeerArgs(
        pod_selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=match_labels)
    )


def _network(cidr: pulumi.Input[str]) -> kubernetes.networking.v1.NetworkPolicyPeerArgs:
    return kubernetes.networking.v1.NetworkPolicyPeerArgs(ip_block=kubernetes.networking.v1.IPBlockArgs(cidr=cidr))


def _port(protocol: str, port: int) -> kubernetes.networking.v1.NetworkPolicyPortArgs:
    return kubernetes.networking.v1.NetworkPolicyPortArgs(protocol=protocol, port=port)
