"""Slack as episodes' effects see it: at the pace that it takes, and with a digest where many episodes open at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from chatops.channel import opened, threaded, updated
from chatops.digests import Digests
from chatops.episode import RootMessage, Shown
from chatops.pace import Rank
from chatops.pacer import UPDATES, posts

IN_DIGEST = "/digest"
"""The end of a thread's id that is a digest's: an episode is told there that ended before it had a thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PacedSlack:
    """Slack as `chatops.clients.Chat`."""

    digests: Digests

    def find(self, channel: str, thread: str | None, key: str) -> str | None:
        """Return the id of the message with a key, or None. One that waits has not been sent: Slack is not asked."""
        if self.digests.pacer.holds(posts(channel), key):
            return None
        return self.digests.slack.find(channel, None if thread is None else _message(thread), key)

    def post(self, channel: str, key: str, message: RootMessage) -> str:
        """Post a root message and return its id, or the digest's for an episode that has ended while it waited."""
        digests = self.digests
        known = digests.note(channel, lambda known: opened(known, message, digests.now()))
        digest = known.digest_of(message.episode)
        told_in = digest.message if digest is not None and message.state is Shown.RESOLVED else None
        if told_in is not None and digests.pacer.drop(posts(channel), key):
            return f"{told_in}{IN_DIGEST}"
        send = partial(digests.slack.post, channel, key, message)
        thread = digests.pacer.call(posts(channel), key, Rank.THREAD, send)
        digests.note(channel, lambda known: threaded(known, message.episode))
        return thread

    def update(self, channel: str, thread: str, message: RootMessage) -> None:
        """Bring a root message, and what a digest says of its episode, up to date. Raises `Gone`."""
        digests = self.digests
        digests.note(channel, lambda known: updated(known, message))
        if not thread.endswith(IN_DIGEST):
            digests.pacer.call(UPDATES, thread, Rank.THREAD, partial(digests.slack.update, channel, thread, message))

    def reply(self, channel: str, thread: str, key: str, text: str) -> None:
        """Post a reply. Raises `Gone`. In a digest's thread it begins with what it is about."""
        digests = self.digests
        if thread.endswith(IN_DIGEST):
            text = self._about(channel, key) + text
        send = partial(digests.slack.reply, channel, _message(thread), key, text)
        digests.pacer.call(posts(channel), key, Rank.REPLY, send)

    def whisper(self, channel: str, thread: str | None, person: str, text: str) -> None:
        """Post a message that only one person sees."""
        self.digests.slack.whisper(channel, None if thread is None else _message(thread), person, text)

    def name_of(self, person: str) -> str:
        """Return the name of a person, or the id where Slack does not tell it."""
        return self.digests.slack.name_of(person)

    def _about(self, channel: str, key: str) -> str:
        """Return the beginning of a reply in a digest's thread."""
        listed = (item for digest in self.digests.read(channel).digests for item in digest.listed)
        item = next((item for item in listed if key.startswith(f"{item.episode}/")), None)
        return "" if item is None else f"{item.title} {item.service}".rstrip() + ": "


def _message(thread: str) -> str:
    return thread.removesuffix(IN_DIGEST)
