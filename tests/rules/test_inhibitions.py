"""A real Alertmanager silences what the fixture's inhibitions mean, and nothing beside it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx
import pytest

from tests.alertmanager_sink import DEADLINE_SECONDS, fire
from tests.http_stub import POLL_SECONDS

pytestmark = pytest.mark.integration


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """While one of the sources fires, the targets with equal labels are silent, and no others are."""

    sources: Sequence[str]
    targets: Sequence[str]
    equal: Sequence[str]
    severity: str = "critical"


MEANT = (
    Meant(
        sources=["ServiceDown"], targets=["PodNotReady", "DeploymentReplicasMissing"], equal=["service", "namespace"]
    ),
    Meant(sources=["HighErrorRate"], targets=["HighP99Latency", "CriticalLatency"], equal=["service"]),
    Meant(sources=["HighErrorBudgetBurn"], targets=["SlowErrorBudgetBurn"], equal=["service", "objective"]),
    Meant(
        sources=["HighErrorBudgetBurn", "SlowErrorBudgetBurn"],
        targets=["ErrorBudgetRunningOut"],
        equal=["service", "objective"],
    ),
    Meant(sources=["RulesMissed"], targets=["RulesSlow"], equal=["rule_group"]),
    Meant(
        sources=["ClusterMaintenance"],
        targets=["PodNotReady", "SlowErrorBudgetBurn"],
        equal=["cluster"],
        severity="warning",
    ),
    Meant(sources=["ClusterMaintenance"], targets=["Any"], equal=["cluster"], severity="info"),
)
CASES = [(meant, source) for meant in MEANT for source in meant.sources]
LABELS = ("service", "namespace", "objective", "rule_group", "cluster")


@pytest.mark.parametrize(("meant", "source"), CASES, ids=lambda one: one if isinstance(one, str) else None)
def test_an_alert_silences_its_targets_and_no_others(alertmanager: str, meant: Meant, source: str) -> None:
    """Each alert has labels that no other test's has, and the target differs from the source in all that may differ."""
    own = f"{source}-{meant.targets[0]}"
    labels = {label: f"{own}-{label}" for label in LABELS}
    firing = {"alertname": source, "severity": "critical", "team": "platform", **labels}
    other = {label: value if label in meant.equal else f"{value}-of-a-target" for label, value in labels.items()}
    silent = [{"alertname": target, "severity": meant.severity, **other} for target in meant.targets]
    differs = [
        {**target, label: f"{target[label]}-another"} for target, label in itertools.product(silent, meant.equal)
    ]
    unrelated = [{**silent[0], "alertname": "Unrelated", "severity": "high"}]

    fire(alertmanager, *silent, *differs, *unrelated)
    fire(alertmanager, firing)

    _wait_until_silent(alertmanager, silent)
    assert [_state(alertmanager, alert) for alert in (*differs, *unrelated, firing)] == ["active"] * (
        len(differs) + len(unrelated) + 1
    )


def _wait_until_silent(address: str, alerts: Sequence[Mapping[str, str]]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (states := [_state(address, alert) for alert in alerts]) != ["suppressed"] * len(alerts):
        assert time.monotonic() < deadline, f"not silent: {dict(zip(map(str, alerts), states, strict=True))}"
        time.sleep(POLL_SECONDS)


def _state(address: str, alert: Mapping[str, str]) -> str:
    matchers = [f'{label}="{value}"' for label, value in alert.items()]
    (answered,) = httpx.get(f"{address}/api/v2/alerts", params={"filter": matchers}).raise_for_status().json()
    return str(answered["status"]["state"])
