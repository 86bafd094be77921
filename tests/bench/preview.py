"""preview_10 to preview_10000: the program's own part of a preview, from the files to everything that is deployed."""

from __future__ import annotations

import gc
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from alerting.build import load_platform
from alerting.rules.render import rules_text
from cli.stack_config import read_settings
from tests.bench.catalog import ROOT, write_catalog
from tests.bench.figures import Figure
from tests.bench.growth import in_its_own_process
from tools.paths import tool

SIZES = (10, 100, 1000, 10_000)
PEER = "promtool check rules"
LEAST_SECONDS = 2.0
LEAST_RUNS = 3
MOST_RUNS = 7

Made = TypeVar("Made")


def previews(wanted: Callable[[str], bool]) -> Iterator[Figure]:
    """Measure loading, checking and generating beside promtool's check of the very rules that came of it."""
    for alerts in SIZES:
        if wanted(name := f"preview_{alerts}"):
            value, peer = _preview(alerts)
            yield Figure(name=name, value=value, unit="s", peer=PEER, peer_value=peer)


def _preview(alerts: int) -> tuple[float, float]:
    """Return the seconds that we take and that promtool takes."""
    with tempfile.TemporaryDirectory(prefix="orion-bench-") as directory:
        folder = Path(directory)
        write_catalog(folder, alerts)
        settings = read_settings(ROOT, "prod")
        ours = min(in_its_own_process(folder).seconds for _ in range(LEAST_RUNS))
        platform = load_platform(folder, settings)
        paths = [folder / f"{file.name}.rules" for file in platform.rules]
        for path, file in zip(paths, platform.rules, strict=True):
            path.write_text(rules_text(file))
        command = [str(tool("promtool")), "check", "rules", "--lint=none", *map(str, paths)]
        peer, _ = timed(lambda: subprocess.run(command, check=True, capture_output=True))
    return ours, peer


def timed(work: Callable[[], Made]) -> tuple[float, Made]:
    """Return the least of the seconds that some work takes, done several times, and its last result.

    The least, because whatever else the machine does only ever adds.
    """
    seconds: list[float] = []
    while True:
        gc.collect()
        began = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - began)
        if len(seconds) >= LEAST_RUNS and (sum(seconds) >= LEAST_SECONDS or len(seconds) == MOST_RUNS):
            return min(seconds), result
