"""The methods that read: `auth.test`, `conversations.*` and `users.*`."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TypeVar

from sandbox.clouds.slack.api.call import ApiError, Call, Json, Method
from sandbox.clouds.slack.workspace import TEAM, TEAM_DOMAIN, TEAM_NAME, Message

HISTORY_DEFAULT, HISTORY_MOST = 100, 999
REPLIES_DEFAULT, REPLIES_MOST = 1_000, 1_000
LIST_DEFAULT, LIST_MOST = 100, 1_000
CURSOR = "next:"

Item = TypeVar("Item")


def methods() -> Mapping[str, Method]:
    """Return the methods by name, with the limits of the tiers that Slack documents for an internal app."""
    return {
        "auth.test": Method(answer=_auth_test, per_minute=600),
        "conversations.history": Method(answer=_history, scope="channels:history", per_minute=50),
        "conversations.replies": Method(answer=_replies, scope="channels:history", per_minute=50),
        "conversations.info": Method(answer=_channel, scope="channels:read", per_minute=50),
        "conversations.list": Method(answer=_channels, scope="channels:read", per_minute=20),
        "users.info": Method(answer=_user, scope="users:read", per_minute=100),
        "users.list": Method(answer=_users, scope="users:read", per_minute=20),
        "users.lookupByEmail": Method(answer=_user_by_email, scope="users:read.email", per_minute=50),
    }


def _auth_test(call: Call) -> Json:
    return {
        "url": f"https://{TEAM_DOMAIN}.slack.com/",
        "team": TEAM_NAME,
        "user": call.app.bot_user.name,
        "team_id": TEAM,
        "user_id": call.app.bot_user.id,
        "bot_id": call.app.bot_id,
        "is_enterprise_install": False,
    }


def _page(call: Call, items: Sequence[Item], limit: int) -> tuple[Sequence[Item], str]:
    """Return the page that the call asks for and the cursor of the next one, empty at the end. Raises `ApiError`."""
    cursor = call.text("cursor")
    start = 0
    if cursor:
        try:
            text = base64.b64decode(cursor, validate=True).decode()
            start = int(text.removeprefix(CURSOR))
        except ValueError as error:
            raise ApiError("invalid_cursor", f"cursor {cursor!r} is none of ours") from error
    end = start + limit
    following = base64.b64encode(f"{CURSOR}{end}".encode()).decode() if end < len(items) else ""
    return items[start:end], following


def _in_time(call: Call, found: Sequence[Message]) -> list[Message]:
    """Return the messages between `oldest` and `latest`, these two only if the call is inclusive. Raises `ApiError`."""
    oldest, latest = _moment(call, "oldest", "invalid_ts_oldest"), _moment(call, "latest", "invalid_ts_latest")
    ends = {moment for moment in (oldest, latest) if moment is not None} if call.flag("inclusive") else set[float]()
    return [
        message
        for message in found
        if float(message.ts) in ends
        or ((oldest is None or float(message.ts) > oldest) and (latest is None or float(message.ts) < latest))
    ]


def _moment(call: Call, name: str, word: str) -> float | None:
    text = call.text(name)
    try:
        return float(text) if text else None
    except ValueError as error:
        raise ApiError(word, f"{name} {text!r} is no time stamp") from error


def _history(call: Call) -> Json:
    channel = call.channel()
    seen = [each for each in call.workspace.seen_in(channel.name) if each.thread is None or each.is_broadcast]
    limit = call.number("limit", HISTORY_DEFAULT, HISTORY_MOST)
    page, cursor = _page(call, _in_time(call, seen)[::-1], limit)
    return {**_messages(call, page, cursor), "pin_count": 0}


def _replies(call: Call) -> Json:
    channel = call.channel()
    root = call.workspace.thread_root(channel.name, call.required("ts"))
    if root is None:
        raise ApiError("thread_not_found", f"there is no message {call.text('ts')} in {channel.name}")
    replies = _in_time(call, call.workspace.replies(root))
    limit = call.number("limit", REPLIES_DEFAULT, REPLIES_MOST)
    page, cursor = _page(call, [root, *replies], limit)
    return _messages(call, page, cursor)


def _messages(call: Call, page: Sequence[Message], cursor: str) -> Json:
    with_metadata = call.flag("include_all_metadata")
    found: Json = {
        "messages": [call.render.message(each, with_metadata=with_metadata) for each in page],
        "has_more": bool(cursor),
    }
    if cursor:
        found["response_metadata"] = {"next_cursor": cursor}
    return found


def _channel(call: Call) -> Json:
    return {"channel": call.render.channel(call.channel(as_member=False))}


def _channels(call: Call) -> Json:
    everything = sorted(call.workspace.channels.values(), key=lambda channel: channel.name)
    page, cursor = _page(call, everything, call.number("limit", LIST_DEFAULT, LIST_MOST))
    channels = [call.render.channel(channel) for channel in page]
    return {"channels": channels, "response_metadata": {"next_cursor": cursor}}


def _user(call: Call) -> Json:
    user = call.workspace.users.get(call.required("user"))
    if user is None:
        raise ApiError("user_not_found", f"there is nobody {call.text('user')}")
    return {"user": call.render.user(user, with_email=_may_read_addresses(call))}


def _users(call: Call) -> Json:
    everything = list(call.workspace.users.values())
    page, cursor = _page(call, everything, call.number("limit", LIST_DEFAULT, LIST_MOST))
    members = [call.render.user(user, with_email=_may_read_addresses(call)) for user in page]
    return {"members": members, "response_metadata": {"next_cursor": cursor}}


def _user_by_email(call: Call) -> Json:
    user = call.workspace.user_by_email(call.required("email"))
    if user is None:
        raise ApiError("users_not_found", f"there is nobody with the address {call.text('email')}")
    return {"user": call.render.user(user, with_email=True)}


def _may_read_addresses(call: Call) -> bool:
    return "users:read.email" in call.app.scopes
