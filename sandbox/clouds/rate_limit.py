"""Rate limit: the requests that a key may make in a minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.clock import Clock

MINUTE_SECONDS = 60.0


@dataclass(slots=True)
class RateLimit:
    """At most `per_minute` requests of a key in any minute of the story: 60 real seconds divided by the time scale.

    So a sandbox whose alerts come twenty times as fast meets the limit as often as the real world would.
    """

    per_minute: int
    clock: Clock
    now: Callable[[], float] = Clock.now
    _taken: dict[str, deque[float]] = field(default_factory=dict[str, deque[float]])

    def take(self, key: str) -> float | None:
        """Count one request. Returns None when it is allowed, else the real seconds until the next one is."""
        now = self.now()
        window = self.clock.real(MINUTE_SECONDS)
        taken = self._taken.setdefault(key, deque())
        while taken and taken[0] <= now - window:
            taken.popleft()
        if len(taken) >= self.per_minute:
            return taken[0] + window - now
        taken.append(now)
        return None

    def left(self, key: str) -> int:
        """Return how many more requests the key may make now."""
        return self.per_minute - len(self._taken.get(key, ()))
