"""`orion matrix`: its table and its JSON, and the name of a scenario that is not there."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from alerting.detection.notifications import Notification
from alerting.detection.scenarios import Run, Urgency, read_scenarios, runs
from alerting.detection.verdicts import Verdict, judge, totals
from cli.known_names import QuestionUnclear
from cli.matrix import markdown_table, result_text, run_matrix
from sandbox.scenarios.simulation import KNOWN_STEPS
from tests.alerting_data import DATA, fixture_catalog


def verdicts() -> list[Verdict]:
    catalog = fixture_catalog()
    outage, rollout = runs(read_scenarios(DATA, catalog, KNOWN_STEPS), catalog)
    return [judge(outage, [page(outage)], {}, catalog), judge(rollout, [page(rollout)], {}, catalog)]


def page(run: Run) -> Notification:
    return Notification(
        at=run.scenario.begins.timestamp() + 75,
        urgency=Urgency.PAGE,
        alert="ServiceDown",
        service="orders",
        team="trading",
        people=("trading-secondary@orion.example.com",),
    )


def test_a_row_says_what_each_scenario_came_to() -> None:
    assert markdown_table(verdicts()).splitlines()[2:] == [
        "| total-outage | 1 | ServiceDown | page | 3m | 1m 15s | 1 of 1 |  |",
        "| rollout | 1 | nobody |  |  |  | 0 of 1 |  |",
    ]


def test_the_result_has_the_figures_and_every_notification() -> None:
    found = verdicts()

    result = json.loads(result_text(found, totals(found)))

    assert (result["totals"]["precision"], result["totals"]["recall"], result["totals"]["right"]) == (0.5, 1.0, 1)
    outage, rollout = result["runs"]
    assert (outage["outcome"], outage["seconds"], outage["excess"]) == ("detected", 75.0, [])
    assert (rollout["outcome"], rollout["reason"]) == ("false alarm", "page ServiceDown of orders to trading")
    assert rollout["excess"][0]["people"] == ["trading-secondary@orion.example.com"]


def test_a_scenario_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(QuestionUnclear, match='--scenario: found "outage"; allowed: rollout, total-outage'):
        run_matrix(DATA, Console(), Console(), "prod", ["outage"])
