"""Rules look back no further than Prometheus keeps what they read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from math import ceil

from alerting.catalog import Catalog, LocatedRule
from alerting.checks import expressions
from alerting.durations import milliseconds
from alerting.problems import CatalogError, Problem
from alerting.scale import scaled_expression
from alerting.settings import Settings
from alerting.stack_settings import set_command

HOURS_A_DAY = 24
_LOOKS_BACK = re.compile(r"\[|\boffset\b", re.IGNORECASE)


def require_kept(catalog: Catalog, settings: Settings) -> None:
    """Hold that a stack keeps its series for as long as each rule looks back, at the stack's time scale.

    Prometheus says nothing of what it no longer has: a longer window would only be called so. Raises `CatalogError`
    with every rule that looks back further.
    """
    kept = timedelta(milliseconds=milliseconds(settings.monitoring.retention))
    problems = [problem for located in catalog.located_rules() for problem in _problems(located, settings, kept)]
    if problems:
        raise CatalogError(problems)


def _problems(located: LocatedRule, settings: Settings, kept: timedelta) -> Iterator[Problem]:
    if not _LOOKS_BACK.search(located.rule.expr):  # most do not, and there may be thousands
        return
    expression = expressions.parsed(scaled_expression(located.rule.expr, settings.time_scale))
    reach = expressions.reach(expression)
    if reach > kept:
        place = located.document.place((*located.path, "expr"))
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
