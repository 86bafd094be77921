"""`orion oncall`: who is on call, until when, whom an incident reaches next, and the calendar, in both time zones."""

from __future__ import annotations

import io
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from alerting import rota
from alerting.build import load_catalog
from alerting.on_call_now import LONGEST_WAIT, levels_now
from alerting.teams import EscalationEntry, LevelEntry, Team
from cli.oncall import QuestionUnclear, answer, ask, print_on_call
from tests.alerting_data import ROOT
from tests.rota_strategies import CHANGES, PEOPLE, schedules


def printed(at: str, *, zone: str = "Asia/Tokyo", team: str | None = None, weeks: int = 1) -> list[str]:
    """Return what is said of the repository's own catalog, each line with single blanks and no frame."""
    console = Console(file=io.StringIO(), width=220, color_system=None)
    console.print(answer(load_catalog(ROOT), ask(at, zone, team, weeks)))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().replace("│", " ").splitlines()
    return [" ".join(line.split()) for line in lines]


def test_christmas_is_the_leads() -> None:
    said = printed("2026-12-25T12:00", team="trading")

    assert said[0] == "On call at Fri 2026-12-25 12:00 JST"
    assert "trading, for orders, positions, trading" in said
    first = said.index("1 trading-lead@orion.example.com Sat 2026-12-26 23:00 JST 5 min → level 2")
    assert said[first + 1 : first + 6] == [
        "instead of trading-primary@orion.example.com trading-primary@orion.example.com",
        "on trading-primary",
        "2 trading-secondary@orion.example.com Mon 2026-12-28 23:00 JST 10 min → level 3",
        "on trading-secondary trading-primary@orion.example.com",
        "3 trading-lead@orion.example.com always 15 min",
    ]
    assert "After the last level all of it is gone through 2 more times." in said
    assert "Thu 2026-12-24 17:00 EST Fri 2026-12-25 07:00 JST trading-lead@orion.example.com weekly" in said
    assert any(line.endswith("instead of trading-primary@orion.example.com: Christmas") for line in said)


def test_the_calendar_is_by_the_wall_clock_across_a_clock_change() -> None:
    """London's clock goes forward on 28 March 2027, Tokyo's never: nine o'clock there is 18:00 here, then 17:00."""
    said = printed("2027-03-27T20:00", team="database")

    assert "Sat 2027-03-27 09:00 GMT Sat 2027-03-27 18:00 JST database-primary@orion.example.com daily" in said
    at = said.index("Sat 2027-03-27 09:00 GMT Sat 2027-03-27 18:00 JST database-primary@orion.example.com daily")
    assert said[at + 1] == "Sun 2027-03-28 09:00 BST Sun 2027-03-28 17:00 JST"


def test_the_sun_is_followed() -> None:
    zone = "Europe/London"

    for hour, person in ((3, "asia"), (9, "europe"), (17, "americas")):
        said = printed(f"2026-11-25T{hour:02}:00", zone=zone, team="platform")
        assert any(line.startswith(f"1 platform-{person}-") for line in said)
    # The reader's zone is the schedule's: it is not said twice.
    at = said.index("Thu 2026-11-26 08:00 GMT platform-europe-primary@orion.example.com europe")
    assert said[at + 1 : at + 3] == ["Sun 2026-11-29 16:00 GMT each day", "08:00 to 16:00"]


@pytest.mark.parametrize(
    ("at", "zone", "moment"),
    [
        ("2026-12-24T18:00+01:00", None, datetime(2026, 12, 24, 17, tzinfo=UTC)),
        ("2026-12-24T18:00", "Asia/Tokyo", datetime(2026, 12, 24, 9, tzinfo=UTC)),
        ("2026-12-24", "UTC", datetime(2026, 12, 24, tzinfo=UTC)),
    ],
)
def test_a_time_without_an_offset_is_the_readers(at: str, zone: str | None, moment: datetime) -> None:
    assert ask(at, zone, None, 1).at == moment


def test_what_is_unclear_is_told_in_a_sentence() -> None:
    console = Console(file=io.StringIO())

    with pytest.raises(QuestionUnclear, match=r'--at: found "noon"; allowed: a time such as 2026-12-24T18:00'):
        ask("noon", None, None, 1)
    with pytest.raises(QuestionUnclear, match=r'--zone: found "Mars/Base"; allowed: an IANA name'):
        ask(None, "Mars/Base", None, 1)
    with pytest.raises(QuestionUnclear, match=r'--team: found "tradin"; allowed: trading, platform, database'):
        print_on_call(ROOT, console, "prod", ask(None, None, "tradin", 1))


def test_a_stack_that_pages_nobody_says_so(tmp_path: Path) -> None:
    for name in ("catalog", "rules", "runbooks"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "Pulumi.dev.yaml", tmp_path)
    console = Console(file=io.StringIO(), width=200)

    print_on_call(tmp_path, console, "dev", ask(None, "UTC", "trading", 1))

    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().startswith("Paging is off in dev (orion-alerting:paging): ")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_until_and_then_are_what_the_following_moments_show(data: st.DataObject) -> None:
    change = data.draw(st.sampled_from(CHANGES))
    schedule = data.draw(schedules(change, most_rotations=1))
    at = change + timedelta(minutes=data.draw(st.integers(-5000, 5000)))
    escalation = EscalationEntry(levels=(LevelEntry(schedules=("s",), timeout_minutes=5),), repeats=0)
    team = Team(
        description="Any.",
        people=PEOPLE,
        schedules={"s": schedule},
        escalation=escalation,
        acknowledgement_timeout="30m",
    )

    (level,) = levels_now("red", {"red": team}, at)

    assert [each.person for each in level.people] == [shift.person for shift in rota.on_call(schedule, at)]
    for on_duty in level.people:
        end = at + LONGEST_WAIT - timedelta(days=8) if on_duty.until is None else on_duty.until
        for part in (0.0, data.draw(st.floats(0, 0.999)), 0.999):
            (now,) = rota.on_call(schedule, at + part * (end - at))
            assert now.person == on_duty.person
        if on_duty.until is not None:
            after = [shift.person for shift in rota.on_call(schedule, on_duty.until)]
            assert after == ([on_duty.following] if on_duty.following else [])
            assert on_duty.following != on_duty.person
