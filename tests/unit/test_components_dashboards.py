"""Dashboards become ConfigMaps that the chart's Grafana takes up, where the stack has one."""

from __future__ import annotations

import pytest

from alerting.platform import Dashboard
from alerting.settings import Settings
from components.monitoring import Monitoring, MonitoringArgs
from components.monitoring_values import MonitoringSpec
from sandbox.mocked_program import Run, run_program
from tests.alerting_data import ROOT
from tests.component_data import providers, settings

DASHBOARD = Dashboard(name="orion-latency", text='{"uid": "orion-latency"}')


def deployed(stack: Settings, *, preview: bool = False) -> Run:
    def program() -> None:
        arguments = MonitoringArgs(
            spec=MonitoringSpec(settings=stack, secrets=(), config_maps=()),
            root=ROOT,
            dashboards=(DASHBOARD,),
            namespace="monitoring",
        )
        Monitoring("monitoring", arguments, providers(stack))

    return run_program(program, preview=preview)


@pytest.mark.parametrize("preview", [False, True])
def test_a_dashboard_is_a_config_map_that_the_charts_grafana_finds(*, preview: bool) -> None:
    made = deployed(settings(), preview=preview).one("kubernetes:core/v1:ConfigMap")

    assert (made.name, made.parent) == ("monitoring-dashboards-orion-latency", "monitoring-dashboards")
    assert made.inputs["metadata"] == {
        "name": "dashboard-orion-latency",
        "namespace": "monitoring",
        "labels": {"grafana_dashboard": "1"},
    }
    assert made.inputs["data"] == {"orion-latency.json": DASHBOARD.text}


def test_without_a_grafana_there_is_nothing_to_show_them() -> None:
    stack = settings()
    without = stack.model_copy(update={"monitoring": stack.monitoring.model_copy(update={"grafana": False})})

    made = {one.type for one in deployed(without).resources.values()}
    assert "orion:alerting:Monitoring" in made
    assert not made & {"orion:alerting:Dashboards", "kubernetes:core/v1:ConfigMap"}
