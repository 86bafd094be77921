"""Decides on the silence of an episode: asked for by a person, under a ceiling, extended only while it is open."""

from __future__ import annotations

from dataclasses import replace

from chatops.effects import Effect, Reply, SetSilence, ShowMessage
from chatops.episode import Episode, Policy, Silence

CHUNK_SECONDS = 900
"""The length of a silence until resolved, which is extended while the episode is open."""
EXTEND_BEFORE_SECONDS = 420
"""How long before its end such a silence is extended: more than one period of looks."""
WARN_BEFORE_SECONDS = 600

SilenceStep = tuple[Episode, tuple[Effect, ...]]


def silence(episode: Episode, person: str, seconds: float | None, policy: Policy, now: float) -> SilenceStep:
    """Silence the group for some seconds, or until it has resolved."""
    known = episode.silence
    lasting = known if is_silenced(episode, now) else None
    wanted = Silence(
        by=person,
        requested_at=now if lasting is None else lasting.requested_at,
        ends_at=now + (CHUNK_SECONDS if seconds is None else seconds),
        until_resolved=seconds is None,
    )
    wanted = replace(wanted, ends_at=min(wanted.ends_at, ceiling(wanted, policy)))
    episode = replace(episode, next_look_at=min(episode.next_look_at, now + policy.waits.silenced_look))
    told = "until resolved" if seconds is None else f"for {seconds / 3600:g} h"
    return replace(episode, silence=wanted), (SetSilence(), ShowMessage(), Reply(f"Silenced {told} by {person}"))


def is_silenced(episode: Episode, now: float) -> bool:
    """Return whether the episode's silence lasts."""
    known = episode.silence
    return known is not None and not known.lifted and known.ends_at > now


def ceiling(wanted: Silence, policy: Policy) -> float:
    """Return when a silence ends at the latest, however often it is extended."""
    return wanted.requested_at + policy.silence_ceiling_seconds


def lift(episode: Episode, person: str) -> SilenceStep:
    """Lift the silence."""
    known = episode.silence
    if known is None or known.lifted:
        return episode, ()
    lifted = replace(episode, silence=replace(known, lifted=True))
    return lifted, (SetSilence(), ShowMessage(), Reply(f"Silence lifted by {person}"))


def silence_ticked(episode: Episode, policy: Policy, now: float) -> SilenceStep:
    """Extend a silence until resolved, and warn of the end of any other."""
    known = episode.silence
    if known is None or known.lifted or not episode.is_open:
        return episode, ()
    if is_extended(known, policy, now):
        extended = replace(known, ends_at=min(now + CHUNK_SECONDS, ceiling(known, policy)))
        return replace(episode, silence=extended), (SetSilence(), ShowMessage())
    if not known.warned and now >= known.ends_at - WARN_BEFORE_SECONDS and not can_be_extended(known, policy):
        warned = replace(episode, silence=replace(known, warned=True))
        return warned, (Reply("The silence ends soon, and its alert still fires"),)
    return episode, ()


def can_be_extended(known: Silence, policy: Policy) -> bool:
    """Return whether a silence lasts until resolved and has not reached the ceiling."""
    return known.until_resolved and known.ends_at < ceiling(known, policy)


def is_extended(known: Silence, policy: Policy, now: float) -> bool:
    """Return whether a silence is to be extended now."""
    return can_be_extended(known, policy) and now >= known.ends_at - EXTEND_BEFORE_SECONDS


def silence_due_at(episode: Episode, policy: Policy) -> float | None:
    """Return when the silence has to be looked after next."""
    known = episode.silence
    if known is None or known.lifted or not episode.is_open:
        return None
    if can_be_extended(known, policy):
        return known.ends_at - EXTEND_BEFORE_SECONDS
    return None if known.warned else known.ends_at - WARN_BEFORE_SECONDS
