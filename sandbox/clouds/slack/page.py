"""The page of the workspace: channels and threads as Slack shows them, for a person who may be chosen.

    /?as=USER&channel=CHANNEL&thread=TS

Its forms click buttons, post and delete messages in that person's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.clouds.pages.page import Templates, back, fields, foreign_form
from sandbox.clouds.slack.api.call import SOURCE
from sandbox.clouds.slack.interactions import Interactions, find_button
from sandbox.clouds.slack.message import Payload
from sandbox.clouds.slack.mrkdwn import to_html
from sandbox.clouds.slack.render import shown_color
from sandbox.clouds.slack.workspace import Channel, Message, User, Workspace
from sandbox.journal import Journal, Kind

TITLE = "Slack"
NO_COLOR = "dddddd"
POST_CHARACTERS = 4_000


@dataclass(slots=True)
class SlackPage:
    """Shows a workspace, and does what people do in it."""

    workspace: Workspace
    interactions: Interactions
    journal: Journal
    _outcomes: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    _templates: Templates = field(default_factory=Templates)

    def routes(self) -> list[Route]:
        """Return the routes of the page and of its forms."""
        return [
            Route("/", self.page),
            Route("/sections", self.sections),
            Route("/click", self.click, methods=["POST"]),
            Route("/say", self.say, methods=["POST"]),
            Route("/delete", self.delete, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        """Return the whole page."""
        with self.workspace.lock:
            return self._templates.page(request, "slack", TITLE, self._view(request))

    async def sections(self, request: Request) -> Response:
        """Return the page's content for its script."""
        with self.workspace.lock:
            return self._templates.sections(request, "slack", TITLE, self._view(request))

    async def click(self, request: Request) -> Response:
        """Click a button, and remember for the person what Slack shows of it."""
        if (refusal := foreign_form(request)) is not None:
            return refusal
        form = await fields(request)
        with self.workspace.lock:
            user = self.workspace.users.get(form.get("as", ""))
            message = self._message(form, user)
            button = message and find_button(message, form.get("block", ""), form.get("action", ""))
        if user is None or message is None or button is None:
            return PlainTextResponse("There is no such person, message or button.\n", 404)
        shown = await self.interactions.click(user, message, button, str(request.base_url).rstrip("/"))
        self._outcomes[user.id, message.ts] = shown
        return back(request, form)

    async def say(self, request: Request) -> Response:
        """Post a message or a reply in a person's name."""
        if (refusal := foreign_form(request)) is not None:
            return refusal
        form = await fields(request)
        text = form.get("text", "").strip()[:POST_CHARACTERS]
        with self.workspace.lock:
            user, channel = self.workspace.users.get(form.get("as", "")), self._channel(form)
            if user is None or channel is None or not text:
                return PlainTextResponse("There is no such person or channel, or no text.\n", 404)
            root = self.workspace.thread_root(channel.name, form.get("thread", ""))
            message = self.workspace.post(
                channel.name,
                Payload(text=text),
                {"text": text},
                author=user.id,
                thread=None if root is None else root.ts,
            )
        ids = {"channel": channel.name}
        self.journal.append(SOURCE, Kind.MESSAGE_POSTED, ids, ts=message.ts, text=text, title=text, message=text)
        return back(request, form)

    async def delete(self, request: Request) -> Response:
        """Delete a message, as an administrator of the workspace may."""
        if (refusal := foreign_form(request)) is not None:
            return refusal
        form = await fields(request)
        with self.workspace.lock:
            user = self.workspace.users.get(form.get("as", ""))
            message = self._message(form, user)
            if user is None or message is None:
                return PlainTextResponse("There is no such person or message.\n", 404)
            self.workspace.delete(message)
        self.journal.append(SOURCE, Kind.MESSAGE_DELETED, {"channel": message.channel}, ts=message.ts, by=user.id)
        return back(request, form)

    def _channel(self, form: Mapping[str, str]) -> Channel | None:
        return self.workspace.channel_by_id(form.get("channel", ""))

    def _message(self, form: Mapping[str, str], user: User | None) -> Message | None:
        """Return the message that a form names, if the person sees it."""
        channel = self._channel(form)
        if channel is None or user is None:
            return None
        ts = form.get("ts", "")
        ephemeral = self.workspace.ephemeral(channel.name, ts)
        if ephemeral is not None:
            return ephemeral if ephemeral.only_for == user.id else None
        return self.workspace.message(channel.name, ts)

    def _view(self, request: Request) -> Mapping[str, Any]:
        people = [user for user in self.workspace.users.values() if not user.is_bot]
        channels = sorted(self.workspace.channels.values(), key=lambda channel: channel.name)
        query = request.query_params
        acting = self.workspace.users.get(query.get("as", "")) or next(iter(people), None)
        channel = self._channel(query) or next(iter(channels), None)
        root = self.workspace.thread_root(channel.name, query.get("thread", "")) if channel else None
        kept = {"as": acting.id if acting else "", "channel": channel.id if channel else ""}
        if root is not None:
            kept["thread"] = root.ts
        seen = [each for each in self.workspace.messages if channel and each.channel == channel.name]
        seen = [each for each in seen if each.only_for is None or (acting and each.only_for == acting.id)]
        in_channel = [each for each in seen if each.thread is None or each.is_broadcast]
        in_thread = [each for each in seen if root is not None and (each is root or each.thread == root.ts)]
        return {
            "people": [{"id": user.id, "name": user.real_name} for user in people],
            "channels": channels,
            "channel": channel,
            "kept": kept,
            "root": root,
            "messages": [self._shown(each, acting) for each in in_channel],
            "thread": [self._shown(each, acting) for each in in_thread],
        }

    def _shown(self, message: Message, acting: User | None) -> Mapping[str, Any]:
        author = self.workspace.users.get(message.author)
        replies = [] if message.thread else self.workspace.replies(message)
        attachments = [
            {**each, "shown_color": shown_color(str(each.get("color") or "")) or NO_COLOR}
            for each in message.attachments
        ]
        return {
            "ts": message.ts,
            "time": message.time,
            "author": author.real_name if author else "Slackbot",
            "is_app": message.bot is not None,
            "is_ephemeral": message.only_for is not None,
            "is_edited": message.edited is not None,
            "is_tombstone": message.is_tombstone,
            "is_broadcast": message.is_broadcast,
            "text": self._markup(message.payload.text or "") if not message.blocks else "",
            "blocks": [self._block(block) for block in message.blocks],
            "attachments": [self._attachment(each) for each in attachments],
            "replies": len(replies),
            "outcome": self._outcomes.get((acting.id, message.ts), "") if acting else "",
        }

    def _attachment(self, posted: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "color": posted["shown_color"],
            "pretext": self._markup(str(posted.get("pretext") or "")),
            "title": self._markup(str(posted.get("title") or "")),
            "text": self._markup(str(posted.get("text") or "")),
            "fields": [
                (self._markup(str(each.get("title", ""))), self._markup(str(each.get("value", ""))))
                for each in posted.get("fields") or ()
            ],
            "links": [
                (str(each.get("text", "")), each["url"]) for each in posted.get("actions") or () if each.get("url")
            ],
            "blocks": [self._block(block) for block in posted.get("blocks") or ()],
        }

    def _block(self, block: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a block with its texts as HTML."""
        accessory = block.get("accessory")
        elements = (
            *(block.get("elements") or () if block["type"] in ("actions", "context") else ()),
            *((accessory,) if accessory else ()),
        )
        return {
            "type": block["type"],
            "id": block["block_id"],
            "text": self._text(block.get("text")),
            "fields": [self._text(each) for each in block.get("fields") or ()],
            "elements": [{**each, "shown": self._text(each.get("text") or each)} for each in elements],
            "alt": str(block.get("alt_text", "")),
        }

    def _text(self, found: object) -> Markup:
        """Return a text object as HTML; of what has none, nothing."""
        if isinstance(found, str):
            return self._markup(found)
        if not isinstance(found, dict) or not isinstance(found.get("text"), str):
            return Markup()
        text: str = found["text"]
        return escape(text) if found.get("type") == "plain_text" else self._markup(text)

    def _markup(self, text: str) -> Markup:
        names = {user.id: user.name for user in self.workspace.users.values()}
        names |= {channel.id: channel.name.removeprefix("#") for channel in self.workspace.channels.values()}
        return to_html(text, names)
