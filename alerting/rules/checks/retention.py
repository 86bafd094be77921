"""Rules look back no further than Prometheus keeps what they read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from math import ceil

from alerting.catalog import Catalog
from alerting.loader import SCRAPED_SERIES
from alerting.rules import promql
from alerting.rules.missing_series import expected_parts
from alerting.rules.time_scale import scaled_expression
from alerting.settings import Settings
from alerting.settings.load import set_command
from alerting.source.durations import milliseconds
from alerting.source.problems import CatalogError, Place, Problem

HOURS_A_DAY = 24
_LOOKS_BACK = re.compile(r"\[|\boffset\b", re.IGNORECASE)


def require_kept(catalog: Catalog, settings: Settings) -> None:
    """Hold that a stack keeps its series for as long as each rule looks back, at the stack's time scale.

    Prometheus says nothing of what it no longer has: a longer window would only be called so. Raises `CatalogError`
    with every rule that looks back further.
    """
    kept = timedelta(milliseconds=milliseconds(settings.monitoring.retention))
    problems = [
        problem
        for place, expression in _expressions(catalog)
        for problem in _problems(place, expression, settings, kept)
    ]
    if problems:
        raise CatalogError(problems)


def _expressions(catalog: Catalog) -> Iterator[tuple[Place, str]]:
    """Yield the expression of every rule, and of the parts that scraped series ought to have, with its place."""
    for located in catalog.located_rules():
        yield located.document.place((*located.path, "expr")), located.rule.expr
    for name in catalog.series.series:
        expected = expected_parts(catalog, name)
        if expected is not None:
            yield catalog.documents[SCRAPED_SERIES].place(("series", name, "parts")), expected


def _problems(place: Place, written: str, settings: Settings, kept: timedelta) -> Iterator[Problem]:
    if not _LOOKS_BACK.search(written):  # most do not, and there may be thousands
        return
    expression = promql.parsed(scaled_expression(written, settings.time_scale))
    reach = promql.reach(expression)
    if reach > kept:
        stack, retention = settings.environment.value, settings.monitoring.retention
        found = _as_retention(reach)
        command = set_command(stack, "monitoring.retention").replace("VALUE", found)
        yield Problem(
            place,
            f"looks back {found}; allowed: {retention}, which monitoring.retention of stack {stack} keeps. "
            f"Look back less, or keep more: `{command}`, and monitoring.prometheus_storage for it",
        )


def _as_retention(reach: timedelta) -> str:
    """Return a time as the setting takes it: in days, or else in hours, rounded up."""
    hours = ceil(reach / timedelta(hours=1))
    return f"{hours}h" if hours % HOURS_A_DAY else f"{hours // HOURS_A_DAY}d"
