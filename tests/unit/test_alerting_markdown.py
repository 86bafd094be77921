"""Code spans, links and anchors of a Markdown text, as checks and the site's generator read them."""

from __future__ import annotations

import pytest

from alerting.source.markdown import Found, anchors, code_spans, links, outside_fences

FENCED = "before `a`\n```\n`not` [this](x.md)\n# nor this\n```\nafter `b`"


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("no code", []),
        ("a `b` and `c d`\n`e`", [Found(1, "b"), Found(1, "c d"), Found(2, "e")]),
        ("over two `lines\n  of text`", [Found(1, "lines of text")]),
        ("``a ` b``", [Found(1, "a ` b")]),
        ("one ` alone\n\nand ` another", []),
        (FENCED, [Found(1, "a"), Found(6, "b")]),
        ("~~~\n`a`\n```\n`b`\n~~~\n`c`", [Found(6, "c")]),
        ("```\n`never closed`", []),
    ],
)
def test_code_spans_are_found_with_their_lines(text: str, spans: list[Found]) -> None:
    assert list(code_spans(text)) == spans


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("[a](b.md)", [Found(1, "b.md")]),
        ('x\n[a](<b.md#c> "title") ![p](d.svg)', [Found(2, "b.md#c"), Found(2, "d.svg")]),
        ("`[a](b.md)` and `more\ncode` [c](d.md)", [Found(2, "d.md")]),
        ("[a][b] and [c] (d)", []),
        (FENCED, []),
    ],
)
def test_links_outside_code_are_found_with_their_lines(text: str, targets: list[Found]) -> None:
    assert list(links(text)) == targets


def test_the_anchors_of_headings_are_those_of_github() -> None:
    twice = "## After the incident\n\n"
    text = f"# What's `new`, 2?\n\n{twice}{twice}```\n# no heading\n```\n#none\n### a-b_c ##"

    assert anchors(text) == {"whats-new-2", "after-the-incident", "after-the-incident-1", "a-b_c"}


def test_a_change_of_lines_leaves_code_blocks_alone() -> None:
    changed = outside_fences(FENCED, str.upper)

    assert changed == "BEFORE `A`\n```\n`not` [this](x.md)\n# nor this\n```\nAFTER `B`"
