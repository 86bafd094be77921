"""`orion oncall`: who is on call, until when, whom an incident reaches next, and the calendar, in both time zones."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from alerting.build import load_catalog
from alerting.catalog import Catalog
from alerting.oncall import shifts
from alerting.oncall.current import LONGEST_WAIT, levels_now
from alerting.oncall.teams import EscalationEntry, LevelEntry, Team
from cli.known_names import QuestionUnclear
from cli.oncall import print_on_call
from cli.oncall_arguments import ask
from cli.oncall_comparison import compare
from tests.alerting_data import ROOT, copied_root, fixture_catalog, program_folder
from tests.rota_strategies import CHANGES, PEOPLE, schedules

ABOUT_CHRISTMAS = "2026-12-24T12:00"
NARROW = 80
DOMAIN = "@orion.example.com"


@cache
def unchanged_catalog() -> Catalog:
    """Return the catalog that no test edits, loaded once."""
    return load_catalog(program_folder())


@pytest.fixture(autouse=True)
def loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the command load a catalog anew only where a test edits it."""

    def loaded(root: Path) -> Catalog:
        return unchanged_catalog() if root == program_folder() else load_catalog(root)

    monkeypatch.setattr("cli.oncall.load_catalog", loaded)


def printed(at: str, *, zone: str = "Asia/Tokyo", team: str | None = None, weeks: int = 1) -> list[str]:
    """Return what is said of the repository's own catalog, each line with single blanks and no frame."""
    lines = unframed(shown(console(), at, zone=zone, team=team, weeks=weeks))
    return [" ".join(line.split()) for line in lines.splitlines()]


def console(width: int | None = None) -> Console:
    """Return a terminal of so many columns, or what is none. It writes to memory, and as the command's own does."""
    terminal = width is not None
    return Console(file=io.StringIO(), width=width or 40, force_terminal=terminal, color_system=None, soft_wrap=True)


def shown(
    console: Console,
    at: str = ABOUT_CHRISTMAS,
    *,
    root: Path | None = None,
    stack: str = "prod",
    zone: str = "Asia/Kathmandu",
    team: str | None = None,
    weeks: int = 2,
) -> str:
    """Return what a console shows of a repository's catalog. No zone's times are longer than Nepal's."""
    print_on_call(root or program_folder(), console, stack, ask(at, zone, team, weeks))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def unframed(text: str) -> str:
    return re.sub("[\u2500-\u257f]", " ", text)


def words(text: str) -> Counter[str]:
    """Return the words of what is shown, without frames, commas, the domain and the sentence that tells it."""
    told = re.sub(r"^Addresses shown without a domain end in @.*\n", "", text, flags=re.MULTILINE)
    return Counter(word.removesuffix(",") for word in unframed(told).replace(DOMAIN, "").split())


def test_christmas_is_the_leads() -> None:
    said = printed("2026-12-25T12:00", team="trading")

    assert said[0] == "On call at Fri 2026-12-25 12:00 JST"
    assert "trading, for orders, positions, trading" in said
    first = said.index("1 trading-lead@orion.example.com until Sat 2026-12-26 23:00 JST 5 min → level 2")
    assert said[first + 1 : first + 6] == [
        "instead of trading-primary@orion.example.com then trading-primary@orion.example.com",
        "on schedule trading-primary",
        "2 trading-secondary@orion.example.com until Mon 2026-12-28 23:00 JST 10 min → level 3",
        "on schedule trading-secondary then trading-primary@orion.example.com",
        "3 trading-lead@orion.example.com always 15 min",
    ]
    assert "After the last level all of it is gone through 2 more times." in said
    assert "Thu 2026-12-24 17:00 EST Fri 2026-12-25 07:00 JST trading-lead@orion.example.com weekly" in said
    replaced = next(number for number, line in enumerate(said) if line.endswith("trading-primary@orion.example.com:"))
    assert said[replaced].endswith("instead of trading-primary@orion.example.com:")
    assert said[replaced + 1] == "Christmas"


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
    assert said[at + 1] == "Sun 2026-11-29 16:00 GMT each day 08:00 to 16:00"


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
    with pytest.raises(QuestionUnclear, match=r'--at: found "noon"; allowed: a time such as 2026-12-24T18:00'):
        ask("noon", None, None, 1)
    for far in ("9999-12-31T00:00", "0001-01-01T00:00"):
        with pytest.raises(QuestionUnclear, match=f'--at: found "{far}"; allowed: a year from 2000 to 2100'):
            ask(far, "America/New_York", None, 1)
    with pytest.raises(QuestionUnclear, match=r'--zone: found "Mars/Base"; allowed: an IANA name'):
        ask(None, "Mars/Base", None, 1)
    with pytest.raises(QuestionUnclear, match=r'--team: found "tradin"; allowed: trading, platform, database'):
        shown(console(), team="tradin")


def test_a_comparison_for_an_unknown_team_says_so_before_pagerduty_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGERDUTY_TOKEN", "a key")
    monkeypatch.setenv("PAGERDUTY_API_URL", "http://127.0.0.1:9")

    with pytest.raises(QuestionUnclear, match=r'--team: found "tradin"; allowed: trading, platform, database'):
        compare(program_folder(), console(), ask(ABOUT_CHRISTMAS, None, "tradin", 1))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a copy of what a team edits, to be edited."""
    copied_root(tmp_path)
    for stack in ("dev", "prod"):
        shutil.copy(ROOT / f"Pulumi.{stack}.yaml", tmp_path)
    return tmp_path


def test_a_stack_that_pages_nobody_says_so() -> None:
    said = shown(console(), stack="dev")

    assert said.startswith("Paging is off in dev (orion-alerting:paging): none of its alerts opens an incident.\n\n")


@pytest.mark.parametrize("width", [NARROW, 60])
@pytest.mark.parametrize(
    ("zone", "team", "weeks"),
    [
        ("Asia/Kathmandu", None, 2),
        ("Asia/Kathmandu", "trading", 2),
        ("Asia/Kathmandu", "platform", 2),
        ("Asia/Kathmandu", "database", 2),
        ("Europe/London", None, 2),  # by whose clock two of the teams' schedules are
        ("Australia/Sydney", None, 9),
    ],
)
def test_where_there_is_little_room_no_word_is_folded_and_nothing_is_lost(
    width: int, zone: str, team: str | None, weeks: int
) -> None:
    narrow = shown(console(width), zone=zone, team=team, weeks=weeks)

    assert max(map(cell_len, narrow.splitlines())) <= width
    told, whole = words(narrow), words(shown(console(), zone=zone, team=team, weeks=weeks))
    assert told - whole == Counter()
    # The reader's time beside the schedule's has the day of the week, not its date as well.
    assert [word for word in whole - told if not re.fullmatch(r"\d{4}-\d\d-\d\d", word)] == []


def test_where_there_is_little_room_the_domain_of_all_addresses_is_told_once() -> None:
    narrow = shown(console(NARROW))

    assert narrow.splitlines()[1] == f"Addresses shown without a domain end in {DOMAIN}."
    assert narrow.count("@") == 1


def test_where_there_is_little_room_the_readers_time_is_beside_the_schedules_and_then_below_it() -> None:
    beside, below = unframed(shown(console(NARROW))), unframed(shown(console(60)))

    assert "Thu 2026-12-24 17:00 EST, Fri 03:45 +0545   trading-lead" in beside
    assert re.search(r"Thu 2026-12-24 17:00 EST   trading-lead +\n +Fri 03:45 \+0545 +instead of ", below)


@pytest.mark.parametrize("width", [None, 100, 140])
def test_where_there_is_room_addresses_are_whole(width: int | None) -> None:
    said = shown(console(width))

    assert "Addresses shown" not in said
    people = [person for team in fixture_catalog().teams.values() for person in team.people]
    assert {word.removesuffix(":") for word in unframed(said).split() if "@" in word} == set(people)


def test_what_is_no_terminal_has_a_column_for_everything_however_narrow_it_says_it_is() -> None:
    assert shown(console()) == shown(console(140))


def test_an_address_of_another_domain_is_whole(repository: Path) -> None:
    teams = repository / "catalog" / "teams.yaml"
    teams.write_text(teams.read_text().replace(f"database-lead{DOMAIN}", "database-lead@elsewhere.example.net"))

    narrow = shown(console(NARROW), root=repository)

    assert [word for word in unframed(narrow).split() if "@" in word] == [
        f"{DOMAIN}.",
        "database-lead@elsewhere.example.net",
    ]


def test_a_long_reason_is_told_word_by_word_and_takes_no_room_from_the_rest(repository: Path) -> None:
    reason = "Ann's [second] leave of the year, :tada: which was agreed upon with everybody else on this rotation"
    teams = repository / "catalog" / "teams.yaml"
    teams.write_text(teams.read_text().replace("reason: Christmas", f"reason: {json.dumps(reason)}"))

    for width in (NARROW, 140, None):
        before, after = words(shown(console(width))), words(shown(console(width), root=repository))
        assert after - before == words(reason)
        assert before - after == Counter(["Christmas"])


def test_where_there_is_no_room_at_all_words_are_folded_and_no_letter_is_lost() -> None:
    folded, whole = ("".join(unframed(shown(console(width))).split()) for width in (30, 60))
    assert Counter(folded) == Counter(whole)


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
        repair_mail=("all@example.com",),
    )

    (level,) = levels_now("red", {"red": team}, at)

    assert [each.person for each in level.people] == [shift.person for shift in shifts.on_call(schedule, at)]
    for on_duty in level.people:
        end = at + LONGEST_WAIT - timedelta(days=8) if on_duty.until is None else on_duty.until
        for part in (0.0, data.draw(st.floats(0, 0.999)), 0.999):
            (now,) = shifts.on_call(schedule, at + part * (end - at))
            assert now.person == on_duty.person
        if on_duty.until is not None:
            after = [shift.person for shift in shifts.on_call(schedule, on_duty.until)]
            assert after == ([on_duty.following] if on_duty.following else [])
            assert on_duty.following != on_duty.person
