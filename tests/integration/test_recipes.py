"""Every change that docs/changing.md shows passes the checks of a clone that it is applied to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.alerting_data import DATA, ROOT
from tests.unit.test_docs import CHANGES

OWN = ("catalog", "rules", "runbooks")
CHECKS = {
    "orion check": ("-m", "cli", "check"),
    # Whatever else of `make test` reads what teams edit: tests/unit/conftest.py refuses it to every other test.
    "tests of the project's own catalog": ("-m", "pytest", "-m", "own_catalog", "-n", "0"),
}


def git(folder: Path, *arguments: str, given: str | None = None) -> str:
    done = subprocess.run(
        ["/usr/bin/env", "git", *arguments], cwd=folder, input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a copy of the working tree, with the fixture as its catalog: the diffs were written for that."""
    folder = tmp_path / "clone"
    for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (ROOT / name).is_file() and name.split("/")[0] not in OWN:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for name in OWN:
        shutil.copytree(DATA / name, folder / name)
    return folder


@pytest.mark.timeout(900)
@pytest.mark.parametrize("title", sorted(CHANGES))
def test_a_change_as_it_is_shown_passes_the_checks(clone: Path, title: str) -> None:
    (diff,) = CHANGES[title]
    git(clone, "apply", "-", given=diff)
    holders = [
        str(path.relative_to(ROOT))
        for folder in ("unit", "rules")
        for path in sorted((ROOT / "tests" / folder).glob("test_*.py"))
        if "mark.own_catalog" in path.read_text()
    ]

    for name, arguments in CHECKS.items():
        command = [sys.executable, *arguments, *(holders if "pytest" in arguments else ())]
        done = subprocess.run(
            command,
            cwd=clone,
            env=os.environ | {"PYTHONPATH": str(clone)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{name} after {title}:\n{done.stdout[-4000:]}{done.stderr[-2000:]}"
