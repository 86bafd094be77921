"""The documents are true: the changes that they show apply here and pass the checks, and what they name is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from botocore import xform_name
from botocore.session import Session

from alerting.build import load_catalog, load_platform
from alerting.platform import Platform
from alerting.repairs.model import ActionMode
from alerting.repairs.modes import service_modes
from alerting.settings import ChartFromRepository, Environment
from alerting.settings.load import settings_from_file
from components.naming import ALERTMANAGER, CHART, FUNCTION, PROMETHEUS
from tests.alerting_data import DATA, ROOT, copied_root, settings
from tools.recipes import PULUMI_VERSION

CHANGING = ROOT / "docs" / "changing.md"
SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
DIFF = re.compile(r"^```diff\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+?)(?:#[^)]*)?\)")
PATH = re.compile(r"`((?:docs|alerting|components|catalog|rules|runbooks|lambda|cli|sandbox|\.github)/[\w./-]+)`")
CHANGES = {title: DIFF.findall(text) for title, text in SECTION.findall(CHANGING.read_text()) if DIFF.search(text)}


def changed(folder: Path, title: str) -> Path:
    """Copy the fixture's data, and apply a section's diff to it as a person would."""
    copied_root(folder)
    (diff,) = CHANGES[title]
    done = subprocess.run(
        ["/usr/bin/env", "git", "apply", "-"], cwd=folder, input=diff, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, f"docs/changing.md, {title}: the diff no longer applies: {done.stderr}"
    return folder


def platform(folder: Path, title: str) -> Platform:
    return load_platform(changed(folder, title), settings())


def alerts(platform: Platform) -> set[str]:
    return {
        rule["alert"] for file in platform.rules for group in file.groups for rule in group["rules"] if "alert" in rule
    }


@pytest.mark.own_catalog
def test_the_state_is_refreshed_of_what_is_named_and_of_nothing_else() -> None:
    """A refresh of everything takes over what was changed by hand, and what an API answers late."""
    texts = [*(ROOT / "docs").glob("*.md"), *(ROOT / "runbooks").glob("*.md"), *(ROOT / ".github").rglob("*.yml")]
    commands = [
        (path.name, command)
        for path in texts
        for command in re.findall(r"pulumi (?:up|preview|refresh|destroy)[^`\n|]*", path.read_text())
    ]

    assert commands
    assert [
        found
        for found in commands
        if "refresh" in found[1] and "--target" not in found[1] and "--preview-only" not in found[1]
    ] == []


def test_every_kind_of_change_is_shown() -> None:
    assert set(CHANGES) == {
        "Add an alert",
        "Add an objective",
        "Leave a time out of error budgets",
        "Add a scenario",
        "Add a service",
        "Add a person",
        "Have somebody told of repairs",
        "Add a route, and a channel",
        "Silence alerts during maintenance",
        "Have an alert repaired",
        "Have a repair wait for an approval",
    }


def test_the_alert_that_is_added_is_deployed(tmp_path: Path) -> None:
    after = platform(tmp_path, "Add an alert")

    assert alerts(after) - alerts(load_platform(DATA, settings())) == {"AuroraCPUExhausted"}


def test_the_objective_that_is_added_is_counted(tmp_path: Path) -> None:
    rules = [
        rule
        for file in platform(tmp_path, "Add an objective").rules
        for group in file.groups
        for rule in group["rules"]
    ]

    assert "orders-latency" in {rule.get("labels", {}).get("objective") for rule in rules}


def test_the_service_that_is_added_can_be_paged_about(tmp_path: Path) -> None:
    after = platform(tmp_path, "Add a service")

    assert "settlement" in {service.name for service in after.on_call.services}
    assert "settlement" in {rule.service for rule in after.on_call.orchestration.rules}


def test_the_person_that_is_added_is_on_call(tmp_path: Path) -> None:
    after = platform(tmp_path, "Add a person").on_call

    assert "database-third@orion.example.com" in after.people
    (schedule,) = [one for one in after.schedules if one.name == "database-primary"]
    assert "database-third@orion.example.com" in str(schedule)


def test_the_address_that_is_added_hears_of_its_teams_repairs_alone(tmp_path: Path) -> None:
    teams = platform(tmp_path, "Have somebody told of repairs").repairs.teams

    address = "database-lead@orion.example.com"
    assert [team.name for team in teams if address in team.mail] == ["database"]


def test_the_route_that_is_added_stands_before_the_broader_one(tmp_path: Path) -> None:
    after = platform(tmp_path, "Add a route, and a channel").alertmanager
    receivers = [route["receiver"] for route in after.configuration["route"]["routes"]]

    assert receivers.index("slack-warning-trading") < receivers.index("slack-warning")
    assert "#orion-trading" in {file.reference for file in after.secret_files}


def test_the_silence_that_is_added_is_kept(tmp_path: Path) -> None:
    silences = {
        silence.name: silence for silence in platform(tmp_path, "Silence alerts during maintenance").chat.silences
    }

    assert silences["aurora-upgrade"].owner == "database"
    assert silences["aurora-upgrade"].until - silences["aurora-upgrade"].since == 2 * 3600


def test_the_repair_that_is_added_answers_the_alert(tmp_path: Path) -> None:
    after = platform(tmp_path, "Have an alert repaired").repairs

    assert {repair.alert: repair.action for repair in after.repairs}["HighCPUUsage"] == "collect_diagnostics"


TEST = re.compile(r"`((?:rules/)?tests/[\w./-]+)(?:::(\w+))?`")


@pytest.mark.parametrize("document", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_the_tests_that_a_document_names_are_there(document: Path) -> None:
    for path, name in TEST.findall(document.read_text()):
        assert (ROOT / path).exists(), path
        assert not name or f"def {name}(" in (ROOT / path).read_text(), f"{path}::{name}"


def test_a_repair_of_a_service_waits_for_an_approval(tmp_path: Path) -> None:
    catalog = load_catalog(changed(tmp_path, "Have a repair wait for an approval"))

    assert service_modes(catalog, "rollback_deployment", Environment.SANDBOX) == {"orders": ActionMode.APPROVE}
    assert service_modes(catalog, "rollback_deployment", Environment.PROD) == {}


DOCUMENTS = [ROOT / "docs" / name for name in ("changing.md", "deploying.md", "security.md")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=[path.name for path in DOCUMENTS])
def test_what_a_document_names_is_there(document: Path) -> None:
    text = DIFF.sub("", document.read_text())
    for link in LINK.findall(text):
        if "://" not in link:
            assert (document.parent / link).exists(), link
    for path in PATH.findall(text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("document", DOCUMENTS, ids=[path.name for path in DOCUMENTS])
def test_the_commands_of_a_document_are_there(document: Path) -> None:
    commands = set(re.findall(r'@application\.command\("(\w+)"', (ROOT / "cli" / "main.py").read_text()))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = document.read_text()

    assert set(re.findall(r"\.venv/bin/orion (\w+)", text)) <= commands
    assert set(re.findall(r"^(?:    )?make ([a-z]+)", text, re.MULTILINE)) <= targets


AWS_COMMAND = re.compile(r"(?:^|`|\$\()aws ([a-z0-9-]+) ([a-z-]+)((?:[^`\n\\]|\\\n)*)", re.MULTILINE)
OF_EVERY_COMMAND = {"query", "output", "region"}
OF_THE_CLI_ALONE = {("eks", "update-kubeconfig"), ("s3", "cp")}
"""What is no operation of the service."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=[path.name for path in DOCUMENTS])
def test_the_commands_of_the_aws_cli_take_what_they_are_given(document: Path) -> None:
    """The CLI has a command for each operation, and an option for each of its members, as botocore describes them."""
    for service, command, options in AWS_COMMAND.findall(document.read_text()):
        if (service, command) not in OF_THE_CLI_ALONE:
            known, wanted = options_of(service, command)
            given = {name.removeprefix("no-") for name in re.findall(r"(?<!\S)--([a-z-]+)", options)}
            assert given <= known | OF_EVERY_COMMAND, f"aws {service} {command}"
            # Without any it is only named.
            assert not options.strip() or wanted <= given, f"aws {service} {command}"


def options_of(service: str, command: str) -> tuple[set[str], set[str]]:
    """Return which options a command of the AWS CLI knows, and which it wants."""
    model = Session().get_service_model(service)
    operation = next(one for one in model.operation_names if xform_name(one, "-") == command)
    shape = model.operation_model(operation).input_shape
    assert shape is not None
    return {xform_name(one, "-") for one in shape.members}, {xform_name(one, "-") for one in shape.required_members}


def test_the_class_of_volumes_that_is_made_is_the_one_that_the_settings_name() -> None:
    (text,) = re.findall(
        r"<<'CLASS'\n(.*?)^CLASS$", (ROOT / "docs" / "deploying.md").read_text(), re.DOTALL | re.MULTILINE
    )
    made = yaml.safe_load(text)

    for stack in ("dev", "prod"):
        assert settings_from_file(ROOT, stack).monitoring.storage_class == made["metadata"]["name"]
    assert made["parameters"]["encrypted"] == "true"
    # A volume is made in the zone of the pod that waits for it, and may grow (9).
    assert (made["volumeBindingMode"], made["allowVolumeExpansion"]) == ("WaitForFirstConsumer", True)


def test_what_is_pasted_has_the_names_that_the_program_gives() -> None:
    text = (ROOT / "docs" / "deploying.md").read_text()
    repository = ChartFromRepository(source="repository").repository

    assert set(re.findall(r"prometheus-kube-prometheus-\w+", text)) == {ALERTMANAGER, PROMETHEUS}
    assert f"--function-name {FUNCTION} " in text
    assert f"helm show crds {CHART} --repo {repository} " in text


def test_the_engine_to_install_is_the_one_that_the_sandbox_has_tried() -> None:
    assert re.findall(r"Pulumi (\d+\.\d+\.\d+)", (ROOT / "docs" / "deploying.md").read_text()) == [PULUMI_VERSION]


@pytest.mark.own_pages
def test_pages_ask_alertmanager_where_it_is() -> None:
    """Without an address amtool asks nobody: whoever is woken has no configuration of it."""
    asked = {
        page.name: [line for line in page.read_text().splitlines() if "amtool" in line]
        for page in (ROOT / "runbooks").glob("*.md")
    }

    assert any(asked.values())
    assert [line for lines in asked.values() for line in lines if "--alertmanager.url=" not in line] == []
