"""Decides when an episode ends: after a look at Alertmanager which proves that nothing of its group fires."""

from __future__ import annotations

from dataclasses import replace

from chatops.effects import AskPagerDuty, Effect, Reply, ResolveAlert, SetSilence, ShowMessage
from chatops.episode import Episode, IncidentStatus, Phase, Policy, Waits
from chatops.looks import Look, is_complete
from chatops.repair import Repair, Status, episode_ended, looked


def alertmanager_answered(
    episode: Episode, look: Look, policy: Policy, now: float
) -> tuple[Episode, tuple[Effect, ...]]:
    """Return the episode after a look, and the effects."""
    waits = policy.waits
    complete = is_complete(look, policy.replicas, waits.settled)
    repairs, effects = _repairs_looked(episode.repairs, look, policy, now, complete=complete)
    episode = replace(episode, repairs=repairs)
    if not episode.is_open:
        return episode, effects
    if any(repair.status in {Status.APPROVED, Status.VERIFYING} for repair in repairs):
        episode = replace(episode, next_look_at=min(episode.next_look_at, now + waits.soon))
    if look.firing:
        after, more = _fires(episode, look, waits, now)
    else:
        after, more = _gone(episode, look, waits, now, complete=complete)
    return after, (*effects, *more)


def _repairs_looked(
    repairs: tuple[Repair, ...], look: Look, policy: Policy, now: float, *, complete: bool
) -> tuple[tuple[Repair, ...], tuple[Effect, ...]]:
    after: tuple[Repair, ...] = ()
    effects: tuple[Effect, ...] = ()
    for repair in repairs:
        changed, more = looked(repair, look.asked_at, look.firing, now, policy.command_seconds, complete=complete)
        after, effects = (*after, changed), (*effects, *more)
    return after, effects


def _fires(episode: Episode, look: Look, waits: Waits, now: float) -> tuple[Episode, tuple[Effect, ...]]:
    episode = replace(episode, gone_since=None)
    if episode.phase is Phase.FIRING:
        return _resolved_by_hand(episode)
    if now - episode.news_at < waits.lag:
        return replace(episode, next_look_at=now + waits.soon), ()
    text = "Alertmanager reported this resolved, and an alert of it still fires, silenced"
    return replace(episode, phase=Phase.FIRING, firing=look.firing), (Reply(text), ShowMessage())


def _resolved_by_hand(episode: Episode) -> tuple[Episode, tuple[Effect, ...]]:
    """Say once that the incident was resolved while its alerts fire."""
    incident = episode.incident
    if incident is None or incident.status is not IncidentStatus.RESOLVED or incident.id == episode.resolved_by_hand:
        return episode, ()
    text = "Resolved in PagerDuty while it still fires. It pages again when Alertmanager repeats it"
    return replace(episode, resolved_by_hand=incident.id), (Reply(text),)


def _gone(
    episode: Episode, look: Look, waits: Waits, now: float, *, complete: bool
) -> tuple[Episode, tuple[Effect, ...]]:
    if not complete:
        return replace(episode, next_look_at=min(episode.next_look_at, now + waits.soon)), ()
    if is_proven(episode, look, waits):
        return end(episode, look.asked_at, now)
    gone_since = look.asked_at if episode.gone_since is None else episode.gone_since
    return replace(episode, gone_since=gone_since, next_look_at=now + waits.between_looks), ()


def is_proven(episode: Episode, look: Look, waits: Waits) -> bool:
    """Return whether a look in which nothing fires ends an episode: after a resolve, or as the second in a row."""
    if episode.phase is Phase.CHECKING:
        return True
    return episode.gone_since is not None and look.asked_at - episode.gone_since >= waits.between_looks


def end(episode: Episode, ended_at: float, now: float) -> tuple[Episode, tuple[Effect, ...]]:
    """Return the ended episode. Whatever of it is open elsewhere is resolved too."""
    silence, effects = episode.silence, ()
    if silence is not None and silence.until_resolved and not silence.lifted:
        silence, effects = replace(silence, lifted=True), (SetSilence(),)
    after = replace(
        episode,
        phase=Phase.ENDED,
        ended_at=ended_at,
        firing=frozenset[str](),
        silence=silence,
        repairs=tuple(episode_ended(repair, now) for repair in episode.repairs),
    )
    return after, (Reply("Resolved"), ShowMessage(), *effects, ResolveAlert(), AskPagerDuty())
