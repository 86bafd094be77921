"""generate_1000, generate_10000, memory_10000: the whole process from objectives to rules, beside `sloth generate`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.catalog import ROOT
from tests.bench.figures import Figure
from tests.bench.objective_rules import TARGET, service_name, write_objectives
from tests.bench.sloth_rules import SlothObjective, generate_command, write_sloth

SIZES = (1000, 10_000)
MEMORY = f"memory_{SIZES[-1]}"
GENERATION_FIGURES = (*(f"generate_{size}" for size in SIZES), MEMORY)
PEER = "sloth generate"
OBJECTIVES_OF_A_SERVICE = 10
RUNS = 3
KIBIBYTES_OF_A_MEBIBYTE = 1024
MEASURES = Path(__file__).with_name("measured_process.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """The seconds that a process takes, and the most memory that it has had."""

    seconds: float
    mebibytes: float


def generation(wanted: Callable[[str], bool]) -> Iterator[Figure]:
    """Measure both processes by turns, and yield the least time and memory of each."""
    for size in SIZES:
        names = [name for name in GENERATION_FIGURES if name.endswith(f"_{size}") and wanted(name)]
        if not names:
            continue
        with tempfile.TemporaryDirectory(prefix="orion-bench-") as directory:
            ours, theirs = _both(Path(directory), size)
        for name in names:
            if name == MEMORY:
                yield Figure(name=name, value=ours.mebibytes, unit="MiB", peer=PEER, peer_value=theirs.mebibytes)
            else:
                yield Figure(name=name, value=ours.seconds, unit="s", peer=PEER, peer_value=theirs.seconds)


def own_generation(folder: Path, objectives: int) -> Process:
    """Measure our generator, with so many objectives that are written out."""
    return least(measured(_own_command(folder, objectives)) for _ in range(RUNS))


def _both(folder: Path, size: int) -> tuple[Process, Process]:
    services = max(1, size // OBJECTIVES_OF_A_SERVICE)
    written = (
        SlothObjective(service=service_name(number % services), name=f"availability-{number}", target=TARGET)
        for number in range(size)
    )
    sloth = generate_command(write_sloth(folder / "sloth.yml", written), folder / "sloth.rules.yml")
    own = _own_command(folder, size)
    runs = [(measured(own), measured(sloth)) for _ in range(RUNS)]
    return least(ours for ours, _ in runs), least(theirs for _, theirs in runs)


def _own_command(folder: Path, objectives: int) -> list[str]:
    services = max(1, objectives // OBJECTIVES_OF_A_SERVICE)
    root = write_objectives(folder / "root", services=services, written=objectives)
    return [sys.executable, "-m", "tests.bench.generate_rules", str(root), str(folder / "rules")]


def least(runs: Iterator[Process]) -> Process:
    """Return the least time and the least memory of some runs: whatever else the machine does only ever adds."""
    every = list(runs)
    return Process(
        seconds=min(run.seconds for run in every),
        mebibytes=min(run.mebibytes for run in every),
    )


def measured(command: Sequence[str]) -> Process:
    """Run a command and measure it. Raises `CalledProcessError` with what it told if it fails."""
    done = subprocess.run(
        [sys.executable, "-S", str(MEASURES), *command], cwd=ROOT, check=True, capture_output=True, text=True
    )
    taken = json.loads(done.stdout)
    return Process(seconds=taken["seconds"], mebibytes=taken["kibibytes"] / KIBIBYTES_OF_A_MEBIBYTE)
