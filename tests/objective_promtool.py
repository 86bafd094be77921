"""Generated objectives' rules evaluated by promtool over events that a test makes up."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alerting.build import load_platform
from cli.check import linter_environment
from tests.alerting_data import copied_root, write_rules
from tests.alerting_data import settings as stack_settings
from tests.objective_counting import Traffic, at, counter, values
from tools.paths import tool

OBJECTIVES = "rules/objectives/more.yaml"
SCRAPED = "rules/scraped_series.yaml"
LABELLED = '{}{{service="{}", objective="{}"}}'


def written_rules(folder: Path, objectives: str, *, scraped: str = "", retention: str = "30d") -> Path:
    """Return a folder with the rules of the fixture and of more objectives. `scraped` are more series."""
    root = copied_root(folder / "root")
    (root / OBJECTIVES).write_text(objectives)
    (root / SCRAPED).write_text((root / SCRAPED).read_text() + scraped)
    rules = folder / "rules"
    rules.mkdir()
    stack = stack_settings()
    monitoring = stack.monitoring.model_copy(update={"retention": retention})
    write_rules(load_platform(root, stack.model_copy(update={"monitoring": monitoring})), rules)
    return rules


def evaluation_order(rules: Path, *, ticks_first: bool = False) -> list[str]:
    """Return the groups in the order in which each reads what is new: events, their sums, alerts.

    With `ticks_first` stages read the windows of ticks of the same evaluation: the last may be hours ago.
    """
    groups = [group["name"] for group in json.loads((rules / "slo.yaml").read_text())["groups"]]
    events = [name for name in groups if name.startswith("orion.slo.events.")]
    first = [name for name in groups if name in {"orion.slo.calendar", "orion.slo.objectives"}]
    sums = ["orion.slo.budget", "orion.slo.alerts"]
    return [*first, *events, *(reversed(sums) if ticks_first else sums)]


def owned(service: str, budget: float = 0.001) -> dict[str, str]:
    return {"series": f'orion:service:error_budget{{service="{service}", team="trading"}}', "values": f"{budget}x20000"}


def requests(service: str, traffic: Traffic) -> list[dict[str, str]]:
    """Return the counters of requests of a service, a sample each tick."""
    good = [total - bad for total, bad in zip(traffic.total, traffic.bad, strict=True)]
    return [
        owned(service, traffic.budget),
        {"series": f'http_requests_total{{service="{service}", code="200"}}', "values": counter(good)},
        {"series": f'http_requests_total{{service="{service}", code="500"}}', "values": counter(traffic.bad)},
    ]


def counted(service: str, traffic: Traffic) -> list[dict[str, str]]:
    """Return what is counted of a service in each tick: for days of events."""
    labels = f'{{service="{service}", objective="requests"}}'
    return [
        owned(service, traffic.budget),
        {"series": f"orion:objective_total:increase30s{labels}", "values": values([None, *traffic.total[1:]])},
        {"series": f"orion:objective_bad:increase30s{labels}", "values": values([None, *traffic.bad[1:]])},
    ]


def expect(expression: str, tick: int, *samples: tuple[str, float]) -> dict[str, Any]:
    return {
        "expr": expression,
        "eval_time": at(tick),
        "exp_samples": [{"labels": labels, "value": value} for labels, value in samples],
    }


def run(
    rules: Path,
    series: Sequence[Mapping[str, str]],
    expected: Sequence[Mapping[str, Any]],
    *,
    evaluation: str = "30s",
    given_ticks: bool = False,
    **options: object,
) -> subprocess.CompletedProcess[str]:
    """Have promtool evaluate the rules over series, and compare. `options` are fields of promtool's test.

    With `given_ticks` the series are the events of each tick: the rules that count them are left out.
    """
    file = rules / "slo.yaml"
    test = {
        "rule_files": [str(without_counts(file) if given_ticks else file)],
        "evaluation_interval": evaluation,
        "group_eval_order": evaluation_order(rules),
        "tests": [{"interval": "30s", "input_series": series, "promql_expr_test": expected, **options}],
    }
    path = rules / "generated_test.yaml"
    path.write_text(json.dumps(test))
    return promtool(path)


def without_counts(rules: Path) -> Path:
    """Return the file of some rules without those that count the events of a tick, for tests that give these."""
    content = json.loads(rules.read_text())
    for group in content["groups"]:
        group["rules"] = [rule for rule in group["rules"] if not rule.get("record", "").endswith(":increase30s")]
    left = rules.with_name(f"{rules.stem}-of-given-ticks.yaml")
    left.write_text(json.dumps(content))
    return left


def promtool(tests: Path) -> subprocess.CompletedProcess[str]:
    """Run a file of tests."""
    command = [tool("promtool"), "test", "rules", tests]
    return subprocess.run(command, env=linter_environment(), capture_output=True, text=True, check=False)


def assert_holds(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


def firing(alert: str, service: str, tick: int, *, fires: bool) -> dict[str, Any]:
    expression = f'count(ALERTS{{alertname="{alert}", service="{service}", alertstate="firing"}})'
    return expect(expression, tick, *([("{}", 1.0)] if fires else []))
