"""Decides: `step(episode, event, policy, now)` returns the episode after an event, and the effects to carry out.

The order of truth: Alertmanager's for firing and resolved, PagerDuty's for acknowledged and assigned, the record's for
approvals. A notification or a webhook is a reason to ask; the answer decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from chatops.actions import acknowledge_answered, slack_action
from chatops.effects import (
    Acknowledge,
    AskAlertmanager,
    AskPagerDuty,
    Effect,
    Escalate,
    KeepAudit,
    LiftStop,
    ReadStops,
    Reply,
    RunCommand,
    SetSilence,
    ShowMessage,
    StopRepairs,
    Whisper,
)
from chatops.ending import alertmanager_answered
from chatops.episode import Details, Episode, Phase, Policy
from chatops.events import (
    Acknowledged,
    AlertmanagerAnswered,
    Answer,
    AuditKept,
    CommandSent,
    CommandTaken,
    Done,
    DraftWritten,
    Event,
    GaveUp,
    MessageGone,
    MessageShown,
    Notified,
    PagerDutyAnswered,
    PagerDutyChanged,
    Reconciled,
    RepairProposed,
    RepairReported,
    SlackAction,
    StopsRead,
    Tick,
)
from chatops.incidents import pagerduty_answered
from chatops.post_incident import draft_written
from chatops.repair import Outcome, Proposal, Repair, RepairStep, Status, closed, ended, proposed, taken, ticked
from chatops.silences import is_silenced, silence_ticked
from chatops.stops import read
from chatops.timeline import waiting_for_audit

PROPOSAL_SECONDS = 900
"""A repair that was proposed earlier is not taken: the target that it saw is too old."""

MOST_REPAIRS = 60
"""How many repairs a record keeps: an item of the table has 400 KB."""

Step = tuple[Episode, tuple[Effect, ...]]


def step(episode: Episode, event: Event, policy: Policy, now: float) -> Step:
    """Return the episode after an event, and the effects that it causes."""
    after, effects = _decided(episode, event, policy, now)
    return after, effects if after.group.pages else tuple(map(_without_incident, effects))


def _without_incident(effect: Effect) -> Effect:
    """Return what takes the place of an effect where the route pages nobody: there is no incident to escalate."""
    return (
        Reply("The route of this alert pages nobody, so nobody was paged") if isinstance(effect, Escalate) else effect
    )


def _decided(episode: Episode, event: Event, policy: Policy, now: float) -> Step:
    match event:
        case Notified() | Reconciled() | PagerDutyChanged():
            return _told(episode, event)
        case Tick():
            return _ticked(episode, policy, now)
        case SlackAction():
            return slack_action(episode, event, policy, now)
        case RepairProposed() | RepairReported() | CommandTaken():
            return _repair(episode, event, policy, now)
        case _:
            return _answered(episode, event, policy, now)


def _told(episode: Episode, event: Notified | Reconciled | PagerDutyChanged) -> Step:
    match event:
        case Notified(sent_at=sent_at, firing=firing, details=details):
            after, effects = _notified(episode, sent_at, firing)
            return _described(after, effects, details, sent_at)
        case Reconciled(incident_opened_at=opened_at):
            return episode, () if episode.is_open or opened_at is None else (AskPagerDuty(),)
        case PagerDutyChanged():
            return episode, (AskPagerDuty(),)
        case _:
            assert_never(event)


def _repair(
    episode: Episode, event: RepairProposed | RepairReported | CommandTaken, policy: Policy, now: float
) -> Step:
    match event:
        case RepairProposed(proposal, seen_at):
            return _proposed(episode, proposal, seen_at, policy, now)
        case RepairReported():
            return _reported(episode, event, policy, now)
        case CommandTaken(repair):
            return _for_repair(episode, repair, lambda known: taken(known, now))
        case _:
            assert_never(event)


def _answered(episode: Episode, event: Answer, policy: Policy, now: float) -> Step:
    match event:
        case AlertmanagerAnswered(look):
            return alertmanager_answered(episode, look, policy, now)
        case PagerDutyAnswered(incident):
            return pagerduty_answered(episode, incident)
        case Acknowledged(person):
            return acknowledge_answered(episode, person)
        case MessageShown(thread):
            return replace(episode, thread=thread, shown_at=now), ()
        case MessageGone(text):
            return replace(episode, thread=None), (ShowMessage(), *(() if text is None else (Reply(text),)))
        case StopsRead() | AuditKept():
            return _noted(episode, event, now)
        case DraftWritten(address):
            return draft_written(episode, address)
        case GaveUp(effect, why):
            return _gave_up(episode, effect, why, policy, now)
        case CommandTaken() | CommandSent() | Done():
            return episode, ()
        case _:
            assert_never(event)


def _noted(episode: Episode, event: StopsRead | AuditKept, now: float) -> Step:
    match event:
        case StopsRead(held):
            stops = read(episode.stops, held, now, is_followed=episode.is_open and bool(episode.repairs))
            return replace(episode, stops=stops), () if stops.held == episode.stops.held else (ShowMessage(),)
        case AuditKept(number):
            after = replace(episode, audited=max(number, episode.audited))
            return after, (KeepAudit(),) if waiting_for_audit(after.timeline, after.audited) else ()
        case _:
            assert_never(event)


def _notified(episode: Episode, sent_at: float, firing: frozenset[str]) -> Step:
    if not is_news(episode, sent_at):
        return episode, ()
    after = replace(episode, news_at=sent_at, firing=firing, gone_since=None)
    if firing:
        after = replace(after, phase=Phase.FIRING)
        return after, () if firing == episode.firing else (ShowMessage(),)
    return replace(after, phase=Phase.CHECKING), (AskAlertmanager(), ShowMessage())


def _described(episode: Episode, effects: tuple[Effect, ...], details: Details | None, sent_at: float) -> Step:
    """Show the texts of a notification, unless those of a newer one are shown."""
    if details is None or not episode.is_open or sent_at <= episode.details_at:
        return episode, effects
    more = () if details == episode.details or ShowMessage() in effects else (ShowMessage(),)
    return replace(episode, details=details, details_at=sent_at), (*effects, *more)


def is_news(episode: Episode, sent_at: float) -> bool:
    """Return whether a notification is newer than all that an open episode has taken."""
    return episode.is_open and sent_at > episode.news_at


def _ticked(episode: Episode, policy: Policy, now: float) -> Step:
    effects: tuple[Effect, ...] = ()
    if episode.is_open and now >= episode.next_look_at:
        wait = policy.waits.silenced_look if is_silenced(episode, now) else policy.waits.look
        episode = replace(episode, next_look_at=now + wait)
        effects = (AskAlertmanager(), AskPagerDuty())
        if is_thread_due(episode, policy, now):
            effects = (*effects, ShowMessage())
        if keeps_silence(episode, now):
            effects = (*effects, SetSilence())
    episode, more = silence_ticked(episode, policy, now)
    effects = (*effects, *more)
    if episode.stops.read_at is not None and now >= episode.stops.read_at:
        episode = replace(episode, stops=replace(episode.stops, read_at=None))
        effects = (*effects, ReadStops())
    for repair in episode.repairs:
        changed = ticked(repair, now)
        if not episode.is_open and changed[0] is not repair:
            changed = closed(repair, Outcome.TIMED_OUT, "", now)
        episode, more = _with_repair(episode, changed)
        effects = (*effects, *more)
    return episode, effects


def is_thread_due(episode: Episode, policy: Policy, now: float) -> bool:
    """Return whether the root message is to be shown, though nothing has changed: somebody may have deleted it."""
    return episode.thread is None or now - episode.shown_at >= policy.thread_seconds


def keeps_silence(episode: Episode, now: float) -> bool:
    """Return whether the silence is to be set again: Alertmanagers that lost their state have lost it too."""
    return is_silenced(episode, now)


def _proposed(episode: Episode, proposal: Proposal, seen_at: float, policy: Policy, now: float) -> Step:
    known = any(repair.proposal.id == proposal.id for repair in episode.repairs)
    if known or not episode.is_open or is_old(seen_at, now):
        return episode, ()
    repair, effects = proposed(proposal, now, policy.approval_seconds)
    return replace(episode, repairs=(*kept_repairs(episode.repairs), repair)), (*effects, *_first_look(episode))


def _first_look(episode: Episode) -> tuple[Effect, ...]:
    """Return the effect by which a thread that gets its first repair learns what is stopped, and follows it."""
    return () if episode.repairs or episode.stops.read_at is not None else (ReadStops(),)


def is_old(seen_at: float, now: float) -> bool:
    """Return whether a repair was proposed for what was seen too long ago."""
    return now - seen_at > PROPOSAL_SECONDS


def _reported(episode: Episode, event: RepairReported, policy: Policy, now: float) -> Step:
    """Record how a repair has ended. One that needed no approval becomes known by its end."""
    proposal, first = event.proposal, ()
    if not any(repair.proposal.id == proposal.id for repair in episode.repairs):
        if is_told(episode, event):
            return episode, ()
        begun = Repair(proposal=proposal, status=Status.RUNNING, changed_at=now, due_at=None)
        first = () if episode.repairs else (ShowMessage(), *_first_look(episode))
        episode = replace(episode, repairs=(*kept_repairs(episode.repairs), begun))
    after, effects = _ended(episode, proposal.id, event.outcome, event.result, policy, now)
    if event.outcome is Outcome.NOT_RUN and ReadStops() not in first:
        effects = (*effects, ReadStops())
    return after, (*effects, *first)


def is_told(episode: Episode, event: RepairReported) -> bool:
    """Return whether the thread has been told already why repairs of an action are not run: once for all of them."""
    action, result = event.proposal.action, event.result
    if event.outcome is not Outcome.NOT_RUN:
        return False
    return any((repair.proposal.action, repair.result) == (action, result) for repair in episode.repairs)


def kept_repairs(repairs: tuple[Repair, ...]) -> tuple[Repair, ...]:
    """Return repairs without the oldest of those that have ended, where a record has very many."""
    over = len(repairs) - MOST_REPAIRS + 1
    ended = [repair for repair in repairs if repair.due_at is None][: max(over, 0)]
    return tuple(repair for repair in repairs if repair not in ended)


def _ended(episode: Episode, repair_id: str, outcome: Outcome, result: str, policy: Policy, now: float) -> Step:
    if not episode.is_open:
        return _for_repair(episode, repair_id, lambda known: closed(known, outcome, result, now))
    return _for_repair(episode, repair_id, lambda known: ended(known, outcome, result, now, policy.waits.verify))


def _for_repair(episode: Episode, repair_id: str, change: Callable[[Repair], RepairStep]) -> Step:
    repair = next((repair for repair in episode.repairs if repair.proposal.id == repair_id), None)
    return (episode, ()) if repair is None else _with_repair(episode, change(repair))


def _with_repair(episode: Episode, changed: RepairStep) -> Step:
    repair, effects = changed
    repairs = tuple(repair if known.proposal.id == repair.proposal.id else known for known in episode.repairs)
    return (episode if repairs == episode.repairs else replace(episode, repairs=repairs)), effects


def _gave_up(episode: Episode, effect: Effect, why: str, policy: Policy, now: float) -> Step:
    match effect:
        case Acknowledge(person=person):
            after = replace(episode, acknowledging=episode.acknowledging - {person})
            return after, (Whisper(person, f"Not acknowledged in PagerDuty: {why}"),)
        case RunCommand(repair):
            return _ended(episode, repair, Outcome.LOST, why, policy, now)
        case SetSilence():
            return episode, (Reply(f"The silence could not be set: {why}"),)
        case StopRepairs():
            return episode, (Reply(f"Repairs could not be stopped: {why}. Use `orion repairs stop`"),)
        case LiftStop():
            return episode, (Reply(f"The stop could not be lifted: {why}. Use `orion repairs start`"),)
        case _:
            return episode, ()
