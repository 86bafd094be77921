"""Tables of commands whose output is read in logs and pull requests too: no line is ever broken or cut."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rich.console import Console
from rich.table import Table

WIDEST = 1000
"""The width that tables may have, in characters: more than a line needs."""


def print_table(
    console: Console,
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    text: Collection[str],
    title: str | None = None,
) -> None:
    """Print a table, whatever the width of the console. `text` are the headings of columns that are no numbers."""
    table = Table(title=title, title_justify="left", box=None)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in text else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console(file=console.file, width=WIDEST, highlight=False).print(table)


def length_text(seconds: float) -> str:
    """Return a length of time with its two largest units, such as 3h 20m."""
    whole = round(seconds)
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "m"), (whole % 60, "s")]
    shown = [f"{number}{unit}" for number, unit in parts if number]
    return " ".join(shown[:2]) or "0s"
