"""The conditional store in memory: DynamoDB's consistent reads and transactional conditional writes, with faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chatops.episode import EpisodeId
from chatops.record import Record, Stored, due_at
from chatops.store import Conflict, Put, Versioned
from tests.simulation.world import World

Watch = Callable[[Stored | None, Stored], None]


@dataclass(slots=True)
class MemoryStore:
    """Items by key. `watch` sees every write, before it and after it."""

    world: World
    watch: Watch
    items: dict[str, Versioned] = field(default_factory=dict[str, Versioned])

    def read(self, key: str) -> Versioned | None:
        """Return an item."""
        return self.world.call(f"read {key}", lambda: self.items.get(key))

    def write(self, *puts: Put) -> None:
        """Write all items or none."""
        self.world.call("write", lambda: self._write(puts))

    def _write(self, puts: Sequence[Put]) -> None:
        for put in puts:
            if not is_newest(self.items.get(put.key), put):
                raise Conflict(put.key)
        for put in puts:
            known = self.items.get(put.key)
            self.items[put.key] = Versioned(put.value, put.version + 1)
            self.watch(known.value if known else None, put.value)

    def due(self, now: float) -> Sequence[EpisodeId]:
        """Return the episodes that are due."""
        return self.world.call(
            "due", lambda: [record.episode.id for record in self.records() if self._is_due(record, now)]
        )

    def _is_due(self, record: Record, now: float) -> bool:
        at = due_at(record, self.world.policy)
        return at is not None and at <= now

    def records(self) -> list[Record]:
        """Return all records of episodes."""
        return [item.value for item in self.items.values() if isinstance(item.value, Record)]


def is_newest(known: Versioned | None, put: Put) -> bool:
    """Return whether the condition of a write holds."""
    return (known.version if known else 0) == put.version
