"""Renders Slack's markup as HTML: emphasis, code, links and mentions. Everything else is text."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from markupsafe import Markup, escape

from sandbox.clouds.slack.block_kit import ADDRESS

CODE = re.compile(r"```(.+?)```|`([^`\n]+)`", re.DOTALL)
REFERENCE = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>")
EMPHASES = (
    (re.compile(r"(?<![\w*])\*(\S(?:[^*\n]*\S)?)\*(?![\w*])"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w_])_(\S(?:[^_\n]*\S)?)_(?![\w_])"), r"<em>\1</em>"),
    (re.compile(r"(?<![\w~])~(\S(?:[^~\n]*\S)?)~(?![\w~])"), r"<s>\1</s>"),
)
KEPT = re.compile("\x00(\\d+)\x00")


def to_html(text: str, names: Mapping[str, str]) -> Markup:
    """Return a text of the type `mrkdwn` as HTML. `names` are people and channels by id."""
    pieces: list[str] = []

    def keep(piece: str) -> str:
        pieces.append(piece)
        return f"\x00{len(pieces) - 1}\x00"

    def code(found: re.Match[str]) -> str:
        block, line = found[1], found[2]
        return keep(f"<pre>{_text(block)}</pre>" if block is not None else f"<code>{_text(line)}</code>")

    def reference(found: re.Match[str]) -> str:
        return keep(_reference(found[1], found[2], names))

    text = CODE.sub(code, text.replace("\x00", ""))
    text = _text(REFERENCE.sub(reference, text))
    for emphasis, replacement in EMPHASES:
        text = emphasis.sub(replacement, text)
    for _ in range(2):  # a reference may stand in code
        text = KEPT.sub(lambda found: pieces[int(found[1])], text)
    return Markup(text)  # noqa: S704 - every piece was escaped above


def _text(text: str) -> str:
    return str(escape(html.unescape(text)))


def _reference(target: str, label: str | None, names: Mapping[str, str]) -> str:
    target = html.unescape(target)
    match target[0]:
        case "@" | "#":
            return f'<span class="person">{target[0]}{_text(label or names.get(target[1:], target[1:]))}</span>'
        case "!":
            return f'<span class="person">@{_text(label or target[1:].partition("^")[0])}</span>'
        case _:
            if not ADDRESS.fullmatch(target):
                return _text(label or target)
            shown = _text(label or target)
            return f'<a href="{escape(target)}" target="_blank" rel="noopener noreferrer">{shown}</a>'
