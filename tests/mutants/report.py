"""The table of what became of mutants, its JSON, and the survivors that are explained."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.mutants.mutant import Kind, Result, Verdict

LEAST_CAUGHT = 0.95
"""The least share of mutants that tests or `orion check` have to catch."""
TABLE_WIDTH = 150
_ROW = re.compile(r"^\| (?P<where>[^|]+?) \| (?P<changes>.+?) \| [^|]+ \|$", re.MULTILINE)
_CHANGE = re.compile(r"<br>")


def caught_share(results: Sequence[Result]) -> float:
    """Return the share of mutants that are caught or refused, of those that change anything."""
    counted = [result for result in results if result.verdict is not Verdict.EQUIVALENT]
    caught = [result for result in counted if result.verdict is not Verdict.SURVIVED]
    return len(caught) / len(counted) if counted else 1.0


def explained(document: str) -> frozenset[str]:
    """Return the names of the survivors that a document's table explains. A row has several changes of one place."""
    return frozenset(
        f"{row['where']}: {change.replace(BAR, '|')}"
        for row in _ROW.finditer(document)
        for change in _CHANGE.split(row["changes"])
    )


BAR = "&#124;"
"""A `|` in a table of Markdown."""


def write_results(results: Sequence[Result], path: Path) -> None:
    """Write mutants.json: the verdict of each mutant, by name."""
    entries = [
        {
            "kind": result.mutant.kind.value,
            "mutant": result.mutant.name,
            "verdict": result.verdict.value,
            "by": result.by,
        }
        for result in sorted(results, key=lambda result: result.mutant.name)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def print_results(results: Sequence[Result], explanations: Collection[str], console: Console) -> list[str]:
    """Print the table and the survivors that nothing explains, and return those."""
    table = Table(box=None, pad_edge=False)
    for name in ("changed", "mutants", *(verdict.value for verdict in Verdict), "caught"):
        table.add_column(name, justify="left" if name == "changed" else "right", no_wrap=True)
    for kind in Kind:
        _row(table, kind.value, [result for result in results if result.mutant.kind is kind])
    _row(table, "all", results)
    survivors = sorted(result.mutant.name for result in results if result.verdict is Verdict.SURVIVED)
    unexplained = [name for name in survivors if name not in explanations]
    # Where no terminal says how wide it is, nothing is cut.
    Console(file=console.file, width=max(console.width, TABLE_WIDTH)).print(table)
    for name in unexplained:
        console.print(f"survived, and nothing explains it: {name}", markup=False)
    return unexplained


def _row(table: Table, name: str, results: Sequence[Result]) -> None:
    if not results:
        return
    counts = [sum(result.verdict is verdict for result in results) for verdict in Verdict]
    table.add_row(name, str(len(results)), *map(str, counts), f"{caught_share(results):.1%}")
