"""The namespace of the monitoring stack: first of all, since secrets have to be there before what mounts them."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from alerting.settings import RetainedResource, Settings
from components.existing import namespace_look_up
from components.naming import type_token
from components.protection import kept


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringNamespaceArgs:
    """Its name, and whether it is kept: whoever removes it removes the volumes in it, which hold the metrics.

    `kubeconfig`, a path or a text, is for asking whether the namespace is there already.
    """

    settings: Settings
    kubeconfig: str


class MonitoringNamespace(pulumi.ComponentResource):
    """One namespace."""

    namespace: pulumi.Output[str]

    def __init__(self, name: str, args: MonitoringNamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("MonitoringNamespace"), name, {}, opts)
        wanted = args.settings.cluster.namespace
        made = kubernetes.core.v1.Namespace(
            f"{name}-namespace",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(name=wanted),
            opts=pulumi.ResourceOptions.merge(
                pulumi.ResourceOptions(parent=self),
                kept(
                    args.settings,
                    RetainedResource.NAMESPACE,
                    found_as=wanted,
                    look_up=namespace_look_up(args.settings, args.kubeconfig),
                ),
            ),
        )
        # The name is known now; going through the resource makes whatever uses it wait for the namespace.
        self.namespace = made.metadata.apply(lambda metadata: metadata.name or wanted)
        self.register_outputs({"namespace": self.namespace})
