"""The monitoring stack's configuration as plain data: the chart's values, and the two custom resources made of them.

Nothing here is secret, and nothing here is a resource: tests and reviewers read it as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alerting import names
from alerting.rules.burn_rates import TICK
from alerting.settings import MonitoringSettings, RoleSource, Settings, Spread
from alerting.source.durations import milliseconds, written
from alerting.versions import (
    ALERTMANAGER_REPOSITORY,
    ALERTMANAGER_VERSION,
    PROMETHEUS_REPOSITORY,
    PROMETHEUS_VERSION,
    REGISTRY,
)
from components.naming import (
    ALERTMANAGER,
    GRAFANA,
    GRAFANA_ADMIN_SECRET,
    PROMETHEUS,
    RELEASE_LABELS,
    ROLE_ANNOTATION,
    alertmanager_role_arn,
    grafana_role_arn,
)

ALERTMANAGER_RETENTION = "120h"
"""How long silences and the notification log are kept: longer than the longest repeat interval."""
PROMETHEUS_READY_SECONDS = 10
"""A Prometheus counts as updated once it has scraped and evaluated."""
PEER_TIMEOUT_SECONDS = 15
"""How long a replica waits for each one before it to have notified: Alertmanager's own default, scaled here."""
RESEND_SECONDS = 55
"""How long after it has sent a firing alert Prometheus does not send it again: scaled here.

It sends at evaluations only, when more than this has passed (Prometheus, `Alert.needsSending`): each 60 seconds
with the default evaluation interval of 30, where its own default of 60 seconds would make it each 90.
An alert outlives the Prometheus that sent it by four times as long (Prometheus, `rules.SendAlerts`).
"""
SCALED_RESEND_SECONDS = 5
"""The least that it is scaled to: this machine may be slow, and an alert must not resolve for that."""
DISCOVERY_SECONDS = 10
"""How long Prometheus may take to send to an Alertmanager that has started: scaled here.

It looks at what it has discovered each five seconds (Prometheus, `discovery.Manager`), after Kubernetes has told it.
"""
SCALED_DISCOVERY_SECONDS = 4
"""The least that it is scaled to: in the sandbox an Alertmanager that starts again has the address that it had."""
SCRAPE_TIMEOUT_SECONDS = 10
"""Prometheus' own."""
SCALED_PEER_TIMEOUT_SECONDS = 1
"""The least that it is scaled to: gossip itself is not any faster in the sandbox."""
HOST_TOPOLOGY = "kubernetes.io/hostname"
SECURITY_CONTEXT: Mapping[str, Any] = {
    "fsGroup": 2000,
    "runAsGroup": 2000,
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""The chart's own, so that pods made without the chart run as nobody too."""
ZONE_TOPOLOGY = "topology.kubernetes.io/zone"
WEB_PORT = "http-web"
SERVICE_LABEL = "app.kubernetes.io/name"
REVISION_ANNOTATION = "deployment.kubernetes.io/revision"
SCRAPE_SECRET = "prometheus-extra-targets"  # noqa: S105  (the name of a secret, not one)
SCRAPE_SECRET_KEY = "extra-targets.yaml"  # noqa: S105  (the name of a key)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringSpec:
    """Arguments of the monitoring stack's values. `secrets` and `config_maps` are mounted into Alertmanager."""

    settings: Settings
    secrets: tuple[str, ...]
    config_maps: tuple[str, ...]


def chart_values(spec: MonitoringSpec) -> dict[str, Any]:
    """Return the values of kube-prometheus-stack."""
    monitoring = spec.settings.monitoring
    hidden_by_eks = {"enabled": False}
    return {
        # The chart's 155 alerts have no owner, runbook or dashboard here, and its Watchdog would be a second one.
        "defaultRules": {"create": False},
        "kubeControllerManager": hidden_by_eks,
        "kubeScheduler": hidden_by_eks,
        "kubeEtcd": hidden_by_eks,
        # kube-proxy of EKS tells its metrics to its own node only.
        "kubeProxy": hidden_by_eks,
        "kube-state-metrics": {
            "metricLabelsAllowlist": [f"{kind}=[{SERVICE_LABEL}]" for kind in ("pods", "deployments", "jobs")],
            "metricAnnotationsAllowList": [f"deployments=[{REVISION_ANNOTATION}]"],
        },
        "alertmanager": {
            "podDisruptionBudget": {"enabled": True, **_budget(monitoring.alertmanager_replicas)},
            "serviceAccount": {"create": True, "name": ALERTMANAGER, **_annotated(role_annotations(spec.settings))},
            "alertmanagerSpec": {
                **_alertmanager(spec),
                "image": {
                    "registry": REGISTRY,
                    "repository": ALERTMANAGER_REPOSITORY,
                    "tag": f"v{ALERTMANAGER_VERSION}",
                },
                "useExistingSecret": True,
                "configSecret": names.ALERTMANAGER_CONFIG_SECRET,
                **_chart_affinity(monitoring),
                "storage": _claim(monitoring.alertmanager_storage, monitoring),
            },
        },
        "prometheus": {
            "podDisruptionBudget": {"enabled": True, **_budget(monitoring.prometheus_replicas)},
            "serviceAccount": {"create": True, "name": PROMETHEUS},
            "prometheusSpec": {
                **_prometheus(spec),
                "image": {"registry": REGISTRY, "repository": PROMETHEUS_REPOSITORY, "tag": f"v{PROMETHEUS_VERSION}"},
                **_chart_affinity(monitoring),
                # A service may serve its durations as a native histogram. Objectives name buckets: those are kept.
                "scrapeNativeHistograms": True,
                "scrapeClassicHistograms": True,
                "storageSpec": _claim(monitoring.prometheus_storage, monitoring),
                "additionalScrapeConfigs": scrape_configurations(monitoring),
            },
        },
        "prometheusOperator": {
            "admissionWebhooks": {"enabled": monitoring.admission_webhooks},
            "tls": {"enabled": monitoring.admission_webhooks},
        },
        "grafana": {
            "enabled": monitoring.grafana,
            "serviceAccount": {"create": True, "name": GRAFANA, **_annotated(grafana_role_annotations(spec.settings))},
            # The functions' own metrics: repairs, and how long people take to acknowledge.
            "additionalDataSources": [
                {
                    "name": "CloudWatch",
                    "uid": "cloudwatch",
                    "type": "cloudwatch",
                    "access": "proxy",
                    "jsonData": {"authType": "default", "defaultRegion": spec.settings.aws.region},
                }
            ],
            "admin": {
                "existingSecret": GRAFANA_ADMIN_SECRET,
                "userKey": "admin-user",
                "passwordKey": "admin-password",
            },
        },
    }


def alertmanager_resource(spec: MonitoringSpec) -> dict[str, Any]:
    """Return the spec of the operator's Alertmanager that the chart would make from the same values."""
    monitoring = spec.settings.monitoring
    return {
        **_alertmanager(spec),
        "image": f"{REGISTRY}/{ALERTMANAGER_REPOSITORY}:v{ALERTMANAGER_VERSION}",
        "configSecret": names.ALERTMANAGER_CONFIG_SECRET,
        "serviceAccountName": ALERTMANAGER,
        "portName": WEB_PORT,
        # The chart always says so; without it the operator would take the config Secret unread.
        "alertmanagerConfigSelector": {},
        "affinity": _affinity("alertmanager", ALERTMANAGER, monitoring),
        "storage": _claim(monitoring.alertmanager_storage, monitoring),
    }


def prometheus_resource(spec: MonitoringSpec) -> dict[str, Any]:
    """Return the spec of the operator's Prometheus that the chart would make from the same values."""
    monitoring = spec.settings.monitoring
    resource: dict[str, Any] = {
        **_prometheus(spec),
        "image": f"{REGISTRY}/{PROMETHEUS_REPOSITORY}:v{PROMETHEUS_VERSION}",
        "serviceAccountName": PROMETHEUS,
        "portName": WEB_PORT,
        "alerting": {
            "alertmanagers": [
                {
                    "namespace": spec.settings.cluster.namespace,
                    "name": ALERTMANAGER,
                    "port": WEB_PORT,
                    "apiVersion": "v2",
                }
            ]
        },
        "affinity": _affinity("prometheus", PROMETHEUS, monitoring),
        "storage": _claim(monitoring.prometheus_storage, monitoring),
    }
    if monitoring.extra_scrape_targets:
        resource["additionalScrapeConfigs"] = {"name": SCRAPE_SECRET, "key": SCRAPE_SECRET_KEY}
    return resource


def role_annotations(settings: Settings) -> dict[str, str]:
    """Return what Alertmanager's service account says of its AWS role: nothing where EKS pod identity gives it."""
    if settings.cluster.identity is RoleSource.POD_IDENTITY:
        return {}
    return {ROLE_ANNOTATION: alertmanager_role_arn(settings)}


def grafana_role_annotations(settings: Settings) -> dict[str, str]:
    """Return what Grafana's service account says of its AWS role, as `role_annotations` does of Alertmanager's."""
    if settings.cluster.identity is RoleSource.POD_IDENTITY:
        return {}
    return {ROLE_ANNOTATION: grafana_role_arn(settings)}


def disruption_budget(application: str, instance: str, replicas: int) -> dict[str, Any]:
    """Return the spec of the budget that the chart would make: a drain takes one replica at a time."""
    return {**_budget(replicas), "selector": {"matchLabels": selector_labels(application, instance)}}


def selector_labels(application: str, instance: str) -> dict[str, str]:
    """Return the labels that the operator gives to the pods of a custom resource."""
    return {"app.kubernetes.io/name": application, application: instance}


def scrape_configurations(monitoring: MonitoringSettings) -> list[dict[str, Any]]:
    """Return Prometheus' own configuration of what is scraped outside the cluster."""
    return [
        {
            "job_name": target.job,
            # The exporter's own labels say which pod and namespace a series is about.
            "honor_labels": True,
            "metrics_path": target.path,
            "static_configs": [
                {"targets": [target.address], **({"labels": dict(target.labels)} if target.labels else {})}
            ],
        }
        for target in monitoring.extra_scrape_targets
    ]


def _annotated(annotations: dict[str, str]) -> dict[str, dict[str, str]]:
    return {"annotations": annotations} if annotations else {}


def _alertmanager(spec: MonitoringSpec) -> dict[str, Any]:
    settings = spec.settings
    monitoring = settings.monitoring
    annotated = _annotated(role_annotations(settings))
    return {
        # The operator makes the arguments by the version that it is told, whatever the image's tag is.
        "version": f"v{ALERTMANAGER_VERSION}",
        "replicas": monitoring.alertmanager_replicas,
        "retention": ALERTMANAGER_RETENTION,
        # The next replica is restarted when this one notifies again, so that two of three always do.
        "minReadySeconds": _start_delay_seconds(settings),
        # Newer operators derive it from minReadySeconds unless it is given; 0.85 does not.
        "additionalArgs": [{"name": "dispatch.start-delay", "value": f"{_start_delay_seconds(settings)}s"}],
        "externalUrl": settings.addresses.alertmanager,
        "logFormat": "json",
        "securityContext": dict(SECURITY_CONTEXT),
        "secrets": list(spec.secrets),
        "configMaps": list(spec.config_maps),
        "clusterPeerTimeout": _peer_timeout(settings.time_scale),
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "topologySpreadConstraints": _zone_spread("alertmanager", ALERTMANAGER, monitoring),
        # Credentials come when a pod is made: where the role comes another way than before, others take its place.
        **({"podMetadata": annotated} if annotated else {}),
    }


def _prometheus(spec: MonitoringSpec) -> dict[str, Any]:
    settings = spec.settings
    monitoring = settings.monitoring
    return {
        "version": f"v{PROMETHEUS_VERSION}",
        "replicas": monitoring.prometheus_replicas,
        "retention": monitoring.retention,
        "retentionSize": _prometheus_bytes(monitoring.retention_bytes()),
        "minReadySeconds": PROMETHEUS_READY_SECONDS,
        "externalUrl": settings.addresses.prometheus,
        "logFormat": "json",
        "securityContext": dict(SECURITY_CONTEXT),
        "scrapeInterval": _scaled(monitoring.scrape_interval_seconds, settings.time_scale),
        "scrapeTimeout": _scrape_timeout(settings),
        "evaluationInterval": _scaled(monitoring.evaluation_interval_seconds, settings.time_scale),
        "additionalArgs": [
            {"name": "rules.alert.resend-delay", "value": written(round(_resend_seconds(settings) * 1000))}
        ],
        "externalLabels": {"cluster": settings.cluster.name},
        **_selectors(settings.cluster.namespace),
        "resources": {"requests": {"cpu": "200m", "memory": "512Mi"}},
        "topologySpreadConstraints": _zone_spread("prometheus", PROMETHEUS, monitoring),
    }


def _selectors(namespace: str) -> dict[str, Any]:
    """Return which monitors, probes, scrape configurations and rules count: those of the release in its own namespace.

    A monitor says which labels a target may choose for itself (`honorLabels`): somebody else's could have its pods pass
    for any service's.
    """
    ours = {"matchLabels": dict(RELEASE_LABELS)}
    here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    kinds = ("serviceMonitor", "podMonitor", "probe", "scrapeConfig", "rule")
    return {f"{kind}Selector": ours for kind in kinds} | {f"{kind}NamespaceSelector": here for kind in kinds}


def _scaled(seconds: float, scale: float) -> str:
    return written(max(1, round(seconds * 1000 / scale)))


def _scrape_timeout(settings: Settings) -> str:
    """Return how long an exporter may take. It is as slow at every scale, so only the interval bounds it."""
    interval = settings.monitoring.scrape_interval_seconds / settings.time_scale
    return _scaled(min(interval, SCRAPE_TIMEOUT_SECONDS), 1)


def _prometheus_bytes(count: int) -> str:
    """Return a size as Prometheus takes it: its MB are of 1024 by 1024 bytes."""
    return f"{count // 2**20}MB"


def _resend_seconds(settings: Settings) -> float:
    return max(SCALED_RESEND_SECONDS, RESEND_SECONDS / settings.time_scale)


def _start_delay_seconds(settings: Settings) -> int:
    """Return how long a restarted Alertmanager sends nothing: until Prometheus has sent it every alert again.

    An inhibited alert that it hears of before the alert that inhibits it would be notified. Prometheus sends each alert
    at the first evaluation after the resend delay, and may have done so just before it knew of this replica. Alerts on
    objectives are evaluated with each tick, whatever a stack's interval is.
    """
    tick = milliseconds(TICK) / 1000
    evaluation = max(settings.monitoring.evaluation_interval_seconds, tick) / settings.time_scale
    sent_again = (math.floor(_resend_seconds(settings) / evaluation) + 1) * evaluation
    return math.ceil(sent_again + max(SCALED_DISCOVERY_SECONDS, DISCOVERY_SECONDS / settings.time_scale))


def _peer_timeout(scale: float) -> str:
    return written(round(max(SCALED_PEER_TIMEOUT_SECONDS, PEER_TIMEOUT_SECONDS / scale) * 1000))


def _budget(replicas: int) -> dict[str, Any]:
    # A replica that is not ready serves nobody: it may always go, or a dead node could never be drained.
    return {"minAvailable": replicas - 1, "unhealthyPodEvictionPolicy": "AlwaysAllow"}


def _claim(size: str, monitoring: MonitoringSettings) -> dict[str, Any]:
    claim: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if monitoring.storage_class is not None:
        claim["storageClassName"] = monitoring.storage_class
    return {"volumeClaimTemplate": {"spec": claim}}


def _chart_affinity(monitoring: MonitoringSettings) -> dict[str, str]:
    hard = monitoring.spread is Spread.REQUIRED
    return {"podAntiAffinity": "hard" if hard else "soft", "podAntiAffinityTopologyKey": HOST_TOPOLOGY}


def _affinity(application: str, instance: str, monitoring: MonitoringSettings) -> Mapping[str, Any]:
    term = {
        "topologyKey": HOST_TOPOLOGY,
        "labelSelector": {"matchLabels": selector_labels(application, instance)},
    }
    if monitoring.spread is Spread.REQUIRED:
        return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    weighted = {"weight": 100, "podAffinityTerm": term}
    return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [weighted]}}


def _zone_spread(application: str, instance: str, monitoring: MonitoringSettings) -> list[dict[str, Any]]:
    required = monitoring.spread is Spread.REQUIRED
    return [
        {
            "maxSkew": 1,
            "topologyKey": ZONE_TOPOLOGY,
            "whenUnsatisfiable": "DoNotSchedule" if required else "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector_labels(application, instance)},
        }
    ]
