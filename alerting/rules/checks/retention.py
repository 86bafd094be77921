"""Rules look back no further than Prometheus keeps what they read."""

from __future__ import annotations

import re
from datetime import timedelta
from math import ceil

from alerting.catalog import Catalog
from alerting.rules import promql
from alerting.settings import Settings
from alerting.settings.load import set_command
from alerting.source.durations import milliseconds
from alerting.source.problems import CatalogError, Place, Problem

HOURS_A_DAY = 24
_LOOKS_BACK = re.compile(r"\[|\boffset\b", re.IGNORECASE)
"""Most expressions do not, and there may be thousands."""


def require_kept(catalog: Catalog, settings: Settings) -> None:
    """Hold that a stack keeps its series for as long as each rule looks back, at the stack's time scale.

    Prometheus says nothing of what it no longer has: a longer window would only be called so. Raises `CatalogError`
    with every rule that looks back further.
    """
    kept = timedelta(milliseconds=milliseconds(settings.monitoring.retention))
    problems: list[Problem] = []
    for rule in catalog.rules.rules:
        if rule.expression.tree is not None and _LOOKS_BACK.search(rule.expression.text):
            looks_back = promql.reach(rule.expression.tree, settings.time_scale)
            if looks_back > kept:
                problems.append(_problem(rule.place("expr"), looks_back, settings))
    if problems:
        raise CatalogError(problems)


def _problem(place: Place, looks_back: timedelta, settings: Settings) -> Problem:
    stack, retention = settings.environment.value, settings.monitoring.retention
    found = _as_retention(looks_back)
    command = set_command(stack, "monitoring.retention").replace("VALUE", found)
    return Problem(
        place,
        f"looks back {found}; allowed: {retention}, which monitoring.retention of stack {stack} keeps. "
        f"Look back less, or keep more: `{command}`, and monitoring.prometheus_storage for it",
    )


def _as_retention(reach: timedelta) -> str:
    """Return a time as the setting takes it: in days, or else in hours, rounded up."""
    hours = ceil(reach / timedelta(hours=1))
    return f"{hours}h" if hours % HOURS_A_DAY else f"{hours // HOURS_A_DAY}d"
