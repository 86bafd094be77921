"""Keeps the digests of Slack's channels: notes what episodes' messages say, and posts and edits digests of them.

A digest is leased while it is shown, so that no two functions post it. Whatever fails or is killed leaves one that is
due, which a reminder or the sweep finds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from chatops.channel import EDIT_SECONDS, Channel, Digest
from chatops.clients import Gone, RateLimited, Refused, Unavailable
from chatops.outbox import LEASE_SECONDS, backoff_seconds
from chatops.pace import Rank
from chatops.pacer import ATTEMPTS, UPDATES, Pacer, posts
from chatops.slack_client import SlackClient
from chatops.store import Conflict, Put, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """The digests of all channels. `remind` has `show` called for a channel after some seconds."""

    slack: SlackClient
    store: Store
    now: Callable[[], float]
    remind: Callable[[str, float], None]

    @property
    def pacer(self) -> Pacer:
        """Return what makes calls of Slack wait for one another."""
        return Pacer(store=self.store, now=self.now)

    def read(self, channel: str) -> Channel:
        """Return what a channel was told of, and nothing where the table does not answer."""
        try:
            stored = self.store.read(_key(channel))
        except Unavailable:
            return Channel()
        return stored.value if stored is not None and isinstance(stored.value, Channel) else Channel()

    def note(self, channel: str, change: Callable[[Channel], Channel]) -> Channel:
        """Change what a channel was told of, and return it.

        A digest that is due is shown at once: in a storm a reminder of it waits behind hundreds of messages.
        """
        before, after = self._change(channel, change)
        if after.due(self.now()) is not None:
            return self.show(channel)
        at = after.next_at()
        if at is not None and before.next_at() is None:
            self.remind(channel, at - self.now())
        return after

    def show(self, channel: str) -> Channel:
        """Post and edit the digests that are due, and return what the channel was told of."""
        while True:
            before, after = self._change(channel, self._claimed)
            leased = next((digest for digest in after.digests if digest not in before.digests), None)
            if leased is None:
                break
            self._show(channel, leased)
        at = after.next_at()
        if at is not None:
            self.remind(channel, at - self.now())
        return after

    def _claimed(self, channel: Channel) -> Channel:
        due = channel.due(self.now())
        if due is None:
            return channel
        leased = replace(due, not_before=self.now() + LEASE_SECONDS, attempts=due.attempts + 1)
        return channel.with_digest(leased)

    def _show(self, channel: str, digest: Digest) -> None:
        """Show a leased digest, and write down what became of it."""
        now = self.now()
        try:
            message = self._post(channel, digest) if digest.message is None else self._edit(channel, digest)
        except RateLimited as error:
            self._retry(channel, digest, now + error.retry_after)
        except (Refused, Unavailable):
            self._retry(channel, digest, now + backoff_seconds(digest.attempts))
        except Gone:  # somebody has deleted it: there is another, unless it has nothing to say any more
            is_needed = any(item.is_open for item in digest.listed)
            shown = digest.shown if is_needed else digest.changes
            self._settle(channel, replace(digest, message=None, shown=shown, not_before=now))
        else:
            after = replace(digest, message=message, shown=digest.changes, not_before=now + EDIT_SECONDS)
            self._settle(channel, after)

    def _retry(self, channel: str, digest: Digest, at: float) -> None:
        self._record(channel, digest.number, lambda known: replace(known, not_before=at))

    def _settle(self, channel: str, after: Digest) -> None:
        """Write what Slack shows now. What was listed meanwhile stays as it is."""

        def settled(known: Digest) -> Digest:
            return replace(known, message=after.message, shown=after.shown, not_before=after.not_before, attempts=0)

        self._record(channel, after.number, settled)

    def _post(self, channel: str, digest: Digest) -> str:
        key, limit = f"digest#{channel}#{digest.number}", posts(channel)
        if digest.attempts > 1 and not self.pacer.holds(limit, key):
            message = self.slack.find(channel, None, key)
            if message is not None:
                return self._edit(channel, replace(digest, message=message))
        return self.pacer.call(limit, key, Rank.DIGEST, lambda: self.slack.post_digest(channel, key, digest))

    def _edit(self, channel: str, digest: Digest) -> str:
        key, message = f"digest#{channel}#{digest.number}", digest.message or ""
        self.pacer.call(UPDATES, message, Rank.DIGEST, lambda: self.slack.update_digest(message, key, digest))
        return message

    def _record(self, channel: str, number: int, change: Callable[[Digest], Digest]) -> None:
        def changed(known: Channel) -> Channel:
            digest = next((digest for digest in known.digests if digest.number == number), None)
            return known if digest is None else known.with_digest(change(digest))

        self._change(channel, changed)

    def _change(self, channel: str, change: Callable[[Channel], Channel]) -> tuple[Channel, Channel]:
        """Return what a channel was told of before and after a change, twice the same if it could not be written."""
        before = Channel()
        for _ in range(ATTEMPTS):
            try:
                stored = self.store.read(_key(channel))
                before = stored.value if stored is not None and isinstance(stored.value, Channel) else Channel()
                after = change(before)
                if after != before:
                    self.store.write(Put(_key(channel), after, 0 if stored is None else stored.version))
            except Conflict:
                continue
            except Unavailable:
                break
            return before, after
        return before, before


def _key(channel: str) -> str:
    return f"channel#{channel}"
