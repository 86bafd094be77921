"""`orion budget` on a real Prometheus, whose rules are those that are rendered."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.ports import free_port
from tests.command_line import run
from tests.waiting import says_ready, until
from tools.paths import tool

DAYS = 4
SHARE_LEFT = 0.5
"""Of the budget of 0.1 % half is spent."""


def recorded(now: int) -> str:
    """Return what the rules have recorded of one service: the figures that a Prometheus would answer with now."""
    labels = 'service="orders",objective="requests"'
    lines: list[str] = []
    for name, extra, value in (
        ("orion:objective:error_budget", ',team="trading"', 0.001),
        ("orion:service:error_budget_remaining", "", SHARE_LEFT),
        ("orion:objective:coverage", "", DAYS / 30),
        ("orion:objective:burn_rate1d", "", 2.0),
        ("orion:objective:burn_rate1h", "", 20.0),
        ("orion:objective:burning", ',pair="1h/5m",urgency="page",team="trading"', 0.02),
    ):
        lines.append(f"# TYPE {name} gauge")
        lines += [f"{name}{{{labels}{extra}}} {value} {now + second}" for second in range(-60, 600, 30)]
    return "\n".join([*lines, "# EOF\n"])


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "metrics.txt").write_text(recorded(int(time.time())))
    (tmp_path / "prometheus.yml").write_text("{}")
    data, address = tmp_path / "data", f"127.0.0.1:{free_port()}"
    blocks = [tool("promtool"), "tsdb", "create-blocks-from", "openmetrics", tmp_path / "metrics.txt", data]
    subprocess.run(blocks, check=True, capture_output=True)
    command = [tool("prometheus"), "--config.file", tmp_path / "prometheus.yml", "--storage.tsdb.path", data]
    with subprocess.Popen([*command, "--web.listen-address", address], stderr=subprocess.DEVNULL) as process:
        try:
            until("Prometheus is ready", lambda: says_ready(f"http://{address}"))
            yield f"http://{address}"
        finally:
            process.kill()


def test_a_gate_holds_what_a_prometheus_has_recorded(
    prometheus: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("budget", prometheus, "--service", "orders", "--json", "--fail-under")
    passed, printed, _ = run(monkeypatch, capsys, *command, "50")
    failed, _, errors = run(monkeypatch, capsys, *command, "51")
    (only,) = json.loads(printed)

    assert (passed, failed) == (0, 1)
    assert errors == "orders requests: 50.0 % is left; wanted: 51 %\n"
    assert only["coverage"] == pytest.approx(DAYS / 30)
    assert (only["burn_rate"], only["burn_window"], only["burning"]) == (2.0, "1d", ["1h/5m (page)"])


def test_a_gate_does_not_decide_on_an_objective_that_is_not_recorded(
    prometheus: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, errors = run(monkeypatch, capsys, "budget", prometheus, "--service", "positions", "--fail-under", "1")

    assert httpx.get(f"{prometheus}/-/ready").is_success
    assert code == 2
    assert errors == "positions requests: nothing of its period is known, too little to decide\n"
