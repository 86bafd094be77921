"""The real prometheus-operator, as a process of this machine instead of a Deployment."""

from __future__ import annotations

import os
import re
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

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
_DEFINITION = re.compile(r"/crds/crd-[^/]+\.yaml$")
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

    def install_definitions(self, chart: Path | None = None) -> None:
        """Apply custom resource definitions and wait until they are served: the chart's, or the operator's own.

        The operator needs them before it starts: what is missing then, it never looks at. Helm leaves definitions that
        exist as they are, so the objects of a chart are validated by the chart's definitions only if those come first.
        Raises `ServiceFailed` if they are refused or missing.
        """
        with TemporaryDirectory() as folder:
            own = tools_folder() / "crds"
            files = _chart_definitions(chart, Path(folder)) if chart else sorted(own.glob("*.yaml"))
            if not files:
                message = f"no custom resource definitions in {chart or own}. Run `make tools`"
                raise ServiceFailed(message)
            apply_files(self.kubeconfig, files, field_manager=HELM_FIELD_MANAGER)
        established = ("--for=condition=Established", "--timeout=30s")
        kubectl(self.kubeconfig, "wait", *established, "customresourcedefinition", "--all")

    def _answers(self) -> bool:
        try:
            return loopback.get(f"{self.address}/healthz", timeout=PROBE_SECONDS).is_success
        except httpx.TransportError:
            return False


def _chart_definitions(chart: Path, folder: Path) -> list[Path]:
    """Copy the definitions out of a chart archive into `folder` and return the copies."""
    copies: list[Path] = []
    with tarfile.open(chart) as archive:
        for member in archive:
            content = archive.extractfile(member) if _DEFINITION.search(member.name) else None
            if content is not None:
                copies.append(folder / Path(member.name).name)
                copies[-1].write_bytes(content.read())
    return copies
