"""Reads what checks and generators want of a Markdown text: its lines outside code blocks, code spans, links, anchors.

A part of Markdown is enough: fenced code blocks, code spans on a line or over two, links in place, `#` headings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)\s>]*)>?(?:\s+\"[^\"]*\")?\s*\)")
_HEADING = re.compile(r"#{1,6} +(.*?)[ #]*$")
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n")


@dataclass(frozen=True, slots=True)
class Found:
    """A part of a text, and the line, from 1, on which it begins."""

    line: int
    text: str


def outside_fences(text: str, change: Callable[[str], str]) -> str:
    """Return a text with each line that is in no fenced code block changed."""
    return "\n".join(line if fenced else change(line) for line, fenced in _lines(text))


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each line, and whether it belongs to a fenced code block, its fences too."""
    fence = ""
    for line in text.split("\n"):
        match = _FENCE.match(line)
        if fence:
            yield line, True
            if match is not None and match[1].startswith(fence) and not line.strip(" `~"):
                fence = ""
            continue
        if match is not None:
            fence = match[1]
        yield line, match is not None


def code_spans(text: str) -> Iterator[Found]:
    """Yield the code spans outside code blocks. A line break within one is a space."""
    if "`" not in text:
        return
    bare = _without_blocks(text)
    for match in _SPAN.finditer(bare):
        if not _PARAGRAPH_END.search(match[2]):
            yield Found(bare.count("\n", 0, match.start()) + 1, " ".join(match[2].split()))


def links(text: str) -> Iterator[Found]:
    """Yield the targets of links and pictures outside code."""
    if "](" not in text:
        return
    bare = _SPAN.sub(lambda match: "\n" * match[0].count("\n"), _without_blocks(text))
    for match in _LINK.finditer(bare):
        yield Found(bare.count("\n", 0, match.start()) + 1, match[1])


def anchors(text: str) -> frozenset[str]:
    """Return the anchors of a text's headings, as GitHub and the site's generator make them."""
    found: dict[str, int] = {}
    result: set[str] = set()
    for line, fenced in _lines(text):
        match = None if fenced else _HEADING.match(line)
        if match is None:
            continue
        anchor = re.sub(r"[^\w\- ]", "", match[1].lower()).strip().replace(" ", "-")
        again = found.get(anchor, 0)
        found[anchor] = again + 1
        result.add(f"{anchor}-{again}" if again else anchor)
    return frozenset(result)


def _without_blocks(text: str) -> str:
    return "\n".join("" if fenced else line for line, fenced in _lines(text))
