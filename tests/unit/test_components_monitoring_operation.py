"""What keeps Prometheus and Alertmanager able to work: disk space, the versions tested, the wait after a restart."""

from __future__ import annotations

import pytest

from alerting.quantities import bytes_of
from alerting.settings import Settings
from alerting.versions import ALERTMANAGER_VERSION, PROMETHEUS_VERSION
from cli.stacks import read_settings
from components.monitoring_values import MonitoringSpec, alertmanager_resource, chart_values, prometheus_resource
from tests.alerting_data import ROOT
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
