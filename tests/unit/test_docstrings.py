"""Docstrings begin with the subject or the action, so that the first line tells a reader what the code is for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.alerting_data import ROOT

ROOMS = ("alerting", "cli", "components", "lambda", "sandbox", "tests", "tools")
QUESTION = re.compile(r"(What|Which|Who|Whom|Whose|When|Where|How|Whether)\b")
"""A subordinate clause as the first words: the reader waits for the subject."""
POSSIBLE = re.compile(rf'["\'][\s\\]*{QUESTION.pattern}')
"""A text that begins so, if not a docstring: to parse all files takes seconds, and hardly any has one."""
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def questions(source: str) -> Iterator[str]:
    """Yield the first lines of docstrings that begin with a subordinate clause."""
    if not POSSIBLE.search(source):
        return
    for node in ast.walk(ast.parse(source)):
        text = ast.get_docstring(node) if isinstance(node, DOCUMENTED) else None
        if text is not None and QUESTION.match(text):
            yield text.splitlines()[0]


@pytest.mark.parametrize("room", ROOMS)
def test_no_docstring_begins_with_a_subordinate_clause(room: str) -> None:
    found = {
        str(path.relative_to(ROOT)): lines
        for path in sorted(Path(ROOT / room).rglob("*.py"))
        if (lines := list(questions(path.read_text(encoding="utf-8"))))
    }

    assert found == {}


def test_such_a_docstring_is_found() -> None:
    assert list(questions('class A:\n    """What a service is."""\n')) == ["What a service is."]
