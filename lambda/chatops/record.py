"""The stored values: an episode with its outbox, the newest episode of a group, a repair's holder, seen silences.

The values of Slack's channels are in `chatops.channel` and `chatops.pace`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf

from chatops.channel import Channel
from chatops.effects import AskPagerDuty, KeepAudit, ShowMessage
from chatops.episode import Details, Episode, EpisodeId, Group, Policy
from chatops.events import Event, GroupEvent, Notified, Reconciled
from chatops.happenings import told
from chatops.outbox import Outbox
from chatops.pace import Pace
from chatops.silences import silence_due_at
from chatops.step import step
from chatops.timeline import ALERTMANAGER, Kind, extended

LATE_SECONDS = 900
"""A notification that is older opens nothing: the reconciler has looked at Alertmanager since it was sent."""

OVERDUE_SECONDS = 120
"""How long the reconciler leaves it to a notification to open an episode: it has the texts, and waits for its group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An episode and its effects: one item, written as a whole or not at all."""

    episode: Episode
    outbox: Outbox = field(default_factory=Outbox)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestEpisode:
    """The number of a group's newest episode, 0 before the first, and when a notification last said that it resolved.

    It outlives the episodes' records, so that no number is taken twice.
    """

    number: int = 0
    resolved_at: float = -inf


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairHolder:
    """The episode that runs, or has run, a repair."""

    episode: EpisodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSilence:
    """A silence in Alertmanager. `quiet_since` is when it was first seen to match nothing, None while it matches."""

    id: str
    matched: bool = False
    quiet_since: float | None = None
    reported: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSilences:
    """Everybody's silences as the reconciler last saw them."""

    silences: tuple[SeenSilence, ...] = ()


Stored = Record | NewestEpisode | RepairHolder | SeenSilences | Channel | Pace


def advance(record: Record, event: Event, policy: Policy, now: float) -> Record:
    """Return a record after an event: the episode's next state, its timeline, and its effects in the outbox."""
    after, effects = step(record.episode, event, policy, now)
    episode, effects = told(record.episode, after, effects, event, now)
    outbox = record.outbox.add(effects, now)
    if episode is record.episode and outbox is record.outbox:
        return record
    return Record(episode=episode, outbox=outbox)


def due_at(record: Record, policy: Policy) -> float | None:
    """Return when a record has to be looked after next, or None if nothing is left to do."""
    episode = record.episode
    times = [record.outbox.due_at(), silence_due_at(episode, policy), episode.stops.read_at]
    times += [repair.due_at for repair in episode.repairs]
    if episode.is_open:
        times.append(episode.next_look_at)
    return min((time for time in times if time is not None), default=None)


def opens(newest: NewestEpisode, previous: Episode | None, event: GroupEvent, now: float) -> bool:
    """Return whether an event opens an episode where none is open."""
    ended_at = -inf if previous is None or previous.ended_at is None else previous.ended_at
    match event:
        case Notified(sent_at=sent_at, firing=firing):
            return bool(firing) and is_fresh(sent_at, max(ended_at, newest.resolved_at), now)
        case Reconciled(asked_at=asked_at, incident_opened_at=None, firing=firing, firing_since=since):
            return bool(firing) and asked_at > ended_at and is_overdue(since, asked_at)
        case Reconciled(asked_at=asked_at, incident_opened_at=float() as opened_at):
            return opened_at > ended_at and is_overdue(opened_at, asked_at)
        case _:
            return False


def is_overdue(since: float, asked_at: float) -> bool:
    """Return whether what began at a time should have been notified, and received, long before it was asked for."""
    return asked_at - since >= OVERDUE_SECONDS


def is_fresh(sent_at: float, resolved_at: float, now: float) -> bool:
    """Return whether a notification was sent after the group last resolved, and not long ago."""
    return sent_at > resolved_at and now - sent_at <= LATE_SECONDS


def opened(
    group: Group, newest: NewestEpisode, event: GroupEvent, policy: Policy, now: float
) -> tuple[NewestEpisode, Record]:
    """Return a new episode of a group, and the group's item that names it."""
    match event:
        case Notified(sent_at=news_at):
            details_at = news_at
        case Reconciled(asked_at=news_at):
            details_at = -inf
        case _:
            raise ValueError(f"{type(event).__name__} opens no episode")
    after = replace(newest, number=newest.number + 1)
    details = event.details or Details()
    episode = Episode(
        id=EpisodeId(group.key, after.number),
        group=group,
        opened_at=now,
        news_at=news_at,
        next_look_at=now + policy.waits.first_look,
        firing=event.firing,
        details=details,
        details_at=details_at,
        timeline=extended((), [(Kind.OPENED, ALERTMANAGER, details.summary or group.title)], 0, now),
    )
    outbox = Outbox().add((ShowMessage(), AskPagerDuty(), KeepAudit()), now)
    return after, Record(episode=episode, outbox=outbox)


def without_episode(newest: NewestEpisode, event: GroupEvent) -> NewestEpisode:
    """Return the group's item after an event that opens nothing: a resolve outdates notifications sent before it."""
    if isinstance(event, Notified) and not event.firing and event.sent_at > newest.resolved_at:
        return replace(newest, resolved_at=event.sent_at)
    return newest
