"""A channel and its digests: it decides when many episodes at once become a digest, and what that lists.

A digest is one message that is edited, beside the episodes' own threads. It lists the episodes of a burst, worst first,
while their threads are made as fast as Slack takes messages. An episode that ends before it has a thread gets none: the
digest says so in a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import inf

from chatops.effects import DAY_SECONDS
from chatops.episode import RootMessage, Shown
from chatops.slack_text import plain

BURST = 12
"""So many episodes that open in a channel within `BURST_SECONDS` are a burst. Fewer are read one by one."""
BURST_SECONDS = 60
JOIN_SECONDS = 300
"""How long after the last one an episode joins a digest. What opens later is seen at the channel's end."""
EDIT_SECONDS = 15
"""The least time between two edits: Slack takes fifty or so a minute in all channels, those of threads too."""
MOST_LISTED = 200
"""How many episodes a digest lists, so that the item stays below the table's limit of 400 KB. Then another begins."""
MOST_DIGESTS = 2
MOST_ATTEMPTS = 300
"""How often a digest is tried to be shown, five minutes apart in the end: about a day."""
TEXT_LIMIT = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An episode as a digest lists it. `noted_at` is when its channel was first told of it."""

    episode: str
    title: str
    severity: str
    service: str
    state: Shown
    noted_at: float
    has_thread: bool = False

    @property
    def is_open(self) -> bool:
        """Return whether the episode has not ended."""
        return self.state is not Shown.RESOLVED


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """A digest. `message` is its id in Slack.

    `changes` counts what was changed in it, and `shown` is that count as Slack shows it. It is not shown again before
    `not_before`, and `attempts` counts the tries since it was last shown.
    """

    number: int
    listed: tuple[Listed, ...]
    message: str | None = None
    changes: int = 1
    shown: int = 0
    not_before: float = -inf
    attempts: int = 0

    @property
    def is_shown(self) -> bool:
        """Return whether Slack shows it as it is."""
        return self.changes == self.shown

    @property
    def joined_at(self) -> float:
        """Return when the last episode joined."""
        return max(listed.noted_at for listed in self.listed)

    def find(self, episode: str) -> Listed | None:
        """Return what it lists of an episode, or None."""
        return next((listed for listed in self.listed if listed.episode == episode), None)

    def is_over(self, now: float) -> bool:
        """Return whether nothing will change in it any more."""
        quiet = now - self.joined_at
        return quiet > DAY_SECONDS or (quiet > JOIN_SECONDS and not any(item.is_open for item in self.listed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel's digests, and the episodes of the last minute, which may become one."""

    recent: tuple[Listed, ...] = ()
    digests: tuple[Digest, ...] = ()
    last_number: int = 0

    def digest_of(self, episode: str) -> Digest | None:
        """Return the digest that lists an episode, or None."""
        return next((digest for digest in reversed(self.digests) if digest.find(episode) is not None), None)

    def due(self, now: float) -> Digest | None:
        """Return a digest that is to be posted or edited now, or None."""
        return next((digest for digest in self._unshown() if digest.not_before <= now), None)

    def next_at(self) -> float | None:
        """Return when a digest is to be posted or edited next, or None."""
        return min((digest.not_before for digest in self._unshown()), default=None)

    def _unshown(self) -> Iterator[Digest]:
        """Yield what Slack does not show as it is. What has failed for a day is left."""
        return (digest for digest in self.digests if not digest.is_shown and digest.attempts < MOST_ATTEMPTS)

    def with_digest(self, digest: Digest) -> Channel:
        """Return the channel with a digest as it is now."""
        digests = (digest if known.number == digest.number else known for known in self.digests)
        return replace(self, digests=tuple(digests))


def opened(channel: Channel, message: RootMessage, now: float) -> Channel:
    """Return a channel after it was told of an episode that has no thread yet."""
    known = updated(channel, message)
    earlier = [item for item in known.recent if now - item.noted_at <= BURST_SECONDS]
    is_known = any(item.episode == message.episode for item in earlier)
    if is_known or known.digest_of(message.episode) is not None:
        return known
    listed = _listed(message, now)
    newest = channel.digests[-1] if channel.digests else None
    if newest is not None and now - newest.joined_at <= JOIN_SECONDS and len(newest.listed) < MOST_LISTED:
        joined = replace(newest, listed=(*newest.listed, listed), changes=newest.changes + 1)
        return channel.with_digest(joined)
    recent = (*earlier, listed)
    if len(recent) < BURST:
        return replace(channel, recent=recent)
    number = channel.last_number + 1
    lasting = [digest for digest in channel.digests if not digest.is_over(now)]
    digests = (*lasting, Digest(number=number, listed=recent))[-MOST_DIGESTS:]
    return Channel(digests=digests, last_number=number)


def updated(channel: Channel, message: RootMessage) -> Channel:
    """Return a channel after the state of an episode has changed."""

    def change(item: Listed) -> Listed:
        return replace(item, state=message.state, severity=item.severity or message.details.severity)

    return _changed(channel, message.episode, change)


def threaded(channel: Channel, episode: str) -> Channel:
    """Return a channel after the thread of an episode was made."""
    return _changed(channel, episode, lambda item: replace(item, has_thread=True))


def _changed(channel: Channel, episode: str, change: Callable[[Listed], Listed]) -> Channel:
    recent = tuple(change(item) if item.episode == episode else item for item in channel.recent)
    digests = tuple(_with_change(digest, episode, change) for digest in channel.digests)
    after = replace(channel, recent=recent, digests=digests)
    return channel if after == channel else after


def _with_change(digest: Digest, episode: str, change: Callable[[Listed], Listed]) -> Digest:
    listed = tuple(change(item) if item.episode == episode else item for item in digest.listed)
    return digest if listed == digest.listed else replace(digest, listed=listed, changes=digest.changes + 1)


def _listed(message: RootMessage, now: float) -> Listed:
    return Listed(
        episode=message.episode,
        title=plain(message.title, TEXT_LIMIT),
        severity=plain(message.details.severity, TEXT_LIMIT),
        service=plain(message.details.service, TEXT_LIMIT),
        state=message.state,
        noted_at=now,
    )
