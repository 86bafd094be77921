"""`orion backfill`: a real Prometheus' counters become stages of a new objective, in blocks that it takes."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path

import httpx
import pytest

from cli import main as command
from sandbox.ports import free_port
from tests.alerting_data import copied_root
from tests.command_line import run
from tests.waiting import says_ready, until
from tools.paths import tool

OBJECTIVE = """\
objectives:
  orders-answered:
    description: Orders are answered.
    service: orders
    objective: 0.99
    sli: {ratio: {total: http_requests_total, bad: 'http_requests_total{code="500"}'}}
"""
STEP = 15
TICK, STAGE = 30, 300
HOURS = 5
RESET = 701
"""The step at which both counters begin at 0 again, the first of a tick."""


class Requests:
    """Requests of each 15 seconds, from some hours ago until an hour ago."""

    def __init__(self) -> None:
        draw = random.Random(7)  # noqa: S311  (made-up requests)
        self.start = int(time.time()) // TICK * TICK - (HOURS + 1) * 3600
        self.events = {code: [draw.randint(1, 40) for _ in range(HOURS * 3600 // STEP)] for code in ("200", "500")}

    def metrics(self) -> str:
        lines = ["# TYPE http_requests counter"]
        for code, events in self.events.items():
            counted = [*accumulate(events[:RESET]), *accumulate(events[RESET:])]
            name = f'http_requests_total{{service="orders",code="{code}",instance="a"}}'
            lines += [f"{name} {value} {self.start + step * STEP}" for step, value in enumerate(counted)]
        return "\n".join([*lines, "# EOF\n"])

    def between(self, code: str, after: int, last: int) -> int:
        """Return the requests that were counted after one second and until another."""
        first = (after - self.start) // STEP + 1
        return sum(self.events[code][max(0, first) : (last - self.start) // STEP + 1])


@contextmanager
def prometheus(folder: Path) -> Generator[str]:
    (folder / "prometheus.yml").write_text("{}")
    address = f"127.0.0.1:{free_port()}"
    started = [tool("prometheus"), "--config.file", folder / "prometheus.yml", "--storage.tsdb.path", folder / "data"]
    with subprocess.Popen([*started, "--web.listen-address", address], stderr=subprocess.DEVNULL) as process:
        try:
            until("Prometheus is ready", lambda: says_ready(f"http://{address}"))
            yield f"http://{address}"
        finally:
            process.terminate()


def recorded(address: str, events: str) -> list[tuple[int, float]]:
    """Return the samples of a series of stages."""
    query = {"query": f'orion:objective_{events}:stage5m{{service="orders", objective="orders-answered"}}[8h]'}
    result = httpx.get(f"{address}/api/v1/query", params=query).json()["data"]["result"]
    (only,) = result
    assert only["metric"].keys() == {"__name__", "service", "objective"}
    return [(int(float(second)), float(value)) for second, value in only["values"]]


@pytest.fixture
def counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Requests:
    """Return requests that the data folder in `tmp_path` has the counters of."""
    requests = Requests()
    (tmp_path / "metrics.txt").write_text(requests.metrics())
    blocks = [
        tool("promtool"),
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        tmp_path / "metrics.txt",
        tmp_path / "data",
    ]
    subprocess.run(blocks, check=True, capture_output=True)
    root = copied_root(tmp_path / "root")
    (root / "rules/objectives/more.yaml").write_text(OBJECTIVE)
    monkeypatch.setattr(command, "ROOT", root)
    return requests


def test_blocks_hold_what_was_counted_exactly(
    tmp_path: Path, counters: Requests, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--service", "orders", "--objective", "orders-answered")
    with prometheus(tmp_path) as address:
        made = run(
            monkeypatch, capsys, "backfill", address, *options, "--days", "0.5", "--output", str(tmp_path / "blocks")
        )
        refused = run(monkeypatch, capsys, "backfill", address, *options, "--output", str(tmp_path / "blocks"))
    assert made[0] == 0, made
    assert refused[0] == 1
    assert "holds files; allowed: a folder that is new or empty" in refused[2]
    for block in (tmp_path / "blocks").iterdir():
        shutil.copytree(block, tmp_path / "data" / block.name)
    with prometheus(tmp_path) as address:
        total, bad = recorded(address, "total"), recorded(address, "bad")
        again = run(
            monkeypatch,
            capsys,
            "backfill",
            address,
            *options,
            "--until",
            "2030-01-01",
            "--output",
            str(tmp_path / "b2"),
        )

    end = counters.start + HOURS * 3600
    inside = [(second, value) for second, value in total if counters.start + 600 < second < end - 60]
    assert len(inside) >= HOURS * 12 - 4
    for second, value in inside:
        last = (second - TICK) // TICK * TICK
        expected = {code: counters.between(code, last - STAGE, last) for code in counters.events}
        assert value == expected["200"] + expected["500"], second
        assert dict(bad)[second] == expected["500"], second
    assert again[0] == 1
    assert "since later events are recorded already" in again[2]


def test_an_objective_that_nothing_was_counted_of_is_refused(
    tmp_path: Path, counters: Requests, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert counters.events
    with prometheus(tmp_path) as address:
        found = [
            run(
                monkeypatch,
                capsys,
                "backfill",
                address,
                "--service",
                service,
                "--objective",
                objective,
                "--days",
                "0.5",
                "--output",
                str(tmp_path / "b"),
            )
            for service, objective in (("positions", "requests"), ("orders", "other"), ("nobody", "requests"))
        ]

    assert [code for code, _, _ in found] == [1, 1, 1]
    assert "has no series of positions requests from" in found[0][2]
    assert '--objective: found "other"; allowed: requests, orders-answered' in found[1][2]
    assert '--service: found "nobody"; allowed: ' in found[2][2]
