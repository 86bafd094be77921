"""Decides on what people click in Slack. What a button does is looked up in the record, never taken from its value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from chatops.effects import (
    CLICK_SECONDS,
    Acknowledge,
    AskPagerDuty,
    CollectDiagnostics,
    Effect,
    Escalate,
    LiftStop,
    Note,
    Reply,
    ShowMessage,
    StopRepairs,
    Whisper,
)
from chatops.episode import Episode, HumanAnswer, IncidentStatus, Policy, stop_scopes
from chatops.events import LIFTS, Button, SlackAction, stop_button
from chatops.refusals import counted
from chatops.repair import RepairStep, Status, approved, rejected
from chatops.silences import lift, silence
from chatops.stops import awaited

SILENCE_SECONDS: Mapping[Button, float] = {Button.SILENCE_1_HOUR: 3600.0, Button.SILENCE_4_HOURS: 4 * 3600.0}
STOPS = frozenset(LIFTS.keys())
STOP_LIFTS = frozenset(LIFTS.values())
APPROVALS = frozenset({Button.APPROVE, Button.REJECT}) | STOPS | STOP_LIFTS
ANSWERS = frozenset({Button.NEEDED_A_HUMAN, Button.NEEDED_NO_HUMAN})
AFTER_THE_END = ANSWERS | STOP_LIFTS | {Button.LIFT_SILENCE}

ActionStep = tuple[Episode, tuple[Effect, ...]]


def slack_action(episode: Episode, action: SlackAction, policy: Policy, now: float) -> ActionStep:
    """Return the episode after a click, and the effects. Each click acts once, and only if its person may.

    A person whose click does nothing is told why, unless it was on a message that is none of the episode's.
    """
    if is_handled(episode, action):
        return episode, ()
    noted = replace(episode, handled=_handled(episode, action, now))
    refusals = counted(episode.refusals, action.person)
    # What is kept no more must not fill the record either.
    unacted = episode if refusals == episode.refusals else replace(noted, refusals=refusals)
    if action.is_elsewhere:
        return unacted, ()
    refusal = refused(episode, action, policy, now)
    if refusal is not None:
        return unacted, (Whisper(action.person, refusal),)
    after, effects = _acted(noted, action, policy, now)
    is_refused = any(isinstance(effect, Whisper) for effect in effects)
    return replace(after, refusals=refusals) if is_refused else after, effects


def _acted(episode: Episode, action: SlackAction, policy: Policy, now: float) -> ActionStep:
    match action.button:
        case Button.ACKNOWLEDGE:
            return _acknowledge(episode, action)
        case Button.SILENCE_1_HOUR | Button.SILENCE_4_HOURS | Button.SILENCE_UNTIL_RESOLVED:
            return silence(episode, action.person, SILENCE_SECONDS.get(action.button), policy, now)
        case Button.LIFT_SILENCE:
            return lift(episode, action.person)
        case Button.ESCALATE:
            return episode, (Escalate(f"asked for by {action.person}"), Reply(f"Escalated by {action.person}"))
        case (
            Button.APPROVE
            | Button.REJECT
            | Button.STOP_ACTION
            | Button.STOP_SERVICE
            | Button.STOP_ALL
            | Button.LIFT_ACTION_STOP
            | Button.LIFT_SERVICE_STOP
            | Button.LIFT_STOP_OF_ALL
            | Button.DIAGNOSTICS
        ):
            return _about_repairs(episode, action, now)
        case Button.NEEDED_A_HUMAN | Button.NEEDED_NO_HUMAN:
            return _answer(episode, action)
        case _:
            assert_never(action.button)


def is_handled(episode: Episode, action: SlackAction) -> bool:
    """Return whether a click was answered before."""
    return any(id_ == action.id for id_, _ in episode.handled)


def _handled(episode: Episode, action: SlackAction, now: float) -> tuple[tuple[str, float], ...]:
    """Return the answered clicks that could still be delivered again and not be refused for their age."""
    recent = tuple((id_, at) for id_, at in episode.handled if now - at <= CLICK_SECONDS)
    return (*recent, (action.id, action.clicked_at))


def refused(episode: Episode, action: SlackAction, policy: Policy, now: float) -> str | None:
    """Return why a click does nothing, or None if it may act."""
    if now - action.clicked_at > CLICK_SECONDS:
        return "Your click arrived too late. Look at the thread, and click again"
    allowed = policy.approvers if action.button in APPROVALS else policy.responders
    if action.person not in allowed:
        return "The catalog does not allow you to do this"
    if not episode.is_open and action.button not in AFTER_THE_END:
        return "This has resolved"
    if episode.is_open and action.button in ANSWERS:
        return "This has not resolved yet"
    return None


def _acknowledge(episode: Episode, action: SlackAction) -> ActionStep:
    """Ask PagerDuty to acknowledge. The record is acknowledged when PagerDuty says so."""
    if action.person in episode.acknowledging:
        return episode, ()
    incident = episode.incident
    if incident is not None and incident.status is IncidentStatus.RESOLVED:
        return episode, (Whisper(action.person, "The incident is resolved in PagerDuty"), AskPagerDuty())
    after = replace(episode, acknowledging=episode.acknowledging | {action.person})
    return after, (Acknowledge(action.person, action.clicked_at),)


def acknowledge_answered(episode: Episode, person: str) -> ActionStep:
    """Return the episode after PagerDuty took an acknowledgement. Its state comes with PagerDuty's next answer."""
    after = replace(episode, acknowledging=episode.acknowledging - {person})
    return after, (AskPagerDuty(), Note(f"Acknowledged from Slack by {person}"))


def _answer(episode: Episode, action: SlackAction) -> ActionStep:
    """Keep whether the episode needed a human. The newest answer counts."""
    needed, known = action.button is Button.NEEDED_A_HUMAN, episode.needed_human
    if known is not None and known.needed is needed:
        return episode, (Whisper(action.person, "That is the answer already"),)
    answer = HumanAnswer(needed=needed, by=action.person, at=action.clicked_at)
    told = f"{action.person}: this needed {'a' if needed else 'no'} human"
    return replace(episode, needed_human=answer), (ShowMessage(), Reply(told))


def _about_repairs(episode: Episode, action: SlackAction, now: float) -> ActionStep:
    if action.button in STOPS:
        return _stop(episode, action, now)
    if action.button in STOP_LIFTS:
        return _lift_stop(episode, action, now)
    if action.button is Button.DIAGNOSTICS:
        asked = CollectDiagnostics(action.id, action.person, action.clicked_at)
        return episode, (asked, Reply(f"Diagnostics asked for by {action.person}"))
    return _decide_on_repair(episode, action, now)


def _stop(episode: Episode, action: SlackAction, now: float) -> ActionStep:
    """Stop repairs: of the newest one's action, of the episode's service, or all."""
    scope = next((scope for scope in stop_scopes(episode) if stop_button(scope) is action.button), None)
    if scope is None:
        return episode, (Whisper(action.person, "This has no repair, or no service, to stop"),)
    stop = StopRepairs(scope.action, scope.service, action.person, action.clicked_at)
    after = replace(episode, stops=awaited(episode.stops, now))
    told = f"{scope.repairs} stopped by {action.person}. A button here starts them again, or `orion repairs start`"
    return after, (stop, Reply(told))


def _lift_stop(episode: Episode, action: SlackAction, now: float) -> ActionStep:
    """Lift the stop that the record has in a button's place, unless it became known only after the click."""
    held = next((seen for seen in episode.stops.held if LIFTS[stop_button(seen.stop.scope)] is action.button), None)
    if held is None:
        return episode, (Whisper(action.person, "These repairs are not stopped any more"),)
    if action.clicked_at < held.seen_at:
        newer = f"There is a newer stop than the one you clicked on, by {held.stop.by}. Look at it, and click again"
        return episode, (Whisper(action.person, newer),)
    told = (
        f"{action.person} lifts the stop of {held.stop.since} by {held.stop.by}: {held.stop.scope.repairs} begin again"
    )
    after = replace(episode, stops=awaited(episode.stops, now))
    return after, (LiftStop(held.stop, action.person, action.clicked_at), Reply(told))


def _decide_on_repair(episode: Episode, action: SlackAction, now: float) -> ActionStep:
    known = next((repair for repair in episode.repairs if repair.proposal.id == action.repair), None)
    if known is None or known.status is not Status.PROPOSED:
        return episode, (Whisper(action.person, "This repair is not waiting for an approval"),)
    if known.due_at is not None and now >= known.due_at:
        return episode, (Whisper(action.person, "This approval has expired"),)
    changed: RepairStep = (approved if action.button is Button.APPROVE else rejected)(known, action.person, now)
    repair, effects = changed
    repairs = tuple(repair if other is known else other for other in episode.repairs)
    return replace(episode, repairs=repairs), effects
