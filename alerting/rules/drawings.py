"""Panels as data, and the dashboards that are built of them: what `alerting.rules.overviews` draws.

A drawing whose series nobody scrapes or records in a catalog is left out there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from grafana_foundation_sdk.builders import (
    bargauge,
    cloudwatch,
    common,
    dashboard,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog import builder as cogbuilder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import prometheus as prometheus_models

from alerting.rules.model import RuleSet
from alerting.rules.panels import (
    HALF_WIDTH,
    HEIGHT,
    SERVICE_VARIABLE,
    SOURCE,
    drawn_as_lines,
    letter,
    new_dashboard,
    prometheus_query,
    service_variable,
    thresholds,
)
from alerting.rules.promql import compiled
from alerting.rules.series import ALERT_SERIES

CLOUDWATCH = models.DataSourceRef(type_val="cloudwatch", uid="${cloudwatch}")
METRICS_NAMESPACE = "OrionAlerting"
"""The namespace of the functions' own metrics in CloudWatch."""


class Kind(StrEnum):
    """The forms of a drawing. `BARS`, `NUMBERS` and `TABLE` show what is so now, the others a course of time."""

    LINES = "lines"
    STACKED = "stacked"
    STATES = "states"
    BARS = "bars"
    NUMBERS = "numbers"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Query:
    """A query of Prometheus, and what its lines are called. `$service` stands for the services that are chosen."""

    expression: str
    legend: str = "__auto"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of a function in CloudWatch, by the names that the function gives to the metric and to itself."""

    service: str
    name: str
    statistic: str = "Sum"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A panel. `limits` are values from which on a colour counts, the lowest without a value, in Grafana's words."""

    title: str
    says: str
    kind: Kind = Kind.LINES
    queries: tuple[Query, ...] = ()
    metrics: tuple[Metric, ...] = ()
    unit: str = "short"
    width: int = HALF_WIDTH
    limits: tuple[tuple[float | None, str], ...] = ()

    def series(self) -> frozenset[str]:
        """Return the names of the series that it reads, but for Prometheus' own."""
        names = {name for one in self.queries for name in compiled(_without_variables(one.expression)).series}
        return frozenset(names) - ALERT_SERIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A dashboard. `since` is how far back it begins; one `of_services` lets a person choose them."""

    name: str
    title: str
    since: str
    drawings: tuple[Drawing, ...]
    of_services: bool = False


def built(overview: Overview, rules: RuleSet) -> models.Dashboard:
    """Return an overview's dashboard, without the drawings whose series are not in a rule set."""
    result = new_dashboard(overview.name, overview.title, since=overview.since)
    if any(drawing.metrics for drawing in overview.drawings):
        source = dashboard.DatasourceVariable("cloudwatch").label("CloudWatch").type("cloudwatch")
        result = result.with_variable(source)
    if overview.of_services:
        result = result.with_variable(service_variable())
    for drawing in overview.drawings:
        if drawing.series() <= rules.series.keys():
            result = result.with_panel(_panel(drawing))
    return result.build()


_Panel = timeseries.Panel | bargauge.Panel | stat.Panel | statetimeline.Panel | table.Panel


def _panel(drawing: Drawing) -> cogbuilder.Builder[models.Panel]:
    panel = _of_kind(drawing.kind).title(drawing.title).description(drawing.says)
    panel = panel.datasource(CLOUDWATCH if drawing.metrics else SOURCE)
    panel = panel.span(drawing.width).height(HEIGHT).unit(drawing.unit)
    now = drawing.kind in {Kind.BARS, Kind.NUMBERS, Kind.TABLE}
    for number, one in enumerate(drawing.queries):
        asked = prometheus_query(letter(number), one.expression, one.legend)
        if now:
            asked = asked.instant().format(_format(drawing.kind))
        panel = panel.with_target(asked)
    for number, metric in enumerate(drawing.metrics):
        panel = panel.with_target(_metric_query(letter(number), metric))
    if drawing.limits:
        panel = panel.thresholds(thresholds(drawing.limits))
        if isinstance(panel, timeseries.Panel):
            panel = panel.thresholds_style(drawn_as_lines())
    return panel


def _of_kind(kind: Kind) -> _Panel:
    match kind:
        case Kind.LINES:
            return timeseries.Panel()
        case Kind.STACKED:
            stacked = common.StackingConfig().mode(common_models.StackingMode.NORMAL)
            return timeseries.Panel().stacking(stacked).fill_opacity(30)
        case Kind.STATES:
            return statetimeline.Panel()
        case Kind.BARS:
            return bargauge.Panel().orientation(common_models.VizOrientation.HORIZONTAL)
        case Kind.NUMBERS:
            return stat.Panel()
        case Kind.TABLE:
            return table.Panel()
    assert_never(kind)


def _format(kind: Kind) -> prometheus_models.PromQueryFormat:
    formats = prometheus_models.PromQueryFormat
    return formats.TABLE if kind is Kind.TABLE else formats.TIME_SERIES


def _metric_query(reference: str, metric: Metric) -> cloudwatch.CloudWatchMetricsQuery:
    query = cloudwatch.CloudWatchMetricsQuery().ref_id(reference).region("default").namespace(METRICS_NAMESPACE)
    query = query.metric_name(metric.name).statistic(metric.statistic).dimensions({"service": metric.service})
    label = metric.name if metric.statistic == "Sum" else metric.statistic
    return query.match_exact(True).period("300").label(label)  # noqa: FBT003  (the library's own way to switch on)


def _without_variables(expression: str) -> str:
    return expression.replace(f"${SERVICE_VARIABLE}", ".*")
