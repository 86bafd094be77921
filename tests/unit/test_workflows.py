"""GitHub's workflows: they parse, run what there is, take nothing unpinned, and give no fork a token or an account."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from cli.drift import Drift, drift_text
from components.naming import FUNCTION_RUNTIME
from tests.alerting_data import ROOT
from tests.github_commands import fake_command
from tools.recipes import PULUMI_VERSION

FOLDER = ROOT / ".github"
FILES = sorted([*(FOLDER / "workflows").glob("*.yml"), *(FOLDER / "actions").glob("*/action.yml")])
PINNED = re.compile(r"uses: (\./\S+|[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+\S*.*)")
COMMANDS = re.compile(r"\.venv/bin/(?:orion|python -m cli) (\w+)")

Step = dict[str, Any]


def read(path: Path) -> dict[str, Any]:
    document = yaml.safe_load(path.read_text())
    document["on"] = document.pop(True, None)  # YAML 1.1 reads `on` as true
    return document


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path in FILES:
        for name, job in read(path).get("jobs", {}).items():
            yield path.name, name, job


def steps() -> Iterator[tuple[str, Step]]:
    for path in FILES:
        document = read(path)
        for step in document.get("runs", {}).get("steps", []):
            yield path.name, cast("Step", step)
    for file, name, job in jobs():
        for step in job.get("steps", []):
            yield f"{file}:{name}", cast("Step", step)


def test_there_are_workflows() -> None:
    workflows = {"checks.yml", "preview.yml", "deploy.yml", "drift.yml", "runbooks.yml"}
    assert {path.name for path in FILES} == {*workflows, "action.yml"}
    assert len(list(steps())) > 20


def test_every_action_is_pinned_by_a_whole_commit_and_says_its_version() -> None:
    for path in FILES:
        for line in path.read_text().splitlines():
            if "uses:" in line:
                assert PINNED.search(line), f"{path.name}: {line}"


def test_every_run_line_is_a_script_that_bash_can_read() -> None:
    for where, step in steps():
        if "run" in step:
            done = subprocess.run(["/bin/bash", "-n"], input=step["run"], text=True, capture_output=True, check=False)
            assert done.returncode == 0, f"{where}: {done.stderr}"


def test_nothing_that_somebody_else_wrote_is_put_into_a_script() -> None:
    for where, step in steps():
        assert "${{" not in step.get("run", ""), where


def test_what_is_run_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = set(re.findall(r'@application\.command\("(\w+)"', (ROOT / "cli" / "main.py").read_text()))
    for where, step in steps():
        script = step.get("run", "")
        assert set(re.findall(r"\bmake (\w+)", script)) <= targets, where
        assert set(COMMANDS.findall(script)) <= commands, where
        if step.get("uses", "").startswith("./"):
            assert (ROOT / step["uses"] / "action.yml").exists()
            assert set(step["with"]) == set(read(ROOT / step["uses"] / "action.yml")["inputs"]), where
    assert (ROOT / ".ci" / "run").exists()


def test_a_token_that_can_write_or_sign_in_is_given_job_by_job_and_never_to_a_fork() -> None:
    for path in FILES:
        document = read(path)
        assert "pull_request_target" not in str(document["on"])
        assert document.get("permissions", {}) in ({}, {"contents": "read"}), path.name
    for file, name, job in jobs():
        given = {key for key, value in job.get("permissions", {}).items() if value == "write"}
        assert given <= {"id-token", "pull-requests", "issues", "pages"}, (file, name)
        # A role is an environment's; a comment or an issue is written without one.
        assert ("id-token" in given) == ("environment" in job), (file, name)
        triggered = str(read(FOLDER / "workflows" / file)["on"])
        if given and "pull_request" in triggered:
            assert "head.repo.full_name == github.repository" in job["if"]


def test_code_under_review_shares_no_job_with_a_token_that_writes() -> None:
    """A job that signs in (id-token) gets a role that only reads."""
    writing: list[str] = []
    for file, name, job in jobs():
        if {"pull-requests", "issues", "pages"} & set(job.get("permissions", {})):
            writing.append(name)
            used = [step.get("uses", "").partition("@")[0] for step in job["steps"]]
            scripts = "\n".join(step.get("run", "") for step in job["steps"])
            assert set(used) <= {"", "actions/download-artifact", "actions/deploy-pages"}, (file, name)
            assert not re.search(r"\bgit\b|python|make |pulumi|\./|bash|source", scripts), (file, name)
    assert sorted(writing) == ["comment", "issue", "publish"]


def test_a_secret_that_a_job_opens_is_masked_before_anything_else_can_print_it() -> None:
    opened = [(where, step["run"]) for where, step in steps() if "config get" in step.get("run", "")]

    assert opened
    for where, script in opened:
        for name in re.findall(r'(\w+)="\$\(pulumi config get', script):
            lines = script.splitlines()
            at = next(number for number, line in enumerate(lines) if line.startswith(f"{name}="))
            assert lines[at + 1] == f'echo "::add-mask::${name}"', where


def test_checks_and_deployments_run_on_the_python_that_the_function_has() -> None:
    used = {step["with"]["python-version"] for _, step in steps() if "setup-python" in step.get("uses", "")}

    assert used == {FUNCTION_RUNTIME.removeprefix("python")}


@pytest.mark.parametrize("open_issue", ["", "7"], ids=["no issue is open", "an issue is open"])
@pytest.mark.parametrize(
    ("answers", "drifted", "told"),
    [
        ({"dev": (), "prod": ()}, False, []),
        ({"dev": (Drift(type="t", name="n", removed=True),), "prod": ()}, True, ["### dev: 1 drifted", "removed"]),
        ({"dev": ()}, True, ["### prod: not compared"]),
    ],
    ids=["none", "drift", "a stack that could not be compared"],
)
def test_drift_is_one_issue_that_is_written_anew_and_closed(
    tmp_path: Path, answers: dict[str, tuple[Drift, ...]], told: list[str], open_issue: str, *, drifted: bool
) -> None:
    drift = read(FOLDER / "workflows" / "drift.yml")["jobs"]
    scripts = {step.get("name", ""): step.get("run", "") for job in drift.values() for step in job["steps"]}
    commands = fake_command(tmp_path / "commands", "gh")
    (commands / "gh").write_text(
        f'#!/bin/sh\necho "$1 $2" >> calls\n[ "$1 $2" != "issue list" ] || printf "{open_issue}"\n'
    )
    for stack, drifts in answers.items():
        (tmp_path / f"drift-{stack}.md").write_text(drift_text(stack, drifts))
    path = f"{commands}:{os.environ['PATH']}"
    environment = {"PATH": path, "REPOSITORY": "ada/orion", "RUN": "https://github.com/ada/orion/actions/runs/1"}
    subprocess.run(["/bin/bash", "-c", scripts["Issue"]], cwd=tmp_path, env=environment, check=True)

    calls = (tmp_path / "calls").read_text().splitlines()
    assert ("issue create" in calls) == (drifted and not open_issue)
    assert ("issue edit" in calls) == (drifted and bool(open_issue))
    assert ("issue close" in calls) == (not drifted and bool(open_issue))
    body = (tmp_path / "body.md").read_text()
    assert [text for text in told if text not in body] == []
    assert ("docs/deploying.md" in body) == drifted


def test_drift_is_looked_for_by_reviewed_code_and_changes_nothing() -> None:
    drift = read(FOLDER / "workflows" / "drift.yml")
    scripts = "\n".join(step.get("run", "") for job in drift["jobs"].values() for step in job["steps"])

    assert set(drift["on"]) == {"schedule", "workflow_dispatch"}
    assert all("github.ref == 'refs/heads/main'" in job["if"] for job in drift["jobs"].values())
    assert re.findall(r"pulumi .*", scripts) == [
        'pulumi refresh --stack "$STACK" --preview-only --json --non-interactive > refresh.json'
    ]
    assert '.venv/bin/orion drift refresh.json --stack "$STACK" > "drift-$STACK.md"' in scripts
    # The engine's answer has values in it; what is uploaded are names.
    uploaded = [step["with"]["path"] for _, step in steps() if "upload-artifact" in step.get("uses", "")]
    assert not [path for path in uploaded if "refresh.json" in path]


def test_runbooks_are_published_from_reviewed_code_and_only_where_somebody_has_said_so() -> None:
    runbooks = read(FOLDER / "workflows" / "runbooks.yml")
    build, publish = runbooks["jobs"]["build"], runbooks["jobs"]["publish"]

    assert (set(runbooks["on"]), runbooks["on"]["push"]) == ({"push", "workflow_dispatch"}, {"branches": ["main"]})
    assert build["if"] == "vars.ORION_PAGES != '' && github.ref == 'refs/heads/main'"
    assert publish["needs"] == "build"
    (uploaded,) = [step["with"] for step in build["steps"] if "upload-artifact" in step.get("uses", "")]
    # What deploy-pages takes.
    assert (uploaded["name"], uploaded["path"]) == ("github-pages", "artifact.tar")


def test_prod_is_reached_only_after_a_merge_and_a_plan() -> None:
    deploy = read(FOLDER / "workflows" / "deploy.yml")

    assert set(deploy["on"]) == {"push", "workflow_dispatch"}
    assert deploy["on"]["push"] == {"branches": ["main"]}
    assert deploy["jobs"]["prod"]["needs"] == "prod-plan"
    assert deploy["jobs"]["prod"]["environment"] == "prod"
    others = [path.read_text() for path in FILES if path.name != "deploy.yml"]
    assert not [text for text in others if "--stack prod" in text or "stack: prod" in text]


def test_nothing_is_deployed_before_the_checks_of_the_same_commit_are_through() -> None:
    deploy = read(FOLDER / "workflows" / "deploy.yml")["jobs"]
    checks = read(FOLDER / "workflows" / "checks.yml")

    assert deploy["checks"] == {"uses": "./.github/workflows/checks.yml", "permissions": {"contents": "read"}}
    assert set(checks["on"]) == {"pull_request", "workflow_call"}
    assert "pull_request" in checks["concurrency"]["cancel-in-progress"]
    assert (deploy["dev"]["needs"], deploy["prod-plan"]["needs"]) == ("checks", "dev")
    assert not [name for name, job in deploy.items() if "always()" in str(job.get("if", ""))]


def test_prod_comes_up_by_the_plan_that_was_approved() -> None:
    deploy = read(FOLDER / "workflows" / "deploy.yml")["jobs"]
    planned = "\n".join(step.get("run", "") for step in deploy["prod-plan"]["steps"])
    brought_up = "\n".join(step.get("run", "") for step in deploy["prod"]["steps"])
    kept_at = '"$PLANS/$GITHUB_SHA-$GITHUB_RUN_ID.json"'

    assert "--save-plan plan.json" in planned
    assert f"plan.json {kept_at}" in planned
    assert f"{kept_at} plan.json" in brought_up
    assert "pulumi up --stack prod --plan plan.json" in brought_up
    # An artifact can be read by whoever may read the repository.
    assert "upload-artifact" not in str(deploy)


@pytest.mark.parametrize(
    ("rules", "goes_on"),
    [("branch_policy\nrequired_reviewers\n", True), ("branch_policy\nwait_timer\n", False), ("", False)],
    ids=["approved", "not approved", "an environment that a job's name made"],
)
def test_prod_is_not_planned_where_nobody_would_have_to_approve_it(
    tmp_path: Path, rules: str, *, goes_on: bool
) -> None:
    job = read(FOLDER / "workflows" / "deploy.yml")["jobs"]["prod-plan"]
    path = f"{fake_command(tmp_path / 'commands', 'gh', says=rules)}:{os.environ['PATH']}"
    environment = {"PATH": path, "REPOSITORY": "ada/orion", "GH_TOKEN": "TOKEN"}
    done = subprocess.run(
        ["/bin/bash", "-c", job["steps"][0]["run"]], env=environment, capture_output=True, text=True, check=False
    )

    assert job["permissions"]["actions"] == "read"
    assert job["steps"][0]["env"] == {"GH_TOKEN": "${{ github.token }}", "REPOSITORY": "${{ github.repository }}"}
    assert (done.returncode == 0) == goes_on
    assert ("docs/deploying.md" in done.stdout) != goes_on


def test_what_deploys_is_the_engine_that_the_sandbox_has_tried() -> None:
    texts = [path.read_text() for path in FILES]
    versions = [found for text in texts for found in re.findall(r"pulumi-version: (\S+)", text)]

    assert versions == [PULUMI_VERSION]


@pytest.mark.parametrize(
    "path",
    [
        "runbooks/actions/restart_pod.yaml",
        "catalog/remediations.yaml",
        "catalog/services.yaml",
        "alerting/repairs/model.py",
        "alerting/repairs/compile.py",
        "alerting/repairs/checks.py",
        "lambda/runbook_automation/repair.py",
        "components/bastion.py",
    ],
)
def test_what_may_act_is_approved_by_security(path: str) -> None:
    """Of the owners on a line one is enough: another beside them would do without them."""
    assert owners(path) == ACTING


@pytest.mark.own_catalog
def test_so_is_every_rule_that_leads_to_an_action() -> None:
    actions = {yaml.safe_load(path.read_text())["name"] for path in (ROOT / "runbooks" / "actions").glob("*.yaml")}
    remediations = yaml.safe_load((ROOT / "catalog" / "remediations.yaml").read_text())["remediations"]
    acted_on = {
        alert
        for name, remediation in remediations.items()
        if remediation["action"] in actions
        for alert in (name, remediation.get("triggered_by", name))
    }
    files = {alert: path for path in (ROOT / "rules").glob("*.yaml") for alert in ALERT.findall(path.read_text())}

    assert acted_on
    assert [alert for alert in acted_on if owners(f"rules/{files[alert].name}") != ACTING] == []


ALERT = re.compile(r"^ *- alert: (\w+)$", re.MULTILINE)
ACTING = ["@orion-example/security"]


def owners(path: str) -> list[str]:
    lines = [line.split() for line in (FOLDER / "CODEOWNERS").read_text().splitlines() if line and line[0] != "#"]
    return [teams for pattern, *teams in lines if pattern == "*" or f"/{path}".startswith(pattern)][-1]


def test_every_owned_path_is_there() -> None:
    for line in (FOLDER / "CODEOWNERS").read_text().splitlines():
        if line and line[0] not in "#*":
            pattern = line.split()[0].lstrip("/")
            assert list(ROOT.glob(pattern)), line
