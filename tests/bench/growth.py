"""preview_100000: time and memory of 100,000 alerts beside ten times those of 10,000. A ratio of 1 is linear growth."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from alerting.build import load_platform
from cli.stack_config import read_settings
from tests.bench.catalog import ROOT, write_catalog
from tests.bench.figures import Figure

LARGE = 100_000
TIMES_LARGER = 10
GROWTH = f"preview_{LARGE}"
MEMORY = f"{GROWTH}_memory"
GROWTH_FIGURES = (GROWTH, MEMORY)
PEER = f"{TIMES_LARGER} x {LARGE // TIMES_LARGER} alerts"
KIBIBYTE = 1024
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The seconds that a preview takes, and the bytes by which it makes its process larger at most."""

    seconds: float
    memory: int


def growth(wanted: Callable[[str], bool], *, alerts: int = LARGE) -> Iterator[Figure]:
    """Measure each size once, in a process of its own, so that neither finds the memory of the other."""
    if not any(map(wanted, GROWTH_FIGURES)):
        return
    small, large = (_of_size(size) for size in (alerts // TIMES_LARGER, alerts))
    if wanted(GROWTH):
        yield Figure(name=GROWTH, value=large.seconds, unit="s", peer=PEER, peer_value=TIMES_LARGER * small.seconds)
    if wanted(MEMORY):
        peer = TIMES_LARGER * small.memory / MEBIBYTE
        yield Figure(name=MEMORY, value=large.memory / MEBIBYTE, unit="MiB", peer=PEER, peer_value=peer)


def _of_size(alerts: int) -> Preview:
    with tempfile.TemporaryDirectory(prefix="orion-bench-") as directory:
        write_catalog(Path(directory), alerts)
        return in_its_own_process(Path(directory))


def in_its_own_process(folder: Path) -> Preview:
    """Measure the preview of a catalog in a new process, as a user has it: nothing of it has been read before."""
    command = [sys.executable, "-m", "tests.bench.growth", str(folder)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return Preview(**json.loads(done.stdout))


def _measured(folder: Path) -> Preview:
    settings = read_settings(ROOT, "prod")
    before = _peak_memory()
    began = time.perf_counter()
    load_platform(folder, settings)
    seconds = time.perf_counter() - began
    return Preview(seconds=seconds, memory=_peak_memory() - before)


def _peak_memory() -> int:
    """Return the most bytes that this process has had. Where the kernel counts its parent's too (Linux), ask /proc."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * KIBIBYTE
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    preview = _measured(Path(sys.argv[1]))
    print(json.dumps({"seconds": preview.seconds, "memory": preview.memory}))  # noqa: T201 - read by the parent
