"""`orion backtest`, whole: a data folder of a Redis that goes down, the fixture's rules, and a change of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli import main as command
from tests.alerting_data import ROOT, changed
from tests.command_line import run
from tests.integration.test_pull_request_comment import git
from tests.waiting import until
from tools.paths import tool

START = 1_790_000_000
DOWN = ((3600, 3600 + 180), (7200, 7200 + 600))
"""When the Redis is down, in seconds after the start: three minutes, and ten."""
DURATION = 4 * 3600
STEP = 15


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Prometheus' data folder of four hours."""
    folder = tmp_path_factory.mktemp("history")
    lines = ["# TYPE redis_up gauge"]
    for second in range(0, DURATION, STEP):
        up = 0 if any(start <= second < end for start, end in DOWN) else 1
        lines.append(f'redis_up{{instance="redis-0"}} {up} {START + second}')
    (folder / "metrics.txt").write_text("\n".join([*lines, "# EOF\n"]))
    blocks = [tool("promtool"), "tsdb", "create-blocks-from", "openmetrics", folder / "metrics.txt", folder / "data"]
    subprocess.run(blocks, check=True, capture_output=True)
    return folder / "data"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository whose last commit has RedisDown wait for five minutes instead of two."""
    root = changed(tmp_path / "repository", "rules/database.yaml", "== 0\n        for: 2m", "== 0\n        for: 5m")
    rules = root / "rules" / "database.yaml"
    (root / "Pulumi.prod.yaml").write_text((ROOT / "Pulumi.prod.yaml").read_text())
    git(root, "init", "--quiet")
    after = rules.read_text()
    rules.write_text(after.replace("== 0\n        for: 5m", "== 0\n        for: 2m"))
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message=before")
    rules.write_text(after)
    git(root, "commit", "--quiet", "--all", "--message=after")
    monkeypatch.setattr(command, "ROOT", root)
    return root


def test_an_alert_fires_when_prometheus_would_have_fired_it(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed, _ = run(monkeypatch, capsys, "backtest", str(data), "--alert", "RedisDown", "--json")
    answer = json.loads(printed)
    firing = [(one["start"] - START, one["end"] - START) for one in answer["firing"]]

    assert code == 0
    assert len(firing) == len(DOWN)
    for (start, end), (down, up) in zip(firing, DOWN, strict=True):
        assert down + 120 <= start < down + 120 + 60, "`for: 2m`, seen at evaluations 30 seconds apart"
        assert up + 180 <= end < up + 180 + 90, "`keep_firing_for: 3m`, of samples up to a minute old"
    assert [(one["alert"], one["firings"], one["pages"]) for one in answer["alerts"]] == [("RedisDown", 2, 2)]


@pytest.mark.usefixtures("repository")
def test_a_change_is_told_with_what_it_adds_and_removes(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    drawn = tmp_path / "picture.svg"
    arguments = ("backtest", str(data), "--deployed", "HEAD^1", "--changes", "--picture", str(drawn))
    code, printed, _ = run(monkeypatch, capsys, *arguments)

    assert code == 0
    assert "RedisDown  2 -> 1  2 -> 1" in " ".join(printed.split("\n")), printed
    assert "HighErrorRate" not in printed
    assert "RedisDown" in drawn.read_text()


@pytest.mark.usefixtures("repository")
def test_rules_that_are_the_same_are_told_to_be(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, printed, _ = run(monkeypatch, capsys, "backtest", str(data), "--deployed", "HEAD", "--changes")

    assert printed == "No alert differs from the rules in force.\n"


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("{data}", "--days", "3"), "the history begins at 2026-09-21 "),
        (("{data}", "--until", "2030-01-01"), "the history ends at 2026-09-21 "),
        (("{data}", "--alert", "RedisDwn"), '--alert: found "RedisDwn"; allowed: '),
        (("{data}/wal",), "found no folder of that name"),
        (("{data}/..",), "found neither blocks nor a write-ahead log"),
        (("http://127.0.0.1:1",), "no answer: "),
        (("{data}", "--changes", "--deployed", "nothing"), "--deployed: found no commit of nothing"),
    ],
    ids=["days", "until", "alert", "folder", "blocks", "url", "deployed"],
)
def test_what_cannot_be_evaluated_is_told_with_what_to_do(
    arguments: tuple[str, ...],
    told: str,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, error = run(monkeypatch, capsys, "backtest", *(one.format(data=data) for one in arguments))

    assert code == 1
    assert told in error
    assert "Traceback" not in error


def test_an_interrupt_leaves_nothing(data: Path, tmp_path: Path) -> None:
    command_line, environment, scratch = endless(data, tmp_path)
    with subprocess.Popen(
        command_line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        progress = json.loads(process.stderr.readline())
        began = list(scratch.iterdir())
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()

    assert progress["total"] > progress["done"] >= 0
    assert len(began) == 1
    assert list(scratch.iterdir()) == []
    assert json.loads(rest.splitlines()[-1]) == {"error": "interrupted"}
    assert process.returncode == 1


def test_the_program_ends_with_the_process_that_started_it(data: Path, tmp_path: Path) -> None:
    command_line, environment, scratch = endless(data, tmp_path)
    script = (
        "import os, subprocess, sys\n"
        "subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL)\n"
        "while not os.listdir(sys.argv[1]): pass\n"
    )
    starter = [sys.executable, "-c", script, str(scratch), *command_line]
    subprocess.run(starter, env=environment, check=True, stderr=subprocess.DEVNULL)

    until("the program ends and removes its files", lambda: not list(scratch.iterdir()), seconds=20)


def endless(data: Path, folder: Path) -> tuple[list[str], dict[str, str], Path]:
    """Return a backtest that takes far longer than a test, its environment, and its folder of temporary files."""
    rules, scratch = folder / "rules.yaml", folder / "scratch"
    scratch.mkdir()
    alerts = [{"alert": f"A{number}", "expr": "redis_up == 0"} for number in range(1000)]
    rules.write_text(json.dumps({"groups": [{"name": "slow", "interval": "10ms", "rules": alerts}]}))
    command_line = [str(tool("orion-backtest")), "--history", str(data), "--or-whole-history", "--rules", str(rules)]
    return command_line, os.environ | {"TMPDIR": str(scratch)}, scratch
