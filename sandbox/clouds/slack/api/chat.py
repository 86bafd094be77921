"""The methods `chat.*`: messages that are posted, updated, deleted, or shown to one person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sandbox.clouds.rate_limit import RateLimit
from sandbox.clouds.slack.api.call import ApiError, Call, Json, Method, RateLimited, invalid_arguments
from sandbox.clouds.slack.message import Payload
from sandbox.clouds.slack.workspace import TEAM_DOMAIN, Channel, Message, Workspace
from sandbox.journal import Kind

POSTS_PER_MINUTE = 300
"""Of all channels together: "several hundred", says Slack."""
UPDATE_CHARACTERS = 4_000
METADATA_CHARACTERS = 16_384
IGNORED = ("as_user", "client_msg_id", "icon_emoji", "icon_url", "link_names", "parse", "username")
"""Arguments without an effect here; they are named with the message."""


def methods(workspace: Workspace) -> Mapping[str, Method]:
    """Return the methods by name. Those that post share the workspace's limit beside each channel's own."""
    posts = RateLimit(POSTS_PER_MINUTE, workspace.clock, workspace.now)

    def post(call: Call) -> Json:
        return _post(call, posts)

    return {
        "chat.postMessage": Method(answer=post, scope="chat:write", per_minute=10 * POSTS_PER_MINUTE),
        "chat.update": Method(answer=_update, scope="chat:write", per_minute=50),
        "chat.delete": Method(answer=_delete, scope="chat:write", per_minute=50),
        "chat.postEphemeral": Method(answer=_whisper, scope="chat:write", per_minute=100),
        "chat.getPermalink": Method(answer=_permalink, per_minute=600),
    }


def _post(call: Call, posts: RateLimit) -> Json:
    channel = call.channel(by_name=True, as_member="chat:write.public" not in call.app.scopes)
    payload, posted = call.content()
    metadata = _metadata(call)
    root = _root(call, channel)
    wait = channel.bucket.take()
    if wait is None:
        wait = posts.take(call.app.id)
    if wait is not None:
        raise RateLimited(wait)
    message = call.workspace.post(
        channel.name,
        payload,
        posted,
        author=call.app.bot_user.id,
        bot=call.app.bot_id,
        thread=None if root is None else root.ts,
        is_broadcast=root is not None and call.flag("reply_broadcast"),
        metadata=metadata,
    )
    passed = [f"{name}: without an effect here" for name in IGNORED if call.arguments.get(name) is not None]
    if call.text("thread_ts") is not None and root is None:
        passed.append("thread_ts: there is no such message, so that the reply is a message of the channel")
    call.note(
        Kind.MESSAGE_POSTED,
        channel.name,
        message.ts,
        payload,
        thread=message.thread,
        passed=passed,
        key=None if metadata is None else metadata["event_payload"].get("key"),
    )
    return {"channel": channel.id, "ts": message.ts, "message": call.render.message(message)}


def _root(call: Call, channel: Channel) -> Message | None:
    """Return the root of the thread that a message goes to; None where there is no such thread.

    A reply to what is not there is no error: Slack posts it to the channel (slack-go/slack, issue 1571).
    """
    thread = call.text("thread_ts")
    return None if thread is None else call.workspace.thread_root(channel.name, thread)


def _metadata(call: Call) -> Mapping[str, Any] | None:
    """Return the message's metadata, or None. Raises `ApiError`."""
    found = call.arguments.get("metadata")
    if not found:
        return None
    if (
        not isinstance(found, dict)
        or not isinstance(found.get("event_type"), str)
        or not isinstance(found.get("event_payload"), dict)
    ):
        raise ApiError("invalid_metadata_format", "metadata: expected event_type, a text, and event_payload, an object")
    if len(json.dumps(found)) > METADATA_CHARACTERS:
        raise ApiError("metadata_too_large", f"metadata has more than {METADATA_CHARACTERS} characters")
    return found


def _own_message(call: Call, channel: Channel, word: str) -> Message:
    """Return the app's message that a call names. Raises `ApiError`, with `word` for that of somebody else."""
    ts = call.required("ts")
    message = call.workspace.message(channel.name, ts)
    if message is None:
        raise ApiError("message_not_found", f"there is no message {ts} in {channel.name}")
    if message.bot != call.app.bot_id:
        raise ApiError(word, f"message {ts} is not one that the bot has posted")
    return message


def _update(call: Call) -> Json:
    channel = call.channel()
    message = _own_message(call, channel, "cant_update_message")
    if not any(call.arguments.get(name) is not None for name in ("text", "blocks", "attachments")):
        raise ApiError("no_text", "neither text nor blocks nor attachments")
    text = call.text("text")
    if text is not None and len(text) > UPDATE_CHARACTERS:
        raise ApiError("msg_too_long", f"{len(text)} characters of text, allowed are {UPDATE_CHARACTERS}")
    payload, posted = _merged(call, message)
    if "metadata" in call.arguments:
        message.metadata = _metadata(call)
    message.payload, message.posted = payload, posted
    if text is not None and not posted.get("blocks"):
        message.edited = f"{int(call.workspace.now())}.000000"
    call.note(Kind.MESSAGE_UPDATED, channel.name, message.ts, payload, thread=message.thread)
    return {
        "channel": channel.id,
        "ts": message.ts,
        "text": message.payload.text or "",
        "message": call.render.message(message),
    }


def _merged(call: Call, message: Message) -> tuple[Payload, Mapping[str, Any]]:
    """Return a message's content after an update: a text without blocks removes the blocks, attachments stay."""
    kept = dict(message.posted)
    if call.arguments.get("text") is not None:
        kept.pop("blocks", None)
    given = {name: call.arguments[name] for name in ("text", "blocks", "attachments") if name in call.arguments}
    merged = Call(call.workspace, call.app, call.journal, {**kept, **given}, call.base)
    return merged.content()


def _delete(call: Call) -> Json:
    channel = call.channel()
    message = _own_message(call, channel, "cant_delete_message")
    call.note(Kind.MESSAGE_DELETED, channel.name, message.ts, message.payload, by=call.app.bot_user.id)
    call.workspace.delete(message)
    return {"channel": channel.id, "ts": message.ts}


def _whisper(call: Call) -> Json:
    channel = call.channel(by_name=True)
    user = call.required("user")
    if user not in call.workspace.users:
        raise ApiError("user_not_in_channel", f"there is nobody {user} in {channel.name}")
    payload, posted = call.content()
    root = _root(call, channel)
    message = call.workspace.post(
        channel.name,
        payload,
        posted,
        author=call.app.bot_user.id,
        bot=call.app.bot_id,
        thread=None if root is None else root.ts,
        only_for=user,
    )
    call.note(Kind.MESSAGE_POSTED, channel.name, message.ts, payload, thread=message.thread, only_for=user)
    return {"message_ts": message.ts}


def _permalink(call: Call) -> Json:
    channel = call.channel(as_member=False)
    ts = call.text("message_ts")
    if ts is None:
        raise invalid_arguments("missing required field: message_ts")
    message = call.workspace.message(channel.name, ts)
    if message is None:
        raise ApiError("message_not_found", f"there is no message {ts} in {channel.name}")
    thread = f"?thread_ts={message.thread}&cid={channel.id}" if message.thread else ""
    return {
        "channel": channel.id,
        "permalink": f"https://{TEAM_DOMAIN}.slack.com/archives/{channel.id}/p{ts.replace('.', '')}{thread}",
    }
