"""Networks: the one that another stack made, whose outputs become plain settings, and who may reach Alertmanager."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pydantic import ValidationError

from alerting.settings import NetworkSettings, OtherStack, Settings
from components.naming import ALERTMANAGER, PROMETHEUS, type_token

READ_OUTPUTS = "pulumi:pulumi:readStackOutputs"
NAMESPACE_LABEL = "kubernetes.io/metadata.name"
WEB = 9093
GOSSIP = 9094
RELOADER = 8080
"""Where the operator has Alertmanager, its gossip, and its configuration's reloader listen."""


class NetworkUnknown(pulumi.RunError):
    """The other stack cannot be read, or does not have the outputs that the settings name."""


def with_network(settings: Settings) -> Settings:
    """Return the settings with the network by value, whichever way they give it.

    Raises `NetworkUnknown`, naming the stack, the output and what there is instead.
    """
    source = settings.network.from_stack
    if source is None:
        return settings
    outputs = _outputs(source)
    found = {
        "vpc_id": _output(source, outputs, source.vpc_output, "an id", str),
        "subnet_ids": _output(source, outputs, source.subnets_output, "a list of ids", list),
    }
    network, wrong = None, [f"{name}: found {value!r}" for name, value in found.items() if not value]
    try:
        network = NetworkSettings.model_validate(found)
    except ValidationError as error:
        wrong = [f"{one['loc'][0]}: found {one['input']!r}" for one in error.errors()]
    if network is None or wrong:
        raise NetworkUnknown(
            f"network.from_stack: stack {source.stack} gives a network that will not do: {'; '.join(wrong)}. Have that "
            "stack export the right ones, or name other outputs in vpc_output and subnets_output"
        )
    return settings.model_copy(update={"network": network})


def _outputs(source: OtherStack) -> dict[str, Any]:
    try:
        return dict(pulumi.runtime.invoke(READ_OUTPUTS, {"name": source.stack}).value["outputs"])
    except Exception as error:  # Pulumi's SDK raises nothing narrower for a look-up that fails
        raise NetworkUnknown(
            f"network.from_stack.stack: {source.stack} cannot be read: {error}. It has to exist in the same backend, "
            "as ORGANISATION/PROJECT/STACK, and whoever runs this has to be allowed to read it"
        ) from error


def _output(source: OtherStack, outputs: dict[str, Any], name: str, shape: str, kind: type) -> Any:
    if name not in outputs:
        there = ", ".join(sorted(outputs)) or "none at all"
        raise NetworkUnknown(
            f"network.from_stack: stack {source.stack} has no output {name!r}; it has: {there}. Name the right one in "
            "vpc_output or subnets_output"
        )
    value = outputs[name]
    if not isinstance(value, kind):
        raise NetworkUnknown(f"network.from_stack: output {name!r} of stack {source.stack} is not {shape}")
    return value


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
