"""A bug put in on purpose: it replaces a function of the deployed code by name, wherever that is imported.

`seed` is the first seed that catches it, counted from 0 (`python -m tests.simulation mutations` looks for it).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

SIMULATED = ("chatops.", "runbook_automation.", "repair_sweep.", "tests.simulation.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """A bug: the function that is replaced, what replaces it, and the first seed that catches it."""

    name: str
    target: str
    by: Any
    seed: int
    also: tuple[tuple[str, Any], ...] = ()
    """Further replacements, for a bug that two places prevent."""


@contextmanager
def applied(mutation: Mutation) -> Generator[None]:
    """Apply a mutation wherever its function is imported, and take it back."""
    with ExitStack() as stack:
        for target, by in ((mutation.target, mutation.by), *mutation.also):
            stack.enter_context(_replaced(target, by))
        yield


@contextmanager
def _replaced(target: str, by: Any) -> Generator[None]:
    module_name, _, path = target.partition(":")
    owner: Any = importlib.import_module(module_name)
    *classes, name = path.split(".")
    for class_name in classes:
        owner = getattr(owner, class_name)
    original = getattr(owner, name)
    holders = [owner] if classes else [module for module in _modules() if module.__dict__.get(name) is original]
    try:
        for holder in holders:
            setattr(holder, name, by)
        yield
    finally:
        for holder in holders:
            setattr(holder, name, original)


def _modules() -> list[Any]:
    return [module for name, module in list(sys.modules.items()) if name.startswith(SIMULATED)]
