"""docs/architecture.md is true: its picture shows the imports that there are, and its table names what exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.alerting_data import ROOT

TEXT = (ROOT / "docs" / "architecture.md").read_text()
ROOMS = ("alerting", "cli", "components", "lambda", "sandbox", "tools")
ROOM_OF = {
    **{room: room for room in ROOMS},
    **{path.name: "lambda" for path in (ROOT / "lambda").iterdir() if (path / "__init__.py").exists()},
}
TABLE = TEXT.partition("## Where do I change what")[2].partition("\n## ")[0]
ROWS = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in TABLE.splitlines() if "`" in line]
CODE = re.compile(r"`([^`]+)`")


def arrows_of_imports() -> Iterator[tuple[str, str]]:
    """Yield each pair of rooms of which the first imports the second."""
    files = [(room, path) for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    for room, path in [*files, ("main", ROOT / "__main__.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            for name in names:
                imported = ROOM_OF.get(name.partition(".")[0], room)
                if imported != room:
                    yield room, imported


def test_the_picture_has_an_arrow_for_each_import_between_rooms_and_no_other() -> None:
    picture = TEXT.partition("```mermaid")[2].partition("```")[0]

    assert set(re.findall(r"^ *(\w+) --> (\w+)$", picture, re.MULTILINE)) == set(arrows_of_imports())


def test_every_place_of_the_table_exists() -> None:
    places = [place for _, changed, _ in ROWS for place in CODE.findall(changed)]

    assert len(places) >= len(ROWS) > 20
    assert [place for place in places if not (ROOT / place).exists()] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_row_names_a_recipe_or_a_check_that_exists(row: tuple[str, str, str]) -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "changing.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    commands = set(re.findall(r'@application\.command\("(\w+)"', (ROOT / "cli" / "main.py").read_text()))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    recipes = re.findall(r"\(changing\.md#([\w-]+)\)", row[2])
    checks = CODE.findall(row[2])

    assert recipes or checks
    assert set(recipes) <= anchors
    for check in checks:
        match check.split():
            case ["orion", command, *_]:
                assert command in commands
            case ["make", target, *_]:
                assert target in targets
            case _:
                assert (ROOT / check).exists(), check
