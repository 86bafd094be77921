"""The timeline of an episode: what happened, when and by whom, and the times that follow from it.

It is part of the record and bounded. The audit record in S3 (`chatops.audit`) keeps every entry.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import StrEnum

KEPT_ENTRIES = 60
"""How many entries a record keeps. Those that are in the audit record already are left out first."""
MOST_ENTRIES = 400
"""How many entries a record holds at most, while the audit record takes none: an item of the table has 400 KB."""
TEXT_LIMIT = 300

ALERTMANAGER = "Alertmanager"
PAGERDUTY = "PagerDuty"
PLATFORM = "Orion"
"""The actor of what the platform does by itself."""


class Kind(StrEnum):
    """Kinds of entries of a timeline."""

    OPENED = "opened"
    NOTIFIED = "notified"
    """Alertmanager named other alerts than before, or none."""
    STILL_FIRES = "still fires"
    """Alertmanager reported the group resolved, and a silenced alert of it fires."""
    PAGED = "paged"
    """The record learned which incident of PagerDuty holds the group's alert."""
    ACKNOWLEDGEMENT_ASKED = "acknowledgement asked"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "no longer acknowledged"
    ASSIGNED = "assigned"
    PRIORITY_CHANGED = "priority changed"
    NOTED = "noted"
    """A person has added a note to the incident."""
    INCIDENT_RESOLVED = "incident resolved"
    SILENCED = "silenced"
    SILENCE_LIFTED = "silence lifted"
    ESCALATED = "escalated"
    REPAIR_PROPOSED = "repair proposed"
    REPAIR_APPROVED = "repair approved"
    REPAIR_REJECTED = "repair rejected"
    REPAIR_EXPIRED = "repair expired"
    REPAIR_WITHDRAWN = "repair withdrawn"
    REPAIR_RUN = "repair run"
    REPAIR_ENDED = "repair ended"
    REPAIR_FAILED = "repair failed"
    REPAIR_VERIFIED = "repair verified"
    REPAIRS_STOPPED = "repairs stopped"
    REPAIRS_STARTED = "repairs started"
    DIAGNOSTICS_ASKED = "diagnostics asked"
    REFUSED = "refused"
    """A person clicked a button, and it did nothing."""
    NOT_DONE = "not done"
    """Something that a person or the platform wanted was given up."""
    RESOLVED = "resolved"
    ANSWERED = "needed a human"


ACTIONS = frozenset(
    {Kind.SILENCED, Kind.SILENCE_LIFTED, Kind.ESCALATED, Kind.REPAIR_REJECTED, Kind.REPAIR_RUN, Kind.REPAIRS_STOPPED}
)
"""What counts as acting on an episode. To acknowledge says that somebody will, and does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One thing that happened. `number` counts an episode's entries from 1, whether or not all of them are kept.

    `actor` is a Slack user id, an email of PagerDuty's, or the name of a system.
    """

    number: int
    at: float
    kind: Kind
    actor: str
    text: str = ""


Happening = tuple[Kind, str, str]
"""A kind, an actor and a text: an entry without its number and time."""
Timeline = tuple[TimelineEntry, ...]


def extended(timeline: Timeline, happenings: Iterable[Happening], audited: int, now: float) -> Timeline:
    """Return a timeline with more entries, bounded. `audited` is the number of the last that the audit record has."""
    last = timeline[-1].number if timeline else audited
    more = tuple(
        TimelineEntry(number=last + index, at=now, kind=kind, actor=actor[:TEXT_LIMIT], text=text[:TEXT_LIMIT])
        for index, (kind, actor, text) in enumerate(happenings, start=1)
    )
    return bounded((*timeline, *more), audited) if more else timeline


def bounded(timeline: Timeline, audited: int) -> Timeline:
    """Return a timeline without its oldest entries beyond the limits. The first of each kind stays.

    What the audit record does not have yet stays until there are `MOST_ENTRIES`.
    """
    beyond = len(timeline) - KEPT_ENTRIES
    if beyond <= 0:
        return timeline
    firsts = {entry.kind: entry.number for entry in reversed(timeline)}
    spare = [entry.number for entry in timeline if firsts[entry.kind] != entry.number]
    left_out = frozenset([number for number in spare if number <= audited][:beyond])
    too_many = len(timeline) - len(left_out) - MOST_ENTRIES
    if too_many > 0:
        left_out |= frozenset([number for number in spare if number not in left_out][:too_many])
    return tuple(entry for entry in timeline if entry.number not in left_out)


def waiting_for_audit(timeline: Timeline, audited: int) -> Timeline:
    """Return the entries that the audit record does not have yet."""
    return tuple(entry for entry in timeline if entry.number > audited)


def seconds_to_acknowledge(timeline: Timeline, opened_at: float) -> float | None:
    """Return the seconds from the opening until the record learned that somebody had acknowledged in PagerDuty.

    None: nobody has.
    """
    return _seconds_to(timeline, opened_at, {Kind.ACKNOWLEDGED})


def seconds_to_act(timeline: Timeline, opened_at: float) -> float | None:
    """Return the seconds from the opening until somebody, or the platform, first silenced, escalated or repaired.

    None: nothing was done.
    """
    return _seconds_to(timeline, opened_at, ACTIONS)


def seconds_to_resolve(opened_at: float, ended_at: float | None) -> float | None:
    """Return the seconds from the opening until Alertmanager proved that nothing fires. None: something does."""
    return None if ended_at is None else max(ended_at - opened_at, 0.0)


def _seconds_to(timeline: Timeline, opened_at: float, kinds: Container[Kind]) -> float | None:
    first = next((entry.at for entry in timeline if entry.kind in kinds), None)
    return None if first is None else max(first - opened_at, 0.0)
