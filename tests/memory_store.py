"""The state table in memory, for tests that need its conditional writes and nothing else of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from chatops.clients import Unavailable
from chatops.episode import EpisodeId
from chatops.store import Conflict, Put, Versioned


@dataclass
class MemoryStore:
    """Items by key. `conflicts` writes fail since another came first, and while `is_down` nothing answers."""

    items: dict[str, Versioned] = field(default_factory=dict[str, Versioned])
    conflicts: int = 0
    is_down: bool = False

    def read(self, key: str) -> Versioned | None:
        """Return an item."""
        if self.is_down:
            raise Unavailable("the state table does not answer")
        return self.items.get(key)

    def write(self, *puts: Put) -> None:
        """Write all items or none."""
        if self.is_down:
            raise Unavailable("the state table does not answer")
        if self.conflicts:
            self.conflicts -= 1
            raise Conflict(puts[0].key)
        for put in puts:
            known = self.items.get(put.key)
            if (known.version if known else 0) != put.version:
                raise Conflict(put.key)
        for put in puts:
            self.items[put.key] = Versioned(put.value, put.version + 1)

    def due(self, now: float) -> Sequence[EpisodeId]:
        """Return nothing: no episode is kept here."""
        del now
        return ()
