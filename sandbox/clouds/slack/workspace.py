"""The state of a Slack workspace: people, channels, their incoming webhooks, and the messages that were posted."""

from __future__ import annotations

import itertools
import secrets
import string
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import Clock
from sandbox.clouds.slack.message import Payload

TEAM = "T0ORION00"
TEAM_NAME = "Orion"
TEAM_DOMAIN = "orion"
SLACKBOT = "USLACKBOT"
TOMBSTONE_TEXT = "This message was deleted."
ID_LETTERS = string.ascii_uppercase + string.digits
POSTS_A_SECOND = 1.0
BURST = 30
"""Slack takes about one message a second and channel and "tolerates short bursts" of unsaid length. Here: this many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person, or the app's bot."""

    id: str
    name: str
    real_name: str
    email: str | None
    is_bot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An incoming webhook: it posts to one channel, and whoever knows `secret` may use it."""

    id: str
    secret: str
    channel: str


@dataclass(slots=True, kw_only=True)
class Message:
    """A message in a channel. `time` is in Unix seconds; `ts` is its id, as Slack writes it.

    `author` is the id of a person or of the bot; `bot` the id of the bot or of the webhook that posted it, if any did.
    `thread` is the id of the message that it replies to. `only_for` is the person who alone sees an ephemeral message.
    """

    ts: str
    time: float
    channel: str
    payload: Payload
    posted: Mapping[str, Any]
    author: str = ""
    bot: str | None = None
    thread: str | None = None
    is_broadcast: bool = False
    only_for: str | None = None
    metadata: Mapping[str, Any] | None = None
    edited: str | None = None
    is_tombstone: bool = False

    @property
    def blocks(self) -> Sequence[Mapping[str, Any]]:
        """The blocks, without those of attachments."""
        return self.posted.get("blocks") or ()

    @property
    def attachments(self) -> Sequence[Mapping[str, Any]]:
        """The attachments, as they were posted."""
        return self.posted.get("attachments") or ()


@dataclass(slots=True)
class Bucket:
    """A channel's rate limit, a token bucket: it fills by `POSTS_A_SECOND` of the story's seconds, up to `BURST`."""

    clock: Clock
    now: Callable[[], float]
    _left: float = BURST
    _at: float | None = None

    def take(self) -> float | None:
        """Take one. Returns None if there was one, else the real seconds until there is."""
        now = self.now()
        passed = 0.0 if self._at is None else self.clock.story(now - self._at)
        self._left = min(BURST, self._left + passed * POSTS_A_SECOND)
        self._at = now
        if self._left < 1:
            return self.clock.real((1 - self._left) / POSTS_A_SECOND)
        self._left -= 1
        return None


@dataclass(slots=True, kw_only=True)
class Channel:
    """A public channel. Everybody of the workspace is in it; the app's bot only if `has_bot`."""

    id: str
    name: str
    bucket: Bucket
    has_bot: bool = False


@dataclass(slots=True)
class Workspace:
    """One workspace. Whoever reads or writes it holds `lock`. Channels are kept by name, with the `#` before it."""

    clock: Clock
    now: Callable[[], float] = Clock.now
    lock: threading.RLock = field(default_factory=threading.RLock)
    webhooks: dict[str, Webhook] = field(default_factory=dict[str, Webhook])
    channels: dict[str, Channel] = field(default_factory=dict[str, Channel])
    users: dict[str, User] = field(default_factory=dict[str, User])
    messages: list[Message] = field(default_factory=list[Message])
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def add_channel(self, name: str, *, has_bot: bool = False) -> Channel:
        """Make a channel, or return the one of that name; `has_bot` adds the bot to it."""
        channel = self.channels.get(name)
        if channel is None:
            channel = Channel(id=new_id("C"), name=name, bucket=Bucket(self.clock, self.now))
            self.channels[name] = channel
        channel.has_bot = channel.has_bot or has_bot
        return channel

    def add_webhook(self, channel: str) -> Webhook:
        """Make an incoming webhook to a channel, and the channel if there is none of that name."""
        self.add_channel(channel)
        webhook = Webhook(id=new_id("B"), secret=letters(24), channel=channel)
        self.webhooks[webhook.id] = webhook
        return webhook

    def add_user(self, name: str, *, real_name: str, email: str | None, is_bot: bool = False) -> User:
        """Add a person, or a bot."""
        user = User(id=new_id("U"), name=name, real_name=real_name, email=email, is_bot=is_bot)
        self.users[user.id] = user
        return user

    def user_by_email(self, email: str) -> User | None:
        """Return the person with this address; case does not count."""
        wanted = email.casefold()
        return next((user for user in self.users.values() if (user.email or "").casefold() == wanted), None)

    def channel_by_id(self, channel: str) -> Channel | None:
        """Return a channel by its id."""
        return next((each for each in self.channels.values() if each.id == channel), None)

    def post(self, channel: str, payload: Payload, posted: Mapping[str, Any], **settings: Any) -> Message:
        """Put a message into a channel. `settings` are further fields of `Message`."""
        now = self.now()
        ts = f"{int(now)}.{next(self._order):06d}"
        message = Message(ts=ts, time=now, channel=channel, payload=payload, posted=posted, **settings)
        self.messages.append(message)
        return message

    def message(self, channel: str, ts: str) -> Message | None:
        """Return a message of a channel that everybody sees and nobody has deleted, or None."""
        return next((each for each in self.seen_in(channel) if each.ts == ts and not each.is_tombstone), None)

    def ephemeral(self, channel: str, ts: str) -> Message | None:
        """Return a message of a channel that only one person sees, or None."""
        wanted = (channel, ts)
        return next((each for each in self.messages if each.only_for and (each.channel, each.ts) == wanted), None)

    def seen_in(self, channel: str) -> Iterator[Message]:
        """Yield the messages of a channel that everybody sees, the oldest first, replies included."""
        return (each for each in self.messages if each.channel == channel and each.only_for is None)

    def replies(self, root: Message) -> list[Message]:
        """Return the replies to a message, the oldest first."""
        return [each for each in self.seen_in(root.channel) if each.thread == root.ts]

    def thread_root(self, channel: str, ts: str) -> Message | None:
        """Return the root of a thread, given its id or that of a reply; a deleted root that has replies too."""
        message = next((each for each in self.seen_in(channel) if each.ts == ts), None)
        if message is None or message.thread is None:
            return message
        return next((each for each in self.seen_in(channel) if each.ts == message.thread), None)

    def delete(self, message: Message) -> None:
        """Delete a message. A root that has replies leaves its place, without its content."""
        if message.thread is None and message.only_for is None and self.replies(message):
            message.payload = Payload(text=TOMBSTONE_TEXT)
            message.posted, message.metadata = {"text": TOMBSTONE_TEXT}, None
            message.author, message.bot, message.edited = SLACKBOT, None, None
            message.is_tombstone = True
            return
        self.messages.remove(message)
        root = self.thread_root(message.channel, message.thread) if message.thread else None
        if root is not None and root.is_tombstone and not self.replies(root):
            self.messages.remove(root)


def letters(count: int) -> str:
    """Return a text that nobody can guess, of capital letters and digits."""
    return "".join(secrets.choice(ID_LETTERS) for _ in range(count))


def new_id(kind: str) -> str:
    """Return an id as Slack's are: a letter for what it is of, and ten more."""
    return kind + letters(10)
