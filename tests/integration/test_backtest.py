"""`orion-backtest` has every alert do what Prometheus' ALERTS say: promtool's own rule tests judge random traces."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from alerting.backtest.report import BacktestReport, Episode, read_report
from sandbox.ports import free_port
from tests.waiting import says_ready, until
from tools.paths import tool

INTERVAL = 15
TICKS = 40
TRACES_AT_ONCE = 50
RUNS = 22  # the first two are the smallest example and one like it
LAST = (TICKS - 1) * INTERVAL * 1000
START = 1_790_000_000
GROUP = "traces"
ANCHOR = "anchor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A gauge's values, one per tick, None where it is not scraped; and the alert on it, by its kind of expression."""

    values: tuple[int | None, ...]
    kind: str
    hold: int
    keep: int
    labels: Mapping[str, str]

    def rules(self, number: int) -> list[dict[str, Any]]:
        """Return the alert `T<number>`, with what it reads before or after it in its group."""
        read, recorded = f'x{{trace="{number}"}}', f'recorded{{trace="{number}"}}'
        expression = {
            "itself": f"{read} > 0",
            "window": f"max_over_time({read}[40s]) > 0",
            "ratio": f"{read} / {read} * 2 > 1",
            "recorded before": f"{recorded} > 0",
            "recorded after": f"{recorded} > 0",
        }[self.kind]
        alert = {"alert": f"T{number}", "expr": expression, "labels": dict(self.labels)}
        alert |= {"for": f"{self.hold}s"} if self.hold else {}
        alert |= {"keep_firing_for": f"{self.keep}s"} if self.keep else {}
        recording = {"record": "recorded", "expr": f"{read} + 0"}
        match self.kind:
            case "recorded before":
                return [recording, alert]
            case "recorded after":
                return [alert, recording]
            case _:
                return [alert]


# A gap of more than 20 ticks is longer than Prometheus looks back for a sample.
RUN_OF_VALUES = st.tuples(st.sampled_from((0, 1, 2, None)), st.integers(1, 25))
TRACES = st.builds(
    Trace,
    values=st.lists(RUN_OF_VALUES, min_size=1, max_size=12).map(
        lambda runs: (*(value for value, length in runs for _ in range(length)), *([0] * TICKS))[:TICKS]
    ),
    kind=st.sampled_from(("itself", "window", "ratio", "recorded before", "recorded after")),
    hold=st.sampled_from((0, 0, 10, 15, 30, 50, 120)),
    keep=st.sampled_from((0, 0, 10, 15, 30, 100)),
    labels=st.sampled_from(({"severity": "low"}, {"severity": "{{ if gt $value 1.0 }}high{{ else }}low{{ end }}"}, {})),
)


def test_alerts_of_a_thousand_random_traces_are_those_of_prometheus(tmp_path_factory: pytest.TempPathFactory) -> None:
    judged: list[int] = []
    fired: list[int] = []

    @settings(
        max_examples=RUNS,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],  # promtool names the trace that differs; shrinking fifty takes minutes
        # Fifty traces an example: a process for each trace would take minutes.
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
    @given(traces=st.lists(TRACES, min_size=TRACES_AT_ONCE, max_size=TRACES_AT_ONCE))
    def hold_for(traces: list[Trace]) -> None:
        folder = tmp_path_factory.mktemp("traces")
        write_rules(folder, [rule for number, trace in enumerate(traces) for rule in trace.rules(number)])
        start = first_tick(folder)
        series = {f'x{{trace="{number}"}}': trace.values for number, trace in enumerate(traces)}
        report = backtest(folder, start, series)
        judge(folder, start, series, report)
        judged.append(len(traces))
        fired.append(sum(1 for _ in report.firing()))

    hold_for()

    assert sum(judged) >= 1000
    assert sum(fired) > 500


def test_a_report_that_is_wrong_by_one_tick_is_refused_by_the_judge(tmp_path: Path) -> None:
    values = (0,) * 5 + (1,) * 10 + (0,) * 25
    write_rules(tmp_path, [{"alert": "T0", "expr": 'x{trace="0"} > 0', "for": "30s"}])
    start = first_tick(tmp_path)
    series = {'x{trace="0"}': values}
    report = backtest(tmp_path, start, series)
    (alert,) = report.alerts
    pending, firing = alert.episodes
    late = firing.model_copy(update={"end": firing.end + INTERVAL})
    wrong = report.model_copy(update={"alerts": (alert.model_copy(update={"episodes": (pending, late)}),)})

    judge(tmp_path, start, series, report)
    with pytest.raises(AssertionError, match="FAILED"):
        judge(tmp_path, start, series, wrong)


def write_rules(folder: Path, rules: Sequence[Mapping[str, Any]], seconds: int = INTERVAL) -> None:
    """Write the rules as one group. Its name and the file's decide when in its interval it is evaluated."""
    group = {"name": GROUP, "interval": f"{seconds}s", "rules": rules}
    (folder / "rules.yaml").write_text(json.dumps({"groups": [group]}))


def first_tick(folder: Path) -> int:
    """Return a moment at which the group is evaluated, in milliseconds."""
    report = backtest(folder / "empty", START * 1000, {}, rules=folder / "rules.yaml")
    return round(report.alerts[0].first_tick * 1000) + 100 * INTERVAL * 1000


def backtest(
    folder: Path, start: int, series: Mapping[str, Sequence[int | None]], rules: Path | None = None
) -> BacktestReport:
    """Make a data folder of what was scraped at each tick from `start` (milliseconds), and evaluate all of it.

    A series of its own lasts a second longer: promtool may round the last tick's samples to a millisecond before it.
    """
    anchor = [*_samples(ANCHOR, start, {ANCHOR: (1,) * TICKS}), *_samples(ANCHOR, start + LAST + 1000, {ANCHOR: (1,)})]
    lines = [*_samples("x", start, series), *dict.fromkeys(anchor), "# EOF\n"]
    folder.mkdir(exist_ok=True)
    metrics = folder / "metrics.txt"
    metrics.write_text("\n".join(lines))
    blocks = [tool("promtool"), "tsdb", "create-blocks-from", "openmetrics", "--quiet", metrics, folder / "data"]
    subprocess.run(blocks, check=True, capture_output=True)
    command = [tool("orion-backtest"), "--history", folder / "data", "--or-whole-history"]
    command += ["--rules", rules or folder / "rules.yaml"]
    return read_report(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _samples(metric: str, start: int, series: Mapping[str, Sequence[int | None]]) -> Iterator[str]:
    yield f"# TYPE {metric} gauge"
    for name, values in series.items():
        for tick, value in enumerate(values):
            if value is not None:
                yield f"{name} {value} {(start + tick * INTERVAL * 1000) / 1000:.3f}"


def judge(folder: Path, start: int, series: Mapping[str, Sequence[int | None]], report: BacktestReport) -> None:
    """Have promtool's rule tests evaluate the same samples, and hold ALERTS at every tick to the report."""
    moments = [start / 1000 + tick * INTERVAL for tick in range(TICKS)]
    test = {
        "interval": f"{INTERVAL}s",
        "start_timestamp": start / 1000,
        "input_series": [
            {"series": name, "values": " ".join("_" if value is None else str(value) for value in values)}
            for name, values in series.items()
        ],
        "promql_expr_test": [
            {"expr": "ALERTS", "eval_time": f"{tick * INTERVAL}s", "exp_samples": list(_expected(report, moment))}
            for tick, moment in enumerate(moments)
        ],
    }
    path = folder / "test.yaml"
    path.write_text(json.dumps({"rule_files": ["rules.yaml"], "evaluation_interval": f"{INTERVAL}s", "tests": [test]}))
    done = subprocess.run([tool("promtool"), "test", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def _expected(report: BacktestReport, moment: float) -> Iterator[Mapping[str, Any]]:
    for alert in report.alerts:
        for episode in alert.episodes:
            if episode.start <= moment and (episode.open or moment < episode.end):
                yield {"labels": _series(episode), "value": 1}


def _series(episode: Episode) -> str:
    labels = {**episode.labels, "alertstate": episode.state}
    return "ALERTS{" + ", ".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def test_a_running_prometheus_is_read_as_its_folder_is(tmp_path: Path) -> None:
    rules = [
        {"alert": "T0", "expr": 'x{trace="0"} > 0'},
        {"alert": "T1", "expr": "sum by (trace) (x) > 0", "for": "1m"},
    ]
    write_rules(tmp_path, rules)
    start = first_tick(tmp_path)
    folder = backtest(tmp_path, start, {f'x{{trace="{number}"}}': (0, 1, 1, 0) * 10 for number in range(3)})
    address = f"127.0.0.1:{free_port()}"
    configuration = tmp_path / "prometheus.yml"
    # Labels that remote read adds to every series, and that no rule of that Prometheus sees.
    configuration.write_text(json.dumps({"global": {"external_labels": {"cluster": "orion", "replica": "a"}}}))
    command = [tool("prometheus"), "--config.file", configuration, "--storage.tsdb.path", tmp_path / "data"]
    command += ["--storage.tsdb.retention.time", "100y", "--web.listen-address", address]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until("Prometheus is ready", lambda: says_ready(f"http://{address}"))
            window = ["--end", f"{folder.end}", "--duration", f"{round((folder.end - folder.start) * 1000)}ms"]
            asked = [tool("orion-backtest"), "--history", f"http://{address}", *window]
            asked += ["--rules", tmp_path / "rules.yaml"]
            done = subprocess.run(asked, check=True, capture_output=True, text=True)
        finally:
            process.terminate()

    assert read_report(done.stdout).alerts == folder.alerts
    assert sum(len(alert.episodes) for alert in folder.alerts) > 10


def test_samples_that_are_in_no_block_yet_are_read(tmp_path: Path) -> None:
    write_rules(tmp_path, [{"alert": "Up", "expr": "up == 1"}], seconds=1)
    address = f"127.0.0.1:{free_port()}"
    configuration = tmp_path / "prometheus.yml"
    scraped = {"job_name": "itself", "scrape_interval": "1s", "static_configs": [{"targets": [address]}]}
    configuration.write_text(json.dumps({"scrape_configs": [scraped]}))
    command = [tool("prometheus"), "--config.file", configuration, "--storage.tsdb.path", tmp_path / "data"]
    with subprocess.Popen([*command, "--web.listen-address", address], stderr=subprocess.DEVNULL) as process:
        try:
            up = f"http://{address}/api/v1/query?query=count_over_time(up[1m])>2"
            until("some scrapes", lambda: says_ready(f"http://{address}") and httpx.get(up).json()["data"]["result"])
        finally:
            process.kill()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")}
    asked = [tool("orion-backtest"), "--history", tmp_path / "data", "--or-whole-history"]
    asked += ["--rules", tmp_path / "rules.yaml"]
    report = read_report(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)

    assert [(alert.alert, len(alert.episodes)) for alert in report.alerts] == [("Up", 1)]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")} == before


def test_a_file_of_series_is_read_as_promtool_reads_its_own_with_gaps_and_staleness_markers(tmp_path: Path) -> None:
    write_rules(tmp_path, [{"alert": "T0", "expr": "x > 0"}])
    start = first_tick(tmp_path) / 1000
    history = tmp_path / "series.json"
    content = {
        "start": start,
        "interval": f"{INTERVAL}s",
        "input_series": [
            {"series": 'x{end="stale"}', "values": "0x3 1x5 stale _x30"},
            {"series": 'x{end="gap"}', "values": "0x3 1x5 _x31"},
            {"series": "anchor", "values": "0+1x39"},
        ],
    }
    history.write_text(json.dumps(content))
    asked = [tool("orion-backtest"), "--history", history, "--or-whole-history", "--rules", tmp_path / "rules.yaml"]
    report = read_report(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)

    ends = {one.labels["end"]: (one.start - start, one.end - start) for one in report.alerts[0].episodes}
    assert ends == {"stale": (4 * INTERVAL, 10 * INTERVAL), "gap": (4 * INTERVAL, 29 * INTERVAL)}


def test_nothing_is_evaluated_while_prometheus_is_down(tmp_path: Path) -> None:
    write_rules(tmp_path, [{"alert": "T0", "expr": "x > 0"}])
    start = first_tick(tmp_path) / 1000
    content = {
        "start": start,
        "interval": f"{INTERVAL}s",
        "down": [[start + 5 * INTERVAL, start + 10 * INTERVAL]],
        "input_series": [{"series": "x", "values": "0x5 1x6 0x26"}],
    }
    (tmp_path / "series.json").write_text(json.dumps(content))
    asked = [tool("orion-backtest"), "--history", tmp_path / "series.json", "--or-whole-history"]
    done = subprocess.run([*asked, "--rules", tmp_path / "rules.yaml"], check=True, capture_output=True, text=True)

    (episode,) = read_report(done.stdout).alerts[0].episodes
    assert (episode.start - start, episode.end - start) == (10 * INTERVAL, 13 * INTERVAL)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "not a file of series"),
        ('{"start": 1, "interval": "soon"}', 'interval: found \\"soon\\"; allowed: a duration such as 30s'),
        ('{"start": 1, "interval": "30s", "input_series": [{"series": "x", "values": "a"}]}', "series x: "),
    ],
)
def test_a_file_of_series_that_cannot_be_read_is_named(tmp_path: Path, text: str, message: str) -> None:
    write_rules(tmp_path, [{"alert": "T0", "expr": "x > 0"}])
    (tmp_path / "series.json").write_text(text)
    asked = [tool("orion-backtest"), "--history", tmp_path / "series.json", "--rules", tmp_path / "rules.yaml"]
    done = subprocess.run(asked, check=False, capture_output=True, text=True)

    assert done.returncode == 1
    assert f"{tmp_path / 'series.json'}: " in done.stderr
    assert message in done.stderr
