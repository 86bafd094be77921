from __future__ import annotations

import pytest

from tests.simulation.plan import plan_of
from tests.simulation.run import run_plan, run_seeds, shrink

SEEDS = 10_000
CHUNK = 500


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_the_invariants_hold_in_every_run(first: int) -> None:
    failure = run_seeds(range(first, first + CHUNK))

    assert failure is None, f"\n{shrink(failure)}"


def test_a_seed_gives_the_same_run_every_time() -> None:
    assert plan_of(3) == plan_of(3)
    assert run_plan(plan_of(3)) == run_plan(plan_of(3))
