"""Modes that depend on the time: hours by the clock of a place, and what an alert's repair may do then."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.source.time_zones import is_time_zone
from orion_common.names import Mode
from runbook_automation.configuration import Remediations
from runbook_automation.decisions import mode_of
from runbook_automation.hours import Hours
from tests.lambda_events import LABELS, function_data, notification
from tests.lambda_harness import REPAIRS, moto_world

NEW_YORK = "America/New_York"
WORKING: dict[str, Any] = {
    "time_zone": NEW_YORK,
    "days": [0, 1, 2, 3, 4],
    "begins": "09:00",
    "ends": "17:00",
}
NIGHT = WORKING | {"days": [4], "begins": "22:00", "ends": "06:00"}


def at(text: str, zone: str = NEW_YORK) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("hours", "moment", "within"),
    [
        (WORKING, "2026-11-24T08:59:59", False),
        (WORKING, "2026-11-24T09:00:00", True),
        (WORKING, "2026-11-24T16:59:59", True),
        (WORKING, "2026-11-24T17:00:00", False),
        (WORKING, "2026-11-28T12:00:00", False),  # a Saturday
        (NIGHT, "2026-11-27T21:59:59", False),
        (NIGHT, "2026-11-27T22:00:00", True),
        (NIGHT, "2026-11-28T05:59:59", True),
        (NIGHT, "2026-11-28T06:00:00", False),
        (NIGHT, "2026-11-27T05:00:00", False),  # that night began on Thursday
        (NIGHT, "2026-11-28T23:00:00", False),
    ],
)
def test_hours_begin_and_end_by_the_places_clock(hours: Mapping[str, Any], moment: str, *, within: bool) -> None:
    assert Hours.from_data(hours).contain(at(moment)) is within


@pytest.mark.parametrize(
    ("moment", "within"),
    [
        # Clocks are set forward on 8 March 2026, and back on 1 November.
        ("2026-03-06T14:00:00", True),
        ("2026-03-06T13:59:59", False),
        ("2026-03-09T13:00:00", True),
        ("2026-03-09T12:59:59", False),
        ("2026-10-30T13:00:00", True),
        ("2026-11-02T13:59:59", False),
        ("2026-11-02T14:00:00", True),
    ],
)
def test_summer_time_moves_the_hours(moment: str, *, within: bool) -> None:
    assert Hours.from_data(WORKING).contain(at(moment, "UTC")) is within


@given(
    st.sampled_from(sorted(filter(is_time_zone, available_timezones()))),
    st.integers(int(at("2025-01-01")), int(at("2030-01-01"))),
)
def test_every_zone_of_the_catalog_is_known_to_the_function_and_its_clock_is_the_same(zone: str, now: int) -> None:
    local = datetime.fromtimestamp(now, ZoneInfo(zone))
    hours = Hours.from_data(WORKING | {"time_zone": zone})

    assert hours.contain(now) is (local.weekday() < 5 and 9 <= local.hour < 17)


def test_a_zone_that_is_not_known_is_an_error_at_once() -> None:
    with pytest.raises(ValueError, match="time_zone: found 'Moon/Tycho'"):
        Hours.from_data(WORKING | {"time_zone": "Moon/Tycho"})


def with_modes(*modes: Mapping[str, Any]) -> Remediations:
    data = function_data(REPAIRS)
    data["actions"]["restart_pod"]["timed_modes"] = list(modes)
    return Remediations.from_json(json.dumps(data))


OUTSIDE = {"mode": "approve", "service": None, "hours": WORKING, "is_within": False}
NIGHTLY_OFF = {"mode": "off", "service": "positions", "hours": NIGHT, "is_within": True}


@pytest.mark.parametrize(
    ("moment", "service", "mode"),
    [
        ("2026-11-27T12:00:00", "positions", Mode.ON),
        ("2026-11-27T20:00:00", "positions", Mode.APPROVE),
        ("2026-11-27T23:00:00", "positions", Mode.OFF),
        ("2026-11-27T23:00:00", "orders", Mode.APPROVE),
    ],
)
def test_the_strictest_mode_that_matches_at_the_time_applies(moment: str, service: str, mode: Mode) -> None:
    action = with_modes(OUTSIDE, NIGHTLY_OFF).action("restart_pod")
    assert action is not None

    assert mode_of(action, Mode.ON, {"service": service}, at(moment)) is mode
    assert mode_of(action, Mode.DRY_RUN, {"service": service}, at(moment)) is min(
        mode, Mode.DRY_RUN, key=list(Mode).index
    )


@pytest.mark.parametrize(("is_within", "commands"), [(True, 0), (False, 1)])
def test_an_alert_is_answered_by_the_mode_of_now(*, is_within: bool, commands: int) -> None:
    off = {"mode": "off", "service": None, "hours": WORKING, "is_within": is_within}
    with moto_world() as world:
        world.automation = replace(world.automation, remediations=with_modes(off))
        world.time = at("2026-11-24T09:30:00")
        world.handle(notification(LABELS, envelope={"Timestamp": "2026-11-24T14:29:00.000Z"}))

        assert len(world.commands()) == commands
