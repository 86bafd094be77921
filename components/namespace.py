"""The namespace of the monitoring stack: first of all, since secrets have to be there before what mounts them."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.naming import type_token


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringNamespaceArgs:
    """Its name, from the settings."""

    namespace: str


class MonitoringNamespace(pulumi.ComponentResource):
    """One namespace."""

    namespace: pulumi.Output[str]

    def __init__(self, name: str, args: MonitoringNamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("MonitoringNamespace"), name, {}, opts)
        made = kubernetes.core.v1.Namespace(
            f"{name}-namespace",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(name=args.namespace),
            opts=pulumi.ResourceOptions(parent=self),
        )
        # The name is known now; going through the resource makes whatever uses it wait for the namespace.
        self.namespace = made.metadata.apply(lambda metadata: metadata.name or args.namespace)
        self.register_outputs({"namespace": self.namespace})
