"""Runs `orion-backtest`, the program on Prometheus' own rule engine, and shows how far it is."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from alerting.backtest.report import BacktestReport, read_report
from alerting.errors import AlertingError
from alerting.platform import RuleFile
from alerting.rules.render import rules_text
from sandbox.interrupts import ended_as_interrupted
from sandbox.service import end_process_group
from tools.paths import tool

PROGRAM = "orion-backtest"


class BacktestFailed(AlertingError):
    """The history could not be read, or the rules not be evaluated over it. The message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The evaluation to be made: a data folder or the URL of a Prometheus (`source`), how long, and until when.

    Without `length` it is 30 days, or all that there is if that is less. Without `end` it is the last sample of a
    folder, and now for a URL. `http_config` is a file with Prometheus' HTTP client configuration.
    """

    source: str
    length: timedelta | None = None
    end: datetime | None = None
    http_config: Path | None = None

    def arguments(self) -> list[str]:
        """Return the program's arguments."""
        given = ["--history", self.source]
        if self.length is None:
            given.append("--or-whole-history")
        else:
            given += ["--duration", f"{round(self.length.total_seconds() * 1000)}ms"]
        if self.end is not None:
            given += ["--end", f"{self.end.timestamp():.3f}"]
        if self.http_config is not None:
            given += ["--http-config", str(self.http_config)]
        return given


def backtest(
    console: Console,
    history: History,
    rules: Sequence[RuleFile],
    *,
    alerts: Collection[str],
    interval_seconds: float,
    title: str,
) -> BacktestReport:
    """Return what the alerts would have done. No `alerts` means all of them.

    `interval_seconds` is the evaluation interval of groups that have none. Raises `BacktestFailed`, `ReportUnreadable`
    and `ToolMissing`; after an interrupt the program has ended and removed its files.
    """
    with tempfile.TemporaryDirectory(prefix="orion-rules-") as folder:
        command = [*program(write_rules(rules, Path(folder)), interval_seconds), *history.arguments()]
        for alert in sorted(alerts):
            command += ["--alert", alert]
        with ended_as_interrupted():
            return read_report(_run(console, command, title))


def write_rules(rules: Sequence[RuleFile], folder: Path) -> list[Path]:
    """Write the rule files to a folder, as Prometheus reads them, and return their paths."""
    paths: list[Path] = []
    for file in rules:
        paths.append(folder / f"{file.name}.yaml")
        paths[-1].write_text(rules_text(file), encoding="utf-8")
    return paths


def program(rules: Sequence[Path], interval_seconds: float) -> list[str]:
    """Return the command that evaluates rule files, to be followed by the arguments of a history."""
    named = [argument for path in rules for argument in ("--rules", str(path))]
    return [str(tool(PROGRAM)), "--interval", f"{interval_seconds:g}s", *named]


def _run(console: Console, command: Sequence[str], title: str) -> str:
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.PIPE, text=True, start_new_session=True) as process,
    ):
        try:
            error = _follow(console, process.stderr or (), title)
            process.wait()
        finally:
            end_process_group(process)
        if process.returncode != 0:
            raise BacktestFailed(error or f"{PROGRAM} ended with code {process.returncode} and said nothing")
        output.seek(0)
        return output.read()


def _follow(console: Console, messages: Iterable[str], title: str) -> str:
    """Show the progress that the program tells of until it ends, and return what went wrong."""
    told: list[str] = []
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    progress = Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    )
    with progress:
        task = progress.add_task(title, total=None)
        for line in messages:
            try:
                message = json.loads(line)
            except ValueError:
                told.append(line)  # a crash of the program, which says nothing as JSON
                continue
            if "error" in message:
                told.append(message["error"])
            else:
                progress.update(task, completed=message["done"], total=message["total"])
    return "".join(told)
