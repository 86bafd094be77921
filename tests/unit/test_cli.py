"""The command line as a person meets it: what it prints, and what it says of mistakes."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import httpx
import pytest
import yaml
from rich.console import Console

from alerting.build import load_platform
from cli import main as command
from cli.chart import ChartUnusable, choose_chart
from cli.render import Part, render
from cli.sandbox import Steps
from cli.stack_config import StackUnreadable, read_settings, stack_names
from sandbox.service import ServiceFailed
from tests.alerting_data import DATA, ROOT, copied_root, settings
from tests.command_line import run

HIDES_CURSOR, SHOWS_CURSOR = "\x1b[?25l", "\x1b[?25h"


def test_an_address_that_does_not_answer_is_a_plain_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(*_: object, **__: object) -> int:
        raise httpx.ConnectError("Connection refused", request=httpx.Request("POST", "http://127.0.0.1:1/faults"))

    monkeypatch.setattr(command, "drill_by_hand", unreachable)
    code, _, said = run(monkeypatch, capsys, "drill", "HighMemoryUsage", "--label", "service=orders")

    assert code == 1
    assert said.strip() == "http://127.0.0.1:1/faults: no answer that can be used: Connection refused"


def test_one_setting_is_printed_for_scripts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    subnets = run(monkeypatch, capsys, "setting", "network.subnet_ids", "--stack", "dev")

    assert run(monkeypatch, capsys, "setting", "cluster.name", "--stack", "dev") == (0, "orion-dev\n", "")
    assert subnets[1].splitlines() == ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]


@pytest.mark.parametrize("part", list(Part))
def test_every_part_is_printed_and_holds_no_secret(part: Part) -> None:
    text = render(load_platform(DATA, settings()), part)

    assert len(text) > 100
    assert "hooks.slack.com" not in text
    if part is not Part.TEMPLATES:
        assert yaml.load(text, yaml.CSafeLoader)


@pytest.mark.parametrize("part", list(Part))
def test_a_secret_of_the_stacks_file_is_in_no_rendered_text(
    part: Part, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    root = copied_root(tmp_path)
    for name in ("collect_diagnostics", "restart_pod"):
        (root / "runbooks" / "actions" / f"{name}.yaml").unlink()
    shutil.copytree(DATA / "runbooks" / "actions", root / "runbooks" / "actions", dirs_exist_ok=True)
    document = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())
    document["secretsprovider"], document["encryptedkey"] = "awskms://alias/orion", "SECRET-key"
    document["config"] |= {
        "orion-alerting:pagerdutyToken": {"secure": "SECRET-token"},
        "orion-alerting:slackWebhooks": {"#orion-alerts": {"secure": "SECRET-webhook"}},
    }
    (root / "Pulumi.prod.yaml").write_text(yaml.safe_dump(document))
    monkeypatch.setattr(command, "ROOT", root)
    code, said, _ = run(monkeypatch, capsys, "render", part.value, "--stack", "prod")

    assert code == 0
    assert len(said) > 100
    assert "SECRET" not in said
    assert "secure" not in said


def test_where_nobody_is_paged_who_is_on_call_is_shown_as_what_is_not_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, dev, _ = run(monkeypatch, capsys, "render", "oncall", "--stack", "dev")
    _, prod, _ = run(monkeypatch, capsys, "render", "oncall", "--stack", "prod")

    assert dev == f"# PagerDuty: nothing is made there, since orion-alerting:paging is off.\n{prod}"


def test_render_prints_what_the_stack_gets(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = run(monkeypatch, capsys, "render", "alertmanager", "--stack", "dev")

    assert code == 0
    assert yaml.load(said, yaml.CSafeLoader)["route"]["receiver"] == "default-receiver"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["render", "rules", "--stack", "pord"], "allowed: dev, prod, sandbox"),
        (["setting", "cluster.nam"], "there is no such setting; allowed in place of 'nam': name, namespace"),
        (["setting", "cluster"], "cluster: has parts; name one: name"),
        (["preview", "--stack", "sandbox"], "has neither account nor cluster of its own"),
        (["preview", "--stack", "pord"], "allowed: dev, prod, sandbox"),
        (["drill", "HighMemoryUse", "--label", "service=orders"], "HighMemoryUsage"),
        (["drill", "HighMemoryUsage", "--label", "orders"], "allowed: NAME=VALUE"),
        (["drill", "HighMemoryUsage"], "missing service"),
        (["sandbox", "--once", "--chart", "no-such-chart.tgz"], "is no file"),
    ],
)
def test_a_mistake_is_one_plain_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    code, _, said = run(monkeypatch, capsys, *arguments)

    assert code == 1
    assert words in said
    assert "Traceback" not in said


def test_settings_that_are_wrong_are_named_with_their_key(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.prod.yaml"
    text = (ROOT / "Pulumi.prod.yaml").read_text()
    path.write_text(text.replace("orion-alerting:environment: prod", "orion-alerting:environment: production"))

    assert stack_names(tmp_path) == ["prod"]
    with pytest.raises(StackUnreadable, match=r"Pulumi\.prod\.yaml:\d+: environment: found"):
        read_settings(tmp_path, "prod")
    path.write_text("config: [")
    with pytest.raises(StackUnreadable, match=r"Pulumi\.prod\.yaml:\d+: is not YAML"):
        read_settings(tmp_path, "prod")


@pytest.mark.parametrize("problem", [KeyboardInterrupt, ServiceFailed])
def test_a_terminal_has_its_cursor_back_however_the_way_up_ends(problem: type[BaseException]) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with pytest.raises(problem), Steps(console, 0):
        raise problem

    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert said.rfind(SHOWS_CURSOR) > said.rfind(HIDES_CURSOR) > -1


def test_a_stacks_name_may_hold_dots_and_braces(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.prod.eu.yaml").touch()

    assert stack_names(tmp_path) == ["prod.eu"]
    with pytest.raises(
        StackUnreadable, match=r"found '\{0\}'; allowed: prod\.eu\. Name one, or write Pulumi\.\{0\}\.yaml"
    ):
        read_settings(tmp_path, "{0}")


def test_the_chart_is_the_file_asked_for_or_none(tmp_path: Path) -> None:
    chart = tmp_path / "kube-prometheus-stack-1.tgz"
    chart.touch()

    assert choose_chart(tmp_path, str(chart))[0] == {"source": "file", "path": str(chart)}
    assert choose_chart(tmp_path, "none")[0] == {"source": "custom-resources"}
    with pytest.raises(ChartUnusable):
        choose_chart(tmp_path, str(tmp_path))
