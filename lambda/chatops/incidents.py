"""Follows PagerDuty's incident: what PagerDuty says of it is copied, and each change is told in the thread.

Nothing here causes an effect in PagerDuty, so that an acknowledgement never goes back to where it came from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from chatops.effects import AskAlertmanager, Effect, Reply, ResolveAlert, ShowMessage
from chatops.episode import Episode, Incident, IncidentStatus


def pagerduty_answered(episode: Episode, incident: Incident | None) -> tuple[Episode, tuple[Effect, ...]]:
    """Return the episode after an answer of PagerDuty, and the effects."""
    before = episode.incident
    if incident is None or incident == before or is_of_the_next(episode, incident):
        return episode, _left_open(episode, incident)
    after = replace(episode, incident=incident)
    replies = tuple(Reply(text) for text in _told_in_thread(before, incident))
    # Alertmanager resolves the incident before its notification is here, and a person may do so while alerts fire.
    look = (AskAlertmanager(),) if episode.is_open and incident.status is IncidentStatus.RESOLVED else ()
    return after, (ShowMessage(), *replies, *look, *_left_open(episode, incident))


def is_of_the_next(episode: Episode, incident: Incident) -> bool:
    """Return whether an incident opened after the episode ended."""
    return episode.ended_at is not None and incident.opened_at > episode.ended_at


def _left_open(episode: Episode, incident: Incident | None) -> tuple[Effect, ...]:
    """Return the effect that resolves an incident which its ended episode left open."""
    if episode.is_open or incident is None or is_of_the_next(episode, incident):
        return ()
    return () if incident.status is IncidentStatus.RESOLVED else (ResolveAlert(),)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentChanges:
    """Differences between two answers of PagerDuty. `is_another`: it is the first one, or another incident."""

    is_another: bool
    acknowledged_by: tuple[str, ...]
    is_unacknowledged: bool
    is_assigned: bool
    is_resolved: bool


def incident_changes(before: Incident | None, after: Incident) -> IncidentChanges:
    """Compare two answers of PagerDuty. Another incident begins anew, and a resolved one is assigned to nobody."""
    same = before if before is not None and before.id == after.id else None
    acknowledged_before = same.acknowledged_by if same else ()
    return IncidentChanges(
        is_another=same is None,
        acknowledged_by=tuple(person for person in after.acknowledged_by if person not in acknowledged_before),
        is_unacknowledged=bool(acknowledged_before)
        and not after.acknowledged_by
        and after.status is IncidentStatus.TRIGGERED,
        is_assigned=before is not None and after.assigned_to not in {(), before.assigned_to},
        is_resolved=after.status is IncidentStatus.RESOLVED and not (same and same.status is IncidentStatus.RESOLVED),
    )


def _told_in_thread(before: Incident | None, after: Incident) -> Iterator[str]:
    changes = incident_changes(before, after)
    if changes.is_another:
        yield f"PagerDuty incident {after.id}" if before is None else f"The incident is now {after.id}"
    for person in changes.acknowledged_by:
        yield f"Acknowledged by {person}"
    if changes.is_unacknowledged:
        yield "No longer acknowledged"
    if changes.is_assigned:
        yield f"Assigned to {', '.join(after.assigned_to)}"
