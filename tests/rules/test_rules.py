"""The rendered rules, held to Prometheus' own tool: they load, and each alert fires and resolves when it must."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from alerting.build import load_catalog, load_platform
from alerting.settings import Environment
from cli.check import linter_environment, untested_alerts
from tests.alerting_data import DATA, ROOT, settings, write_rules
from tools.paths import tool

pytestmark = pytest.mark.own_catalog
ALERTS_TESTED = {path.name.removesuffix("_test.yaml") for path in (ROOT / "rules" / "tests").glob("*_test.yaml")}

SLACK_SHOWS = 200
"""The characters of a description that the template `slack.long` leaves."""
ANNOTATION_TESTS = sorted(Path(__file__).parent.glob("annotations_*test.yaml"))


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    write_rules(load_platform(ROOT, settings()), folder)
    shutil.copytree(ROOT / "rules" / "tests", folder / "tests")
    return folder


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [tool("promtool"), *arguments]
    return subprocess.run(command, env=linter_environment(), capture_output=True, text=True, check=False)


def test_prometheus_takes_the_rules(rules: Path) -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", *sorted(rules.glob("*.yaml")))

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("scale", [1, 20])
def test_scaled_rules_load_too(tmp_path: Path, scale: int) -> None:
    platform = load_platform(ROOT, settings(Environment.SANDBOX, time_scale=scale))

    done = promtool("check", "rules", *write_rules(platform, tmp_path))

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("domain", sorted(ALERTS_TESTED))
def test_alerts_fire_at_their_boundary_and_resolve(rules: Path, domain: str) -> None:
    done = promtool("test", "rules", rules / "tests" / f"{domain}_test.yaml")

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", ANNOTATION_TESTS, ids=lambda file: file.stem)
def test_alerts_say_what_was_queried(tmp_path: Path, file: Path) -> None:
    """These texts are the fixture's: a team may write others."""
    write_rules(load_platform(DATA, settings()), tmp_path)
    (tmp_path / "tests").mkdir()

    done = promtool("test", "rules", shutil.copy(file, tmp_path / "tests"))

    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_left_of_an_error_budget_is_said_before_slack_cuts() -> None:
    """The file that promtool holds has a service of the longest name, and every kind of what is left."""
    (file,) = (one for one in ANNOTATION_TESTS if "error_budget" in one.name)
    cases = [case for test in yaml.safe_load(file.read_text())["tests"] for case in test["alert_rule_test"]]
    descriptions = [alert["exp_annotations"]["description"] for case in cases for alert in case["exp_alerts"]]

    assert max(map(len, descriptions)) <= SLACK_SHOWS
    assert {text.rpartition("budget: ")[2] for text in descriptions} == {"50%.", "nothing (-50%).", "not known."}


def test_every_alert_has_a_test() -> None:
    assert untested_alerts(ROOT, load_catalog(ROOT)) == []
