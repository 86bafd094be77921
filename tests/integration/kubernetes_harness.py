"""Programs of Kubernetes' resources, each in a namespace of its own, and the real engine on them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import uuid
from pathlib import Path
from typing import Any

from sandbox.cluster.kubectl import kubectl
from sandbox.engine import Engine
from sandbox.providers.plugins import installed

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = [plugin for plugin in installed() if plugin.name == "kubernetes"]
PROGRAM = """
import pulumi
import pulumi_kubernetes as k8s

config = pulumi.Config()
provider = k8s.Provider("cluster", kubeconfig={kubeconfig!r}, namespace={namespace!r}, **{settings!r})
opts = pulumi.ResourceOptions(provider=provider)

"""


class Stack:
    """A program, the namespace that it works in, and the engine."""

    def __init__(self, directory: Path, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self.namespace = f"test-{uuid.uuid4().hex[:8]}"
        self.project = directory / "project"
        self.project.mkdir()
        (self.project / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
        self.directory = directory / "engine"
        self._engine: Engine | None = None
        kubectl(kubeconfig, "create", "namespace", self.namespace)

    def program(self, text: str, **settings: Any) -> None:
        head = PROGRAM.format(kubeconfig=str(self.kubeconfig), namespace=self.namespace, settings=settings)
        (self.project / "__main__.py").write_text(head + textwrap.dedent(text))

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            self._engine = Engine(self.directory, {}, project=self.project, providers=KUBERNETES)
        return self._engine

    def get(self, *what: str) -> dict[str, Any]:
        return json.loads(kubectl(self.kubeconfig, "get", *what, "--namespace", self.namespace, "--output", "json"))

    def start_elsewhere(self) -> subprocess.Popen[bytes]:
        """Begin `up` in another process, as a sandbox that will be killed."""
        code = (
            "from pathlib import Path\nfrom sandbox.engine import Engine\n"
            "from sandbox.providers.plugins import installed\n"
            f"Engine(Path({str(self.directory)!r}), {{}}, project=Path({str(self.project)!r}), "
            "providers=[one for one in installed() if one.name == 'kubernetes']).up()\n"
        )
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment)

    def names(self, kind: str) -> set[str]:
        return {one["metadata"]["name"] for one in self.get(kind)["items"]}

    def uid(self, *what: str) -> str:
        return self.get(*what)["metadata"]["uid"]
