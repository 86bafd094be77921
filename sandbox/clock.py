"""The sandbox's one clock: how much faster than the real world its waits and intervals run."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """Scales durations by one declared factor.

    `scale` is how many story seconds pass in one real second: 1 keeps the story's own timings, 20 makes a wait of
    five minutes last fifteen seconds. Time stamps are never scaled, only durations.
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a factor that would stretch time or stop it."""
        if self.scale < 1:
            message = f"time scale: found {self.scale}; allowed: 1 (the story's own timings) or more"
            raise ValueError(message)

    def real(self, story_seconds: float) -> float:
        """Return the real seconds that a duration of the story lasts here."""
        return story_seconds / self.scale

    def story(self, real_seconds: float) -> float:
        """Return the duration of the story, in seconds, that a real one stands for."""
        return real_seconds * self.scale

    @staticmethod
    def now() -> float:
        """Return the present as Unix seconds."""
        return time.time()
