"""`orion backtest`: what each alert would have done over a Prometheus' history, against the rules in force."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from alerting.backtest.changes import AlertChange, changed_alerts, compare
from alerting.backtest.picture import picture
from alerting.backtest.report import BacktestReport
from alerting.backtest.summary import AlertSummary, summarize
from alerting.build import load_catalog
from alerting.routing.orphaned_incidents import Deployment
from alerting.rules.render import rule_files
from cli.backtest_run import History, backtest
from cli.known_names import require_known
from cli.orphans import NotCompared, deployed
from cli.stack_config import read_settings
from cli.tables import length_text, print_table
from sandbox.interrupts import INTERRUPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question: no `alerts` means all of them, `changes_only` those that differ from the rules in force.

    `reference` is the commit whose rules are in force. `picture` is the file that an SVG is written to.
    """

    history: History
    alerts: tuple[str, ...] = ()
    reference: str | None = None
    changes_only: bool = False
    as_json: bool = False
    picture: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Rules to evaluate: those of this checkout, or those in force. `name` is what progress calls them."""

    name: str
    deployment: Deployment
    alerts: frozenset[str]

    def evaluated(self, errors: Console, history: History) -> BacktestReport | None:
        """Return what the alerts would have done, or None if there are none."""
        if not self.alerts:
            return None
        settings = self.deployment.settings
        return backtest(
            errors,
            history,
            rule_files(self.deployment.catalog, settings),
            alerts=self.alerts,
            interval_seconds=settings.monitoring.evaluation_interval_seconds / settings.time_scale,
            title=self.name,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Firings that the alerts would have had, and those with the rules in force at `commit`, if those can be read."""

    report: BacktestReport
    summaries: tuple[AlertSummary, ...]
    commit: str | None = None
    before: BacktestReport | None = None
    changes: tuple[AlertChange, ...] = ()


def run_backtest(root: Path, console: Console, errors: Console, stack: str, question: Question) -> int:
    """Evaluate the rules over the history, print what they would have done, and return the exit code.

    Progress and notices go to `errors`. Raises `QuestionUnclear`, `BacktestFailed`, `CatalogError` and `ToolMissing`.
    """
    here = Deployment(catalog=load_catalog(root), settings=read_settings(root, stack))
    try:
        answer = _answer(errors, here, _in_force(root, stack, errors, question), question)
    except KeyboardInterrupt:
        errors.print("stopped; nothing is left running")
        return INTERRUPTED
    if answer is None:
        print("{}" if question.as_json else "No alert differs from the rules in force.")
        return 0
    if question.picture is not None:
        names = _drawn(answer)
        question.picture.write_text(picture(answer.report, names, answer.before), encoding="utf-8")
    if question.as_json:
        print(_json(answer))
    else:
        _show(console, answer, changes_only=question.changes_only)
    return 0


def _in_force(root: Path, stack: str, errors: Console, question: Question) -> tuple[str, Deployment] | None:
    """Return the rules in force and their commit, or None where they cannot be read and are not needed."""
    try:
        return deployed(root, stack, question.reference)
    except NotCompared as error:
        if question.changes_only or question.reference is not None:
            raise
        errors.print(f"not compared with the rules in force: {error}", markup=False)
        return None


def _answer(
    errors: Console, here: Deployment, in_force: tuple[str, Deployment] | None, question: Question
) -> Answer | None:
    own = frozenset(here.catalog.rules.alerts)
    if in_force is None:
        report = Side(name="these rules", deployment=here, alerts=_known(question.alerts, own)).evaluated(
            errors, question.history
        )
        return None if report is None else Answer(report=report, summaries=summarize(report, here))
    commit, before = in_force
    differing = changed_alerts(rule_files(before.catalog, before.settings), rule_files(here.catalog, here.settings))
    asked = _known(question.alerts, own | frozenset(before.catalog.rules.alerts))
    ours = Side(name="these rules", deployment=here, alerts=own & asked & (differing if question.changes_only else own))
    theirs = Side(
        name=f"rules of {commit}",
        deployment=before,
        alerts=frozenset(before.catalog.rules.alerts) & asked & differing,
    )
    new = ours.evaluated(errors, question.history)
    old = theirs.evaluated(errors, question.history if new is None else _same_window(question.history, new))
    report = new
    if report is None and old is not None:  # the change takes alerts away and leaves none of those that are asked for
        report = old.model_copy(update={"alerts": ()})
    if report is None:
        return None
    return _compared(report, old, differing, commit, before, here)


def _compared(
    report: BacktestReport,
    old: BacktestReport | None,
    differing: frozenset[str],
    commit: str,
    before: Deployment,
    here: Deployment,
) -> Answer:
    """Return the answer with the rules in force beside it: an alert that does not differ did the same there."""
    same = tuple(alert for alert in report.alerts if alert.alert not in differing)
    previous = report.model_copy(update={"alerts": (*same, *(old.alerts if old is not None else ()))})
    changes = tuple(change for change in compare(previous, before, report, here) if not change.nothing)
    return Answer(report=report, summaries=summarize(report, here), commit=commit, before=previous, changes=changes)


def _known(alerts: Sequence[str], allowed: frozenset[str]) -> frozenset[str]:
    """Return the alerts that are asked for, or all. Raises `QuestionUnclear` for one that no rule has."""
    require_known("--alert", alerts, sorted(allowed))
    return frozenset(alerts) or allowed


def _same_window(history: History, report: BacktestReport) -> History:
    """Return the history cut to a report's window: that of a Prometheus grows meanwhile."""
    return History(
        source=history.source,
        length=timedelta(seconds=report.end - report.start),
        end=datetime.fromtimestamp(report.end, UTC),
        http_config=history.http_config,
    )


def _drawn(answer: Answer) -> list[str]:
    """Return the alerts that the picture shows: those that fired, before or after, and the changed ones first."""
    fired = [summary.alert for summary in answer.summaries if summary.firings]
    return list(dict.fromkeys([*(change.alert for change in answer.changes), *fired]))


def _json(answer: Answer) -> str:
    return json.dumps(
        {
            "start": answer.report.start,
            "end": answer.report.end,
            "alerts": [asdict(summary) for summary in answer.summaries],
            "firing": [episode.model_dump() for episode in answer.report.firing()],
            "failures": [failure.model_dump() for failure in answer.report.failures],
            "in_force": answer.commit,
            "changes": [asdict(change) for change in answer.changes],
        },
        indent=2,
    )


def _show(console: Console, answer: Answer, *, changes_only: bool) -> None:
    """Print the tables. A line is never broken or cut, whatever the width: it is read in pull requests too."""
    report = answer.report
    console.print(f"From {_moment(report.start)} to {_moment(report.end)}, {(report.weeks * 7):.1f} days:")
    if not changes_only:
        fired = [summary for summary in answer.summaries if summary.firings]
        print_table(
            console,
            _SUMMARY,
            map(_summary_row, fired),
            text={"alert"},
            title="What each alert would have done",
        )
        quiet = len(answer.summaries) - len(fired)
        pages = sum(summary.pages for summary in answer.summaries)
        console.print(f"{pages} pages, {pages / report.weeks:.1f} a week. {quiet} alerts never fired.")
    if answer.commit is not None and not answer.changes:
        console.print(f"Compared with the rules of {answer.commit}: every alert would have done the same.")
    elif answer.commit is not None:
        heading = f"Compared with the rules of {answer.commit}"
        print_table(console, _CHANGE, map(_change_row, answer.changes), text={"alert"}, title=heading)
    for failure in report.failures:
        console.print(
            f"{failure.rule} of group {failure.group} failed at {failure.count} evaluations, first at "
            f"{_moment(failure.first)}: {failure.error}",
            markup=False,
        )


_SUMMARY = ("alert", "fired", "in all", "longest", "pages", "a week", "at the end")
_CHANGE = ("alert", "fired", "pages", "added", "removed")


def _summary_row(summary: AlertSummary) -> tuple[str, ...]:
    return (
        summary.alert,
        str(summary.firings),
        length_text(summary.firing_seconds),
        length_text(summary.longest_seconds),
        str(summary.pages),
        f"{summary.pages_a_week:.1f}",
        "fires" if summary.still_firing else "",
    )


def _change_row(change: AlertChange) -> tuple[str, ...]:
    return (
        change.alert,
        f"{change.firings_before} -> {change.firings_after}",
        f"{change.pages_before} -> {change.pages_after}",
        f"+{length_text(change.added_seconds)}" if change.added_seconds else "",
        f"-{length_text(change.removed_seconds)}" if change.removed_seconds else "",
    )


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
