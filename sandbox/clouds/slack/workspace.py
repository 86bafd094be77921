"""The state of a Slack workspace: channels, their incoming webhooks, and the messages that were posted."""

from __future__ import annotations

import itertools
import secrets
import string
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import Clock
from sandbox.clouds.slack.message import Payload

TEAM = "T0ORION00"
ID_LETTERS = string.ascii_uppercase + string.digits
POSTS_A_SECOND = 1.0
BURST = 30
"""Slack takes about one message a second and channel and "tolerates short bursts" of unsaid length. Here: this many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An incoming webhook: it posts to one channel, and whoever knows `secret` may use it."""

    id: str
    secret: str
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message in a channel. `time` is in Unix seconds; `ts` is its id, as Slack writes it."""

    ts: str
    time: float
    channel: str
    payload: Payload
    posted: Any


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


@dataclass(slots=True)
class Workspace:
    """One workspace. Whoever reads or writes it holds `lock`."""

    clock: Clock
    now: Callable[[], float] = Clock.now
    lock: threading.RLock = field(default_factory=threading.RLock)
    webhooks: dict[str, Webhook] = field(default_factory=dict[str, Webhook])
    channels: dict[str, Bucket] = field(default_factory=dict[str, Bucket])
    messages: list[Message] = field(default_factory=list[Message])
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def add_webhook(self, channel: str) -> Webhook:
        """Make an incoming webhook to a channel, and the channel if there is none of that name."""
        self.channels.setdefault(channel, Bucket(self.clock, self.now))
        webhook = Webhook(id=f"B{_letters(10)}", secret=_letters(24), channel=channel)
        self.webhooks[webhook.id] = webhook
        return webhook

    def post(self, channel: str, payload: Payload, posted: Any) -> Message:
        """Put a message into a channel."""
        now = self.now()
        message = Message(
            ts=f"{int(now)}.{next(self._order):06d}", time=now, channel=channel, payload=payload, posted=posted
        )
        self.messages.append(message)
        return message


def _letters(count: int) -> str:
    return "".join(secrets.choice(ID_LETTERS) for _ in range(count))
