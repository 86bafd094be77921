"""`orion oncall`: who is on call, for whom, whom an incident reaches next, and a calendar of the next weeks."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import measure_renderables
from rich.text import Text

from alerting.build import load_catalog
from alerting.catalog import Catalog
from cli.oncall_arguments import Question
from cli.oncall_tables import Layout, calendar_table, levels_table
from cli.stack_config import read_settings


@dataclass(frozen=True, slots=True)
class Answer:
    """Print who is on call for each team asked about, and the calendar of their schedules.

    Rich prints it in the roomiest layout that the console has room for, so that no word is folded. What is not a
    terminal has room for everything.
    """

    catalog: Catalog
    question: Question

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        boundless = options.update(width=sys.maxsize)
        if not console.is_terminal:
            options = boundless
        layouts = _layouts(self.catalog)
        for layout in layouts:
            tables = self._tables(layout)
            if layout is layouts[-1] or measure_renderables(console, boundless, tables).maximum <= options.max_width:
                yield from console.render(Group(*self._parts(layout, tables)), options)
                return

    def _parts(self, layout: Layout, tables: Sequence[RenderableType]) -> Iterator[RenderableType]:
        yield Text(f"On call at {self.question.read(self.question.at)}", style="bold")
        if layout.domain:
            yield Text(f"Addresses shown without a domain end in @{layout.domain}.")
        for table in tables:
            yield from ("", table)

    def _tables(self, layout: Layout) -> Sequence[RenderableType]:
        teams = self.question.teams(self.catalog)
        levels = [levels_table(self.catalog, team, self.question, layout) for team in teams]
        calendars = [
            calendar_table(name, schedule, self.question, layout)
            for team in teams
            for name, schedule in self.catalog.teams[team].schedules.items()
        ]
        return [*levels, *calendars]


def print_on_call(root: Path, console: Console, stack: str, question: Question) -> None:
    """Print the answer to a question for a stack of the repository at `root`.

    Raises `QuestionUnclear` for an unknown team, `CatalogError` and `StackUnreadable` as their readers do.
    """
    settings = read_settings(root, stack)
    catalog = load_catalog(root)
    question.teams(catalog)  # one that is not there is told before anything is printed
    soft_wrap = not console.is_terminal  # what is not a terminal gets its lines whole
    if not settings.paging:
        told = f"Paging is off in {stack} (orion-alerting:paging): none of its alerts opens an incident.\n"
        console.print(told, soft_wrap=soft_wrap)
    console.print(Answer(catalog, question), soft_wrap=soft_wrap)


def _layouts(catalog: Catalog) -> tuple[Layout, ...]:
    """Return the layouts in which an answer may be printed, the roomiest first."""
    people = {person for team in catalog.teams.values() for person in team.people}
    ((domain, _),) = Counter(person.rpartition("@")[2] for person in sorted(people)).most_common(1)
    return (
        Layout(),
        Layout(apart=False),
        Layout(apart=False, domain=domain),
        Layout(apart=False, domain=domain, stacked=True),
    )
