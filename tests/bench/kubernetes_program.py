"""The program's Kubernetes objects alone, for a folder of data: no account, no PagerDuty, no chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from alerting.build import load_platform
from alerting.oncall.event_orchestration import KEY_NAMES
from alerting.platform import Platform
from alerting.settings import ChatMode, CustomResourcesOnly, Environment, Settings
from cli.stack_config import read_settings
from components.monitoring import Monitoring, MonitoringArgs
from components.monitoring_values import MonitoringSpec
from components.namespace import MonitoringNamespace, MonitoringNamespaceArgs
from components.prometheus_rules import Rules, RulesArgs
from components.secrets import Secrets, SecretsArgs
from sandbox.mocked_program import run_program
from tests.bench.catalog import ROOT

INVENTED = "invented"
"""The value of each key, webhook and password: nothing is sent with them."""


def cluster_settings(namespace: str) -> Settings:
    """Return prod's settings with another namespace, and with custom resources in place of the chart.

    The environment is the sandbox's: its operator is older than prod's, and refuses what prod's configuration has more.
    Chat is on, as in the sandbox, since the catalog has repairs there wait for an approval.
    """
    settings = read_settings(ROOT, "prod")
    monitoring = settings.monitoring.model_copy(update={"chart": CustomResourcesOnly(source="custom-resources")})
    cluster = settings.cluster.model_copy(update={"namespace": namespace})
    changed = {
        "environment": Environment.SANDBOX,
        "chat": ChatMode.ON,
        "monitoring": monitoring,
        "cluster": cluster,
    }
    return settings.model_copy(update=changed)


def deploy(folder: Path, kubeconfig: Path, namespace: str) -> None:
    """Register every Kubernetes object that the data of `folder` leads to, as `__main__.py` does."""
    settings = cluster_settings(namespace)
    platform = load_platform(folder, settings)
    provider = kubernetes.Provider("cluster", kubeconfig=str(kubeconfig), enable_server_side_apply=True)
    _register(platform, settings, kubeconfig, pulumi.ResourceOptions(provider=provider))


def manifests(folder: Path, namespace: str) -> list[dict[str, Any]]:
    """Return the objects that `deploy` registers, as kubectl takes them; the namespace is the first."""
    run = run_program(lambda: deploy(folder, Path("kubeconfig"), namespace))
    objects = [one.inputs for one in run.resources.values() if one.custom and one.type.startswith("kubernetes:")]
    return sorted(objects, key=lambda one: one["kind"] != "Namespace")


def _register(platform: Platform, settings: Settings, kubeconfig: Path, options: pulumi.ResourceOptions) -> None:
    value = pulumi.Output.secret(INVENTED)
    namespace = MonitoringNamespace(
        "namespace", MonitoringNamespaceArgs(settings=settings, kubeconfig=str(kubeconfig)), opts=options
    )
    files = Secrets(
        "secrets",
        SecretsArgs(
            files=platform.alertmanager,
            namespace=namespace.namespace,
            integration_keys=dict.fromkeys(KEY_NAMES, value),
            slack_webhooks=dict.fromkeys(platform.alertmanager.slack_channels, value),
            grafana_password=value,
        ),
        opts=options,
    )
    Monitoring(
        "monitoring",
        MonitoringArgs(
            spec=MonitoringSpec(settings=settings, secrets=files.secret_names, config_maps=files.config_map_names),
            root=ROOT,
            dashboards=platform.dashboards,
            namespace=namespace.namespace,
        ),
        opts=options,
    )
    Rules(
        "rules",
        RulesArgs(files=platform.rules, pod_monitors=platform.pod_monitors, namespace=namespace.namespace),
        opts=options,
    )
