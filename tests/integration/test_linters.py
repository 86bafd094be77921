"""Every linter of `make check` reports a fault that is planted for it: a wrong option or path would let all through."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.checks import STATIC_CHECKS
from tests.prose.__main__ import lint
from tests.steps import ROOT

RECEIVES = "receives"
MISSPELT = RECEIVES.replace("ei", "ie")  # as it stands this file would be reported
WORKFLOW = """\
on: push
permissions: {}
jobs:
  job:
    runs-on: ubuntu-24.04
    steps:
      - run: echo ${{ github.event.head_commit.message }}
"""


def run(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a step of `make check` on what is in `folder`, with the configuration that the project has."""
    (step,) = (step for step in STATIC_CHECKS if step.name == name)
    command = [part for part in step.command if not part.startswith(".github/workflows/")]
    if name == "workflows":
        command.append(".github/workflows/faulty.yml")
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    (tmp_path / ".github" / "workflows" / "faulty.yml").write_text(WORKFLOW)
    (tmp_path / ".github" / "zizmor.yml").write_text((ROOT / ".github" / "zizmor.yml").read_text())
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (tmp_path / "text.md").write_text(f"This {MISSPELT} an alert.\n")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "reported"),
    [
        ("workflows", "is potentially untrusted"),
        ("workflow security", "template-injection"),
        ("spelling", f"{MISSPELT} ==> receives"),
    ],
)
def test_a_fault_is_reported(name: str, reported: str, faulty: Path) -> None:
    done = run(name, faulty)

    assert done.returncode != 0
    assert reported in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("The incident stays open for ever.", 'Write "forever".'),
        ("It is a very large queue.", "Leave the filler out."),
        ("The alert " + "is long and " * 20 + "ends.", "45"),
        ("The alert is routed by its labels.", None),
    ],
)
def test_prose_is_held_to_the_style(text: str, reported: str | None, tmp_path: Path) -> None:
    (tmp_path / "text.md").write_text(f"# Routing\n\n{text}\n")
    done = lint([tmp_path / "text.md"])

    assert (done.returncode != 0) == (reported is not None), done.stdout + done.stderr
    assert reported is None or reported in done.stdout
