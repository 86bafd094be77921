"""backtest_1000x30d: `orion backtest` of 1,000 alerts over 30 days, beside promtool's evaluation of the same data."""

from __future__ import annotations

import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from alerting.platform import RuleFile
from cli.backtest_run import History, backtest
from sandbox import loopback
from sandbox.ports import LOOPBACK, free_port
from sandbox.service import ProcessService, wait_until_ready
from tests.bench.figures import Figure
from tests.bench.rule_bench import DAY, END, EVALUATION_SECONDS, MadeUpSeries, write_block, write_rules
from tools.paths import tool

ALERTS, DAYS, SERIES = 1000, 30, 100
BACKTEST = f"backtest_{ALERTS}x{DAYS}d"
CLOCK = f"{BACKTEST}_clock"
BACKTEST_FIGURES = (BACKTEST, CLOCK)
GOAL_SECONDS = 300
PEER_ALERTS, PEER_DAYS = 10, 3
PEER = f"{ALERTS * DAYS // (PEER_ALERTS * PEER_DAYS)} x promtool, {PEER_ALERTS} alerts of {PEER_DAYS} days"
"""promtool asks a Prometheus for two hours of a rule at a time: it takes what is in proportion to both. Counted is how
much more eleven alerts take than one, so that the start of Prometheus is not among it."""
METRIC = "queue_length"
CYCLE = 240
"""Samples within which a queue fills and empties."""
READY_SECONDS = 120.0
PROBE_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Seconds of processor time of a process and its children, and seconds by the clock."""

    processor: float
    clock: float


def backtests(wanted: Callable[[str], bool]) -> Iterator[Figure]:
    """Evaluate all alerts once, and a part of them with promtool."""
    if not any(map(wanted, BACKTEST_FIGURES)):
        return
    with tempfile.TemporaryDirectory(prefix="orion-bench-") as directory:
        data = Path(directory) / "data"
        write_block(data, list(queues()))
        ours = taken(lambda: _backtest(data))
        if wanted(BACKTEST):
            one, more = (
                taken(partial(_promtool, data, Path(directory) / f"promtool-{alerts}", alerts)).processor
                for alerts in (1, PEER_ALERTS + 1)
            )
            peer = more - one
            share = ALERTS * DAYS / (PEER_ALERTS * PEER_DAYS)
            yield Figure(name=BACKTEST, value=ours.processor, unit="s", peer=PEER, peer_value=peer * share)
        if wanted(CLOCK):
            yield Figure(name=CLOCK, value=ours.clock, unit="s", peer="goal, two cores", peer_value=GOAL_SECONDS)


def queues() -> Iterator[MadeUpSeries]:
    """Yield the series that the alerts read: each fills and empties every two hours, at another time."""
    count = DAYS * DAY // EVALUATION_SECONDS + 1
    for number in range(SERIES):
        yield MadeUpSeries(
            labels={"__name__": METRIC, "service": f"service-{number}", "instance": "i-0"},
            start=END - (count - 1) * EVALUATION_SECONDS,
            step=EVALUATION_SECONDS,
            values=[(sample + number * 7) % CYCLE for sample in range(count)],
        )


def alert_groups(alerts: int, *, as_recordings: bool = False) -> list[Mapping[str, Any]]:
    """Return groups of fifty alerts, each on one series, which fires for some of the time that it is nearly full."""
    rules = [_rule(number, as_recording=as_recordings) for number in range(alerts)]
    return [{"name": f"queues-{first}", "rules": rules[first : first + 50]} for first in range(0, alerts, 50)]


def _rule(number: int, *, as_recording: bool) -> Mapping[str, Any]:
    expression = f'avg_over_time({METRIC}{{service="service-{number % SERIES}"}}[5m]) > {CYCLE - 20 - number // SERIES}'
    if as_recording:
        return {"record": f"queue:nearly_full:{number}", "expr": expression}
    return {"alert": f"QueueNearlyFull{number}", "expr": expression, "for": "5m", "labels": {"severity": "warning"}}


def _backtest(data: Path) -> None:
    rules = [RuleFile(name="queues", groups=tuple(alert_groups(ALERTS)))]
    history = History(source=str(data), length=timedelta(days=DAYS) - timedelta(minutes=10))
    backtest(Console(stderr=True), history, rules, alerts=(), interval_seconds=EVALUATION_SECONDS, title="backtest")


def _promtool(data: Path, folder: Path, alerts: int) -> None:
    """Have promtool evaluate the expressions, which it records: it has no evaluation of alerts over a history."""
    folder.mkdir()
    (folder / "prometheus.yaml").write_text("{}")
    address = f"http://{LOOPBACK}:{free_port()}"
    server = ProcessService(
        "prometheus",
        [
            tool("prometheus"),
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={data}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address={address.removeprefix('http://')}",
        ],
        directory=folder,
        is_ready=lambda: _is_ready(address),
        address=address,
    )
    rules = write_rules(folder / "rules.yaml", alert_groups(alerts, as_recordings=True))
    times = ("--start", str(END - PEER_DAYS * DAY), "--end", str(END), f"--eval-interval={EVALUATION_SECONDS}s")
    command: Sequence[str | Path] = (tool("promtool"), "tsdb", "create-blocks-from", "rules", "--url", address, *times)
    try:
        server.start()
        wait_until_ready(server, timeout_seconds=READY_SECONDS)
        subprocess.run([*command, "--output-dir", folder / "recorded", rules], check=True, capture_output=True)
    finally:
        server.stop()


def _is_ready(address: str) -> bool:
    try:
        return loopback.get(f"{address}/-/ready", timeout=PROBE_SECONDS).is_success
    except httpx.TransportError:
        return False


def taken(work: Callable[[], None]) -> Taken:
    """Return what some work takes, its child processes included, which it has to wait for."""
    before, began = _processor_seconds(), time.perf_counter()
    work()
    return Taken(processor=_processor_seconds() - before, clock=time.perf_counter() - began)


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
