"""Every link within the documentation leads to a file and a section that are there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alerting.source.markdown import anchors, links
from tests.alerting_data import ROOT

PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(path for room in ("alerting", "lambda", "sandbox", "tests") for path in (ROOT / room).rglob("*.md")),
]
ELSEWHERE = ("https://", "http://", "mailto:")


def dead_links(page: Path) -> Iterator[str]:
    """Yield the links of a page that lead nowhere, with the page's name, the line and what to do."""
    for link in links(page.read_text(encoding="utf-8")):
        if link.text.startswith(ELSEWHERE):
            continue
        target, _, anchor = link.text.partition("#")
        linked = page.parent / target if target else page
        place = f"{page.name}:{link.line}"
        if not linked.exists():
            yield f"{place}: {link.text}: there is no such file. Change the link"
        elif anchor and anchor not in (known := anchors(linked.read_text(encoding="utf-8"))):
            there = ", ".join(sorted(known))
            yield f"{place}: {link.text}: there is no such section; there are {there}. Change the link"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(dead_links(page)) == []


def test_a_dead_link_and_a_dead_anchor_are_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Other\n\n## One\n")
    page = tmp_path / "page.md"
    page.write_text("# A page\n\n[a](other.md#one) [b](#a-page)\n[c](gone.md)\n[d](other.md#two)\n[e](#b)\n")

    assert list(dead_links(page)) == [
        "page.md:4: gone.md: there is no such file. Change the link",
        "page.md:5: other.md#two: there is no such section; there are one, other. Change the link",
        "page.md:6: #b: there is no such section; there are a-page. Change the link",
    ]
