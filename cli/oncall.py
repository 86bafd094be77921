"""`orion oncall`: who is on call, for whom, whom an incident reaches next, and a calendar of the next weeks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from alerting import rota
from alerting.build import load_catalog
from alerting.catalog import Catalog
from alerting.on_call import paged_services
from alerting.on_call_now import LevelNow, OnDuty, levels_now
from alerting.teams import ScheduleEntry
from alerting.time_zones import time_zone_names
from cli.stacks import read_settings


class QuestionUnclear(ValueError):
    """An option has a value that says nothing. The message names the option, what was found and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a person asks. `zone` is the reader's time zone, this machine's where it is None."""

    at: datetime
    zone: ZoneInfo | None
    team: str | None = None
    weeks: int = 2

    def read(self, moment: datetime) -> str:
        """Return a moment as the reader's clock shows it."""
        return _shown(moment.astimezone(self.zone))


def ask(at: str | None, zone: str | None, team: str | None, weeks: int) -> Question:
    """Return the question that options ask. A time without an offset is the reader's.

    Raises `QuestionUnclear`.
    """
    if zone is not None and zone not in time_zone_names():
        raise QuestionUnclear(f'--zone: found "{zone}"; allowed: an IANA name such as Europe/London')
    readers = ZoneInfo(zone) if zone else None
    return Question(at=_moment(at, readers), zone=readers, team=team, weeks=weeks)


def _moment(text: str | None, zone: ZoneInfo | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        example = "2026-12-24T18:00 or 2026-12-24T18:00+01:00"
        raise QuestionUnclear(f'--at: found "{text}"; allowed: a time such as {example}') from None
    if moment.tzinfo is None and zone is not None:
        moment = moment.replace(tzinfo=zone)
    return moment.astimezone(UTC)  # a time with neither is this machine's


def print_on_call(root: Path, console: Console, stack: str, question: Question) -> None:
    """Print the answer to a question for a stack of the repository at `root`.

    Raises `QuestionUnclear` for an unknown team, `CatalogError` and `StackUnreadable` as their readers do.
    """
    settings = read_settings(root, stack)
    catalog = load_catalog(root)
    if question.team is not None and question.team not in catalog.teams:
        raise QuestionUnclear(f'--team: found "{question.team}"; allowed: {", ".join(catalog.teams)}')
    if not settings.paging:
        console.print(f"Paging is off in {stack} (orion-alerting:paging): none of its alerts opens an incident.\n")
    console.print(answer(catalog, question))


def answer(catalog: Catalog, question: Question) -> RenderableType:
    """Return who is on call, for each team that is asked about, and the calendar of their schedules."""
    teams = [question.team] if question.team else list(catalog.teams)
    parts: list[RenderableType] = [Text(f"On call at {question.read(question.at)}", style="bold"), ""]
    for team in teams:
        parts += [_levels(catalog, team, question), ""]
    for team in teams:
        for name, schedule in catalog.teams[team].schedules.items():
            parts += [_calendar(name, schedule, question), ""]
    return Group(*parts[:-1])


def _levels(catalog: Catalog, team: str, question: Question) -> Table:
    services = ", ".join(name for name in paged_services(catalog) if catalog.owner(name) == team)
    levels = levels_now(team, catalog.teams, question.at)
    repeats = catalog.teams[team].escalation.repeats
    ends = f"After the last level all of it is gone through {repeats} more times." if repeats else "Nobody follows."
    table = Table(title=f"{team}, for {services}", caption=ends, title_justify="left", caption_justify="left")
    for heading in ("level", "on call", "until, and who then", "unanswered for"):
        table.add_column(
            heading, overflow="fold", min_width=len("Thu 2026-12-24 17:00 EST") if "until" in heading else None
        )
    for level in levels:
        for row in _level_rows(level, question, last=level.number == len(levels), whose=team):
            table.add_row(*row)
    return table


def _level_rows(level: LevelNow, question: Question, *, last: bool, whose: str) -> Iterator[tuple[str, ...]]:
    number = str(level.number) if level.team == whose else f"{level.number} ({level.team})"
    following = "" if last else f" → level {level.number + 1}"
    timeout = f"{level.timeout_minutes} min{following}"
    if not level.people:
        yield number, "nobody", "", f"at once{following}"
    for index, on_duty in enumerate(level.people):
        yield (number if index == 0 else "", *_duty(on_duty, question), timeout if index == 0 else "")


def _duty(on_duty: OnDuty, question: Question) -> tuple[str, str]:
    if on_duty.schedule is None:
        return on_duty.person, "always"
    who = f"{_who(on_duty.person, on_duty.instead_of, None)}\non {on_duty.schedule}"
    if on_duty.until is None:
        return who, "no change in sight"
    return who, f"{question.read(on_duty.until)}\n{on_duty.following or 'nobody on this schedule'}"


def _calendar(name: str, schedule: ScheduleEntry, question: Question) -> Table:
    until = question.at + timedelta(weeks=question.weeks)
    zone = ZoneInfo(schedule.time_zone)
    turns = rota.turns(rota.shifts(schedule, question.at, until))
    own = not _same_clock(turns, zone, question)
    table = Table(title=f"{name}, until {question.read(until)}", title_justify="left")
    headings = [schedule.time_zone, *(["your time"] if own else []), "on call", "rotation"]
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading in headings[:-2])
    for turn in turns:
        start, end = turn.start.astimezone(zone), turn.end.astimezone(zone)
        read = [f"{question.read(turn.start)}\n{question.read(turn.end)}"] if own else []
        table.add_row(
            f"{_shown(start)}\n{_shown(end)}",
            *read,
            _who(turn.person, turn.instead_of, turn.reason),
            turn.rotation + _hours(schedule, turn),
        )
    return table


def _same_clock(turns: list[rota.Shift], zone: ZoneInfo, question: Question) -> bool:
    return all(
        turn.start.astimezone(question.zone).utcoffset() == turn.start.astimezone(zone).utcoffset() for turn in turns
    )


def _hours(schedule: ScheduleEntry, turn: rota.Shift) -> str:
    rotation = schedule.rotations[turn.rotation]
    if rotation.until is None or turn.instead_of is not None:
        return ""
    return f"\neach day\n{rotation.handoff:%H:%M} to {rotation.until:%H:%M}"


def _who(person: str, instead_of: str | None, reason: str | None) -> str:
    if instead_of is None:
        return person
    return f"{person}\ninstead of {instead_of}" + (f": {reason}" if reason else "")


def _shown(moment: datetime) -> str:
    return f"{moment:%a %Y-%m-%d %H:%M %Z}"
