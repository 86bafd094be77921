"""The monitoring stack: the chart, or, on an operator that is there already, the custom resources it would make."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

import pulumi
import pulumi_kubernetes as kubernetes

from alerting import names
from alerting.platform import Dashboard
from alerting.settings import ChartFromFile, ChartFromRepository, CustomResourcesOnly
from components.dashboards import Dashboards, DashboardsArgs
from components.monitoring_values import (
    SCRAPE_SECRET,
    SCRAPE_SECRET_KEY,
    WEB_PORT,
    MonitoringSpec,
    alertmanager_resource,
    chart_values,
    disruption_budget,
    prometheus_resource,
    role_annotations,
    scrape_configurations,
    selector_labels,
)
from components.naming import ALERTMANAGER, CHART, PROMETHEUS, RELEASE_LABELS, type_token

TIMEOUT_SECONDS = 600
API_VERSION = "monitoring.coreos.com/v1"
PORTS: Mapping[str, int] = {ALERTMANAGER: 9093, PROMETHEUS: 9090}
RBAC_API_GROUP = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringArgs:
    """Plain data of the monitoring stack, and its namespace. A chart's path is relative to `root`."""

    spec: MonitoringSpec
    root: Path
    dashboards: tuple[Dashboard, ...]
    namespace: pulumi.Input[str]


class Monitoring(pulumi.ComponentResource):
    """Alertmanagers that know each other, the Prometheus that sends to every one, and what a Grafana shows of it."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("Monitoring"), name, {}, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        chart = args.spec.settings.monitoring.chart
        match chart:
            case ChartFromRepository():
                self._release(
                    CHART,
                    version=chart.version,
                    repository=kubernetes.helm.v3.RepositoryOptsArgs(repo=chart.repository),
                )
            case ChartFromFile():
                self._release(str((args.root / Path(chart.path).expanduser()).resolve()))
            case CustomResourcesOnly():
                self._custom_resources()
            case _:
                assert_never(chart)
        if args.spec.settings.monitoring.grafana:
            Dashboards(
                f"{name}-dashboards",
                DashboardsArgs(dashboards=args.dashboards, namespace=args.namespace),
                opts=self._child,
            )
        self.register_outputs({})

    def _release(
        self,
        chart: str,
        *,
        version: str | None = None,
        repository: kubernetes.helm.v3.RepositoryOptsArgs | None = None,
    ) -> None:
        kubernetes.helm.v3.Release(
            f"{self._name}-release",
            # Rules are selected by the release's name, so it is never a generated one.
            name=names.RELEASE,
            chart=chart,
            version=version,
            repository_opts=repository,
            namespace=self._args.namespace,
            create_namespace=False,
            values=chart_values(self._args.spec),
            timeout=TIMEOUT_SECONDS,
            opts=self._child,
        )

    def _custom_resources(self) -> None:
        spec = self._args.spec
        monitoring = spec.settings.monitoring
        rights = self._rights()
        if monitoring.extra_scrape_targets:
            kubernetes.core.v1.Secret(
                f"{self._name}-extra-targets",
                metadata=self._metadata(SCRAPE_SECRET),
                string_data={SCRAPE_SECRET_KEY: _text(scrape_configurations(monitoring))},
                opts=self._child,
            )
        self._instance("alertmanager", "Alertmanager", ALERTMANAGER, alertmanager_resource(spec), rights)
        self._instance("prometheus", "Prometheus", PROMETHEUS, prometheus_resource(spec), rights)

    def _instance(
        self, key: str, kind: str, name: str, resource: dict[str, Any], rights: list[pulumi.Resource]
    ) -> None:
        """Make what the chart makes around one custom resource: a Service, and a budget for drained nodes."""
        kubernetes.core.v1.Service(
            f"{self._name}-{key}-service",
            metadata=self._metadata(name),
            spec=kubernetes.core.v1.ServiceSpecArgs(
                selector=selector_labels(key, name),
                ports=[kubernetes.core.v1.ServicePortArgs(name=WEB_PORT, port=PORTS[name], target_port=WEB_PORT)],
            ),
            # Its endpoints come with the pods, which are not this program's to wait for.
            opts=pulumi.ResourceOptions(parent=self),
        )
        budget = disruption_budget(key, name, resource["replicas"])
        kubernetes.policy.v1.PodDisruptionBudget(
            f"{self._name}-{key}-budget",
            metadata=self._metadata(name),
            spec=kubernetes.policy.v1.PodDisruptionBudgetSpecArgs(
                min_available=budget["minAvailable"],
                unhealthy_pod_eviction_policy=budget["unhealthyPodEvictionPolicy"],
                selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=budget["selector"]["matchLabels"]),
            ),
            opts=self._child,
        )
        kubernetes.apiextensions.CustomResource(
            f"{self._name}-{key}",
            api_version=API_VERSION,
            kind=kind,
            metadata=self._metadata(name),
            spec=resource,
            opts=pulumi.ResourceOptions(parent=self, depends_on=rights),
        )

    def _rights(self) -> list[pulumi.Resource]:
        accounts = [
            kubernetes.core.v1.ServiceAccount(
                f"{self._name}-{key}-account", metadata=self._metadata(name, annotations), opts=self._child
            )
            for key, name, annotations in (
                ("alertmanager", ALERTMANAGER, role_annotations(self._args.spec.settings)),
                ("prometheus", PROMETHEUS, {}),
            )
        ]
        cluster_wide = kubernetes.meta.v1.ObjectMetaArgs(name=PROMETHEUS)
        reading = ["get", "list", "watch"]
        role = kubernetes.rbac.v1.ClusterRole(
            f"{self._name}-prometheus-role",
            metadata=cluster_wide,
            rules=[
                kubernetes.rbac.v1.PolicyRuleArgs(
                    api_groups=[""],
                    resources=["nodes", "nodes/metrics", "services", "endpoints", "pods"],
                    verbs=reading,
                ),
                kubernetes.rbac.v1.PolicyRuleArgs(
                    api_groups=["discovery.k8s.io"], resources=["endpointslices"], verbs=reading
                ),
                kubernetes.rbac.v1.PolicyRuleArgs(non_resource_urls=["/metrics", "/metrics/cadvisor"], verbs=["get"]),
            ],
            opts=self._child,
        )
        binding = kubernetes.rbac.v1.ClusterRoleBinding(
            f"{self._name}-prometheus-binding",
            metadata=cluster_wide,
            role_ref=kubernetes.rbac.v1.RoleRefArgs(api_group=RBAC_API_GROUP, kind="ClusterRole", name=PROMETHEUS),
            subjects=[
                kubernetes.rbac.v1.SubjectArgs(kind="ServiceAccount", name=PROMETHEUS, namespace=self._args.namespace)
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role]),
        )
        return [*accounts, binding]

    def _metadata(self, name: str, annotations: Mapping[str, str] | None = None) -> kubernetes.meta.v1.ObjectMetaArgs:
        return kubernetes.meta.v1.ObjectMetaArgs(
            name=name,
            namespace=self._args.namespace,
            labels=dict(RELEASE_LABELS),
            annotations=dict(annotations) if annotations else None,
        )


def _text(value: object) -> str:
    """JSON is YAML too."""
    return json.dumps(value, indent=2)
