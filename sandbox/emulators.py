"""The sandbox's services in the order in which they stand on one another, and where each is found."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.clock import Clock
from sandbox.clouds.serving import SCALE_VARIABLE
from sandbox.cluster.control_plane import ControlPlane
from sandbox.credentials import ACCOUNT_ID, ACCOUNT_VARIABLE, REGION, Credentials
from sandbox.journal import JOURNAL_VARIABLE, Journal
from sandbox.metrics.application import create_application as create_metrics
from sandbox.metrics.cluster import KubernetesView
from sandbox.metrics.faults import Faults
from sandbox.ports import LOOPBACK, free_port, listens
from sandbox.seed_data import Network
from sandbox.service import HttpService, ProcessService

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIns:
    """Makes the stand-ins of the clouds, each a process of its own that writes to the same journal."""

    journal: Journal
    clock: Clock
    directory: Path
    credentials: Credentials

    def pagerduty(self) -> ProcessService:
        """The stand-in for PagerDuty."""
        return self._process("pagerduty")

    def slack(self) -> ProcessService:
        """The stand-in for Slack."""
        return self._process("slack")

    def aws(
        self,
        plane: ControlPlane,
        cluster_name: str,
        *,
        account_id: str = ACCOUNT_ID,
        region: str = REGION,
        network: Network | None = None,
        function_runtime: str | None = None,
    ) -> ProcessService:
        """The stand-in for AWS: one account, seen from one region, whose EKS knows one cluster.

        The cluster stands in `network`, which is made, or in the one that an account begins with. `function_runtime` is
        the address of what runs functions, which need not answer yet.
        """
        runtime = [] if function_runtime is None else ["--function-runtime", function_runtime]
        ids = [] if network is None else ["--network", network.vpc_id, *network.subnet_ids]
        return self._process(
            "aws",
            "--region",
            region,
            "--cluster-name",
            cluster_name,
            "--cluster-kubeconfig",
            str(plane.kubeconfig),
            "--pki",
            str(plane.pki),
            *ids,
            *runtime,
            environment={ACCOUNT_VARIABLE: account_id},
        )

    def _process(self, name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> ProcessService:
        port = free_port()
        address = f"http://{LOOPBACK}:{port}"
        own = {
            JOURNAL_VARIABLE: str(self.journal.path),
            SCALE_VARIABLE: str(self.clock.scale),
            **self.credentials.environment(),
        }
        service = ProcessService(
            name,
            [sys.executable, "-m", f"sandbox.clouds.{name}", "--port", str(port), *arguments],
            directory=self.directory,
            is_ready=lambda: service.process is not None and listens(service.process.pid, port),
            address=address,
            environment={**os.environ, **own, **(environment or {})},
            working_directory=ROOT,
        )
        return service


def metrics_source(kubeconfig: Path, namespace: str, journal: Journal) -> HttpService:
    """Return the service that says what the exporters would say, and that can be broken."""
    view = KubernetesView(kubeconfig, namespace)
    return HttpService("metrics", create_metrics(view, Faults(journal), view.running))


class PodIdentity:
    """Gives a pod the credentials that EKS' pod identity webhook would: those of its ServiceAccount's association."""

    def __init__(self, aws: str, cluster_name: str, credentials: Credentials) -> None:
        self._credentials = credentials
        self._eks = credentials.session().client("eks", endpoint_url=aws)
        self._cluster_name = cluster_name

    def environment_for(self, pod: Mapping[str, Any]) -> Mapping[str, str]:
        """Return what a pod's containers get besides their own environment: nothing without an association."""
        associations = self._eks.list_pod_identity_associations(clusterName=self._cluster_name)["associations"]
        wanted = (pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName", "default"))
        if any((one.get("namespace"), one.get("serviceAccount")) == wanted for one in associations):
            return self._credentials.aws_environment()
        return {}
