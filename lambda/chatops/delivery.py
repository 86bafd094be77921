"""Carries out one effect by the clients, and returns its answer.

An attempt that is not the first looks up whether an earlier one has happened, wherever a second would show.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from chatops.audit import KEPT_AT_ONCE, content_of
from chatops.audit import key_of as audit_key
from chatops.clients import Clients, Gone, Refused, Unavailable
from chatops.effects import (
    Acknowledge,
    AskAlertmanager,
    AskPagerDuty,
    CollectDiagnostics,
    Escalate,
    KeepAudit,
    LiftStop,
    Note,
    ReadStops,
    RejectRepair,
    Reply,
    ResolveAlert,
    RunCommand,
    SetSilence,
    ShowMessage,
    StopRepairs,
    Whisper,
    WriteDraft,
)
from chatops.episode import Episode, Incident, IncidentStatus, Policy, root_message, stop_scopes
from chatops.events import (
    Acknowledged,
    AlertmanagerAnswered,
    Answer,
    AuditKept,
    CommandSent,
    Done,
    DraftWritten,
    MessageGone,
    MessageShown,
    PagerDutyAnswered,
    StopsRead,
)
from chatops.looks import is_complete
from chatops.outbox import Entry
from chatops.post_incident import draft_key, draft_of
from chatops.silences import is_silenced
from chatops.timeline import waiting_for_audit


def deliver(clients: Clients, episode: Episode, entry: Entry, policy: Policy, now: float) -> Answer:
    """Carry out an effect. Raises `Unavailable`, `RateLimited` or `Refused`."""
    effect = entry.effect
    match effect:
        case ShowMessage() | Reply() | Whisper():
            return _in_slack(clients, episode, entry, effect)
        case AskAlertmanager():
            return AlertmanagerAnswered(clients.alertmanager.look(episode.group))
        case AskPagerDuty():
            return PagerDutyAnswered(_incident_with_notes(clients, episode))
        case Acknowledge() | Note() | Escalate():
            return _in_pagerduty(clients, episode, entry, effect)
        case ResolveAlert():
            return _resolve_alert(clients, episode, policy)
        case SetSilence():
            return _set_silence(clients, episode, now)
        case RunCommand() | RejectRepair():
            return _decide(clients, episode, effect)
        case StopRepairs() | LiftStop() | ReadStops() | CollectDiagnostics():
            return _ask_repair_function(clients, episode, effect)
        case KeepAudit() | WriteDraft():
            return _in_archive(clients, episode, effect)
        case _:
            assert_never(effect)


def _in_slack(clients: Clients, episode: Episode, entry: Entry, effect: ShowMessage | Reply | Whisper) -> Answer:
    match effect:
        case ShowMessage():
            return _show_message(clients, episode, entry)
        case Reply(text):
            return _reply(clients, episode, entry, text)
        case Whisper(person, text):
            clients.chat.whisper(episode.group.channel, episode.thread, person, text)
            return Done()
        case _:
            assert_never(effect)


def _decide(clients: Clients, episode: Episode, effect: RunCommand | RejectRepair) -> Answer:
    """Tell the repair function what was decided."""
    repair = next(known for known in episode.repairs if known.proposal.id == effect.repair)
    by = clients.chat.name_of(repair.by or "")
    match effect:
        case RunCommand(id_):
            clients.commands.send(id_, repair.proposal.command, by)
            return CommandSent(id_)
        case RejectRepair(id_):
            clients.commands.reject(id_, by)
            return Done()
        case _:
            assert_never(effect)


def _ask_repair_function(
    clients: Clients, episode: Episode, effect: StopRepairs | LiftStop | ReadStops | CollectDiagnostics
) -> Answer:
    if isinstance(effect, ReadStops):
        return StopsRead(clients.commands.stops(stop_scopes(episode)))
    by = clients.chat.name_of(effect.person)
    match effect:
        case StopRepairs(action=action, service=service):
            clients.commands.stop(action, service, by, effect.clicked_at)
        case LiftStop(stop=stop):
            clients.commands.lift(stop, by, effect.clicked_at)
        case CollectDiagnostics(request=request):
            clients.commands.collect(request, episode.group, by, effect.clicked_at)
        case _:
            assert_never(effect)
    return Done()


def _in_archive(clients: Clients, episode: Episode, effect: KeepAudit | WriteDraft) -> Answer:
    match effect:
        case KeepAudit():
            number = episode.audited
            for entry in waiting_for_audit(episode.timeline, episode.audited)[:KEPT_AT_ONCE]:
                clients.archive.keep(audit_key(episode.id, entry), content_of(episode, entry))
                number = entry.number
            return AuditKept(number)
        case WriteDraft():
            text = draft_of(episode, clients.chat.name_of)
            return DraftWritten(clients.archive.write_draft(draft_key(episode.id), text))
        case _:
            assert_never(effect)


def _in_pagerduty(clients: Clients, episode: Episode, entry: Entry, effect: Acknowledge | Note | Escalate) -> Answer:
    incident, pagerduty, key = _incident(clients, episode), clients.pagerduty, key_of(episode, entry)
    if incident.status is IncidentStatus.RESOLVED and not isinstance(effect, Note):
        raise Refused("the incident is resolved")
    match effect:
        case Acknowledge(person, clicked_at):
            if not (is_repeated(entry) and pagerduty.has_acknowledged(incident.id, person, clicked_at)):
                pagerduty.acknowledge(incident.id, person)
            return Acknowledged(person)
        case Note(text):
            if not (is_repeated(entry) and pagerduty.has_note(incident.id, key)):
                pagerduty.note(incident.id, key, text)
        case Escalate(text):
            if not (is_repeated(entry) and pagerduty.has_note(incident.id, key)):
                pagerduty.escalate(incident.id, key, text)
        case _:
            assert_never(effect)
    return Done()


def is_repeated(entry: Entry) -> bool:
    """Return whether an earlier attempt may have happened."""
    return entry.attempts > 1


def key_of(episode: Episode, entry: Entry) -> str:
    """Return the idempotency key of an effect."""
    return f"{episode.id}/{entry.id}"


def _show_message(clients: Clients, episode: Episode, entry: Entry) -> Answer:
    chat, channel, message = clients.chat, episode.group.channel, root_message(episode)
    thread = episode.thread
    if thread is None:
        key = str(episode.id)
        thread = chat.find(channel, None, key) if is_repeated(entry) else None
        if thread is None:
            return MessageShown(chat.post(channel, key, message))
    try:
        chat.update(channel, thread, message)
    except Gone:
        return MessageGone()
    return MessageShown(thread)


def _reply(clients: Clients, episode: Episode, entry: Entry, text: str) -> Answer:
    if episode.thread is None:
        return MessageGone(text)
    channel, key = episode.group.channel, key_of(episode, entry)
    if is_repeated(entry) and clients.chat.find(channel, episode.thread, key) is not None:
        return Done()
    try:
        clients.chat.reply(channel, episode.thread, key, text)
    except Gone:
        return MessageGone(text)
    return Done()


def _incident_with_notes(clients: Clients, episode: Episode) -> Incident | None:
    incident = clients.pagerduty.incident_of(episode.group.key)
    return None if incident is None else replace(incident, notes=clients.pagerduty.notes_of(incident.id))


def _incident(clients: Clients, episode: Episode) -> Incident:
    """Return the incident as it is now. Raises `Unavailable` if one may still open, and `Refused` if none will."""
    incident = clients.pagerduty.incident_of(episode.group.key)
    if incident is None and not episode.is_open:
        raise Refused("PagerDuty had no incident of this group")
    if incident is None:
        raise Unavailable("PagerDuty has no incident of this group yet")
    return incident


def _resolve_alert(clients: Clients, episode: Episode, policy: Policy) -> Answer:
    """Resolve what the episode left open, unless its group fires again: PagerDuty adds that to the same incident."""
    incident = clients.pagerduty.incident_of(episode.group.key)
    if incident is None or not is_left_open(episode, incident):
        return Done()
    look = clients.alertmanager.look(episode.group)
    if not is_complete(look, policy.replicas, policy.waits.settled):
        raise Unavailable("Alertmanager does not prove that nothing fires")
    if not look.firing:
        clients.pagerduty.resolve_alert(incident.id, episode.group.key)
    return Done()


def is_left_open(episode: Episode, incident: Incident) -> bool:
    """Return whether an incident is open that opened before its episode ended."""
    opened_before = episode.ended_at is not None and incident.opened_at <= episode.ended_at
    return opened_before and incident.status is not IncidentStatus.RESOLVED


def _set_silence(clients: Clients, episode: Episode, now: float) -> Answer:
    """Leave exactly the silence that the record wants."""
    key, wanted = f"{episode.id}/silence", episode.silence
    active = clients.alertmanager.silences(key)
    lasting = is_silenced(episode, now)
    for extra in active[1:] if lasting else active:
        clients.alertmanager.expire_silence(extra.id)
    if wanted is not None and lasting and not (active and active[0].ends_at == wanted.ends_at):
        clients.alertmanager.set_silence(active[0].id if active else None, episode.group, key, wanted.ends_at)
    return Done()
