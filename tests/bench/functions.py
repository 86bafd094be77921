"""cold_start_FUNCTION and zip_size_FUNCTION: every deployed function, from the zip that is deployed."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from alerting.build import load_platform
from cli.stack_config import read_settings
from components.chatops import build_chat_packages
from components.repair_sweep import build_sweep_package
from components.runbook_automation import build_repair_package
from tests.bench.catalog import ROOT
from tests.bench.figures import Figure
from tests.bench.function import PEER, imported

COLD_START = "cold_start_"
ZIP_SIZE = "zip_size_"
FUNCTIONS = ("runbook_automation", "repair_sweep", "chatops", "chat_ingress", "alertmanager_access")
"""The functions by the packages that hold their handlers."""
FUNCTION_FIGURES = tuple(f"{prefix}{function}" for function in FUNCTIONS for prefix in (COLD_START, ZIP_SIZE))
RUNS = 7
ZIP_BYTES = 50 * 1024 * 1024
"""The largest zip that Lambda takes without a detour through S3."""


def function_figures(wanted: Callable[[str], bool]) -> Iterator[Figure]:
    """Import each function's handler as it is deployed, and yield its seconds and the bytes of its zip."""
    if not any(map(wanted, FUNCTION_FIGURES)):
        return
    with tempfile.TemporaryDirectory(prefix="orion-bench-") as directory:
        folder = Path(directory)
        for function, zipped in built_zips(folder).items():
            if wanted(f"{COLD_START}{function}"):
                yield _cold_start(function, zipped, folder)
            if wanted(f"{ZIP_SIZE}{function}"):
                size = zipped.stat().st_size
                name = f"{ZIP_SIZE}{function}"
                yield Figure(name=name, value=size, unit="bytes", peer="Lambda's largest zip", peer_value=ZIP_BYTES)


def built_zips(folder: Path) -> Mapping[str, Path]:
    """Build the zip of every function as `__main__.py` does, with this repository's catalog."""
    platform = load_platform(ROOT, read_settings(ROOT, "prod"))
    source = ROOT / "lambda"
    chat = build_chat_packages(source, folder, platform.chat.as_function_data())
    repair = build_repair_package(source, folder, platform.repairs.as_function_data())
    packages = (repair, build_sweep_package(source, folder), chat.chat, chat.ingress, chat.access)
    return {function: package.path for function, package in zip(FUNCTIONS, packages, strict=True)}


def _cold_start(function: str, zipped: Path, folder: Path) -> Figure:
    code = folder / f"{function}-code"
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(code)
    # One after the other, so that whatever else the machine does meets both; it only ever adds.
    seconds = [(imported(f"{function}.handler", code), imported(PEER, folder)) for _ in range(RUNS)]
    ours, peers = zip(*seconds, strict=True)
    return Figure(
        name=f"{COLD_START}{function}", value=min(ours), unit="s", peer=f"import {PEER}", peer_value=min(peers)
    )
