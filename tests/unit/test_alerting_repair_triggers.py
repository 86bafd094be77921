"""Mistakes in the alert that triggers another alert's action."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.alerting_data import changed, fixture_catalog, line_of, problems

REMEDIATIONS = "catalog/remediations.yaml"
ALERTS = ", ".join(fixture_catalog().rules.alerts)


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        pytest.param(
            "triggered_by: HighErrorRateAfterRollout",
            "triggered_by: HighErrorRateAfter",
            "triggered_by: HighErrorRateAfter",
            f'remediations.HighErrorRate.triggered_by: found "HighErrorRateAfter"; allowed: {ALERTS}. '
            "Name an alert of rules/",
            id="an unknown trigger",
        ),
        pytest.param(
            "triggered_by: HighErrorRateAfterRollout",
            "triggered_by: PodCrashLooping",
            "triggered_by: PodCrashLooping",
            "remediations.HighErrorRate.triggered_by: PodCrashLooping has an action already (PodCrashLooping, "
            "HighErrorRate); allowed: one for each alert. Name another alert",
            id="a trigger that has an action",
        ),
        pytest.param(
            "triggered_by: HighErrorRateAfterRollout",
            "triggered_by: ServiceDown",
            "    action: rollback_deployment",
            'remediations.HighErrorRate.action: action rollback_deployment reads the label "deployment", '
            "which alert ServiceDown does not carry; allowed: ",
            id="a trigger without the labels",
        ),
    ],
)
def test_each_mistake_is_reported_where_it_was_made(
    tmp_path: Path, old: str, new: str, where: str, message: str
) -> None:
    root = changed(tmp_path / "root", REMEDIATIONS, old, new)

    place = f"{REMEDIATIONS}:{line_of(root, REMEDIATIONS, where)}: "
    assert any(problem.startswith(place + message) for problem in problems(root)), problems(root)
