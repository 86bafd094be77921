"""Grafana dashboards: a ConfigMap per dashboard, which the chart's Grafana finds by its label."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from alerting import names
from alerting.platform import Dashboard
from components.naming import type_token

SIDECAR_LABEL = "grafana_dashboard"
"""The chart's own: its Grafana takes up every ConfigMap that carries it with the value 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardsArgs:
    """The dashboards, known now, and the namespace of Grafana."""

    dashboards: tuple[Dashboard, ...]
    namespace: pulumi.Input[str]


class Dashboards(pulumi.ComponentResource):
    """The ConfigMaps."""

    def __init__(self, name: str, args: DashboardsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("Dashboards"), name, {}, opts)
        for one in args.dashboards:
            kubernetes.core.v1.ConfigMap(
                f"{name}-{one.name}",
                metadata=kubernetes.meta.v1.ObjectMetaArgs(
                    name=names.dashboard_config_map(one.name), namespace=args.namespace, labels={SIDECAR_LABEL: "1"}
                ),
                data={f"{one.name}.json": one.text},
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({"dashboards": [one.name for one in args.dashboards]})
