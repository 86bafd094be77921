"""The tables of `orion oncall`: a team's levels, and the calendar of a schedule, for much room and for little."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from alerting.catalog import Catalog
from alerting.oncall import shifts
from alerting.oncall.current import LevelNow, OnDuty, levels_now
from alerting.oncall.pagerduty import paged_services
from alerting.oncall.teams import ScheduleEntry
from cli.oncall_arguments import Question, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The layout of the tables for the width of the terminal.

    `domain` is left off the addresses that end in it, unless it is empty. With `apart`, what is said of a person and
    the reader's time have columns of their own; else they share that of the person and of the schedule's time. With
    `stacked`, what would stand beside something in a column stands below it.
    """

    domain: str = ""
    apart: bool = True
    stacked: bool = False

    @property
    def gap(self) -> str:
        """The separator of two parts that stand side by side where the width allows."""
        return "\n" if self.stacked else " "

    def address(self, address: str) -> str:
        """Return an address as this layout shows it."""
        return address.removesuffix(f"@{self.domain}")

    def beside(self, theirs: Sequence[str], readers: Sequence[str]) -> list[str]:
        """Return the cells for times by a schedule's clock and for the same times by the reader's."""
        if self.apart:
            return ["\n".join(theirs), "\n".join(readers)]
        between = "\n  " if self.stacked else ", "
        return ["\n".join(f"{one}{between}{other}" for one, other in zip(theirs, readers, strict=True))]

    def headings(self, who: str, said: str) -> list[str]:
        """Return the headings above a person and above what is said of that person."""
        return [who, said] if self.apart else [f"{who}, {said}"]

    def cells(self, who: RenderableType, said: str) -> list[RenderableType]:
        """Return the cells for a person and for what is said of that person."""
        if self.apart:
            return [who, Text(said)]
        return [Group(who, Text(said)) if said else who]


class _Flowing(Text):
    """A text that asks for no more room than its longest word needs, and takes what there is."""

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        measured = super().__rich_measure__(console, options)
        return measured.with_maximum(measured.minimum)


def levels_table(catalog: Catalog, team: str, question: Question, layout: Layout) -> Group:
    """Return whom an incident of a team's services reaches: level by level, until when, and who then."""
    services = ", ".join(name for name in paged_services(catalog) if catalog.owner(name) == team)
    levels = levels_now(team, catalog.teams, question.at)
    repeats = catalog.teams[team].escalation.repeats
    ends = f"After the last level all of it is gone through {repeats} more times." if repeats else "Nobody follows."
    table = _table(["level", *layout.headings("on call", "how long"), f"unanswered{layout.gap}for"], layout)
    for level in levels:
        for row in _level_rows(level, question, layout, last=level.number == len(levels), whose=team):
            table.add_row(*row)
    return Group(_title(f"{team}, for {services}"), table, _Flowing(ends, style="table.caption"))


def _level_rows(
    level: LevelNow, question: Question, layout: Layout, *, last: bool, whose: str
) -> Iterator[Sequence[RenderableType]]:
    number = Text(str(level.number) if level.team == whose else f"{level.number} ({level.team})")
    following = "" if last else f"{layout.gap}→ level {level.number + 1}"
    if not level.people:
        yield number, *layout.cells("nobody", ""), Text(f"at once{following}")
    timeout = Text(f"{level.timeout_minutes} min{following}")
    for index, on_duty in enumerate(level.people):
        cells = layout.cells(_on_duty(on_duty, layout), _how_long(on_duty, question, layout))
        yield [number, *cells, timeout] if index == 0 else ["", *cells, ""]


def _on_duty(on_duty: OnDuty, layout: Layout) -> Text:
    who = _who(on_duty.person, on_duty.instead_of, layout)
    return who.append(f"\non schedule {on_duty.schedule}") if on_duty.schedule else who


def _how_long(on_duty: OnDuty, question: Question, layout: Layout) -> str:
    if on_duty.schedule is None:
        return "always"
    if on_duty.until is None:
        return "no change in sight"
    following = layout.address(on_duty.following) if on_duty.following else "nobody on this schedule"
    return f"until {question.read(on_duty.until)}\nthen {following}"


def calendar_table(name: str, schedule: ScheduleEntry, question: Question, layout: Layout) -> Group:
    """Return whose turns a schedule has in the weeks that are asked about, by its own clock and by the reader's."""
    until = question.at + timedelta(weeks=question.weeks)
    zone = ZoneInfo(schedule.time_zone)
    turns = shifts.turns(shifts.shifts(schedule, question.at, until))
    one_clock = _same_clock(turns, zone, question)
    times = [zone.key] if one_clock else layout.beside([zone.key], ["your time"])
    table = _table([*times, *layout.headings("on call", "rotation")], layout)
    for turn in turns:
        moments = (turn.start, turn.end)
        theirs = [shown(moment.astimezone(zone)) for moment in moments]
        readers = [question.read(moment, dated=layout.apart) for moment in moments]
        times = ["\n".join(theirs)] if one_clock else layout.beside(theirs, readers)
        rotation = turn.rotation + _hours(schedule, turn)
        table.add_row(*map(Text, times), *layout.cells(_holder(turn, layout), rotation))
    return Group(_title(f"{name}, until {question.read(until)}"), table)


def _same_clock(turns: Sequence[shifts.Shift], zone: ZoneInfo, question: Question) -> bool:
    return all(
        turn.start.astimezone(question.zone).utcoffset() == turn.start.astimezone(zone).utcoffset() for turn in turns
    )


def _hours(schedule: ScheduleEntry, turn: shifts.Shift) -> str:
    rotation = schedule.rotations[turn.rotation]
    if rotation.until is None or turn.instead_of is not None:
        return ""
    return f"\neach day {rotation.handoff:%H:%M} to {rotation.until:%H:%M}"


def _holder(turn: shifts.Shift, layout: Layout) -> RenderableType:
    who = _who(turn.person, turn.instead_of, layout)
    return Group(who.append(":"), _Flowing(turn.reason)) if turn.reason else who


def _who(person: str, instead_of: str | None, layout: Layout) -> Text:
    who = Text.assemble((layout.address(person), "bold"))
    return who.append(f"\ninstead of {layout.address(instead_of)}") if instead_of else who


def _title(title: str) -> Text:
    return _Flowing(title, style="table.title")


def _table(headings: Sequence[str], layout: Layout) -> Table:
    table = Table(show_lines=not layout.apart)
    for heading in headings:
        table.add_column(Text(heading), overflow="fold")
    return table
