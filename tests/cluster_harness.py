"""A cluster with the operator and the node agent, and the program's own monitoring stack on it, for tests."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from alerting.settings import Environment, ScrapeTarget
from components.monitoring_values import (
    SCRAPE_SECRET,
    SCRAPE_SECRET_KEY,
    MonitoringSpec,
    alertmanager_resource,
    disruption_budget,
    prometheus_resource,
    scrape_configurations,
    selector_labels,
)
from components.naming import ALERTMANAGER, GRAFANA_ADMIN_SECRET, PROMETHEUS, RELEASE_LABELS
from sandbox import loopback
from sandbox.clock import Clock
from sandbox.cluster.control_plane import ControlPlane
from sandbox.cluster.kubectl import apply, kubectl
from sandbox.cluster.node_agent import NodeAgent
from sandbox.cluster.node_agent.node_manifests import HEARTBEAT_SECONDS
from sandbox.cluster.operator import Operator
from sandbox.cluster.workloads import Workloads
from sandbox.journal import Journal
from sandbox.service import wait_until_ready
from tests import waiting
from tests.component_data import settings

NAMESPACE = "monitoring"
POLL_SECONDS = 0.1
ENVIRONMENT = {"AWS_REGION": "x"}
SCALE = 10.0
"""A restarted Alertmanager waits for a minute of the story, and takes no reload meanwhile."""
SPEC = MonitoringSpec(
    settings=settings(
        Environment.PROD,
        admission_webhooks=False,
        scrape_interval_seconds=SCALE,
        evaluation_interval_seconds=SCALE,
        extra_scrape_targets=(ScrapeTarget(job="orion", address="127.0.0.1:9"),),
    ).model_copy(update={"time_scale": SCALE}),
    secrets=("alertmanager-slack",),
    config_maps=("alertmanager-templates",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The running cluster."""

    kubeconfig: Path
    operator: Operator
    agent: NodeAgent
    workloads: Workloads
    journal: Journal

    def alertmanagers(self) -> list[str]:
        """Return the base address of every Alertmanager."""
        found = self.agent.addresses()
        return [f"http://{found[pod]['http-web']}" for pod in sorted(found) if pod.startswith("alertmanager-")]

    def prometheus(self) -> str:
        """Return the base address of the first Prometheus."""
        return f"http://{self.agent.addresses()[f'prometheus-{PROMETHEUS}-0']['http-web']}"

    def reloaders_watch(self) -> bool:
        """Say whether every config reloader of Alertmanager has had its first reload, and watches for changes.

        A replica that has just started answers a reload only when it notifies; what changes meanwhile is seen later.
        """
        found = self.agent.addresses()
        reloaders = [found[pod]["reloader-web"] for pod in found if pod.startswith("alertmanager-")]
        texts = [loopback.get(f"http://{reloader}/metrics").text for reloader in reloaders]
        return bool(texts) and all("\nreloader_last_reload_successful 1\n" in text for text in texts)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Return an object of the monitoring namespace."""
        return json.loads(kubectl(self.kubeconfig, "get", kind, name, f"--namespace={NAMESPACE}", "--output=json"))

    def ready_pods(self, count: int) -> bool:
        """Say whether so many of the operator's pods are there, and ready."""
        pods = [pod for pod in self.workloads.pods(NAMESPACE) if pod.node.startswith("agent-")]
        return len(pods) == count and all(pod.ready for pod in pods)


@contextmanager
def cluster(
    directory: Path, *, node_grace_seconds: int | None = None, environment: Mapping[str, str] = ENVIRONMENT
) -> Generator[Stage]:
    """Bring up the control plane, the services, the operator and the agent; end everything afterwards.

    `environment` is what an identity webhook would add to each pod.
    """
    journal = Journal(directory / "journal.jsonl")
    with ExitStack() as undo:
        plane = ControlPlane("test", directory / "control-plane", node_grace_seconds=node_grace_seconds)
        undo.callback(plane.stop)
        plane.start()
        wait_until_ready(plane, timeout_seconds=90)
        workloads = Workloads(plane.kubeconfig, directory)
        workloads.install()
        operator = Operator(plane.kubeconfig, directory)
        operator.install_definitions()
        agent = NodeAgent(
            plane.kubeconfig,
            directory / "agent",
            journal,
            Clock(SCALE),
            lambda _pod: environment,
            heartbeat_seconds=HEARTBEAT_SECONDS if node_grace_seconds is None else node_grace_seconds / 5,
        )
        for service in (operator, agent):
            undo.callback(service.stop)
            service.start()
        for service in (operator, agent):
            wait_until_ready(service, timeout_seconds=60)
        yield Stage(kubeconfig=plane.kubeconfig, operator=operator, agent=agent, workloads=workloads, journal=journal)


def until(holds: Callable[[], bool], *, timeout_seconds: float = 60) -> float:
    """Wait for a condition and return how long it took. An answer that is not there yet counts as no."""

    def settled() -> bool:
        try:
            return holds()
        except (httpx.TransportError, KeyError, IndexError):
            return False

    return waiting.until("what the cluster comes to", settled, seconds=timeout_seconds)


def configuration(group_wait: str) -> str:
    """Return an Alertmanager configuration, as the config Secret holds it."""
    return yaml.safe_dump(
        {
            "route": {"receiver": "hook", "group_by": ["alertname"], "group_wait": group_wait},
            "receivers": [
                {
                    "name": "hook",
                    "slack_configs": [
                        {
                            "api_url_file": "/etc/alertmanager/secrets/alertmanager-slack/hook",
                            "title": "see /etc/alertmanager/secrets/alertmanager-slack/hook",
                        }
                    ],
                }
            ],
            "templates": ["/etc/alertmanager/configmaps/alertmanager-templates/*.tmpl"],
        }
    )


def prerequisites() -> list[dict[str, Any]]:
    """Return what the program puts beside the monitoring stack."""
    rule = {"alert": "Watchdog", "expr": "vector(1)", "labels": {"severity": "info"}}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        secret("alertmanager-config", {"alertmanager.yaml": configuration("1s")}),
        secret("alertmanager-slack", {"hook": "http://127.0.0.1:9/hook"}),
        secret(GRAFANA_ADMIN_SECRET, {"admin-user": "admin", "admin-password": "admin"}),
        namespaced("v1", "ConfigMap", "alertmanager-templates", data={"t.tmpl": '{{ define "x" }}y{{ end }}'}),
        namespaced(
            "monitoring.coreos.com/v1",
            "PrometheusRule",
            "rules",
            spec={"groups": [{"name": "group", "rules": [rule]}]},
        ),
    ]


def custom_resources(spec: MonitoringSpec = SPEC) -> list[dict[str, Any]]:
    """Return the stack without a chart: the two custom resources and what a user of the operator gives them."""
    monitoring = spec.settings.monitoring
    budgets = {
        ALERTMANAGER: disruption_budget("alertmanager", ALERTMANAGER, monitoring.alertmanager_replicas),
        PROMETHEUS: disruption_budget("prometheus", PROMETHEUS, monitoring.prometheus_replicas),
    }
    ports = [{"name": "http-web", "port": 9093, "targetPort": "http-web"}]
    return [
        secret(SCRAPE_SECRET, {SCRAPE_SECRET_KEY: json.dumps(scrape_configurations(monitoring))}),
        namespaced("v1", "ServiceAccount", ALERTMANAGER),
        namespaced("v1", "ServiceAccount", PROMETHEUS),
        namespaced(
            "v1",
            "Service",
            ALERTMANAGER,
            spec={"selector": selector_labels("alertmanager", ALERTMANAGER), "ports": ports},
        ),
        namespaced(
            "monitoring.coreos.com/v1",
            "ServiceMonitor",
            "alertmanagers",
            spec={"selector": {"matchLabels": dict(RELEASE_LABELS)}, "endpoints": [{"port": "http-web"}]},
        ),
        namespaced("monitoring.coreos.com/v1", "Alertmanager", ALERTMANAGER, spec=alertmanager_resource(spec)),
        namespaced("monitoring.coreos.com/v1", "Prometheus", PROMETHEUS, spec=prometheus_resource(spec)),
        *(namespaced("policy/v1", "PodDisruptionBudget", name, spec=budget) for name, budget in budgets.items()),
    ]


def change_configuration(stage: Stage, group_wait: str) -> None:
    """Change the config Secret in place."""
    encoded = base64.b64encode(configuration(group_wait).encode()).decode()
    patch = json.dumps({"data": {"alertmanager.yaml": encoded}})
    arguments = (
        "patch",
        "secret",
        "alertmanager-config",
        f"--namespace={NAMESPACE}",
        "--type=merge",
        f"--patch={patch}",
    )
    kubectl(stage.kubeconfig, *arguments)


def secret(name: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return a Secret of the monitoring namespace."""
    return namespaced("v1", "Secret", name, stringData=dict(texts))


def namespaced(version: str, kind: str, name: str, **rest: Any) -> dict[str, Any]:
    """Return an object of the monitoring namespace that carries the release's labels."""
    metadata = {"name": name, "namespace": NAMESPACE, "labels": dict(RELEASE_LABELS)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def install_custom_resources(kubeconfig: Path, spec: MonitoringSpec = SPEC) -> None:
    """Apply the stack without a chart."""
    apply(kubeconfig, custom_resources(spec))


__all__ = [
    "NAMESPACE",
    "Stage",
    "change_configuration",
    "cluster",
    "install_custom_resources",
    "namespaced",
    "prerequisites",
    "secret",
    "until",
]
