"""A real Alertmanager silences what the fixture's inhibitions mean, and nothing beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx
import pytest

from tests.alerting_data import fixture_catalog
from tests.alertmanager_sink import DEADLINE_SECONDS, fire
from tests.waiting import until

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
    Meant(sources=["PodCrashLooping"], targets=["PodNotReady"], equal=["namespace", "pod"]),
    Meant(
        sources=["PodCrashLooping", "PodNotReady"],
        targets=["DeploymentReplicasMissing"],
        equal=["service", "namespace"],
    ),
    Meant(sources=["CriticalLatency"], targets=["HighP99Latency"], equal=["service"]),
    Meant(sources=["HighErrorRate"], targets=["HighP99Latency", "CriticalLatency"], equal=["service"]),
    Meant(
        sources=["HighErrorBudgetBurn"],
        targets=["SlowErrorBudgetBurn", "ErrorBudgetNearlySpent", "ErrorBudgetExhausted"],
        equal=["service", "objective"],
    ),
    Meant(
        sources=["HighErrorBudgetBurn", "SlowErrorBudgetBurn"],
        targets=["ErrorBudgetRunningOut"],
        equal=["service", "objective"],
    ),
    Meant(sources=["RulesMissed"], targets=["RulesSlow"], equal=["rule_group"]),
    Meant(sources=["VolumeNearlyFull"], targets=["VolumeFillingUp"], equal=["namespace", "name", "resource"]),
    Meant(sources=["AuroraHighConnections"], targets=["ConnectionPoolFillingUp"], equal=["service", "pool"]),
    Meant(
        sources=["KafkaConsumerLag", "KafkaConsumerLagCritical"],
        targets=["KafkaConsumerLagGrowing"],
        equal=["consumer_group", "topic"],
    ),
    Meant(sources=["ClusterMaintenance"], targets=["PodNotReady", "Any"], equal=["cluster"], severity="warning"),
    Meant(sources=["ClusterMaintenance"], targets=["Another"], equal=["cluster"], severity="info"),
)
CASES = [(meant, source, target) for meant in MEANT for source in meant.sources for target in meant.targets]
LABELS = sorted({label for meant in MEANT for label in meant.equal})


@pytest.mark.parametrize(("meant", "source", "target"), CASES, ids=lambda one: one if isinstance(one, str) else "")
def test_an_alert_silences_its_target_and_no_others(alertmanager: str, meant: Meant, source: str, target: str) -> None:
    """Each alert has labels that no other test's has, and the target differs from the source in all that may differ."""
    labels = {label: f"{source}-{target}-{label}" for label in LABELS}
    firing = {"alertname": source, "severity": "critical", "team": "platform", **labels}
    other = {label: value if label in meant.equal else f"{value}-of-a-target" for label, value in labels.items()}
    silent = {"alertname": target, "severity": meant.severity, **other}
    differs = [{**silent, label: f"{silent[label]}-another"} for label in meant.equal]
    unrelated = {**silent, "alertname": "Unrelated", "severity": "high"}

    fire(alertmanager, silent, *differs, unrelated)
    fire(alertmanager, firing)

    until(
        f"{target} is silent",
        lambda: _state(alertmanager, silent) == "suppressed",
        seconds=DEADLINE_SECONDS,
        otherwise=lambda: _state(alertmanager, silent),
    )
    states = [_state(alertmanager, alert) for alert in (*differs, unrelated, firing)]
    assert states == ["active"] * len(states)


URGENT_FIRST = ("HighErrorBudgetBurn", "SlowErrorBudgetBurn", "ErrorBudgetRunningOut")
TOLD_BESIDE = "ErrorBudgetExhausted"


def test_of_each_objective_the_most_urgent_alert_is_told_and_no_other(alertmanager: str) -> None:
    """One objective of a service burns fast, one slowly, one will be spent soon, each of them with all that follows.

    A service's own objective has no label `objective`. That nothing is left of a budget is told unless it burns fast.
    """
    rules = fixture_catalog().rules.alerts
    objectives: list[dict[str, str]] = [{}, {"objective": "quick"}, {"objective": "accepted", "plan": "gold"}]
    firing: list[dict[str, str]] = []
    told: list[dict[str, str]] = []
    for service, burning in (("orders-inhibited", objectives), ("gateway-inhibited", objectives[::-1])):
        for most_urgent, objective in enumerate(burning):
            alerts = [
                {"alertname": name, "severity": rules[name].rule.labels["severity"], "service": service, **objective}
                for name in (*URGENT_FIRST[most_urgent:], TOLD_BESIDE)
            ]
            firing += alerts
            told += (alerts[0], *([alerts[-1]] if most_urgent else []))

    fire(alertmanager, *firing)

    silent = [alert for alert in firing if alert not in told]
    until(
        "the less urgent alerts are silent",
        lambda: all(_state(alertmanager, alert) == "suppressed" for alert in silent),
        seconds=DEADLINE_SECONDS,
        otherwise=lambda: [_state(alertmanager, alert) for alert in silent],
    )
    assert [_state(alertmanager, alert) for alert in told] == ["active"] * len(told)


def _state(address: str, alert: Mapping[str, str]) -> str:
    matchers = [f'{label}="{alert.get(label, "")}"' for label in {*alert, "objective"}]
    (answered,) = httpx.get(f"{address}/api/v2/alerts", params={"filter": matchers}).raise_for_status().json()
    return str(answered["status"]["state"])
