"""Follows PagerDuty's incident: what PagerDuty says of it is copied, and each change is told in the thread.

Nothing here causes an effect in PagerDuty, so that an acknowledgement never goes back to where it came from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from chatops.effects import AskAlertmanager, Effect, Reply, ResolveAlert, ShowMessage
from chatops.episode import Episode, Incident, IncidentNote, IncidentStatus


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
    """Differences between two answers of PagerDuty. `is_another`: it is the first one, or another incident.

    `is_escalated`: whoever is assigned now is so by the escalation policy. `priority` is None if it is as it was.
    """

    is_another: bool
    acknowledged_by: tuple[str, ...]
    is_unacknowledged: bool
    is_assigned: bool
    is_escalated: bool
    is_resolved: bool
    priority: str | None
    notes: tuple[IncidentNote, ...]


def incident_changes(before: Incident | None, after: Incident) -> IncidentChanges:
    """Compare two answers of PagerDuty. Another incident begins anew, and a resolved one is assigned to nobody."""
    same = before if before is not None and before.id == after.id else None
    acknowledged_before = same.acknowledged_by if same else ()
    is_assigned = before is not None and after.assigned_to not in {(), before.assigned_to}
    # Those of an incident that others were merged into are on its own page.
    known_notes = after.notes if same is None and before is not None else same.notes if same else ()
    return IncidentChanges(
        is_another=same is None,
        acknowledged_by=tuple(person for person in after.acknowledged_by if person not in acknowledged_before),
        is_unacknowledged=bool(acknowledged_before)
        and not after.acknowledged_by
        and after.status is IncidentStatus.TRIGGERED,
        is_assigned=is_assigned,
        is_escalated=is_assigned and same is not None and bool(same.assigned_to) and after.by_policy,
        is_resolved=after.status is IncidentStatus.RESOLVED and not (same and same.status is IncidentStatus.RESOLVED),
        priority=after.priority if before is not None and after.priority != before.priority else None,
        notes=tuple(note for note in after.notes if note.id not in {known.id for known in known_notes}),
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
        yield f"{'Escalated' if changes.is_escalated else 'Assigned'} to {', '.join(after.assigned_to)}"
    if changes.priority is not None:
        yield f"Its priority in PagerDuty is {changes.priority}" if changes.priority else "It has no priority any more"
    for note in changes.notes:
        yield f"{note.by} notes in PagerDuty: {note.text}"
