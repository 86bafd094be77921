"""The real prometheus-operator, as a process of this machine instead of a Deployment."""

from __future__ import annotations

import os
from pathlib import Path

import httpx

from sandbox import loopback
from sandbox.cluster.kubectl import apply_files, kubectl
from sandbox.ports import LOOPBACK, free_port
from sandbox.service import ProcessService, ServiceFailed
from tools.paths import tool, tools_folder

VERSION = "0.85.0"
RELOADER_IMAGE = f"quay.io/prometheus-operator/prometheus-config-reloader:v{VERSION}"
"""Only its name is read: the node agent runs the binary of that name."""
HELM_FIELD_MANAGER = "helm"
PROBE_SECONDS = 0.5


class Operator(ProcessService):
    """prometheus-operator against one cluster. `install_definitions` comes before `start`."""

    def __init__(self, kubeconfig: Path, directory: Path) -> None:
        """Describe the process. `directory` gets its log and pid."""
        self.kubeconfig = kubeconfig
        port = free_port()
        super().__init__(
            "prometheus-operator",
            [
                tool("prometheus-operator"),
                f"--web.listen-address={LOOPBACK}:{port}",
                "--web.enable-tls=false",
                f"--prometheus-config-reloader={RELOADER_IMAGE}",
                "--config-reloader-cpu-request=0",
                "--config-reloader-memory-request=0",
                "--log-level=info",
            ],
            directory=directory,
            is_ready=self._answers,
            address=f"http://{LOOPBACK}:{port}",
            environment={**os.environ, "KUBECONFIG": str(kubeconfig)},
        )

    def install_definitions(self) -> None:
        """Apply the operator's own custom resource definitions and wait until they are served.

        The operator needs them before it starts: what is missing then, it never looks at. They are applied in helm's
        name, so that a chart which brings newer ones takes them over without a conflict.
        Raises `ServiceFailed` if they are refused or missing from the tools.
        """
        files = sorted((tools_folder() / "crds").glob("*.yaml"))
        if not files:
            message = f"no custom resource definitions in {tools_folder() / 'crds'}. Run `make tools`"
            raise ServiceFailed(message)
        apply_files(self.kubeconfig, files, field_manager=HELM_FIELD_MANAGER)
        names = [f"customresourcedefinition/{file.stem.split('_')[1]}.monitoring.coreos.com" for file in files]
        kubectl(self.kubeconfig, "wait", "--for=condition=Established", "--timeout=30s", *names)

    def _answers(self) -> bool:
        try:
            return loopback.get(f"{self.address}/healthz", timeout=PROBE_SECONDS).is_success
        except httpx.TransportError:
            return False
