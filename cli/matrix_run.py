"""Runs scenarios: simulates each, has Prometheus' rule engine evaluate it and Alertmanager route what fires."""

from __future__ import annotations

import os
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from alerting.backtest.report import BacktestReport, Episode, read_report
from alerting.build import build_platform
from alerting.catalog import Catalog
from alerting.detection.notifications import notifications, sets_of_alerts, with_cluster
from alerting.detection.scenarios import Run
from alerting.detection.verdicts import Verdict, judge
from alerting.rules.series import ALERTNAME
from alerting.settings import Settings
from cli.backtest_run import BacktestFailed, History, program, write_rules
from sandbox.interrupts import ended_as_interrupted
from sandbox.scenarios.alertmanager import answers
from sandbox.scenarios.simulation import Simulated, Simulation
from sandbox.service import end_process_group

AT_ONCE = 2
"""How many runs are evaluated at the same time."""
GARBAGE_PERCENT = "400"
"""Go's GOGC. With its own, 100, a sixth of an evaluation is garbage collection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """A run with what its alerts did: all of them, pending ones too."""

    run: Run
    report: BacktestReport
    firing: tuple[Episode, ...]


def verdicts(
    catalog: Catalog, settings: Settings, runs: Sequence[Run], on_progress: Callable[[Run], None]
) -> list[Verdict]:
    """Return the verdict on each run. `on_progress` is told of each that is simulated.

    Raises `BacktestFailed`, `ServiceFailed` and `ToolMissing`. After an interrupt nothing is left running, and no file.
    """
    platform = build_platform(catalog, settings)
    with ended_as_interrupted(), TemporaryDirectory(prefix="orion-matrix-") as name:
        folder = Path(name)
        rules = folder / "rules"
        rules.mkdir()
        interval = settings.monitoring.evaluation_interval_seconds / settings.time_scale
        command = program(write_rules(platform.rules, rules), interval)
        evaluated = list(_evaluated(catalog, settings, runs, command, folder, on_progress))
        sets = {alerts for one in evaluated for _, alerts in sets_of_alerts(one.firing)}
        answered = answers(platform.alertmanager.configuration, sets, folder)
    return [judge(one.run, notifications(one.firing, answered, catalog), _states(one), catalog) for one in evaluated]


def _evaluated(
    catalog: Catalog,
    settings: Settings,
    runs: Sequence[Run],
    command: Sequence[str],
    folder: Path,
    on_progress: Callable[[Run], None],
) -> Iterator[Evaluated]:
    """Yield each run, evaluated while the next ones are simulated."""
    under_way: deque[_Evaluation] = deque()
    try:
        for number, run in enumerate(runs):
            own = folder / str(number)
            own.mkdir()
            simulated = Simulation(run, tuple(catalog.services), (*catalog.series.series, "up"), own).run()
            if len(under_way) == AT_ONCE:
                yield under_way[0].result(settings)
                under_way.popleft()
            under_way.append(_Evaluation(run, command, simulated))
            on_progress(run)
        while under_way:
            yield under_way[0].result(settings)
            under_way.popleft()
    finally:
        for one in under_way:
            one.end()


class _Evaluation:
    """A run that the rule engine evaluates at present."""

    def __init__(self, run: Run, command: Sequence[str], simulated: Simulated) -> None:
        self._run = run
        self._path = simulated.path
        self._output, self._error = (simulated.path.with_name(name) for name in ("report.json", "error.txt"))
        history = History(
            source=str(simulated.path),
            length=timedelta(seconds=simulated.end - simulated.start),
            end=datetime.fromtimestamp(simulated.end, UTC),
        )
        with self._output.open("w") as output, self._error.open("w") as error:
            self._process = subprocess.Popen(
                [*command, *history.arguments()],
                stdout=output,
                stderr=error,
                env={"GOGC": GARBAGE_PERCENT, **os.environ},
                start_new_session=True,
            )

    def result(self, settings: Settings) -> Evaluated:
        """Return what the alerts did, once it is known. Raises `BacktestFailed`."""
        if self._process.wait() != 0:
            raise BacktestFailed(f"{self._run.name}: {self._error.read_text()[-2000:]}")
        report = read_report(self._output.read_text())
        if report.failures:
            first = report.failures[0]
            raise BacktestFailed(f"{self._run.name}: {first.rule} of group {first.group} fails: {first.error}")
        self._path.unlink()
        return Evaluated(
            run=self._run, report=report, firing=tuple(with_cluster(report.firing(), settings.cluster.name))
        )

    def end(self) -> None:
        """End the evaluation, whether it is over or not."""
        end_process_group(self._process)


def _states(evaluated: Evaluated) -> Mapping[str, str]:
    """Return how far each alert came that was pending or fired."""
    states: dict[str, str] = {}
    for alert in evaluated.report.alerts:
        for episode in alert.episodes:
            name = episode.labels[ALERTNAME]
            if states.get(name) != "firing":
                states[name] = episode.state
    return {
        name: "it fired, inhibited or late" if state == "firing" else "pending only" for name, state in states.items()
    }
