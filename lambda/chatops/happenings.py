"""Says what happened to an episode, from the episode before an event and after it: the entries of its timeline.

No decision can forget to tell: whatever changes in the record, and whatever is done for a click, is seen here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from chatops.effects import (
    Acknowledge,
    CollectDiagnostics,
    Effect,
    Escalate,
    KeepAudit,
    LiftStop,
    RunCommand,
    SetSilence,
    StopRepairs,
    Whisper,
    WriteDraft,
)
from chatops.episode import Episode, Incident, Phase
from chatops.events import Event, GaveUp, SlackAction
from chatops.incidents import incident_changes
from chatops.repair import Outcome, Repair, Status
from chatops.slack_text import at_time
from chatops.timeline import ALERTMANAGER, PAGERDUTY, PLATFORM, Happening, Kind, extended

AUTOMATION = "runbook automation"
TOLD_WHEN_GIVEN_UP = (Acknowledge, Escalate, SetSilence, RunCommand, StopRepairs, LiftStop, CollectDiagnostics)
"""What is missed if it does not happen. That a message or a note is missing shows by itself."""
_STATUS_KINDS = {
    Status.REJECTED: Kind.REPAIR_REJECTED,
    Status.EXPIRED: Kind.REPAIR_EXPIRED,
    Status.WITHDRAWN: Kind.REPAIR_WITHDRAWN,
    Status.RUNNING: Kind.REPAIR_RUN,
    Status.VERIFYING: Kind.REPAIR_ENDED,
    Status.CLOSED: Kind.REPAIR_ENDED,
    Status.ESCALATED: Kind.REPAIR_FAILED,
}

Told = tuple[Episode, tuple[Effect, ...]]


def told(before: Episode, after: Episode, effects: tuple[Effect, ...], event: Event, now: float) -> Told:
    """Return an episode with what an event has changed in its timeline, and the effects that keep it.

    An episode that has ended has its post-incident draft written again whenever something is added.
    """
    if after is before and not effects and not isinstance(event, GaveUp):
        return after, effects
    timeline = extended(after.timeline, happened(before, after, effects, event), after.audited, now)
    if timeline is after.timeline:
        return after, effects
    draft = () if after.is_open else (WriteDraft(),)
    return replace(after, timeline=timeline), (*effects, KeepAudit(), *draft)


def happened(before: Episode, after: Episode, effects: Sequence[Effect], event: Event) -> Iterator[Happening]:
    """Yield what an event has changed in an episode, and what is done for a click."""
    person = event.person if isinstance(event, SlackAction) else None
    yield from _done(effects, person)
    if isinstance(event, GaveUp) and isinstance(event.effect, TOLD_WHEN_GIVEN_UP):
        person = getattr(event.effect, "person", PLATFORM)
        yield Kind.NOT_DONE, person, f"{type(event.effect).__name__}: {event.why}"
    if after is before:
        return
    if isinstance(event, SlackAction) and after.refusals != before.refusals:
        yield Kind.REFUSED, event.person, _refused(event, effects)
    yield from _firing(before, after)
    yield from _silence(before, after, effects, person)
    yield from _incident(before.incident, after.incident, is_open=after.is_open)
    yield from _repairs(before.repairs, after.repairs, person)
    if before.is_open and not after.is_open:
        yield Kind.RESOLVED, ALERTMANAGER, "nothing of it fires"
    answer = after.needed_human
    if answer is not None and answer != before.needed_human:
        yield Kind.ANSWERED, answer.by, "yes" if answer.needed else "no"


def _done(effects: Sequence[Effect], person: str | None) -> Iterator[Happening]:
    for effect in effects:
        if isinstance(effect, Acknowledge):
            yield Kind.ACKNOWLEDGEMENT_ASKED, effect.person, "by a click"
        if isinstance(effect, StopRepairs):
            yield Kind.REPAIRS_STOPPED, effect.person, effect.action or effect.service or "all"
        if isinstance(effect, LiftStop):
            stop = effect.stop
            yield (
                Kind.REPAIRS_STARTED,
                effect.person,
                f"{stop.scope.name or 'all'}: stopped since {stop.since} by {stop.by}",
            )
        if isinstance(effect, CollectDiagnostics):
            yield Kind.DIAGNOSTICS_ASKED, effect.person, "by a click"
        if isinstance(effect, Escalate):
            yield Kind.ESCALATED, person or PLATFORM, effect.text


def _refused(click: SlackAction, effects: Sequence[Effect]) -> str:
    told = next(
        (effect.text for effect in effects if isinstance(effect, Whisper)), "it is not on this thread's message"
    )
    return f"{click.button.value}: {told}"


def _firing(before: Episode, after: Episode) -> Iterator[Happening]:
    if after.news_at != before.news_at and after.firing != before.firing:
        yield Kind.NOTIFIED, ALERTMANAGER, f"{len(after.firing)} fire" if after.firing else "reported resolved"
    elif before.phase is Phase.CHECKING and after.phase is Phase.FIRING:
        yield Kind.STILL_FIRES, ALERTMANAGER, "reported resolved, and an alert still fires"


def _silence(before: Episode, after: Episode, effects: Sequence[Effect], person: str | None) -> Iterator[Happening]:
    """Yield what was done with the silence. To extend one until resolved, and to warn of its end, are part of it.

    A second click may leave the silence as it is, where it has reached its ceiling.
    """
    wanted, known = after.silence, before.silence
    if wanted is None or SetSilence() not in effects:
        return
    if person is not None and wanted.lifted:
        yield Kind.SILENCE_LIFTED, person, "by a click"
    elif wanted.lifted and known is not None and not known.lifted:
        yield Kind.SILENCE_LIFTED, PLATFORM, "it was for as long as it fires"
    elif person is not None:
        until = "until resolved, now" if wanted.until_resolved else "until"
        yield Kind.SILENCED, person, f"{until} {at_time(wanted.ends_at)}"


def _incident(before: Incident | None, after: Incident | None, *, is_open: bool) -> Iterator[Happening]:
    if after is None or after == before:
        return
    changes = incident_changes(before, after)
    if changes.is_another:
        yield Kind.PAGED, PAGERDUTY, f"{after.id} {_people(after.assigned_to)}".rstrip()
    for person in changes.acknowledged_by:
        yield Kind.ACKNOWLEDGED, person, f"in PagerDuty, {after.id}"
    if changes.is_unacknowledged:
        yield Kind.UNACKNOWLEDGED, PAGERDUTY, after.id
    if changes.is_assigned and not changes.is_another:
        yield Kind.ASSIGNED, PAGERDUTY, _people(after.assigned_to, "escalated" if changes.is_escalated else "assigned")
    if changes.priority is not None:
        yield Kind.PRIORITY_CHANGED, PAGERDUTY, changes.priority or "none"
    for note in changes.notes:
        yield Kind.NOTED, note.by, note.text
    if is_open and changes.is_resolved:
        yield Kind.INCIDENT_RESOLVED, PAGERDUTY, after.id


def _people(people: Sequence[str], how: str = "assigned") -> str:
    return f"{how} to {', '.join(people)}" if people else ""


def _repairs(before: Sequence[Repair], after: Sequence[Repair], person: str | None) -> Iterator[Happening]:
    statuses = {repair.proposal.id: repair.status for repair in before}
    for repair in after:
        known = statuses.get(repair.proposal.id)
        if known is not repair.status:
            yield from _repair(repair, person, is_new=known is None)


def _repair(repair: Repair, person: str | None, *, is_new: bool) -> Iterator[Happening]:
    command = str(repair.proposal.command)
    if is_new and repair.proposal.approval:
        yield Kind.REPAIR_PROPOSED, AUTOMATION, command
    elif is_new and repair.outcome not in {None, Outcome.NOT_RUN}:
        yield Kind.REPAIR_RUN, AUTOMATION, command
    if repair.status is Status.APPROVED:
        yield Kind.REPAIR_APPROVED, repair.by or PLATFORM, command
    elif repair.status is Status.VERIFIED:
        yield Kind.REPAIR_VERIFIED, ALERTMANAGER, f"{command}: its alert has cleared"
    elif repair.status in _STATUS_KINDS:
        yield _STATUS_KINDS[repair.status], person or PLATFORM, f"{command}{_outcome(repair)}"


def _outcome(repair: Repair) -> str:
    if repair.status is Status.ESCALATED and repair.outcome is Outcome.SUCCEEDED:
        return ": succeeded, and its alert has not cleared"
    if repair.outcome is None:
        return ""
    return f": {repair.outcome}, {repair.result}" if repair.result else f": {repair.outcome}"
