"""Options that name something of the catalog or the rules: refused where there is no such thing."""

from __future__ import annotations

from collections.abc import Iterable

from alerting.errors import AlertingError
from alerting.source.problems import listed


class QuestionUnclear(AlertingError):
    """An option has a value that says nothing. The message names the option, what was found and what is allowed."""


def require_known(option: str, names: Iterable[str], allowed: Iterable[str]) -> None:
    """Raise `QuestionUnclear` for the first name that is not allowed. What is allowed is listed in its own order."""
    known = tuple(allowed)
    for name in names:
        if name not in known:
            raise QuestionUnclear(f'{option}: found "{name}"; allowed: {listed(known)}')
