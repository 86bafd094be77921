"""A mutant, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The part of the project that a mutant changes."""

    RULE = "hand-written rules"
    OBJECTIVE_RULE = "rules of an objective"
    GENERATOR = "generator's Python"
    ROUTE = "routes"
    INHIBITION = "inhibitions"


class Verdict(StrEnum):
    """The outcome of a mutant. One that survived shows a missing test, or a change that means nothing."""

    CAUGHT = "caught"
    REFUSED = "refused"
    """By `orion check`, which a change has to pass before any test."""
    EQUIVALENT = "equivalent"
    """What is compiled from it is the same."""
    SURVIVED = "survived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change. `where` and `change` together name it, in the table of docs/mutants.md too."""

    kind: Kind
    where: str
    change: str

    @property
    def name(self) -> str:
        """Returns its name, which stays the same while nothing else of `where` is changed."""
        return f"{self.where}: {self.change}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A mutant's verdict, who gave it, and the answers that were not in the cache."""

    mutant: Mutant
    verdict: Verdict
    by: str = ""
    answers: tuple[tuple[str, str], ...] = ()
