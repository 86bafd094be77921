"""The change that docs/on-call.md shows in whole applies here, and puts the people on call whom its text names."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from alerting.build import load_catalog
from alerting.oncall.shifts import on_call, shifts
from alerting.oncall.teams import ScheduleEntry
from tests.alerting_data import ROOT, copied_root, fixture_catalog

DIFF = re.compile(r"^```diff\n(diff --git .*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def schedule(tmp_path_factory: pytest.TempPathFactory) -> ScheduleEntry:
    root = copied_root(tmp_path_factory.mktemp("changed") / "root")
    (diff,) = DIFF.findall((ROOT / "docs" / "on-call.md").read_text())
    done = subprocess.run(
        ["/usr/bin/env", "git", "apply", "-"], cwd=root, input=diff, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, f"docs/on-call.md: the diff no longer applies: {done.stderr}"
    return load_catalog(root).teams["database"].schedules["database-primary"]


@pytest.mark.parametrize(
    ("at", "person"),
    [
        ("2026-12-09T12:59", "primary"),
        ("2026-12-09T13:00", "secondary"),
        ("2026-12-10T08:59", "secondary"),
        ("2026-12-10T09:00", "secondary"),
        ("2026-12-11T09:00", "lead"),
        ("2026-12-12T09:00", "secondary"),
    ],
)
def test_a_person_leaves_in_the_middle_of_a_turn(schedule: ScheduleEntry, at: str, person: str) -> None:
    found = on_call(schedule, datetime.fromisoformat(at).replace(tzinfo=UTC))

    assert [shift.person for shift in found] == [f"database-{person}@orion.example.com"]


def test_who_has_left_is_never_on_call_again_and_the_turns_before_stay(schedule: ScheduleEntry) -> None:
    left = datetime(2026, 12, 9, 13, tzinfo=UTC)
    unchanged = fixture_catalog().teams["database"].schedules["database-primary"]
    before = left - timedelta(days=30)

    after = {shift.person for shift in shifts(schedule, left, left + timedelta(days=90))}
    assert after == {"database-secondary@orion.example.com", "database-lead@orion.example.com"}
    assert [(one.start, one.person) for one in shifts(schedule, before, left - timedelta(hours=5))] == [
        (one.start, one.person) for one in shifts(unchanged, before, left - timedelta(hours=5))
    ]
