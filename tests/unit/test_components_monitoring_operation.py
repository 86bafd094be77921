"""Operation of Prometheus and Alertmanager: disk space, tested versions, the wait after a restart."""

from __future__ import annotations

import pytest

from alerting.build import load_platform
from alerting.settings import Environment, Settings
from alerting.source.durations import milliseconds
from alerting.source.quantities import bytes_of
from alerting.versions import ALERTMANAGER_VERSION, PROMETHEUS_VERSION
from cli.stack_config import read_settings
from components.monitoring_values import MonitoringSpec, alertmanager_resource, chart_values, prometheus_resource
from tests.alerting_data import DATA, ROOT
from tests.component_data import settings


def spec(stack: Settings | None = None) -> MonitoringSpec:
    return MonitoringSpec(settings=stack or settings(), secrets=(), config_maps=())


@pytest.mark.parametrize(
    ("changed", "size"),
    [
        (settings(), "81920MB"),
        (settings(prometheus_storage="1Gi"), "819MB"),
        (settings(retention_size="50Gi"), "51200MB"),
    ],
)
def test_prometheus_removes_blocks_before_its_volume_is_full(changed: Settings, size: str) -> None:
    """A full disk stores no samples, and nothing but what reads none can fire."""
    assert prometheus_resource(spec(changed))["retentionSize"] == size


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_tenth_of_the_volume_is_left_while_blocks_are_merged(stack: str) -> None:
    """Blocks are merged into ones of up to a tenth of the retention time (Prometheus' documentation of its storage)."""
    monitoring = read_settings(ROOT, stack).monitoring

    assert monitoring.retention_bytes() * 1.1 < 0.9 * bytes_of(monitoring.prometheus_storage)


def test_what_is_deployed_is_what_rules_and_configuration_are_tested_with() -> None:
    """The chart's own images are other versions. The operator reads `version`, the kubelet the image."""
    values, stack = chart_values(spec()), spec()
    parts = {
        "prometheus": (values["prometheus"]["prometheusSpec"], prometheus_resource(stack), PROMETHEUS_VERSION),
        "alertmanager": (
            values["alertmanager"]["alertmanagerSpec"],
            alertmanager_resource(stack),
            ALERTMANAGER_VERSION,
        ),
    }

    for name, (by_chart, alone, version) in parts.items():
        assert by_chart["image"]["tag"] == by_chart["version"] == alone["version"] == f"v{version}"
        assert alone["image"] == f"quay.io/prometheus/{name}:v{version}"


@pytest.mark.parametrize("scale", [1.0, 5.0, 20.0, 60.0])
@pytest.mark.parametrize("evaluation_seconds", [1.0, 15.0, 30.0, 55.0, 60.0])
def test_alertmanager_waits_until_every_alert_was_sent_again(scale: float, evaluation_seconds: float) -> None:
    """Otherwise it notifies of an inhibited alert before it hears of the alert that inhibits it."""
    stack = settings(Environment.SANDBOX, evaluation_interval_seconds=evaluation_seconds)
    stack = stack.model_copy(update={"time_scale": scale})
    prometheus, alertmanager = prometheus_resource(spec(stack)), alertmanager_resource(spec(stack))
    (resend,) = [milliseconds(one["value"]) for one in prometheus["additionalArgs"]]
    (delay,) = [milliseconds(one["value"]) for one in alertmanager["additionalArgs"]]
    # Prometheus sends an alert again at the first evaluation at which more than the resend delay has passed.
    evaluations = range(0, 10**6, milliseconds(prometheus["evaluationInterval"]))
    sent_again = next(evaluation for evaluation in evaluations if evaluation > resend)

    assert delay >= sent_again + (10_000 if scale == 1 else 4_000)
    assert alertmanager["minReadySeconds"] * 1000 == delay


def test_every_alert_is_evaluated_at_the_interval_that_the_start_delay_counts_on() -> None:
    groups = [group for file in load_platform(DATA, settings()).rules for group in file.groups]
    with_alerts = [group for group in groups if any("alert" in rule for rule in group["rules"])]

    assert with_alerts
    assert [group["name"] for group in with_alerts if "interval" in group] == []
