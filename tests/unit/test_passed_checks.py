"""A check remembers what has passed by its content."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import passed_checks
from tests.passed_checks import PassedChecks
from tests.prose import __main__ as prose


def test_another_checkout_knows_what_has_passed(tmp_path: Path) -> None:
    PassedChecks("types", tmp_path).add(["a", "b"])
    PassedChecks("types", tmp_path).add(["c"])

    assert PassedChecks("types", tmp_path).read() == {"a", "b", "c"}
    assert PassedChecks("prose", tmp_path).read() == set()


def test_a_damaged_file_counts_as_nothing_passed(tmp_path: Path) -> None:
    checks = PassedChecks("types", tmp_path)
    checks.add(["a"])
    (tmp_path / "passed-types.json").write_text('["a"')

    assert checks.read() == set()

    checks.add(["b"])
    assert checks.read() == {"b"}


def test_what_passed_last_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passed_checks, "MOST_KEPT", 2)
    checks = PassedChecks("types", tmp_path)
    checks.add(["a", "b"])
    checks.add(["a"])  # it was the oldest
    checks.add(["c"])

    assert checks.read() == {"a", "c"}


def test_a_file_of_prose_is_read_again_when_it_or_a_rule_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules, text = tmp_path / "rules.yaml", tmp_path / "text.md"
    rules.write_text("rules: {}")
    text.write_text("One.")
    monkeypatch.setattr(prose, "CONFIGURATION", rules)
    first = prose.digest(text)

    text.write_text("Two.")
    second = prose.digest(text)
    rules.write_text("rules: {a: true}")
    third = prose.digest(text)

    assert len({first, second, third}) == 3
    text.write_text("One.")
    rules.write_text("rules: {}")
    assert prose.digest(text) == first
