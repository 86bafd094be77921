"""Turns the workspace's messages, people and channels into the JSON of Slack's Web API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.clouds.slack import message as messages
from sandbox.clouds.slack.app import App
from sandbox.clouds.slack.workspace import SLACKBOT, TEAM, Channel, Message, User, Workspace

Json = dict[str, Any]
NAMED_COLORS = {"good": "2eb886", "warning": "daa038", "danger": "a30200"}
NO_PREVIEW = "[no preview available]"


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders what a workspace holds, as the app sees it."""

    workspace: Workspace
    app: App

    def message(self, message: Message, *, with_metadata: bool = False) -> Json:
        """Return a message. Its metadata is there only for whoever asks for it."""
        found: Json = {
            "type": "message",
            "ts": message.ts,
            "user": message.author,
            "text": (message.payload.text or "")[: messages.TEXT_CHARACTERS],
            "team": TEAM,
        }
        if message.is_tombstone:
            found |= {"subtype": "tombstone", "hidden": True, "user": SLACKBOT}
        if message.bot is not None:
            found |= {"bot_id": message.bot, "app_id": self.app.id, "bot_profile": self._bot_profile(message.bot)}
        if message.blocks:
            found["blocks"] = list(message.blocks)
        attachments = [self._attachment(number, each) for number, each in enumerate(message.attachments, 1)]
        if attachments:
            found["attachments"] = attachments
        if message.edited is not None:
            found["edited"] = {"user": message.author, "ts": message.edited}
        if message.only_for is None:
            found |= self._thread(message)
        if message.is_broadcast:
            found["subtype"] = "thread_broadcast"
        if with_metadata and message.metadata:
            found["metadata"] = dict(message.metadata)
        return found

    def _thread(self, message: Message) -> Json:
        if message.thread is not None:
            root = self.workspace.thread_root(message.channel, message.thread)
            return {"thread_ts": message.thread, "parent_user_id": root.author if root else SLACKBOT}
        replies = self.workspace.replies(message)
        if not replies:
            return {}
        people = list(dict.fromkeys(reply.author for reply in replies))
        return {
            "thread_ts": message.ts,
            "reply_count": len(replies),
            "reply_users_count": len(people),
            "latest_reply": replies[-1].ts,
            "reply_users": people,
            "is_locked": False,
            "subscribed": False,
        }

    def _bot_profile(self, bot: str) -> Json:
        return {"id": bot, "app_id": self.app.id, "name": self.app.name, "deleted": False, "team_id": TEAM}

    @staticmethod
    def _attachment(number: int, posted: Mapping[str, Any]) -> Json:
        found: Json = {**posted, "id": number, "fallback": posted.get("fallback") or NO_PREVIEW}
        color = found.pop("color", None)
        if isinstance(color, str) and (shown := shown_color(color)):
            found["color"] = shown
        return found

    def user(self, user: User, *, with_email: bool) -> Json:
        """Return a person; the address only where the token may read it and there is one."""
        profile: Json = {"real_name": user.real_name, "display_name": user.name, "team": TEAM}
        if with_email and user.email is not None:
            profile["email"] = user.email
        return {
            "id": user.id,
            "team_id": TEAM,
            "name": user.name,
            "deleted": False,
            "real_name": user.real_name,
            "tz": "Etc/UTC",
            "tz_offset": 0,
            "profile": profile,
            "is_bot": user.is_bot,
            "is_app_user": False,
        }

    def channel(self, channel: Channel) -> Json:
        """Return a channel."""
        name = channel.name.removeprefix("#")
        return {
            "id": channel.id,
            "name": name,
            "name_normalized": name,
            "is_channel": True,
            "is_private": False,
            "is_archived": False,
            "is_member": channel.has_bot,
            "num_members": len(self.workspace.users) - (0 if channel.has_bot else 1),
        }


def shown_color(color: str) -> str | None:
    """Return the six hexadecimal digits of a colour, or None for one that Slack does not know."""
    if color in NAMED_COLORS:
        return NAMED_COLORS[color]
    return color.removeprefix("#").lower() if messages.COLOR.fullmatch(color) else None
