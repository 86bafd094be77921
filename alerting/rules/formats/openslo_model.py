"""Models of OpenSLO's documents, `apiVersion: openslo/v1`, as its specification has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from alerting.source.fields import ClosedModel

API_VERSION = "openslo/v1"


class Metadata(ClosedModel):
    """The name of a document, and what it says to its readers."""

    name: str
    display_name: str = Field(default="", alias="displayName")
    labels: Mapping[str, object] = Field(default_factory=dict)
    annotations: Mapping[str, object] = Field(default_factory=dict)


class QuerySpec(ClosedModel):
    """A query of a Prometheus."""

    query: str
    query_type: str = Field(default="promql", alias="queryType")


class MetricSource(ClosedModel):
    """A source of a metric, and what is asked of it. `spec` is the source's own."""

    metric_source_ref: str = Field(default="", alias="metricSourceRef")
    type: str = ""
    spec: Mapping[str, object] = Field(default_factory=dict)


class Metric(ClosedModel):
    """A metric."""

    metric_source: MetricSource = Field(alias="metricSource")


class RatioMetric(ClosedModel):
    """Good or bad events among all, or their ratio."""

    counter: bool = False
    good: Metric | None = None
    bad: Metric | None = None
    total: Metric | None = None
    raw: Metric | None = None
    raw_type: Literal["success", "failure"] | None = Field(default=None, alias="rawType")


class SliSpec(ClosedModel):
    """An indicator."""

    description: str = ""
    ratio: RatioMetric | None = Field(default=None, alias="ratioMetric")
    threshold: Metric | None = Field(default=None, alias="thresholdMetric")


class Indicator(ClosedModel):
    """An indicator within an SLO."""

    kind: Literal["SLI"] | None = None
    metadata: Metadata | None = None
    spec: SliSpec


class Calendar(ClosedModel):
    """The moment at which a calendar's period begins, as a clock in a time zone shows it."""

    start_time: str = Field(alias="startTime")
    time_zone: str = Field(alias="timeZone")


class TimeWindow(ClosedModel):
    """The period of an objective."""

    duration: str
    is_rolling: bool = Field(default=False, alias="isRolling")
    calendar: Calendar | None = None


class Target(ClosedModel):
    """An objective of an SLO."""

    display_name: str = Field(default="", alias="displayName")
    op: Literal["lte", "gte", "lt", "gt"] | None = None
    value: float | None = None
    target: float | None = None
    target_percent: float | None = Field(default=None, alias="targetPercent")
    time_slice_target: float | None = Field(default=None, alias="timeSliceTarget")
    time_slice_window: str | float | None = Field(default=None, alias="timeSliceWindow")


class SloSpec(ClosedModel):
    """An SLO."""

    description: str = ""
    service: str
    indicator: Indicator | None = None
    indicator_ref: str | None = Field(default=None, alias="indicatorRef")
    time_window: Annotated[tuple[TimeWindow, ...], Field(max_length=1)] = Field(default=(), alias="timeWindow")
    budgeting_method: Literal["Occurrences", "Timeslices", "RatioTimeslices"] = Field(alias="budgetingMethod")
    objectives: Annotated[tuple[Target, ...], Field(min_length=1)]
    alert_policies: tuple[object, ...] = Field(default=(), alias="alertPolicies")


class DataSourceSpec(ClosedModel):
    """A source of metrics."""

    description: str = ""
    type: str
    connection_details: object = Field(default=None, alias="connectionDetails")


class _Object(ClosedModel):
    api_version: str = Field(alias="apiVersion")
    kind: str
    metadata: Metadata


class Slo(_Object):
    """A document of kind SLO."""

    spec: SloSpec


class Sli(_Object):
    """A document of kind SLI."""

    spec: SliSpec


class DataSource(_Object):
    """A document of kind DataSource."""

    spec: DataSourceSpec


class Other(_Object):
    """A document that says nothing of what is counted: a service, an alert policy and its parts."""

    spec: Mapping[str, object] = Field(default_factory=dict)
