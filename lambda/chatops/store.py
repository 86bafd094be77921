"""The conditional store that the executor needs: the guarantees of a DynamoDB table with transactions.

Conflict   a condition did not hold: nothing was written
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chatops.episode import Episode, EpisodeId
from chatops.record import NewestEpisode, Record, RepairHolder, Stored


class Conflict(RuntimeError):
    """Another function wrote an item first, so nothing was written."""


@dataclass(frozen=True, slots=True)
class Versioned:
    """A stored value and the version that its next write has to name."""

    value: Stored
    version: int


@dataclass(frozen=True, slots=True)
class Put:
    """A write of one item, on condition of its version. Version 0: the item must not exist."""

    key: str
    value: Stored
    version: int


class Store(Protocol):
    """Reads and conditional writes of items by key. Any operation may raise `chatops.clients.Unavailable`."""

    def read(self, key: str) -> Versioned | None:
        """Return an item as the newest write left it (a consistent read), or None."""
        ...

    def write(self, *puts: Put) -> None:
        """Write all items, each with its version plus one, or none of them. Raises `Conflict`.

        After `Unavailable` the items may be written or not.
        """
        ...

    def due(self, now: float) -> Sequence[EpisodeId]:
        """Return episodes whose records are due. It may be out of date: whoever acts on it reads the record."""
        ...


def read_newest(store: Store, group: str) -> tuple[NewestEpisode, int]:
    """Return which episode of a group is the newest, and the version."""
    stored = store.read(_group_key(group))
    if stored is None:
        return NewestEpisode(), 0
    if not isinstance(stored.value, NewestEpisode):
        raise TypeError(f"{_group_key(group)} holds a {type(stored.value).__name__}")
    return stored.value, stored.version


def read_record(store: Store, id_: EpisodeId) -> tuple[Record, int]:
    """Return the record of an episode, and the version."""
    stored = store.read(str(id_))
    if stored is None or not isinstance(stored.value, Record):
        raise LookupError(f"there is no record of {id_}")
    return stored.value, stored.version


def find_episode(store: Store, id_: EpisodeId) -> Episode | None:
    """Return an episode, or None if it is not there: records of ended episodes expire, their numbers do not."""
    stored = store.read(str(id_))
    return stored.value.episode if stored is not None and isinstance(stored.value, Record) else None


def read_holder(store: Store, repair: str) -> tuple[RepairHolder | None, int]:
    """Return which episode holds a repair, or None, and the version."""
    stored = store.read(holder_key(repair))
    if stored is None or not isinstance(stored.value, RepairHolder):
        return None, 0
    return stored.value, stored.version


def put_newest(group: str, newest: NewestEpisode, version: int) -> Put:
    """Return the write of a group's item."""
    return Put(_group_key(group), newest, version)


def put_record(record: Record, version: int) -> Put:
    """Return the write of an episode's record."""
    return Put(str(record.episode.id), record, version)


def put_holder(repair: str, holder: RepairHolder, version: int) -> Put:
    """Return the write by which an episode takes a repair."""
    return Put(holder_key(repair), holder, version)


def holder_key(repair: str) -> str:
    """Return the key of the item that names a repair's episode. The repair function keeps its own under `repair`."""
    return f"holder#{repair}"


def _group_key(group: str) -> str:
    return f"group#{group}"
