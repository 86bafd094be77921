"""Texts as Slack takes them: escaped, so that an alert mentions nobody and links nowhere, and cut to Slack's limits."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

ELLIPSIS = "…"
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_INVISIBLE = re.compile("[\x00-\x20\x7f-\xa0\u2028\u2029]+")
_DIRECTIONS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Characters that change the order in which a text is shown, so that it seems to say something else."""
_PERSON = re.compile(r"\b[UW][A-Z0-9]{8,}\b")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._-]+(:[0-9]+)?([/?#][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*)?", re.ASCII)
"""As `alerting.source.addresses` has it: nothing in it ends a link or begins another."""


def length(text: str) -> int:
    """Return the length of a text as Slack counts it, in UTF-16 code units."""
    return len(text) if text.isascii() else len(text) + sum(character > "\uffff" for character in text)


def plain(text: str, limit: int) -> str:
    """Return a text in one line for a `plain_text` object, at most `limit` long."""
    return _cut(_one_line(text), limit, {})


def escaped(text: str, limit: int) -> str:
    """Return a text in one line for Slack's markup, at most `limit` long. Nothing in it mentions or links."""
    return _cut(_one_line(text), limit, _ESCAPES)


def _one_line(text: str) -> str:
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _INVISIBLE.sub(" ", _DIRECTIONS.sub("", whole)).strip()


def _cut(text: str, limit: int, escapes: dict[str, str]) -> str:
    """Escape a text and cut it between characters, so that no escape is cut in half."""
    parts = [escapes.get(character, character) for character in text]
    whole = "".join(parts)
    if length(whole) <= limit:
        return whole
    kept: list[str] = []
    left = limit - length(ELLIPSIS)
    for part in parts:
        left -= length(part)
        if left < 0:
            break
        kept.append(part)
    return "".join(kept).rstrip() + ELLIPSIS


def is_address(text: str, limit: int) -> bool:
    """Return whether a text is an absolute http or https address that Slack takes whole."""
    return len(text) <= limit and _ADDRESS.fullmatch(text) is not None


def link(address: str, text: str) -> str:
    """Return a link. The address is one by `is_address`, and the text one of ours."""
    return f"<{address.replace('&', '&amp;')}|{text}>"


def named(text: str, name_of: Callable[[str], str]) -> str:
    """Return a text with names in place of people's Slack user ids."""
    return _PERSON.sub(lambda match: name_of(match.group()), text)


def is_person(text: str) -> bool:
    """Return whether a text is the id of a Slack user."""
    return _PERSON.fullmatch(text) is not None


def mention(person: str) -> str:
    """Return the mention of a Slack user, whose id is one by `is_person`."""
    return f"<@{person}>"


def at_time(seconds: float) -> str:
    """Return a time as the notifications write it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
