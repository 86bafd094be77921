"""Slack as the executor sees it: root messages, replies, and what one person sees.

A message's id is its channel's id and its timestamp, `C0123/1795516811.000100`: most methods take no channel's name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from chatops.channel import Digest
from chatops.clients import Gone, RateLimited, Refused, Unavailable
from chatops.digest_blocks import digest_payload, plain_digest
from chatops.effects import DAY_SECONDS
from chatops.episode import RootMessage
from chatops.http_json import as_object
from chatops.slack_api import InvalidMessage, SlackApi
from chatops.slack_blocks import TEXT_LIMIT, plain_payload, root_payload
from chatops.slack_text import escaped, is_person, mention, named

EVENT_TYPE = "orion_episode"
"""The type of the metadata that holds a message's key."""
LOOK_BACK_SECONDS = DAY_SECONDS + 3600.0
"""How far back a message is looked for: an effect is tried for a day."""
QUIET = {"unfurl_links": False, "unfurl_media": False}

Form = Callable[[], Mapping[str, Any]]
"""Returns the text, blocks and attachments of a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackClient:
    """The workspace. `people`, `mentions` and `channels` keep what was asked for until there are new credentials."""

    api: SlackApi
    now: Callable[[], float] = time.time
    people: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    mentions: dict[str, str | None] = field(default_factory=dict[str, str | None])
    channels: dict[str, str] = field(default_factory=dict[str, str])

    def find(self, channel: str, thread: str | None, key: str) -> str | None:
        """Return the id of the message with a key, or None."""
        arguments = {"include_all_metadata": True, "oldest": f"{self.now() - LOOK_BACK_SECONDS:.6f}"}
        if thread is None:
            channel_id = self._channel_id(channel)
            messages = self.api.pages("conversations.history", {**arguments, "channel": channel_id}, "messages")
        else:
            channel_id, timestamp = split(thread)
            of_thread = {**arguments, "channel": channel_id, "ts": timestamp}
            messages = self.api.pages("conversations.replies", of_thread, "messages")
        try:
            timestamp = next((message.get("ts") for message in messages if _key_of(message) == key), None)
        except Gone:
            return None
        return f"{channel_id}/{timestamp}" if timestamp else None

    def post(self, channel: str, key: str, message: RootMessage) -> str:
        """Post a root message and return its id."""
        return self._posted(channel, key, self._forms(message))

    def update(self, channel: str, thread: str, message: RootMessage) -> None:
        """Bring a root message up to date. Raises `Gone`."""
        del channel
        channel_id, timestamp = split(thread)
        arguments = {"channel": channel_id, "ts": timestamp, **_metadata(message.episode)}
        self._show("chat.update", arguments, self._forms(message))

    def post_digest(self, channel: str, key: str, digest: Digest) -> str:
        """Post a digest and return its id."""
        return self._posted(channel, key, _digest_forms(digest))

    def update_digest(self, message: str, key: str, digest: Digest) -> None:
        """Bring a digest up to date. Raises `Gone`."""
        channel_id, timestamp = split(message)
        arguments = {"channel": channel_id, "ts": timestamp, **_metadata(key)}
        self._show("chat.update", arguments, _digest_forms(digest))

    def reply(self, channel: str, thread: str, key: str, text: str) -> None:
        """Post a reply. Raises `Gone`.

        Where the root message was deleted, Slack reports no error and posts the reply to the channel: it is removed.
        """
        del channel
        channel_id, timestamp = split(thread)
        arguments = {"channel": channel_id, "thread_ts": timestamp, **QUIET, **_metadata(key)}
        answer = self.api.write("chat.postMessage", {**arguments, "text": self._text(text)})
        posted = as_object(answer.get("message"))
        if posted and posted.get("thread_ts") != timestamp:
            with suppress(Gone):
                self.api.write("chat.delete", {"channel": channel_id, "ts": answer.get("ts")})
            raise Gone(f"Slack chat.postMessage: there is no message {thread} to reply to")

    def whisper(self, channel: str, thread: str | None, person: str, text: str) -> None:
        """Post a message that only one person sees."""
        told = {"user": person, "text": self._text(text)}
        if thread is not None:
            channel_id, timestamp = split(thread)
            try:
                self.api.write("chat.postEphemeral", {"channel": channel_id, "thread_ts": timestamp, **told})
            except Gone:
                pass
            else:
                return
        self.api.write("chat.postEphemeral", {"channel": channel, **told})

    def email_of(self, person: str) -> str | None:
        """Return the email of a person, or None: people of other workspaces, bots and hidden emails have none."""
        try:
            profile = as_object(self._person(person).get("profile"))
        except InvalidMessage:
            raise
        except Refused:
            return None
        email = profile.get("email")
        return email if isinstance(email, str) and email else None

    def name_of(self, person: str) -> str:
        """Return the name of a person, or the id where Slack does not tell it."""
        try:
            known = self._person(person)
        except (Refused, RateLimited, Unavailable):
            return person  # a name is never worth a message
        profile = as_object(known.get("profile"))
        return str(profile.get("display_name") or known.get("real_name") or person)

    def mention_of(self, email: str) -> str | None:
        """Return the mention of the person with an email, or None where Slack tells of none."""
        if email not in self.mentions:
            try:
                user = as_object(self.api.read("users.lookupByEmail", {"email": email}).get("user"))
            except Refused:
                self.mentions[email] = None
                return None
            except (RateLimited, Unavailable):
                return None  # a mention is never worth a message
            id_ = str(user.get("id"))
            if not is_person(id_):
                return None
            self.mentions[email] = None if user.get("deleted") else mention(id_)
        return self.mentions[email]

    def _person(self, person: str) -> Mapping[str, Any]:
        if person not in self.people:
            user = self.api.read("users.info", {"user": person}).get("user")
            if not isinstance(user, dict):
                raise Unavailable("Slack users.info: the answer has no user")
            self.people[person] = user
        return self.people[person]

    def _channel_id(self, channel: str) -> str:
        if channel not in self.channels:
            listed = {"types": "public_channel,private_channel", "exclude_archived": True}
            for known in self.api.pages("conversations.list", listed, "channels"):
                self.channels[f"#{known.get('name')}"] = str(known.get("id"))
        if channel not in self.channels:
            raise Unavailable(f"Slack: there is no channel {channel}, or the app is not in it")
        return self.channels[channel]

    def _posted(self, channel: str, key: str, forms: Sequence[Form]) -> str:
        answer = self._show("chat.postMessage", {"channel": channel, **QUIET, **_metadata(key)}, forms)
        channel_id, timestamp = answer.get("channel"), answer.get("ts")
        if not channel_id or not timestamp:
            raise Unavailable("Slack chat.postMessage: the answer names no message")
        return f"{channel_id}/{timestamp}"

    def _show(self, method: str, arguments: Mapping[str, Any], forms: Sequence[Form]) -> Mapping[str, Any]:
        """Show a message in the first of its forms that Slack does not refuse."""
        for form in forms[:-1]:
            try:
                return self.api.write(method, {**arguments, **form()})
            except InvalidMessage:
                continue
        return self.api.write(method, {**arguments, **forms[-1]()})

    def _forms(self, message: RootMessage) -> Sequence[Form]:
        """Return a root message with blocks, as plain text, and its title alone."""
        least = {"text": f"[{message.state.value.upper()}] {escaped(message.title, 100)}", "blocks": []}
        return (
            lambda: root_payload(message, self.name_of, self.mention_of),
            lambda: plain_payload(message, self.name_of, self.mention_of),
            lambda: {**least, "attachments": []},
        )

    def _text(self, text: str) -> str:
        """Return a text in which nothing mentions, with names in place of people's ids."""
        return escaped(named(text, self.name_of), TEXT_LIMIT) or "(no text)"


def split(thread: str) -> tuple[str, str]:
    """Return the channel's id and the timestamp of a message. Raises `Refused` for what is no message's id."""
    channel, mark, timestamp = thread.partition("/")
    if not (channel and mark and timestamp):
        raise Refused(f"not the id of a Slack message: {thread!r:.100}")
    return channel, timestamp


def _digest_forms(digest: Digest) -> Sequence[Form]:
    return (lambda: digest_payload(digest), lambda: plain_digest(digest))


def _metadata(key: str) -> dict[str, Any]:
    return {"metadata": {"event_type": EVENT_TYPE, "event_payload": {"key": key}}}


def _key_of(message: Mapping[str, Any]) -> object:
    metadata = as_object(message.get("metadata"))
    return as_object(metadata.get("event_payload")).get("key") if metadata.get("event_type") == EVENT_TYPE else None
