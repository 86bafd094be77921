"""Compares two values as Pulumi's previews do: paths and the change at each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sandbox.providers.provider_values import Path


class Kind(Enum):
    """The change at a path."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The difference between two states of a resource. `replaces` are the `changes` that force a replacement."""

    changes: dict[Path, Kind] = field(default_factory=dict[Path, Kind])
    replaces: frozenset[Path] = frozenset()
    delete_before_replace: bool = False


def differences(old: Any, new: Any) -> dict[Path, Kind]:
    """Return the innermost paths at which two values differ. An unknown value differs from every known one."""
    return dict(_differences(old, new, ()))


def _differences(old: Any, new: Any, path: Path) -> Iterator[tuple[Path, Kind]]:
    match old, new:
        case dict(), dict():
            for name in sorted(old.keys() | new.keys()):
                yield from _members(old, new, name, path)
        case list(), list():
            for index in range(max(len(old), len(new))):
                yield from _members(dict(enumerate(old)), dict(enumerate(new)), index, path)
        case _ if old != new or isinstance(old, bool) is not isinstance(new, bool):
            yield path, Kind.CHANGED
        case _:
            return


def _members(old: dict[Any, Any], new: dict[Any, Any], name: str | int, path: Path) -> Iterator[tuple[Path, Kind]]:
    inner = (*path, name)
    if name not in old:
        yield inner, Kind.ADDED
    elif name not in new:
        yield inner, Kind.REMOVED
    else:
        yield from _differences(old[name], new[name], inner)
