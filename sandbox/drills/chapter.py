"""A chapter: the drills that run side by side, and those that run one after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.drills.drill import Drill


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """Drills that run side by side: none disturbs another. Within a sequence, each waits for the one before it."""

    sequences: tuple[tuple[Callable[[Drill], None], ...], ...]
