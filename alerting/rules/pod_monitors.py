"""Turns the exporters of rules/scraped_series.yaml that are pods into the operator's PodMonitors.

The chart scrapes what it brings itself: the kubelet with its cAdvisor, and kube-state-metrics. Everything else that the
rules read is found by a label of its pods, in the namespaces that the file names.

A repair acts on what alerts read, so a target may serve its own series only: Prometheus drops every other one, whatever
the pod writes. `service`, `namespace` and `pod` come from the target, not from what it says of itself.
"""

from __future__ import annotations

from typing import Any

from alerting.catalog import Catalog
from alerting.platform import PodMonitor
from alerting.rules.model import ExporterPods
from alerting.rules.series import INSTANCE, METRIC_NAME, SERVICE

SERVICES = "services"
"""The exporter that every service of the catalog is."""


def pod_monitors(catalog: Catalog) -> tuple[PodMonitor, ...]:
    """Return one PodMonitor per exporter that is pods."""
    return tuple(
        PodMonitor(name=f"orion-{name}", spec=_spec(catalog, name, exporter.pods))
        for name, exporter in catalog.series.exporters.items()
        if exporter.pods is not None
    )


def _spec(catalog: Catalog, exporter: str, pods: ExporterPods) -> dict[str, Any]:
    endpoint: dict[str, Any] = {"path": "/metrics"}
    endpoint |= {"port": pods.port} if isinstance(pods.port, str) else {"portNumber": pods.port}
    if exporter == SERVICES:
        # The pod's label decides whose series these are, whatever the service itself says.
        source = "__meta_kubernetes_pod_label_app_kubernetes_io_name"
        endpoint["relabelings"] = [{"sourceLabels": [source], "targetLabel": SERVICE}]
    else:
        # A release watches one Redis, say. Its pod's address would tell nobody which, and is another after a restart.
        release = ["__meta_kubernetes_namespace", "__meta_kubernetes_pod_label_app_kubernetes_io_instance"]
        endpoint["relabelings"] = [
            {"sourceLabels": release, "separator": "/", "regex": "(.+/.+)", "targetLabel": INSTANCE}
        ]
    endpoint["honorLabels"] = False
    endpoint["metricRelabelings"] = [
        {"action": "keep", "sourceLabels": [METRIC_NAME], "regex": "|".join(_series(catalog, exporter))}
    ]
    namespaces = _namespaces(catalog) if exporter == SERVICES else list(pods.namespaces)
    return {
        "jobLabel": pods.label,
        "namespaceSelector": {"matchNames": namespaces},
        "selector": {"matchExpressions": [{"key": pods.label, "operator": "In", "values": _names(catalog, pods)}]},
        "podMetricsEndpoints": [endpoint],
    }


def _series(catalog: Catalog, exporter: str) -> list[str]:
    return [name for name, series in catalog.series.series.items() if series.exporter == exporter]


def _namespaces(catalog: Catalog) -> list[str]:
    return sorted({service.namespace for service in catalog.services.values()})


def _names(catalog: Catalog, pods: ExporterPods) -> list[str]:
    return list(catalog.services) if pods.name is None else [pods.name]
