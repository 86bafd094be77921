"""The workflow's own scripts, run in a repository: the comment says what a pull request changes of who is on call."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.alerting_data import ROOT, copied_root
from tests.github_commands import fake_command


@pytest.mark.parametrize(("person", "changes"), [("database-third@orion.example.com", True), (None, False)])
def test_a_pull_request_is_told_what_it_changes_of_who_is_on_call(
    tmp_path: Path, person: str | None, *, changes: bool
) -> None:
    repository, temporary = tmp_path / "repository", tmp_path / "temporary"
    temporary.mkdir()
    copied_root(repository)
    shutil.copy(ROOT / "Pulumi.prod.yaml", repository)
    for name in ("alerting", "cli", "components", "sandbox", "tools"):
        (repository / name).symlink_to(ROOT / name)
    git(repository, "init", "--quiet")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message=before")
    (repository / ".venv").symlink_to(sys.prefix)
    teams = repository / "catalog" / "teams.yaml"
    if person is not None:
        teams.write_text(teams.read_text().replace("people: [database-primary", f"people: [{person}, database-primary"))
        teams.write_text(teams.read_text().replace("- database-lead", f"- {person}\n      - database-lead", 1))
    git(repository, "commit", "--quiet", "--all", "--allow-empty", "--message=after")

    path = f"{fake_command(tmp_path / 'commands', 'gh')}:{os.environ['PATH']}"
    preview = yaml.safe_load((ROOT / ".github" / "workflows" / "preview.yml").read_text())["jobs"]
    scripts = {step.get("name", ""): step for job in preview.values() for step in job["steps"]}
    for name in ("On call", "Comment"):
        environment = {"PATH": path, "RUNNER_TEMP": str(temporary), "NUMBER": "1", "REPOSITORY": "ada/orion"}
        subprocess.run(["/bin/bash", "-c", scripts[name]["run"]], cwd=repository, env=environment, check=True)
    _, _, on_call = (repository / "comment.md").read_text().partition("### PagerDuty")

    assert (f"+- {person}" in on_call) == changes
    assert ("nothing" in on_call) != changes
    assert "not compared" not in on_call


def git(folder: Path, *arguments: str) -> None:
    """Run git as nobody in particular."""
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@orion.example.com"]
    subprocess.run(["/usr/bin/env", "git", *who, *arguments], cwd=folder, check=True)
