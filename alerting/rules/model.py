"""Rules as teams write them, as sources hand them over, and as everybody reads them: the `RuleSet`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from alerting.rules.promql import Expression
from alerting.rules.series import ALERTNAME
from alerting.source.durations import Duration
from alerting.source.fields import ClosedModel, LabelName, MetricName, Name
from alerting.source.problems import Place
from alerting.source.yaml_source import Document, FieldPath

SCRAPED_SERIES = "rules/scraped_series.yaml"


RUNBOOK_PAGE = "runbook_page"
"""An annotation of generated alerts that is not deployed: a template of the page that they link to."""


class Rule(ClosedModel):
    """A rule in Prometheus' own words: either an alert or a recording."""

    alert: str | None = Field(default=None, pattern=r"^[A-Z][A-Za-z0-9]*$")
    record: MetricName | None = None
    expr: str = Field(min_length=1)
    for_: Duration | None = Field(default=None, alias="for")
    keep_firing_for: Duration | None = None
    labels: Mapping[LabelName, str] = Field(default_factory=dict)
    annotations: Mapping[LabelName, str] = Field(default_factory=dict)


class RuleGroup(ClosedModel):
    """A group of rules that are evaluated one after the other."""

    name: str = Field(min_length=1)
    interval: Duration | None = None
    query_offset: Duration | None = None
    limit: int | None = Field(default=None, ge=0)
    rules: tuple[Rule, ...] = Field(min_length=1)


class RulesFile(ClosedModel):
    """rules/DOMAIN.yaml."""

    groups: tuple[RuleGroup, ...] = Field(min_length=1)


class SeriesParts(ClosedModel):
    """The parts that an exporter serves a series of: one per Redis, per broker, per pod. `labels` distinguish them.

    ExporterPartSilent fires when one of them has no series while others have. `expected` is PromQL whose series are the
    parts that ought to be there; without it those are the parts that were there within a day. `name` is what one of
    them is called in the alert.
    """

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z ]*$")
    labels: tuple[LabelName, ...]
    expected: str | None = Field(default=None, min_length=1)


class ScrapedSeries(ClosedModel):
    """A series that an exporter serves, and the labels that the exporter puts on it.

    ExporterSilent fires when it is missing, unless `not_watched` says why nobody needs to hear of that. `namespace` is
    the one whose series the rules read, where that is not the services'. `buckets` are the limits of a classic
    histogram that an objective may name, in seconds.
    """

    exporter: str
    type: Literal["counter", "gauge", "histogram", "native histogram"]
    labels: tuple[LabelName, ...]
    description: str
    not_watched: str | None = Field(default=None, min_length=1)
    namespace: Name | None = None
    parts: SeriesParts | None = None
    buckets: tuple[float, ...] = ()


NAME_LABEL = "app.kubernetes.io/name"
"""The label of pods and Deployments that says which service they belong to."""


EXPORTER_NAMESPACE = "monitoring"
"""Where an exporter is scraped that names no namespaces."""


class ExporterPods(ClosedModel):
    """The pods of an exporter, by the value of one of their labels; no `name` stands for the catalog's services.

    `port` is the name or the number of a port that the container declares. Pods in other `namespaces` are not scraped;
    the services' are those of the catalog.
    """

    name: Name | None = None
    label: Annotated[str, Field(pattern=r"^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")] = NAME_LABEL
    port: int | str
    namespaces: tuple[Name, ...] = Field(default=(EXPORTER_NAMESPACE,), min_length=1)

    @model_validator(mode="after")
    def _services_by_their_own_label(self) -> Self:
        if self.name is None and self.label != NAME_LABEL:
            raise ValueError(f"label {self.label} is allowed beside a `name:` only; services have {NAME_LABEL}")
        return self


class Exporter(ClosedModel):
    """An exporter of series. Without `pods`, the chart installs and scrapes it."""

    description: str = Field(min_length=1)
    pods: ExporterPods | None = None


class ScrapedSeriesFile(ClosedModel):
    """rules/scraped_series.yaml."""

    exporters: Mapping[str, Exporter]
    series: Mapping[MetricName, ScrapedSeries]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRule:
    """A rule before it is compiled, and the path in its source's document that it comes from."""

    rule: Rule
    path: FieldPath


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceGroup:
    """A group of rules before it is compiled; `path` is what it comes from, and the rest as Prometheus has it."""

    name: str
    path: FieldPath
    rules: tuple[SourceRule, ...]
    interval: str | None = None
    query_offset: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSource:
    """A source of rules: a file of rules/, or a part of the catalog that they are generated from.

    `domain` names the PrometheusRule and the dashboard. Problems of a generated rule name what it was generated from.
    """

    domain: str
    document: Document
    groups: tuple[SourceGroup, ...]
    generated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationQuery:
    """A `query` in an annotation of an alert. `expression` is None where its PromQL is not written out."""

    annotation: str
    expression: Expression | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """A rule, its expression and the queries of its annotations, each parsed once, and where it comes from."""

    domain: str
    rule: Rule
    expression: Expression
    queries: tuple[AnnotationQuery, ...]
    document: Document
    path: FieldPath
    generated: bool

    def place(self, *field: str) -> Place:
        """Return where a field of the rule stands; of a generated rule, what it is generated from."""
        return self.document.place(self.path if self.generated else (*self.path, *field))

    def series_read(self) -> Iterator[str]:
        """Yield the names of the series that the expression and the annotations read."""
        yield from self.expression.series
        for query in self.queries:
            if query.expression is not None:
                yield from query.expression.series


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledGroup:
    """A group as its source has it, with its rules compiled."""

    source: SourceGroup
    rules: tuple[CompiledRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLabels:
    """The labels that an alert is sure to carry: those that its rule sets, and those of its expression."""

    fixed: Mapping[str, str]
    read: frozenset[str]

    def __contains__(self, label: object) -> bool:
        return label == ALERTNAME or label in self.fixed or label in self.read

    def names(self) -> list[str]:
        """Return their names, sorted."""
        return sorted({ALERTNAME, *self.fixed, *self.read})


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """All rules, written and generated: the only value that checks and generators read rules from.

    Of two alerts with one name `alerts` has the first. `recordings` are by the recorded series. `series` are all that
    are scraped or recorded, with the labels that each is sure to carry; `alert_labels` are those of each alert whose
    expression parses.
    """

    sources: tuple[RuleSource, ...]
    groups: Mapping[str, tuple[CompiledGroup, ...]]
    rules: tuple[CompiledRule, ...]
    alerts: Mapping[str, CompiledRule]
    recordings: Mapping[str, tuple[CompiledRule, ...]]
    series: Mapping[str, frozenset[str]]
    alert_labels: Mapping[str, AlertLabels]

    def is_generated(self, series: str) -> bool:
        """Say whether a generated rule records a series."""
        return any(rule.generated for rule in self.recordings.get(series, ()))
