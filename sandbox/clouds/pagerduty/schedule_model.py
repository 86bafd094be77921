"""The schedules of an account: rotations of events, each covered by members."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Member:
    """A place in a shift: a person's id, or None where nobody is meant to be."""

    user: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The assignment of an event's occurrences to members. With `shifts_per_member` None, all members cover each."""

    members: tuple[Member, ...]
    shifts_per_member: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationEvent:
    """A recurring window of on-call duty. Times carry the zone that the recurrence is counted in."""

    id: str
    name: str
    start: datetime
    end: datetime
    time_zone: str
    recurrence: tuple[str, ...]
    assignment: Assignment
    effective_since: datetime
    effective_until: datetime | None


@dataclass(slots=True, kw_only=True)
class Rotation:
    """A group of events of a schedule."""

    id: str
    events: list[RotationEvent] = field(default_factory=list[RotationEvent])


@dataclass(slots=True, kw_only=True)
class Schedule:
    """A schedule of the third version of the API: rotations and their events."""

    id: str
    name: str
    time_zone: str
    description: str
    teams: tuple[str, ...]
    rotations: list[Rotation] = field(default_factory=list[Rotation])

    @property
    def summary(self) -> str:
        """The schedule's name."""
        return self.name
