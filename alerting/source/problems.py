"""Problems in what a team wrote: the place, what was found, what is allowed, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from alerting.errors import AlertingError


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """A place in a file: `file` is relative to the repository, `line` starts at 1, `field` is a dotted path."""

    file: str
    line: int = 1
    field: str = ""

    def __str__(self) -> str:
        start = f"{self.file}:{self.line}"
        return f"{start}: {self.field}" if self.field else start


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that has to be put right before anything can be deployed.

    One that `comes_first`, such as a name that is not there, hides those that do not: they may only follow from it.
    """

    place: Place
    message: str
    comes_first: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class CatalogError(AlertingError):
    """The catalog, the rules or the runbooks hold problems. `problems` are all of them, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Hold every problem that was found, each once."""
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


LONGEST_SHOWN = 120


def shown(value: object) -> str:
    """Return a value as it stands in an error: on one line, in double quotes if it is a text, never endless."""
    text = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if isinstance(value, str) else repr(value)
    text = "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}… ({len(text)} characters)"


def listed(values: Iterable[object]) -> str:
    """Return what is allowed as a list, in its own order; `nothing` when there is nothing."""
    return ", ".join(str(value) for value in values) or "nothing"


def not_allowed(place: Place, found: object, allowed: Iterable[object], advice: str) -> Problem:
    """Return the problem of a value that is not one of those allowed."""
    return Problem(place, f"found {shown(found)}; allowed: {listed(allowed)}. {advice}", comes_first=True)
