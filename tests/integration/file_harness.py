"""Programs whose resources are files, and the real engine on them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from sandbox.engine import Engine, Progress
from sandbox.providers.plugins import Plugin

ROOT = Path(__file__).resolve().parents[2]
FILES = Plugin(name="files", version="1.0.0", module="tests.integration.file_provider")
PROJECT = "name: demo\nruntime: python\n"
STACK = "config:\n  demo:nested:\n    kept: 1\n    port: 8080\n"
PROGRAM = """
import json
import pulumi

config = pulumi.Config()

class File(pulumi.CustomResource):
    path: pulumi.Output[str]
    def __init__(self, resource, /, opts=None, **properties):
        super().__init__("files:index:File", resource, {"path": None, "size": None, **properties}, opts)

def files(names):
    return pulumi.runtime.invoke("files:index:list", {"ending": names}).value

"""
SECRET = "correct-horse-battery"


class Files:
    """A project, the folder in which its resources are, and engines on it."""

    def __init__(self, directory: Path) -> None:
        self.project = directory / "project"
        self.folder = directory / "files"
        self.engine_folder = directory / "engine"
        self.steps: list[Progress] = []
        for folder in (self.project, self.folder):
            folder.mkdir()
        (self.project / "Pulumi.yaml").write_text(PROJECT)
        (self.project / "Pulumi.sandbox.yaml").write_text(STACK)

    def program(self, text: str) -> None:
        (self.project / "__main__.py").write_text(PROGRAM + textwrap.dedent(text))

    def engine(self) -> Engine:
        return Engine(
            self.engine_folder,
            {"FILES_FOLDER": str(self.folder)},
            project=self.project,
            providers=[FILES],
            on_progress=self.steps.append,
        )

    def there(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.folder.iterdir()}

    def start_elsewhere(self) -> subprocess.Popen[bytes]:
        """Begin `up` in another process, as a sandbox that will be killed."""
        code = (
            # A shell that starts the tests in the background has them ignore Ctrl-C.
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from pathlib import Path\nfrom sandbox.engine import Engine\n"
            "from sandbox.providers.plugins import Plugin\n"
            f"e = Engine(Path({str(self.engine_folder)!r}), {{'FILES_FOLDER': {str(self.folder)!r}}}, "
            f"project=Path({str(self.project)!r}), providers=[Plugin(name='files', version='1.0.0', "
            f"module={FILES.module!r})]); e.up()\n"
        )
        return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
