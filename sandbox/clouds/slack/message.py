"""Reads a message from what an app posts, and renders it as plain text."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sandbox.clouds.slack import block_kit
from sandbox.clouds.slack.block_kit import is_address

TEXT_CHARACTERS = 40_000
"""Slack cuts a longer text."""
ATTACHMENTS = 100
COLOR_NAMES = ("good", "warning", "danger")
COLOR = re.compile(r"#?[0-9a-fA-F]{6}")
LINK = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>")


class MessageRefused(ValueError):
    """A payload that Slack would refuse. `error` is the word that it answers with."""

    def __init__(self, error: str, reason: str, faults: Sequence[str] = ()) -> None:
        """Take Slack's word, the reason for the journal, and Slack's words on each fault of the blocks."""
        super().__init__(reason)
        self.error = error
        self.faults = tuple(faults)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class AttachmentField(_Part):
    """A titled value of an attachment."""

    title: str = ""
    value: str | int | float = ""
    short: bool = False


class Action(_Part):
    """A button of an attachment."""

    type: str = "button"
    text: str = ""
    url: str | None = None
    style: str | None = None


class TextObject(_Part):
    """A text of a block."""

    text: str


class Element(_Part):
    """Something inside a block: a button, a text, an image."""

    type: str
    text: TextObject | str | None = None
    value: str | None = None
    url: str | None = None


class Block(_Part):
    """One block of Block Kit, as far as it holds texts."""

    type: str
    text: TextObject | None = None
    fields: tuple[TextObject, ...] = ()
    elements: tuple[Element, ...] = ()
    accessory: Element | None = None


class Attachment(_Part):
    """A coloured part of a message, the older form."""

    color: str | None = None
    fallback: str | None = None
    pretext: str | None = None
    title: str | None = None
    title_link: str | None = None
    text: str | None = None
    footer: str | None = None
    fields: tuple[AttachmentField, ...] | None = None
    actions: tuple[Action, ...] | None = None
    blocks: tuple[Block, ...] | None = None
    image_url: str | None = None

    def says_something(self) -> bool:
        """Say whether anything of it can be seen."""
        seen = (self.fallback, self.pretext, self.title, self.text, self.fields, self.blocks, self.image_url)
        return any(seen)


class Payload(_Part):
    """The content of a message: what an incoming webhook, the Web API or a response URL is given."""

    text: str | None = None
    attachments: tuple[Attachment, ...] | None = None
    blocks: tuple[Block, ...] | None = None
    channel: str | None = None
    username: str | None = None
    icon_emoji: str | None = None
    icon_url: str | None = None
    thread_ts: str | None = None
    link_names: bool | None = None
    mrkdwn: bool = True


def read(found: object) -> Payload:
    """Return a payload that Slack would take. Raises `MessageRefused`."""
    try:
        payload = Payload.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        raise MessageRefused("invalid_payload", f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    attachments = payload.attachments or ()
    if len(attachments) > ATTACHMENTS:
        raise MessageRefused("too_many_attachments", f"{len(attachments)} attachments, allowed are {ATTACHMENTS}")
    _check_buttons(attachments)
    _check_blocks(found)
    if (
        not (payload.text or "").strip()
        and not payload.blocks
        and not any(each.says_something() for each in attachments)
    ):
        raise MessageRefused("no_text", "neither text nor blocks nor an attachment that says something")
    return payload


def _check_buttons(attachments: Sequence[Attachment]) -> None:
    """Slack refuses the whole message for one button whose address is none."""
    for attachment in attachments:
        for action in attachment.actions or ():
            if action.url is not None and not is_address(action.url):
                raise MessageRefused("invalid_attachments", f"button {action.text!r}: {action.url!r} is no address")


def _check_blocks(found: object) -> None:
    posted: Mapping[str, Any] = found if isinstance(found, dict) else {}
    blocks: Sequence[Any] = posted.get("blocks") or ()
    attachments: Sequence[Mapping[str, Any]] = posted.get("attachments") or ()
    faults = block_kit.faults(blocks)
    if faults:
        raise MessageRefused("invalid_blocks", faults[0], faults)
    everything = list(blocks)
    for number, attachment in enumerate(attachments):
        inner = attachment.get("blocks") or ()
        faults += block_kit.faults(inner, f"/attachments/{number}/blocks")
        everything += inner
    if faults:
        raise MessageRefused("invalid_attachments", faults[0], faults)
    length = block_kit.text_length(everything)
    if length > block_kit.ALL_TEXT_CHARACTERS:
        reason = f"{length} characters in blocks, allowed are {block_kit.ALL_TEXT_CHARACTERS}"
        raise MessageRefused("msg_blocks_too_long", reason)


def color_of(attachment: Attachment) -> str | None:
    """Return the colour that is shown; None for none, or for one that Slack does not know."""
    color = attachment.color
    return color if color is not None and (color in COLOR_NAMES or COLOR.fullmatch(color)) else None


def first_color(payload: Payload) -> str | None:
    """Return the colour of the first attachment that shows one."""
    colors = (color_of(attachment) for attachment in payload.attachments or ())
    return next((color for color in colors if color is not None), None)


def ignored(payload: Payload) -> list[str]:
    """Return what Slack passes over without a word: wrong colours, and what a webhook of an app can't choose."""
    passed = [
        f"{name} {value!r}: an app's incoming webhook can't choose it"
        for name, value in (
            ("channel", payload.channel),
            ("username", payload.username),
            ("icon_emoji", payload.icon_emoji),
            ("icon_url", payload.icon_url),
        )
        if value
    ]
    passed += [
        f"color {attachment.color!r}: neither good, warning, danger nor six hexadecimal digits"
        for attachment in payload.attachments or ()
        if attachment.color and color_of(attachment) is None
    ]
    if len(payload.text or "") > TEXT_CHARACTERS:
        passed.append(f"text after {TEXT_CHARACTERS} characters")
    return passed


def plain(text: str | None) -> str:
    """Return Slack's markup as a person reads it: links written out, entities undone."""
    return html.unescape(LINK.sub(_link, text or "")).strip()


def _link(link: re.Match[str]) -> str:
    target, label = link[1], link[2]
    if target.startswith(("!", "@", "#")):
        return label or f"@{target.lstrip('!@#').partition('^')[0]}"
    return f"{label} ({target})" if label else target


def title(payload: Payload) -> str:
    """Return the first line that stands out."""
    for attachment in payload.attachments or ():
        if attachment.title:
            return plain(attachment.title)
    for block in payload.blocks or ():
        if block.type == "header" and block.text:
            return plain(block.text.text)
    return next(iter(plain(payload.text).splitlines()), "")


def notification(payload: Payload) -> str:
    """Return what a push notification shows: the message's own text, or else the first attachment's fallback."""
    texts = [payload.text, *(each.fallback for each in payload.attachments or ())]
    return next((shown for text in texts if (shown := plain(text))), "")


def body(payload: Payload) -> str:
    """Return the texts, without titles, fields and buttons."""
    texts = [(payload.text or "")[:TEXT_CHARACTERS]]
    texts += [text for each in payload.attachments or () for text in (each.pretext, each.text) if text]
    texts += [block.text.text for block in payload.blocks or () if block.text]
    return "\n".join(plain(text) for text in texts if text)


def as_plain_text(payload: Payload) -> str:
    """Return the whole message as plain text: titles, texts, fields, buttons."""
    lines = [plain((payload.text or "")[:TEXT_CHARACTERS])]
    lines += _block_lines(payload.blocks or ())
    for attachment in payload.attachments or ():
        lines.append(plain(attachment.pretext))
        link = f" ({attachment.title_link})" if attachment.title and attachment.title_link else ""
        lines.append(plain(attachment.title) + link)
        lines.append(plain(attachment.text))
        lines += [f"{plain(field.title)}: {plain(str(field.value))}" for field in attachment.fields or ()]
        lines += _block_lines(attachment.blocks or ())
        lines += [
            f"[{plain(action.text)}]" + (f" {action.url}" if action.url else "") for action in attachment.actions or ()
        ]
        lines.append(plain(attachment.footer))
    return "\n".join(line for line in lines if line)


def journaled(payload: Payload) -> dict[str, object]:
    """Return what the journal has of a message."""
    return {
        "title": title(payload),
        "text": body(payload),
        "color": first_color(payload),
        "message": as_plain_text(payload),
        "ignored": ignored(payload),
    }


def _block_lines(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        for text in (block.text, *block.fields):
            if text is not None:
                yield plain(text.text)
        for element in (*block.elements, *((block.accessory,) if block.accessory else ())):
            label = element.text.text if isinstance(element.text, TextObject) else element.text or ""
            if element.type == "button":
                yield f"[{plain(label)}]" + (f" {element.url}" if element.url else "")
            elif label:
                yield plain(label)
