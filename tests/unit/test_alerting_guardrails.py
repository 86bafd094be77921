"""The catalog's guardrails of repairs: what the function gets, and each mistake as one error at its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from alerting.repairs.compile import repairs
from tests.alerting_data import changed, fixture_catalog, line_of, problems

REMEDIATIONS = "catalog/remediations.yaml"
SCALE = "runbooks/actions/scale_consumers.yaml"
COOLDOWN = "  scale_consumers: 900"


@pytest.mark.parametrize(
    ("file", "old", "new", "where", "message"),
    [
        pytest.param(
            REMEDIATIONS,
            COOLDOWN,
            "  scale_producers: 900",
            "scale_producers",
            'cooldown_seconds.scale_producers: found "scale_producers"; allowed: ',
            id="a cooldown of an unknown action",
        ),
        pytest.param(
            REMEDIATIONS,
            COOLDOWN,
            "  scale_consumers: 0",
            "scale_consumers: 0",
            "cooldown_seconds.scale_consumers: found 0; allowed: ",
            id="a cooldown of nothing",
        ),
        pytest.param(
            REMEDIATIONS,
            COOLDOWN,
            "  scale_consumers: 90000",
            "scale_consumers: 90000",
            "cooldown_seconds.scale_consumers: found 90000; allowed: ",
            id="a cooldown of more than a day",
        ),
        pytest.param(
            SCALE,
            "target: [namespace, deployment]",
            "target: [namespace, pod]",
            "target: ",
            'target.1: found "pod"; allowed: deployment, namespace, replicas. Name a parameter of the document',
            id="a target that is no parameter",
        ),
    ],
)
def test_each_mistake_is_told_where_it_was_made(
    tmp_path: Path, file: str, old: str, new: str, where: str, message: str
) -> None:
    root = changed(tmp_path / "root", file, old, new)

    place = f"{file}:{line_of(root, file, where)}: "
    (problem,) = problems(root)
    assert problem.startswith(place + message)


@pytest.mark.parametrize(("time_scale", "seconds"), [(1, 900), (20, 45), (10_000, 1)])
def test_a_cooldown_is_in_the_storys_time(time_scale: float, seconds: int) -> None:
    actions = repairs(fixture_catalog(), time_scale).as_function_data()["actions"]

    assert actions["scale_consumers"]["cooldown_seconds"] == seconds
    assert actions["scale_consumers"]["target"] == ["namespace", "deployment"]


def test_an_action_without_a_cooldown_may_begin_as_often_as_its_limits_let_it() -> None:
    catalog = replace(fixture_catalog(), cooldown_seconds={})

    assert repairs(catalog).as_function_data()["actions"]["scale_consumers"]["cooldown_seconds"] is None
