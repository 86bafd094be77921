"""Reports of a function about its work: counts become metrics, and texts become lines of its log."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Observer(Protocol):
    """Takes a function's reports. The deployed one is `orion_common.queue_handler.PowertoolsObserver`."""

    def count(self, what: StrEnum, number: int = 1) -> None:
        """Count something. Each function has a `StrEnum` of its counters."""
        ...

    def measure(self, what: StrEnum, seconds: float) -> None:
        """Report how long something took."""
        ...

    def say(self, text: str, **details: object) -> None:
        """Write a line to the log."""
        ...
