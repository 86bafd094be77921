"""Who may reach Alertmanager over the cluster's network."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from alerting.settings import Settings
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
    """Who may reach Alertmanager: what sends it alerts, what shows it, and its own replicas. Nobody else does.

    It is there before Alertmanager is, and does nothing where no add-on enforces it; preflight says so.
    """

    def __init__(self, name: str, args: AlertmanagerNetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("AlertmanagerNetwork"), name, {}, opts)
        kubernetes.networking.v1.NetworkPolicy(
            f"{name}-policy",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(name=ALERTMANAGER, namespace=args.namespace),
            spec=kubernetes.networking.v1.NetworkPolicySpecArgs(
                pod_selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=_pods("alertmanager", ALERTMANAGER)),
                policy_types=["Ingress"],
                ingress=[_from_pages(args.settings), _from_replicas(), _from_prometheus()],
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


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
    peers += [
        kubernetes.networking.v1.NetworkPolicyPeerArgs(ip_block=kubernetes.networking.v1.IPBlockArgs(cidr=network))
        for network in monitoring.page_networks
    ]
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


def _port(protocol: str, port: int) -> kubernetes.networking.v1.NetworkPolicyPortArgs:
    return kubernetes.networking.v1.NetworkPolicyPortArgs(protocol=protocol, port=port)
