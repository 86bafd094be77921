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
    for name in ("On call", "Comment"):
        environment = {"PATH": path, "RUNNER_TEMP": str(temporary), "NUMBER": "1", "REPOSITORY": "ada/orion"}
        environment["PROMETHEUS"] = ""
        subprocess.run(["/bin/bash", "-c", script(name)], cwd=repository, env=environment, check=True)
    _, _, on_call = (repository / "comment.md").read_text().partition("### PagerDuty")
    on_call, _, _ = on_call.partition("### Alerts")

    assert (f"+- {person}" in on_call) == changes
    assert ("nothing" in on_call) != changes
    assert "not compared" not in on_call


@pytest.mark.parametrize(
    ("prometheus", "said", "expected"),
    [
        ("http://prometheus", "RedisDown  2 -> 1", "RedisDown  2 -> 1"),
        ("http://prometheus", "", "not evaluated: an earlier step failed"),
        ("", None, "not evaluated: the variable ORION_PROMETHEUS is not set"),
    ],
    ids=["evaluated", "failed", "no history"],
)
def test_the_comment_says_what_alerts_would_have_done(
    tmp_path: Path, prometheus: str, said: str | None, expected: str
) -> None:
    if said is not None:
        (tmp_path / "backtest.txt").write_text(said)
    path = f"{fake_command(tmp_path / 'commands', 'gh')}:{os.environ['PATH']}"
    comment = script("Comment")
    environment = {"PATH": path, "NUMBER": "1", "REPOSITORY": "ada/orion", "PROMETHEUS": prometheus}
    subprocess.run(["/bin/bash", "-c", comment], cwd=tmp_path, env=environment, check=True)
    _, _, alerts = (tmp_path / "comment.md").read_text().partition("### Alerts")

    assert expected in alerts
    assert alerts.count("```") == 2


def script(name: str) -> str:
    """Return the script of a step of the workflow."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "preview.yml").read_text())["jobs"]
    (run,) = (step["run"] for job in jobs.values() for step in job["steps"] if step.get("name") == name)
    return str(run)


def git(folder: Path, *arguments: str) -> None:
    """Run git as nobody in particular."""
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@orion.example.com"]
    subprocess.run(["/usr/bin/env", "git", *who, *arguments], cwd=folder, check=True)
