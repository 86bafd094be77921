"""An observer that keeps nothing: the simulation looks at what functions do, not at what they count."""

from __future__ import annotations

from enum import StrEnum


class Unobserved:
    """An observer that keeps nothing."""

    def count(self, what: StrEnum, number: int = 1) -> None:
        """Count nothing."""

    def measure(self, what: StrEnum, seconds: float) -> None:
        """Measure nothing."""

    def say(self, text: str, **details: object) -> None:
        """Write nothing."""
