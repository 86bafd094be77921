"""Mistakes in the limits of repairs: each action has limits, of at least one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.alerting_data import changed, fixture_catalog, line_of, problems

REMEDIATIONS = "catalog/remediations.yaml"
LIMITS = "  restart_pod: {service: 3, platform: 10}"
ACTIONS = ", ".join(fixture_catalog().actions)


@pytest.mark.parametrize(
    ("new", "where", "message"),
    [
        pytest.param(
            "",
            "action: restart_pod",
            "remediations.HighMemoryUsage.action: nothing limits how often action restart_pod may begin within an "
            "hour. Add `hourly_limits.restart_pod:` with `service:` and `platform:`",
            id="an action without a limit",
        ),
        pytest.param(
            "  restart_pod: {service: 0, platform: 10}",
            "restart_pod: {service",
            "hourly_limits.restart_pod.service: found 0; allowed: ",
            id="a limit of none",
        ),
        pytest.param(
            "  restart_pod: {service: 11, platform: 10}",
            "restart_pod: {service",
            "hourly_limits.restart_pod: found service 11, platform 10; allowed: a service's limit that is not over the "
            "platform's. Lower the first, or raise the second",
            id="a service's limit over the platform's",
        ),
        pytest.param(
            f"{LIMITS}\n  restart_node: {{service: 1, platform: 1}}",
            "restart_node",
            f'hourly_limits.restart_node: found "restart_node"; allowed: {ACTIONS}. Name an action of runbooks/actions',
            id="a limit of an unknown action",
        ),
    ],
)
def test_each_mistake_is_told_where_it_was_made(tmp_path: Path, new: str, where: str, message: str) -> None:
    root = changed(tmp_path / "root", REMEDIATIONS, LIMITS, new)

    place = f"{REMEDIATIONS}:{line_of(root, REMEDIATIONS, where)}: "
    assert any(problem.startswith(place + message) for problem in problems(root)), problems(root)
