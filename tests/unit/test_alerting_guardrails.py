"""The catalog's guardrails of repairs: what the function gets, and each mistake as one error at its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from alerting.build import load_catalog
from alerting.repairs.compile import repairs
from tests.alerting_data import changed, fixture_catalog, line_of, problems

REMEDIATIONS = "catalog/remediations.yaml"
SCALE = "runbooks/actions/scale_consumers.yaml"
COOLDOWN = "  scale_consumers: 900"
MODES = "modes:"
HOURS = 'hours:\n  working-hours: {time_zone: America/New_York, days: [monday, friday], begins: "09:00", ends: "17:00"}'


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
            REMEDIATIONS,
            MODES,
            f"{MODES}\n  - {{mode: approve, outside: working-hours}}",
            "outside: working-hours",
            'modes.0.outside: found "working-hours"; allowed: ',
            id="hours that are not there",
        ),
        pytest.param(
            REMEDIATIONS,
            MODES,
            f"{HOURS}\n{MODES}\n  - {{mode: approve, outside: working-hours, during: working-hours}}",
            "outside: working-hours",
            "modes.0: found {'mode': 'approve', ",
            id="within and outside at once",
        ),
        pytest.param(
            REMEDIATIONS,
            MODES,
            f"{HOURS.replace('New_York', 'New_Delhi')}\n{MODES}",
            "New_Delhi",
            'hours.working-hours.time_zone: found "America/New_Delhi"; an IANA name such as ',
            id="an unknown time zone",
        ),
        pytest.param(
            REMEDIATIONS,
            MODES,
            f"{HOURS.replace('17:00', '25:00')}\n{MODES}",
            "25:00",
            'hours.working-hours.ends: found "25:00"; a time such as "09:30" is allowed',
            id="no time of a day",
        ),
        pytest.param(
            REMEDIATIONS,
            MODES,
            f"{HOURS.replace('17:00', '09:00')}\n{MODES}",
            "working-hours",
            "hours.working-hours: found {'time_zone': ",
            id="hours of no length",
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
    assert "allowed" in problem


@pytest.mark.parametrize(("time_scale", "seconds"), [(1, 900), (20, 45), (10_000, 1)])
def test_a_cooldown_is_in_the_storys_time(time_scale: float, seconds: int) -> None:
    actions = repairs(fixture_catalog(), time_scale).as_function_data()["actions"]

    assert actions["scale_consumers"]["cooldown_seconds"] == seconds
    assert actions["scale_consumers"]["target"] == ["namespace", "deployment"]


def test_an_action_without_a_cooldown_may_begin_as_often_as_its_limits_let_it() -> None:
    catalog = replace(fixture_catalog(), cooldown_seconds={})

    assert repairs(catalog).as_function_data()["actions"]["scale_consumers"]["cooldown_seconds"] is None


def test_rules_that_depend_on_the_time_are_apart_from_those_that_always_apply(tmp_path: Path) -> None:
    rules = "  - {mode: approve, action: restart_pod, outside: working-hours}\n  - {mode: off, during: working-hours}"
    root = changed(tmp_path / "root", REMEDIATIONS, MODES, f"{HOURS}\n{MODES}\n{rules}")

    action = repairs(load_catalog(root)).as_function_data()["actions"]["restart_pod"]

    hours = {"time_zone": "America/New_York", "days": ("monday", "friday"), "begins": "09:00", "ends": "17:00"}
    assert action["mode"] == "on"
    assert action["timed_modes"] == [
        {"mode": "approve", "service": None, "hours": hours, "is_within": False},
        {"mode": "off", "service": None, "hours": hours, "is_within": True},
    ]
