"""reload_10000: how long the real Alertmanager takes to read the configuration of 10,000 services anew."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from alerting.platform import Platform
from sandbox import loopback
from sandbox.ports import LOOPBACK, free_port
from sandbox.service import ProcessService, ServiceFailed, wait_until_ready
from tests.bench.figures import Figure
from tests.bench.sizes import SERVICES, platform_of
from tools.paths import tool

RELOAD = f"reload_{SERVICES}"
PEER = "reload of one receiver"
MINIMAL: Mapping[str, Any] = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}
TIMES = 10
READY_SECONDS = 60.0
PROBE_SECONDS = 0.5
RELOAD_SECONDS = 60.0


def reloads(wanted: Callable[[str], bool], *, services: int = SERVICES) -> Iterator[Figure]:
    """Measure the reload of a configuration beside that of the smallest, by one Alertmanager after the other.

    Raises `ServiceFailed` if Alertmanager refuses a configuration.
    """
    if not wanted(RELOAD):
        return
    with tempfile.TemporaryDirectory(prefix="orion-bench-") as directory:
        ours = _reload_seconds(Path(directory) / "ours", _configuration(platform_of(services), Path(directory)))
        peer = _reload_seconds(Path(directory) / "peer", MINIMAL)
    yield Figure(name=RELOAD, value=ours, unit="s", peer=PEER, peer_value=peer)


def _configuration(platform: Platform, folder: Path) -> Mapping[str, Any]:
    """Write the templates to a folder, and return the configuration that reads them there."""
    templates = folder / "templates"
    templates.mkdir()
    for name, text in platform.alertmanager.templates.items():
        (templates / name).write_text(text)
    return {**platform.alertmanager.configuration, "templates": [f"{templates}/*.tmpl"]}


def _reload_seconds(folder: Path, configuration: Mapping[str, Any]) -> float:
    folder.mkdir()
    path = folder / "alertmanager.yaml"
    path.write_text(json.dumps(configuration))
    address = f"http://{LOOPBACK}:{free_port()}"
    service = ProcessService(
        "alertmanager",
        [
            tool("alertmanager"),
            f"--config.file={path}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={address.removeprefix('http://')}",
            "--cluster.listen-address=",
        ],
        directory=folder,
        is_ready=lambda: _is_ready(address),
        address=address,
    )
    try:
        service.start()
        wait_until_ready(service, timeout_seconds=READY_SECONDS)
        return median(_reload(service) for _ in range(TIMES))
    finally:
        service.stop()


def _is_ready(address: str) -> bool:
    try:
        return loopback.get(f"{address}/-/ready", timeout=PROBE_SECONDS).is_success
    except httpx.TransportError:
        return False


def _reload(service: ProcessService) -> float:
    began = time.perf_counter()
    answer = loopback.post(f"{service.address}/-/reload", timeout=RELOAD_SECONDS)
    seconds = time.perf_counter() - began
    if not answer.is_success:
        raise ServiceFailed(f"reload: {answer.text}\n{service.log_tail()}")
    return seconds
