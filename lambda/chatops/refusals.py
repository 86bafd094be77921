"""Refused clicks of an episode, counted by person: a flood of them adds only so many entries to the audit record."""

from __future__ import annotations

MOST_OF_A_PERSON = 5
MOST = 20
"""How many refused clicks of an episode are kept in all. The log and `ChatClicksRefused` have every one."""

Refusals = tuple[tuple[str, int], ...]
"""How many refused clicks are kept of each person."""


def counted(refusals: Refusals, person: str) -> Refusals:
    """Return the count with one more refused click of a person, or as it is where no more are kept."""
    counts = dict(refusals)
    of_person = counts.get(person, 0)
    if of_person >= MOST_OF_A_PERSON or sum(counts.values()) >= MOST:
        return refusals
    return tuple(sorted((counts | {person: of_person + 1}).items()))
