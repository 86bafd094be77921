"""Tries every sequence of happenings in a world, however long, until no world is new."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Protocol, TypeVar


class Keyed(Protocol):
    """A world that says what tells it from others."""

    def key(self) -> Hashable:
        """Return what tells this world from others."""
        ...


World = TypeVar("World", bound=Keyed)


def reached(first: World, happenings: Callable[[World], Iterator[World]]) -> int:
    """Return how many worlds are reached from the first. `happenings` yields those that may come next of one."""
    frontier = {first.key(): first}
    known = set(frontier)
    while frontier:
        found = {after.key(): after for world in frontier.values() for after in happenings(world)}
        frontier = {key: world for key, world in found.items() if key not in known}
        known |= frontier.keys()
    return len(known)
