from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.simulation.run import run_seeds, shrink
from tests.steps import ROOT

SEEDS = 10_000
CHUNK = 500


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_the_invariants_hold_in_every_run(first: int) -> None:
    failure = run_seeds(range(first, first + CHUNK))

    assert failure is None, f"\n{shrink(failure)}"


DIGEST = """
from tests.simulation.plan import plan_of
from tests.simulation.simulation import Simulation

for seed in range(60):
    simulation = Simulation(plan_of(seed))
    simulation.run()
    print(simulation.world.calls, simulation.world.steps, simulation.world.random.random())
"""


def test_a_seed_gives_the_same_run_in_every_process() -> None:
    """The order of a set of texts depends on the process, so that nothing may draw from chance in that order."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "lambda")))
    first, second = (
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env=os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    )

    assert first == second
    assert len(first.splitlines()) == 60
