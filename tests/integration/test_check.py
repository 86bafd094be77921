"""`orion check`, with the tools' own linters: what it prints of data that is right, and of mistakes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from alerting.versions import ALERTMANAGER_VERSION, PROMETHEUS_VERSION, TESTED_WITH
from cli import main as command
from tests.alerting_data import ROOT, copied_root, fixture_catalog
from tests.command_line import run


def test_check_refuses_a_promtool_of_another_version_than_what_is_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("promtool", "prometheus", "amtool", "alertmanager", "pint"):
        version = "3.14.0" if name == "promtool" else TESTED_WITH.get(name, ("", ""))[1]
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{name}, version {version} (branch: HEAD)'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("ORION_TOOLS", str(tmp_path))
    code, said, _ = run(monkeypatch, capsys, "check")

    assert code == 1
    assert f"promtool: found version 3.14.0, but Prometheus {PROMETHEUS_VERSION} is deployed" in said
    assert said.count("✗") == 1


def test_check_says_what_is_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = run(monkeypatch, capsys, "check")

    assert code == 0
    assert said.count("✓") == 3 + 1 + 1 + 1 + 2 * 3 + 3 * 3 + 1
    assert "✓ rules/scenarios: 2 scenarios; `orion matrix` runs them" in said
    assert "✓ silence redis-migration of database: 2 alerts, 2099-12-05 01:00 to 2099-12-05 03:00 UTC" in said
    assert "! prod: catalog/silences.yaml: redis-migration: nothing silences these alerts here" in said
    assert "✗" not in said
    alerts = len(fixture_catalog().rules.alerts)
    assert f"prod: {alerts} alerts, 7 paged services" in said
    assert f"dev: {alerts} alerts, nobody paged" in said
    assert f"Prometheus {PROMETHEUS_VERSION} and Alertmanager {ALERTMANAGER_VERSION} are what is tested with" in said
    assert "dev: PagerDuty: nothing is made there, since orion-alerting:paging is off" in said
    assert "prod: the shapes of PagerDuty's objects take" in said
    assert "dev: the shapes" not in said
    assert "prod: cfn-lint's schemas of AWS take" in said
    assert "pint finds nothing" in said


def copied_program(folder: Path) -> Path:
    """Copy the repository's data, its program and dev's settings."""
    root = copied_root(folder)
    shutil.copytree(ROOT / "lambda", root / "lambda")
    for name in ("__main__.py", "Pulumi.dev.yaml"):
        shutil.copy(ROOT / name, root)
    return root


def test_check_shows_all_that_clouds_and_tools_refuse_and_warns_of_holidays_that_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    root = copied_program(tmp_path)
    stack = root / "Pulumi.dev.yaml"
    stack.write_text(stack.read_text().replace("paging: false", "paging: true"))
    program = root / "__main__.py"
    more = """
import pulumi_aws as aws
import pulumi_pagerduty as pagerduty
aws.sqs.Queue("too-patient", visibility_timeout_seconds=43201, opts=using)
pagerduty.Service("too-hasty", escalation_policy="P1", acknowledgement_timeout="soon", opts=using)
"""
    program.write_text(program.read_text() + more)
    test = root / "rules" / "tests" / "meta_test.yaml"
    test.write_text(test.read_text().replace("value: 1", "value: 2", 1))
    (root / "rules" / "tests" / "kafka_test.yaml").unlink()
    calendar = root / "catalog" / "market.yaml"
    known = yaml.safe_load(calendar.read_text())
    known["holidays"] = {"2020-12-25": "Christmas"}
    known["early_closes"] = {}
    calendar.write_text(yaml.safe_dump(known))
    monkeypatch.setattr(command, "ROOT", root)
    code, said, _ = run(monkeypatch, capsys, "check")

    assert code == 1
    assert said.count("✗") == 4
    untested = "KafkaConsumerLag, KafkaConsumerLagCritical, KafkaConsumerLagGrowing"
    assert f"✗ rules/tests: no test names {untested}. Add one to DOMAIN_test.yaml" in said
    assert "✗ dev: cfn-lint's schemas of AWS refuse what the program would make" in said
    assert "too-patient (aws:sqs/queue:Queue): visibilityTimeoutSeconds: found 43201; allowed: at most 43200" in said
    assert "✗ dev: the shapes of PagerDuty's objects refuse what the program would make" in said
    assert "too-hasty (pagerduty:index/service:Service): acknowledgementTimeout: found 'soon'" in said
    assert "promtool takes" in said
    assert "✗ dev: promtool test refuses what is rendered" in said
    assert "Processing test file: tests/meta_test.yaml" in said
    assert "business_test.yaml" not in said
    assert "Watchdog" in said
    assert "! catalog/market.yaml: holidays: the last is of 2020" in said


def test_what_a_tool_refuses_in_every_stack_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    root = copied_program(tmp_path)
    shutil.copy(ROOT / "Pulumi.sandbox.yaml", root)
    rules = root / "rules" / "database.yaml"
    rules.write_text(
        rules.read_text().replace("$labels.dbinstance_identifier }}", "$labels.dbinstance_identifier }", 1)
    )
    monkeypatch.setattr(command, "ROOT", root)
    code, said, _ = run(monkeypatch, capsys, "check")

    assert code == 1
    assert "✗ dev: pint lint refuses what is rendered; lines are those of the rendered file:\n" in said
    assert "✗ sandbox: pint lint refuses what is rendered, with the same words as for dev\n" in said
    assert said.count("template syntax error") == 1
    assert "SUCCESS" not in said
    assert "level=INFO" not in said
