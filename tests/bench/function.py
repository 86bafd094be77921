"""function_import: how long a new copy of the repair function takes before it can answer, beside boto3 alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from alerting.build import load_platform
from cli.stack_config import read_settings
from components.runbook_automation import build_repair_package
from tests.bench.catalog import ROOT
from tests.bench.figures import Figure

NAME = "function_import"
RUNS = 9
TIMED = "import time; began = time.perf_counter(); import {module}; print(time.perf_counter() - began)"
MODULE = "runbook_automation.handler"
PEER = "boto3"


def function_import(wanted: Callable[[str], bool]) -> Iterator[Figure]:
    """Import what is deployed, as it is deployed: unzipped, and with no bytecode beside it."""
    if not wanted(NAME):
        return
    with tempfile.TemporaryDirectory(prefix="orion-bench-") as directory:
        folder = Path(directory)
        repairs = load_platform(ROOT, read_settings(ROOT, "prod")).repairs
        package = build_repair_package(ROOT / "lambda", folder, repairs.as_function_data())
        with zipfile.ZipFile(package.path) as archive:
            archive.extractall(folder / "code")
        # One after the other, so that whatever else the machine does meets both; it only ever adds.
        seconds = [(imported(MODULE, folder / "code"), imported(PEER, folder)) for _ in range(RUNS)]
    ours, peers = zip(*seconds, strict=True)
    yield Figure(name=NAME, value=min(ours), unit="s", peer=f"import {PEER}", peer_value=min(peers))


def imported(module: str, folder: Path) -> float:
    """Return the seconds that a new Python takes to import a module from a folder, without bytecode."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"AWS_DEFAULT_REGION": "us-east-1", "POWERTOOLS_METRICS_NAMESPACE": "bench"}
    command = [sys.executable, "-c", TIMED.format(module=module)]
    return float(subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True).stdout)
