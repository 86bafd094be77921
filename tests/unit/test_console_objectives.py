"""Objectives on the sandbox's page: what Prometheus says of budgets and burn rates, in order, and drawn to scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alerting.rules.series import OBJECTIVE_EXHAUSTED_IN
from sandbox.console.objectives import BURN_RATE, HEIGHT, QUERY, WIDTH, ObjectiveState, objective_states
from tests.console_harness import console_stage, objective_series
from tests.waiting import until


def states(*series: list[dict[str, Any]]) -> list[ObjectiveState]:
    return objective_states({"data": {"result": [one for each in series for one in each]}})


def test_the_objective_with_the_least_left_comes_first_and_what_is_not_known_last() -> None:
    unknown = objective_series("gateway", float("nan"), [0.5])
    found = states(objective_series("orders", 0.4, [1.0]), unknown, objective_series("positions", -0.2, [20.0]))

    assert [(one.service, one.left) for one in found] == [("positions", -0.2), ("orders", 0.4), ("gateway", None)]
    assert found[0].key == "objective:positions:requests"


@pytest.mark.parametrize(
    ("left", "colour", "bar"),
    [
        (-0.5, "critical", 0.0),
        (0.0, "critical", 0.0),
        (0.1, "high", 12.0),
        (0.5, "warning", 60.0),
        (1.0, "good", 120.0),
    ],
)
def test_a_bar_is_as_long_as_what_is_left(left: float, colour: str, bar: float) -> None:
    (found,) = states(objective_series("orders", left, [0.0]))

    assert (found.colour, found.bar) == (colour, bar)


def test_a_course_runs_from_the_oldest_to_now_and_never_leaves_its_place() -> None:
    (found,) = states(objective_series("orders", 0.4, [0.0, 30.0, 15.0]))

    assert found.course == f"0.0,{HEIGHT} 60.0,0.0 {WIDTH},14.0"
    assert (found.burn, found.burn_colour) == (15.0, "critical")
    assert HEIGHT > found.height(1.0) > 0


@pytest.mark.parametrize(("rate", "colour"), [(0.5, "good"), (1.0, "good"), (1.1, "warning"), (14.4, "critical")])
def test_a_burn_rate_over_one_is_no_good(rate: float, colour: str) -> None:
    (found,) = states(objective_series("orders", 0.4, [rate]))

    assert found.burn_colour == colour
    assert found.top >= 2.0


def test_what_is_said_no_more_is_not_so_any_more() -> None:
    """A budget that burnt an hour ago is not spent at any time now."""
    labels = {"__name__": OBJECTIVE_EXHAUSTED_IN, "service": "orders", "objective": "requests"}
    burn = objective_series("orders", 0.4, [5.0, 5.0])
    (found,) = states([*burn, {"metric": labels, "values": [[1000.0, "600"]]}])
    (burning,) = states([*burn, {"metric": labels, "values": [[1000.0, "600"], [1060.0, "500"]]}])

    assert (found.exhausted_in, burning.exhausted_in) == (None, 500.0)


def test_the_page_draws_them_and_says_when_prometheus_does_not_answer(tmp_path: Path) -> None:
    with console_stage(tmp_path) as stage:
        assert "No objective has been counted yet." in stage.sections()["objectives"]
        stage.back_ends.series = objective_series("orders", 0.432, [1.0, 2.5])
        until("the budget is there", lambda: "43.2 %" in stage.sections()["objectives"])
        drawn = stage.sections()["objectives"]
        stage.stop_answering("prometheus")
        until("its end is noticed", lambda: "as they were last read" in stage.sections()["objectives"])

        assert ">2.5 " in drawn
        assert 'points="0.0,16.8 120.0,0.0"' in drawn
        assert "43.2 %" in stage.sections()["objectives"]
        asked = stage.back_ends.asked[0]
        assert asked["query"] == QUERY
        assert BURN_RATE in QUERY
        # Three hours of the story take nine minutes where time runs 20 times faster.
        assert float(asked["end"]) - float(asked["start"]) == pytest.approx(540, abs=0.01)
        assert float(asked["step"]) == 9
