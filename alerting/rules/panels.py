"""Builds dashboards and their panels: what those of domains and the overviews have in common."""

from __future__ import annotations

from collections.abc import Iterable

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from alerting.platform import Dashboard
from alerting.rules.series import SERVICE, SERVICE_OWNER

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
WHOLE_WIDTH = 24
HALF_WIDTH = 12
HEIGHT = 8
SERVICE_VARIABLE = "service"
OF_SERVICE = f'{SERVICE}=~"${SERVICE_VARIABLE}"'
"""The matcher of the services that a person chooses."""
TAG = "orion"
"""The tag of every dashboard, by which they link to each other."""


def new_dashboard(uid: str, title: str, *, since: str = "now-3h") -> dashboard.Dashboard:
    """Return a dashboard without panels, of which a person chooses the Prometheus, with a list of the others."""
    others = (
        dashboard.DashboardLink("Orion")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)  # noqa: FBT003  (the library's own way to switch on)
        .include_vars(True)  # noqa: FBT003  (as above)
        .keep_time(True)  # noqa: FBT003  (as above)
    )
    return (
        dashboard.Dashboard(f"Orion: {title}")
        .uid(uid)
        .tags([TAG])
        .link(others)
        .readonly()
        .time(since, "now")
        .refresh("1m")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )


def service_variable() -> dashboard.QueryVariable:
    """Return the choice of services of the catalog: some, or all."""
    return (
        dashboard.QueryVariable(SERVICE_VARIABLE)
        .label("Service")
        .datasource(SOURCE)
        .query(f"label_values({SERVICE_OWNER}, service)")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)  # noqa: FBT003  (the library's own way to switch on)
        .include_all(True)  # noqa: FBT003  (as above)
    )


def plain_panel(title: str) -> timeseries.Panel:
    """Return a panel of half the width that draws lines."""
    return timeseries.Panel().title(title).datasource(SOURCE).span(HALF_WIDTH).height(HEIGHT)


def prometheus_query(reference: str, expression: str, legend: str) -> prometheus.Dataquery:
    """Return a query of Prometheus. `reference` is its letter within the panel."""
    return prometheus.Dataquery().ref_id(reference).expr(expression).legend_format(legend)


def letter(number: int) -> str:
    """Return the letter of a panel's query by its position, from 0."""
    return chr(ord("A") + number)


def thresholds(limits: Iterable[tuple[float | None, str]]) -> dashboard.ThresholdsConfig:
    """Return values from which on a colour counts, the lowest without a value."""
    steps = [models.Threshold(value=value, color=colour) for value, colour in limits]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def drawn_as_lines() -> common.GraphThresholdsStyleConfig:
    """Return the style of thresholds that are lines across a graph."""
    return common.GraphThresholdsStyleConfig().mode(common_models.GraphTresholdsStyleMode.LINE)


def as_text(name: str, built: models.Dashboard) -> Dashboard:
    """Return a dashboard as it is deployed."""
    return Dashboard(name=name, text=JSONEncoder(sort_keys=True).encode(built))
