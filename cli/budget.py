"""`orion budget`: what is left of each error budget, as a Prometheus has recorded it, and a gate for deployments."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from alerting.build import load_catalog
from alerting.errors import AlertingError
from alerting.rules.budget_report import QUERIES, Budget, Sample, budgets, decide, expected
from alerting.source.problems import listed
from cli.known_names import QuestionUnclear, require_known
from cli.prometheus_query import PrometheusUnusable, prometheus, redacted
from cli.tables import print_table

FAILED, NOT_DECIDED = 1, 2
"""The exit codes of a gate: a budget with too little left, and one of which too little is known."""
NOT_KNOWN = "not known"
HEADINGS = ("service", "objective", "target", "left", "known", "corrected", "burn rate", "at risk")
TEXT = frozenset({"service", "objective", "at risk"})
"""The headings of columns that are no numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request for budgets: of all objectives unless named. `fail_under` is the percentage that has to be left."""

    address: str
    services: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()
    fail_under: float | None = None
    as_json: bool = False


def run_budget(root: Path, console: Console, errors: Console, question: Question) -> int:
    """Print the budgets and return the exit code.

    Whatever keeps it from deciding is printed, and has an exit code of its own: 1 says that too little is left.
    """
    try:
        wanted = _wanted(expected(load_catalog(root)), question)
        found = budgets(ask(question.address), wanted)
    except AlertingError as error:
        errors.print(str(error), markup=False)
        return NOT_DECIDED
    code = 0 if question.fail_under is None else _gate(errors, found, question.fail_under)
    if question.as_json:
        print(json.dumps([_plain(budget) for budget in found], indent=2))
    else:
        show(console, found)
    return code


def _wanted(known: frozenset[tuple[str, str]], question: Question) -> list[tuple[str, str]]:
    require_known("--service", question.services, sorted({service for service, _ in known}))
    require_known("--objective", question.objectives, sorted({objective for _, objective in known}))
    wanted = [
        (service, objective)
        for service, objective in known
        if service in (question.services or (service,)) and objective in (question.objectives or (objective,))
    ]
    if not wanted:
        raise QuestionUnclear(
            f"{listed(question.services)} has no objective {listed(question.objectives)}. Name another of them"
        )
    return wanted


def ask(address: str) -> Mapping[str, Sequence[Sample]]:
    """Return what a Prometheus answers to all queries.

    Raises `PrometheusUnusable` if it gives no answer, or has recorded no objective.
    """
    with prometheus(address) as client:
        answers = {about: client.samples(query) for about, query in QUERIES.items()}
    if not answers["budget"]:
        raise PrometheusUnusable(
            f"{redacted(address)}: no objective is recorded there. Name the Prometheus that the stack's rules are in"
        )
    return answers


def _gate(errors: Console, found: Sequence[Budget], percent: float) -> int:
    decision = decide(found, percent / 100)
    for budget in decision.under:
        errors.print(f"{budget.name}: {_percent(budget.remaining)} is left; wanted: {percent:g} %", markup=False)
    for budget in decision.not_known:
        coverage = "nothing" if budget.coverage is None else _percent(budget.coverage)
        errors.print(f"{budget.name}: {coverage} of its period is known, too little to decide", markup=False)
    if decision.under:
        return FAILED
    return NOT_DECIDED if decision.not_known else 0


def _plain(budget: Budget) -> Mapping[str, object]:
    return {**asdict(budget), "trusted": budget.is_trusted, "idle": budget.is_idle, "at_risk": budget.is_at_risk}


def show(console: Console, found: Iterable[Budget]) -> None:
    """Print budgets as a table. A line is never broken or cut: it is read in logs too."""
    print_table(console, HEADINGS, map(_row, found), text=TEXT, title="Error budgets")


def _row(budget: Budget) -> tuple[str, ...]:
    labels = "".join(f" {name}={value}" for name, value in budget.labels.items())
    return (
        budget.service,
        f"{budget.objective}{labels}",
        NOT_KNOWN if budget.target is None else f"{budget.target * 100:.10g} %",
        _left(budget),
        _percent(budget.coverage),
        ", ".join(f"{_percent(share)} ({name})" for name, share in budget.corrected.items()),
        "" if budget.burn_rate is None else f"{budget.burn_rate:.2f} in {budget.burn_window}",
        _risk(budget),
    )


def _left(budget: Budget) -> str:
    if budget.is_idle:
        return "all, no events"
    return _percent(budget.remaining if budget.is_trusted else None)


def _risk(budget: Budget) -> str:
    if not budget.is_at_risk:
        return ""
    parts = [f"burns in {pair}" for pair in budget.burning]
    if budget.exhausted_in_seconds is not None:
        parts.append(f"gone in {budget.exhausted_in_seconds / 86400:.1f} days")
    return "; ".join(parts) or "nearly spent"


def _percent(share: float | None) -> str:
    return NOT_KNOWN if share is None else f"{share * 100:.1f} %"
