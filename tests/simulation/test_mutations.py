from __future__ import annotations

import re

import pytest

from tests.simulation.mutation import Mutation, applied
from tests.simulation.mutations import MUTATIONS
from tests.simulation.plan import plan_of
from tests.simulation.run import run_plan, shrink
from tests.steps import ROOT

RELIABILITY = ROOT / "docs" / "reliability.md"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_bug_put_in_on_purpose_is_caught(mutation: Mutation) -> None:
    plan = plan_of(mutation.seed)

    with applied(mutation):
        failure = run_plan(plan)

    assert failure is not None
    assert run_plan(plan) is None


def test_the_documents_list_the_bugs_and_the_seeds_they_took() -> None:
    listed = re.findall(r"^\| (.+?) \| `[\w.]+` \| ([\d,]+) \|$", RELIABILITY.read_text(), re.MULTILINE)

    assert listed == [(mutation.name, f"{mutation.seed + 1:,}") for mutation in MUTATIONS]


def test_a_failing_run_is_shrunk_to_one_that_still_fails() -> None:
    with applied(MUTATIONS[0]):
        failure = run_plan(plan_of(MUTATIONS[0].seed))
        assert failure is not None
        shrunk = shrink(failure)

    assert len(shrunk.plan.actions) < len(failure.plan.actions)
    assert f"seed {MUTATIONS[0].seed}: " in str(shrunk)
