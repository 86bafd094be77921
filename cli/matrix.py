"""`orion matrix`: what the alerts make of every scenario of rules/scenarios/, as a table and as build/matrix.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from alerting.build import load_catalog
from alerting.catalog import Catalog
from alerting.detection.scenarios import FOLDER, Run, read_scenarios, runs
from alerting.detection.verdicts import RIGHT, Totals, Verdict, totals
from alerting.settings import Settings
from cli.known_names import QuestionUnclear, require_known
from cli.matrix_run import verdicts
from cli.stack_config import read_settings
from cli.tables import length_text, print_table
from sandbox.interrupts import INTERRUPTED
from sandbox.scenarios.simulation import KNOWN_STEPS

RESULT = Path("build", "matrix.json")
TABLE = Path("build", "matrix.md")
HEADINGS = ("scenario", "runs", "notified by", "as", "within", "after", "right", "known too")
TEXT = frozenset({"scenario", "notified by", "as", "known too"})
"""The headings of columns that are no numbers."""


def run_matrix(root: Path, console: Console, errors: Console, stack: str, names: Sequence[str]) -> int:
    """Run scenarios, all without `names`, print the table, write the result, and return the exit code.

    It is 0 if each fault had exactly the notification that it should have, and nothing else notified.
    Raises `QuestionUnclear`, `CatalogError`, `BacktestFailed`, `ServiceFailed` and `ToolMissing`.
    """
    catalog = load_catalog(root)
    scenarios = read_scenarios(root, catalog, KNOWN_STEPS)
    require_known("--scenario", names, sorted(scenarios))
    if not scenarios:
        raise QuestionUnclear(f"{FOLDER}: found no scenario. docs/detection.md says how one is written")
    wanted = [run for run in runs(scenarios, catalog) if not names or run.name in names]
    try:
        found = _with_progress(errors, wanted, catalog, read_settings(root, stack))
    except KeyboardInterrupt:
        errors.print("stopped; nothing is left running")
        return INTERRUPTED
    counted = totals(found)
    _show(console, found, counted)
    (root / RESULT).parent.mkdir(exist_ok=True)
    (root / RESULT).write_text(result_text(found, counted), encoding="utf-8")
    (root / TABLE).write_text(markdown_table(found), encoding="utf-8")
    console.print(f"Written to {RESULT}, and the table to {TABLE}.")
    return 0 if counted.right == len(found) else 1


def result_text(found: Sequence[Verdict], counted: Totals) -> str:
    """Return the verdicts and the figures as JSON."""
    return json.dumps({"totals": asdict(counted), "runs": [_as_json(one) for one in found]}, indent=2) + "\n"


def _with_progress(errors: Console, wanted: Sequence[Run], catalog: Catalog, settings: Settings) -> list[Verdict]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("scenarios", total=len(wanted))

        def on_progress(run: Run) -> None:
            progress.update(task, advance=1, description=run.name)

        return verdicts(catalog, settings, wanted, on_progress)


def _show(console: Console, found: Sequence[Verdict], counted: Totals) -> None:
    print_table(console, HEADINGS, table_rows(found), text=TEXT)
    for one in found:
        if one.outcome not in RIGHT:
            of = f" of {one.run.service}" if one.run.service is not None else ""
            console.print(f"{one.run.name}{of}: {one.outcome}: {one.reason}", markup=False)
    console.print(
        f"{counted.right} of {len(found)} runs are right: {counted.faults} of faults, {counted.benign} benign. "
        f"Precision {counted.precision:.3f}, recall {counted.recall:.3f}; a fault is notified after "
        f"{length_text(counted.median_seconds)} in the median, {length_text(counted.longest_seconds)} at most."
    )


def table_rows(found: Sequence[Verdict]) -> Iterator[tuple[str, ...]]:
    """Yield a row of the table for each scenario: times are the longest of its runs."""
    for name, group in groupby(found, key=lambda one: one.run.name):
        of_it = list(group)
        expect = of_it[0].run.scenario.expect
        after = max((one.seconds for one in of_it if one.seconds is not None), default=None)
        yield (
            name,
            str(len(of_it)),
            expect.alert if expect is not None else "nobody",
            expect.urgency if expect is not None else "",
            expect.within if expect is not None else "",
            length_text(after) if after is not None else "",
            f"{sum(one.outcome in RIGHT for one in of_it)} of {len(of_it)}",
            ", ".join(dict.fromkeys(known.alert for one in of_it for known in one.known)),
        )


def markdown_table(found: Sequence[Verdict]) -> str:
    """Return the table as Markdown."""
    rows = (HEADINGS, ("---",) * len(HEADINGS), *table_rows(found))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _as_json(one: Verdict) -> dict[str, Any]:
    expect = one.run.scenario.expect
    return {
        "scenario": one.run.name,
        "service": one.run.service,
        "outcome": one.outcome,
        "reason": one.reason,
        "alert": expect.alert if expect is not None else None,
        "seconds": one.seconds,
        "expected": asdict(one.expected) if one.expected is not None else None,
        "excess": [asdict(other) for other in one.excess],
        "known": [asdict(other) for other in one.known],
    }
