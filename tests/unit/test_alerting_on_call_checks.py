"""Mistakes in rotations, overrides and escalations are reported, and nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.oncall.checks.coverage import level_gaps
from alerting.oncall.checks.rotations import on_call_problems
from alerting.oncall.teams import RotationEntry, ScheduleEntry, TeamsFile, Turn
from alerting.source.problems import CatalogError
from alerting.source.validated import validated
from alerting.source.yaml_source import parse_document
from tests.rota_strategies import CHANGES, MINUTES, schedules

FILE = "catalog/teams.yaml"
NOW = datetime(2026, 2, 2, 12, tzinfo=UTC)
GOOD = """
operating_team: red
teams:
  red:
    description: Red.
    people: [ann@example.com, bob@example.com, cid@example.com]
    one_duty_at_a_time: true
    schedules:
      red-primary:
        time_zone: America/New_York
        rotations:
          day: {turn: weekly, first_day: 2026-01-05, handoff: "09:00", until: "21:00",
            people: [ann@example.com, bob@example.com]}
          night: {turn: weekly, first_day: 2026-01-05, handoff: "21:00", until: "09:00",
            people: [bob@example.com, ann@example.com]}
        overrides:
          - {person: cid@example.com, since: "2026-02-10T09:00:00-05:00", until: "2026-02-11T09:00:00-05:00", reason: x}
      red-secondary:
        time_zone: America/New_York
        rotations:
          week: {turn: weekly, first_day: 2026-01-05, handoff: "09:00", people: [cid@example.com]}
        overrides:
          - {person: ann@example.com, since: "2026-02-10T09:00:00-05:00", until: "2026-02-11T09:00:00-05:00", reason: x}
    escalation:
      repeats: 1
      then: blue
      levels:
        - {schedules: [red-primary], timeout_minutes: 5}
        - {schedules: [red-secondary], timeout_minutes: 5}
    acknowledgement_timeout: 30m
    repair_mail: [all@example.com]
  blue:
    description: Blue.
    people: [dot@example.com]
    schedules: {}
    escalation:
      repeats: 1
      levels: [{people: [dot@example.com], timeout_minutes: 5}]
    acknowledgement_timeout: 30m
    repair_mail: [all@example.com]
"""


def problems(text: str, now: datetime = NOW) -> list[str]:
    document = parse_document(FILE, text)
    return [str(problem) for problem in on_call_problems(validated(document, TeamsFile).teams, document, now)]


def changed(*changes: tuple[str, str]) -> str:
    text = GOOD
    for old, new in changes:
        assert old in text, f"no longer holds {old!r}"
        text = text.replace(old, new, 1)
    return text


def test_what_is_right_is_left_alone() -> None:
    assert problems(GOOD) == []


RED = "teams.red.schedules.red-primary"
ONE_PROBLEM = [
    pytest.param(
        [('until: "09:00"', 'until: "08:00"')],
        "rotations:",
        f"{RED}.rotations: leaves nobody on call from Mon 2026-02-02 08:00 EST to Mon 2026-02-02 09:00 EST, and 399 "
        "more times until 2027-03-09; allowed: somebody at every moment. Let a rotation reach further, or add one",
        id="an hour of every day that nobody has",
    ),
    pytest.param(
        [("first_day: 2026-01-05, handoff", "first_day: 2026-01-05, last_day: 2026-03-01, handoff")],
        "rotations:",
        f"{RED}.rotations: leaves nobody on call from Mon 2026-03-02 09:00 EST to Mon 2026-03-02 21:00 EST",
        id="a rotation that ends, and none after it",
    ),
    pytest.param(
        [('until: "09:00"', 'until: "10:00"')],
        "night:",
        f"{RED}.rotations.night: is on call together with rotation day from Mon 2026-02-02 09:00 EST to "
        "Mon 2026-02-02 10:00 EST; allowed: one rotation of a schedule at a time. ",
        id="two rotations at once",
    ),
    pytest.param(
        [("[cid@example.com]}", "[cid@example.com, ann@example.com]}")],
        "red-primary:",
        "teams.red.schedules.red-primary: ann@example.com is on call here and on red-secondary from "
        "Sun 2026-02-01 21:00 EST to Mon 2026-02-02 09:00 EST; allowed by `one_duty_at_a_time:`: one of the two. ",
        id="a person in two places at once",
    ),
    pytest.param(
        [('"2026-02-11T09:00:00-05:00", reason', '"2026-02-11T09:01:00-05:00", reason')],
        "red-secondary:",
        "teams.red.schedules.red-secondary: cid@example.com is on call here and on red-primary from "
        "Wed 2026-02-11 09:00 EST to Wed 2026-02-11 09:01 EST",
        id="a person in two places at once by an override, for a minute",
    ),
    pytest.param(
        [("first_day: 2026-01-05", "first_day: 2027-02-03")],
        "day:",
        f"{RED}.rotations.day.first_day: found 2027-02-03; allowed: until 2027-02-02 (PagerDuty takes no start more "
        "than 12 months ahead). ",
        id="a start in the far future",
    ),
    pytest.param(
        [("first_day: 2026-01-05, handoff", "first_day: 2026-01-05, last_day: 2026-01-04, handoff")],
        "day:",
        f"{RED}.rotations.day.last_day: found 2026-01-04; allowed: 2026-01-05 (its first day) or later. ",
        id="a rotation that ends before it begins",
    ),
    pytest.param(
        [("people: [ann@example.com, bob@example.com]}", f"people: [{', '.join(['ann@example.com'] * 21)}]" + "}")],
        "people: [ann@example.com, ann",
        f"{RED}.rotations.day.people: found 21 people; allowed: at most 20 (PagerDuty's limit). Remove some",
        id="more people than PagerDuty takes",
    ),
    pytest.param(
        [('handoff: "21:00", until: "09:00"', 'handoff: "02:30", until: "09:00"')],
        "night:",
        f'{RED}.rotations.night.handoff: found "02:30", which the clock of America/New_York leaves out or shows twice '
        "on 2026-03-08; allowed: a time that it shows once on every day. Change it",
        id="a handoff that a clock change leaves out",
    ),
    pytest.param(
        [('handoff: "21:00", until: "09:00"', 'handoff: "21:00", until: "01:00"')],
        "night:",
        f'{RED}.rotations.night.until: found "01:00", which the clock of America/New_York leaves out or shows twice on '
        "2026-11-01; ",
        id="an end that a clock change repeats",
    ),
    pytest.param(
        [("time_zone: America/New_York", "time_zone: America/New_Yorc")],
        "Yorc",
        f'{RED}.time_zone: found "America/New_Yorc"; allowed: IANA names such as Europe/London. Change it',
        id="an unknown time zone",
    ),
    pytest.param(
        [("time_zone: America/New_York", "time_zone: EST")],
        "time_zone: EST",
        f'{RED}.time_zone: found "EST"; allowed: IANA names such as Europe/London. Change it',
        id="a time zone without summer time",
    ),
    pytest.param(
        [("time_zone: America/New_York", "time_zone: Etc/GMT+5")],
        "time_zone: Etc",
        f'{RED}.time_zone: found "Etc/GMT+5"; allowed: IANA names such as Europe/London. Change it',
        id="a time zone whose sign is the other way round",
    ),
    pytest.param(
        [("time_zone: America/New_York", "time_zone: localtime")],
        "time_zone: localtime",
        f'{RED}.time_zone: found "localtime"; allowed: IANA names such as Europe/London. Change it',
        id="a time zone that is another one on each machine",
    ),
    pytest.param(
        [("- {person: cid@example.com", "- {person: dot@example.com")],
        "- {person: dot",
        f'{RED}.overrides.0.person: found "dot@example.com"; allowed: ann@example.com, bob@example.com, '
        "cid@example.com. Name one of the team's people",
        id="an override by somebody unknown",
    ),
    pytest.param(
        [("- {person: cid@example.com", "- {person: cid@example.com, instead_of: cid@example.com")],
        "- {person: cid",
        f'{RED}.overrides.0.instead_of: found "cid@example.com"; allowed: ann@example.com, bob@example.com. '
        "Name one of the schedule's people",
        id="an override in place of somebody who has no turns",
    ),
    pytest.param(
        [('until: "2026-02-11T09:00:00-05:00"', 'until: "2026-02-10T14:00:00+00:00"')],
        "- {person: cid",
        f"{RED}.overrides.0.until: found 2026-02-10T14:00:00+00:00; allowed: after `since:`. Change one of them",
        id="an override that ends as it begins",
    ),
    pytest.param(
        [('until: "2026-02-11T09:00:00-05:00"', 'until: "2026-04-12T14:00:00+00:00"')],
        "- {person: cid",
        f"{RED}.overrides.0.until: found 61 days; allowed: at most 60. Change the rotation instead",
        id="an override without end",
    ),
    pytest.param(
        [
            ("{person: cid@example.com, since", "{person: cid@example.com, instead_of: ann@example.com, since"),
            ('until: "2026-02-11T09:00', 'until: "2026-02-10T10:00'),
        ],
        "- {person: cid",
        f"{RED}.overrides.0: takes the place of nobody: ann@example.com is not on call then. Change the times, or ",
        id="an override of nobody",
    ),
    pytest.param(
        [
            (
                "          - {person: cid",
                (
                    '          - {person: bob@example.com, since: "2026-02-09T09:00:00-05:00", until: '
                    '"2026-02-10T10:00:00-05:00", instead_of: ann@example.com, reason: y}\n          - {person: cid'
                ),
            )
        ],
        "- {person: cid",
        f"{RED}.overrides.1: is at the same time as the override in line 17, from Tue 2026-02-10 09:00 EST; "
        "allowed: one at a time. Change the times, or say `instead_of:` in both",
        id="two overrides at once",
    ),
    pytest.param(
        [("      repeats: 1\n      levels", "      repeats: 1\n      then: red\n      levels")],
        "then: blue",
        "teams.red.escalation.then: found blue, so that it goes in a circle: red → blue → red; allowed: a chain that ",
        id="an escalation that loops",
    ),
    pytest.param(
        [("then: blue", "then: red")],
        "then: red",
        "teams.red.escalation.then: found red, so that it goes in a circle: red → red; ",
        id="an escalation to itself",
    ),
    pytest.param(
        [("then: blue", "then: green")],
        "then: green",
        'teams.red.escalation.then: found "green"; allowed: blue. Name another team',
        id="an escalation that ends nowhere",
    ),
    pytest.param(
        [("levels: [{people: [dot@example.com], timeout_minutes: 5}]", "levels: []")],
        "levels: []",
        "teams.blue.escalation.levels: has no level, so that nobody is notified. Add a level",
        id="an escalation without a level",
    ),
    pytest.param(
        [("levels: [{people", f"levels: [{'{people: [dot@example.com], timeout_minutes: 5}, ' * 20}" + "{people")],
        "escalation:",
        "teams.red.escalation: comes to 23 levels; allowed: at most 20 (PagerDuty's limit). Remove some",
        id="more levels than PagerDuty takes",
    ),
    pytest.param(
        [("people: [dot@example.com], timeout", f"people: [{', '.join(['dot@example.com'] * 11)}], timeout")],
        "levels: [{people",
        "teams.blue.escalation.levels.0: notifies 11; allowed: at most 10 (PagerDuty's limit). Remove some",
        id="more targets than PagerDuty takes",
    ),
    pytest.param(
        [("        - {schedules: [red-secondary], timeout_minutes: 5}\n", "")],
        "red-secondary:",
        "teams.red.schedules.red-secondary: nobody is paged by it: no level names it. ",
        id="a schedule that nobody is paged by",
    ),
]


@pytest.mark.parametrize(("changes", "where", "message"), ONE_PROBLEM)
def test_each_mistake_is_told_where_it_was_made(changes: list[tuple[str, str]], where: str, message: str) -> None:
    text = changed(*changes)
    line = next(number for number, line in enumerate(text.splitlines(), 1) if where in line)

    found = problems(text)

    assert any(problem.startswith(f"{FILE}:{line}: {message}") for problem in found), found


def test_a_rotation_that_begins_too_late_is_told_with_what_follows_from_it() -> None:
    """The override is of nobody only since nobody is on call yet: alone, that would send a person to the wrong line."""
    found = problems(changed(*[("first_day: 2026-01-05", "first_day: 2026-03-02")] * 2))

    assert any(f"{RED}.rotations: leaves nobody on call from Mon 2026-02-02 07:00 EST" in one for one in found), found
    assert any(f"{RED}.overrides.0: takes the place of nobody: nobody is on call then. " in one for one in found), found


@pytest.mark.parametrize("year", ["0001", "1999", "2101", "9999"])
@pytest.mark.parametrize(
    ("old", "field"),
    [
        ("first_day: 2026-01-05", f"{RED}.rotations.day.first_day"),
        ("last_day: 2026-12-31", f"{RED}.rotations.day.last_day"),
        ('since: "2026-02-10', f"{RED}.overrides.0.since"),
        ('until: "2026-02-11', f"{RED}.overrides.0.until"),
    ],
)
def test_a_year_that_nobody_can_reckon_with_is_refused(old: str, field: str, year: str) -> None:
    text = GOOD.replace("first_day: 2026-01-05", "first_day: 2026-01-05, last_day: 2026-12-31", 1)

    with pytest.raises(CatalogError) as raised:
        problems(text.replace(old, old.replace("2026", year), 1))

    (problem,) = raised.value.problems
    assert problem.place.field == field
    assert year in problem.message
    assert problem.message.endswith("; a year from 2000 to 2100 is allowed. Change it")


def test_a_person_may_have_two_duties_where_the_catalog_does_not_forbid_it() -> None:
    twice = ("[cid@example.com]}", "[cid@example.com, ann@example.com]}")

    assert problems(changed(twice, ("    one_duty_at_a_time: true\n", ""))) == []


def test_one_duty_at_a_time_counts_the_schedules_of_other_teams() -> None:
    other = GOOD.replace("schedules: {}", 'schedules: {blue-primary: {time_zone: UTC, rotations: {all: {turn: daily, '
    'first_day: 2026-01-05, handoff: "09:00", people: [cid@example.com]}}}}').replace(
        "people: [dot@example.com]\n", "people: [dot@example.com, cid@example.com]\n"
    ).replace("levels: [{people", "levels: [{schedules: [blue-primary], timeout_minutes: 5}, {people")  # fmt: skip

    (problem,) = [each for each in problems(other) if "red-secondary" in each]

    assert "cid@example.com is on call here and on blue-primary from " in problem


SUN = """
operating_team: red
teams:
  red:
    description: Red.
    people: [ann@example.com, bob@example.com, cid@example.com]
    schedules:
      tokyo: {time_zone: Asia/Tokyo, rotations: {all: {turn: daily, first_day: 2026-01-05, handoff: "08:00",
        until: "17:00", people: [ann@example.com]}}}
      london: {time_zone: Europe/London, rotations: {all: {turn: daily, first_day: 2026-01-05, handoff: "08:00",
        until: "16:00", people: [bob@example.com]}}}
      new-york: {time_zone: America/New_York, rotations: {all: {turn: daily, first_day: 2026-01-05, handoff: "11:00",
        until: "18:00", people: [cid@example.com]}}}
    escalation:
      repeats: 1
      levels: [{schedules: [tokyo, london, new-york], timeout_minutes: 5}]
    acknowledgement_timeout: 30m
    repair_mail: [all@example.com]
"""


def test_a_gap_that_only_a_clock_change_brings_about_is_found() -> None:
    """In winter the three meet; in summer New York ends an hour before Tokyo begins."""
    (problem,) = problems(SUN)

    assert problem == (
        "catalog/teams.yaml:16: teams.red.escalation.levels.0.schedules: leaves nobody on call from "
        "Mon 2026-03-09 07:00 JST to Mon 2026-03-09 08:00 JST, and 237 more times until 2027-03-09 "
        "(America/New_York and Asia/Tokyo and Europe/London do not change their clocks alike); allowed: somebody at "
        "every moment. Let a rotation reach further, or add one"
    )
    assert problems(SUN.replace('until: "18:00"', 'until: "19:00"')) == []


def has_duty(rotation: RotationEntry, wall_clock: datetime) -> bool:
    """Say, by the wall clock alone, whether a rotation has somebody on call: no shift is counted."""
    time, day = wall_clock.time(), wall_clock.date()
    if rotation.until is None:
        begun = day if time >= rotation.handoff else day - timedelta(days=1)
        days = (begun - rotation.first_day).days
        start = begun - timedelta(days=days % 7 if rotation.turn is Turn.WEEKLY else 0)
        within = True
    elif rotation.handoff < rotation.until:
        start, within = day, rotation.handoff <= time < rotation.until
    else:
        start = day if time >= rotation.handoff else day - timedelta(days=1)
        within = time >= rotation.handoff or time < rotation.until
    return within and rotation.first_day <= start and (rotation.last_day is None or start <= rotation.last_day)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_gap_is_found_where_a_walk_by_the_clock_finds_one(data: st.DataObject) -> None:
    change = data.draw(st.sampled_from(CHANGES))
    level: list[ScheduleEntry] = data.draw(st.lists(schedules(change), min_size=1, max_size=3))
    since = change - timedelta(days=2)
    steps = [since + number * timedelta(minutes=MINUTES) for number in range(5 * 24 * 60 // MINUTES)]

    gaps = level_gaps(level, since, steps[-1] + timedelta(minutes=MINUTES))

    for at in steps:
        covered = any(
            has_duty(rotation, at.astimezone(ZoneInfo(schedule.time_zone)).replace(tzinfo=None))
            for schedule in level
            for rotation in schedule.rotations.values()
        )
        assert covered != any(gap.start <= at < gap.end for gap in gaps), at
