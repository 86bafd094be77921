"""Every change that docs/changing.md shows passes the checks of a clone that it is applied to."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from cli.check import run_check
from tests.alerting_data import DATA, ROOT
from tests.unit.test_docs import CHANGES

OWN = ("catalog", "rules", "runbooks")
# Whatever else of `make test` reads what teams edit: tests/unit/conftest.py refuses it to every other test.
HOLDERS = [
    str(path.relative_to(ROOT))
    for folder in ("unit", "rules")
    for path in sorted((ROOT / "tests" / folder).glob("test_*.py"))
    if "mark.own_catalog" in path.read_text()
]


def git(folder: Path, *arguments: str, given: str | None = None) -> str:
    done = subprocess.run(
        ["/usr/bin/env", "git", *arguments], cwd=folder, input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the working tree, with the fixture as its catalog: the diffs were written for that."""
    folder = tmp_path_factory.mktemp("clone")
    for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (ROOT / name).is_file() and name.split("/")[0] not in OWN:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name, follow_symlinks=False)
    for name in OWN:
        shutil.copytree(DATA / name, folder / name)
    return folder


@pytest.fixture
def apply(clone: Path) -> Iterator[Callable[[str], None]]:
    """Return what applies the diff under a title, and take all of them back when the test ends."""
    applied: list[str] = []

    def apply_one(title: str) -> None:
        (diff,) = CHANGES[title]
        git(clone, "apply", "-", given=diff)
        applied.append(diff)

    yield apply_one
    for diff in applied:
        git(clone, "apply", "--reverse", "-", given=diff)


@pytest.mark.parametrize("title", sorted(CHANGES))
def test_a_change_as_it_is_shown_passes_the_checks(clone: Path, apply: Callable[[str], None], title: str) -> None:
    apply(title)
    console = Console(file=io.StringIO(), width=200)
    code = run_check(clone, console, date(2026, 1, 1))

    assert isinstance(console.file, io.StringIO)
    assert code == 0, console.file.getvalue()

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "own_catalog", "-n", "0", *HOLDERS],
        cwd=clone,
        env=os.environ | {"PYTHONPATH": str(clone)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{title}:\n{done.stdout[-4000:]}{done.stderr[-2000:]}"


def test_a_change_without_its_test_is_refused(clone: Path, apply: Callable[[str], None]) -> None:
    apply("Add an alert")
    test = clone / "rules" / "tests" / "database_test.yaml"
    whole = test.read_text()
    test.write_text(whole.replace("AuroraCPUExhausted", "AuroraHighCPU"))
    console = Console(file=io.StringIO(), width=200)
    code = run_check(clone, console, date(2026, 1, 1))
    test.write_text(whole)

    assert isinstance(console.file, io.StringIO)
    assert code == 1
    assert "no test names AuroraCPUExhausted" in console.file.getvalue()
