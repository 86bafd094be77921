"""`orion backfill`: blocks with the events of a new objective, counted over what a Prometheus has of its counters.

promtool evaluates the rules and writes the blocks (`promtool tsdb create-blocks-from rules`).
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from alerting.build import load_catalog
from alerting.platform import RuleFile
from alerting.rules.burn_rates import STAGE
from alerting.rules.model import Rule
from alerting.rules.series import OBJECTIVE, SERVICE
from alerting.rules.sources.objective_backfill import NoBackfill, backfill_rules
from alerting.rules.sources.objective_windows import all_events
from alerting.source.durations import milliseconds
from cli.backtest_run import write_rules
from cli.prometheus_query import prometheus, redacted
from tools.paths import tool

LONGEST_DAYS = 90
"""How many days a backfill may count."""
STAGE_LENGTH = timedelta(milliseconds=milliseconds(STAGE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A backfill to be made: of which objective, for how many days, and into which folder."""

    address: str
    service: str
    objective: str
    days: float
    until: datetime | None
    output: Path


def run_backfill(root: Path, console: Console, question: Question, now: datetime) -> int:
    """Write the blocks and return the exit code.

    Raises `CatalogError`, `NoBackfill`, `PrometheusUnusable` and `ToolMissing`.
    """
    rules = tuple(backfill_rules(load_catalog(root), question.service, question.objective))
    if question.output.exists() and any(question.output.iterdir()):
        raise NoBackfill(
            f"--output: {question.output} holds files; allowed: a folder that is new or empty. Name another"
        )
    end = _end(question, now)
    start = end - timedelta(days=question.days)
    span = f"from {start:%F %H:%M} to {end:%F %H:%M} UTC"
    done = _promtool(rules, question, start, end)
    if done.returncode != 0:
        raise NoBackfill(f"promtool: {done.stderr.strip().replace(question.address, redacted(question.address))}")
    blocks = [path for path in question.output.glob("*") if (path / "meta.json").is_file()]
    if not blocks:
        raise NoBackfill(
            f"{redacted(question.address)} has no series of {question.service} {question.objective} {span}. Name "
            "a time in which it has them by --days and --until"
        )
    console.print(f"{len(blocks)} blocks {span} in {question.output}", markup=False)
    return 0


def _end(question: Question, now: datetime) -> datetime:
    """Return when the blocks have to end: a stage before the first that the Prometheus has recorded itself.

    Nothing is counted twice then. Raises `NoBackfill` if a later time is asked for.
    """
    labels = f'{SERVICE}="{question.service}", {OBJECTIVE}="{question.objective}"'
    stages = f"timestamp({all_events(f'stage{STAGE}')}{{{labels}}})"
    with prometheus(question.address) as client:
        own = client.samples(f"min(min_over_time({stages}[{LONGEST_DAYS}d:{STAGE}]))")
    latest = now
    if own:
        latest = datetime.fromtimestamp(own[0].value, UTC) - STAGE_LENGTH
    end = question.until or latest
    if end > latest:
        raise NoBackfill(
            f"--until: found {end.isoformat()}; allowed: {latest.isoformat()} at the latest, since later events are "
            "recorded already. Leave it out"
        )
    return end


def _promtool(
    rules: Sequence[Rule], question: Question, start: datetime, end: datetime
) -> subprocess.CompletedProcess[str]:
    written = [{"record": one.record, "expr": one.expr, "labels": dict(one.labels)} for one in rules]
    groups = ({"name": "orion.slo.backfill", "interval": STAGE, "rules": written},)
    with tempfile.TemporaryDirectory(prefix="orion-backfill-") as folder:
        files = write_rules([RuleFile(name="backfill", groups=groups)], Path(folder))
        command = [tool("promtool"), "tsdb", "create-blocks-from", "rules", "--quiet", "--url", question.address]
        command += ["--start", f"{start.timestamp():.0f}", "--end", f"{end.timestamp():.0f}"]
        command += ["--output-dir", question.output, *files]
        return subprocess.run(command, capture_output=True, text=True, check=False)
