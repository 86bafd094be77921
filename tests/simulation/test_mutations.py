from __future__ import annotations

import pytest

from tests.simulation.mutations import MUTATIONS, Mutation, applied
from tests.simulation.plan import plan_of
from tests.simulation.run import run_plan, shrink


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_bug_put_in_on_purpose_is_caught(mutation: Mutation) -> None:
    plan = plan_of(mutation.seed)

    with applied(mutation):
        failure = run_plan(plan)

    assert failure is not None
    assert run_plan(plan) is None


def test_a_failing_run_is_shrunk_to_one_that_still_fails() -> None:
    with applied(MUTATIONS[0]):
        failure = run_plan(plan_of(MUTATIONS[0].seed))
        assert failure is not None
        shrunk = shrink(failure)

    assert len(shrunk.plan.actions) < len(failure.plan.actions)
    assert f"seed {MUTATIONS[0].seed}: " in str(shrunk)
