"""Makes calls of Slack at the pace that it takes: those that were refused wait for one another in the state table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from chatops.clients import RateLimited, Unavailable
from chatops.pace import Pace, Rank, asked, refused, without
from chatops.store import Conflict, Put, Store

ATTEMPTS = 10
"""How often a write is tried that others come before."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One of Slack's limits: the key of its item in the state table, and the seconds between two calls."""

    key: str
    interval: float


UPDATES = Limit(key="slack#chat.update", interval=1.2)
"""Fifty a minute in all channels, the least that Slack grants an app."""


def posts(channel: str) -> Limit:
    """Return the limit of messages in a channel: one a second."""
    return Limit(key=f"slack#{channel}", interval=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacer:
    """Makes calls. Without an answer of the table it makes them at once: no message is lost for want of a place."""

    store: Store
    now: Callable[[], float]

    def call(self, limit: Limit, key: str, rank: Rank, make: Callable[[], Answer]) -> Answer:
        """Make a call when its time has come. Raises `RateLimited` if it has not, and what `make` raises."""
        wait = self._change(limit, lambda pace: asked(pace, key, rank, self.now(), limit.interval))
        if wait:
            raise RateLimited(wait)
        try:
            return make()
        except RateLimited as error:
            after = error.retry_after
            wait = self._change(limit, lambda pace: refused(pace, key, rank, self.now(), after, limit.interval))
            raise RateLimited(wait or after) from error

    def holds(self, limit: Limit, key: str) -> bool:
        """Return whether a call waits, and so has had no effect."""
        try:
            stored = self.store.read(limit.key)
        except Unavailable:
            return False
        return stored is not None and isinstance(stored.value, Pace) and stored.value.holds(key)

    def drop(self, limit: Limit, key: str) -> bool:
        """Take a call that waits out of the line. Returns whether it waited."""
        return self._change(limit, lambda pace: (without(pace, key), float(pace.holds(key)))) > 0

    def _change(self, limit: Limit, change: Callable[[Pace], tuple[Pace, float]]) -> float:
        """Change the limit's item, and return what `change` does beside it, or 0 if that is not written."""
        for _ in range(ATTEMPTS):
            try:
                stored = self.store.read(limit.key)
                pace = stored.value if stored is not None and isinstance(stored.value, Pace) else Pace()
                after, result = change(pace)
                if after != pace:
                    self.store.write(Put(limit.key, after, 0 if stored is None else stored.version))
            except Conflict:
                continue
            except Unavailable:
                return 0.0
            return result
        return 0.0
