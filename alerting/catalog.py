"""Closed and frozen models of the catalog's files: services, routing and rules, and the catalog as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from alerting.oncall.teams import Team
from alerting.repairs.model import ActionFile, ActionLimit, HandOverEntry, RemediationEntry
from alerting.rules.market_hours import MarketFile
from alerting.source.durations import Duration, DurationOverZero
from alerting.source.fields import (
    FIRST_KEY,
    Channel,
    ClosedModel,
    KeyNumbers,
    LabelName,
    MetricName,
    Name,
    Severity,
    each_once,
)
from alerting.source.yaml_source import Document

# Services


class Service(ClosedModel):
    """A service that people are paged for. `objective` is the share of requests that must not fail in 30 days."""

    description: str = Field(min_length=1)
    team: str
    namespace: Name
    # A burn rate of 14.4 can never be reached below 93.06 %.
    objective: float = Field(gt=0.9306, lt=1)
    integration_keys: KeyNumbers = FIRST_KEY


class ServicesFile(ClosedModel):
    """catalog/services.yaml."""

    services: Mapping[Name, Service] = Field(min_length=1)


# Routing


def _plain(text: str) -> str:
    # It stands before a template: a brace would be part of one, which breaks when a notification is made.
    if "{" in text or "}" in text or not text.isprintable():
        raise ValueError("a text on one line without { and } is allowed")
    return text


Prefix = Annotated[str, Field(max_length=40), AfterValidator(_plain)]


class SlackEntry(ClosedModel):
    """A message to one channel."""

    channel: Channel
    title_prefix: Prefix = ""
    send_resolved: bool = True


class PageEntry(ClosedModel):
    """An incident in PagerDuty, in the service that the alert belongs to."""

    summary_prefix: Prefix = ""


class Receiver(ClosedModel):
    """The destinations of an alert. `publish` sends the notification to the alert topic too, where repairs listen.

    `heartbeat` sends it to the topic of the dead man's switch, which only counts.
    """

    page: PageEntry | None = None
    slack: tuple[SlackEntry, ...] = ()
    publish: bool = True
    heartbeat: bool = False


class Timings(ClosedModel):
    """The waits and intervals of a route. A field that is not set takes the default route's value.

    Alertmanager takes no interval of 0 (its `config.go`, `Route`).
    """

    group_wait: Duration | None = None
    group_interval: DurationOverZero | None = None
    repeat_interval: DurationOverZero | None = None


GROUPED_BY = ("alertname", "service", "severity")
"""What names a group: its incident, its messages and the link to a silence are made from these."""


def _names_a_group(labels: tuple[str, ...]) -> tuple[str, ...]:
    missing = [name for name in GROUPED_BY if name not in labels]
    if missing:
        raise ValueError(
            f"{', '.join(GROUPED_BY)} and any more labels are allowed, and {', '.join(missing)} is missing"
        )
    return labels


def _has_severity(labels: tuple[str, ...]) -> tuple[str, ...]:
    # Every alert carries it, so that the link to a silence always has a label that is not empty.
    if "severity" not in labels:
        raise ValueError("severity and any more labels are allowed, and severity is missing")
    return labels


class RouteEntry(Timings):
    """A route: takes the alerts whose every label named in `match` has one of the values.

    `group_by` replaces the default route's, for a channel that cannot take as many messages. A route that pages has
    none: each incident is about one alert of one service.
    """

    match: Mapping[LabelName, tuple[str, ...]] = Field(min_length=1)
    receiver: str
    group_by: Annotated[tuple[LabelName, ...], AfterValidator(each_once), AfterValidator(_has_severity)] | None = None


class DefaultRoute(ClosedModel):
    """The default route: takes the alerts that no other route takes, and gives the other routes their timings.

    Alertmanager takes each label of `group_by` once (its `config.go`, `Route`).
    """

    receiver: str
    group_by: Annotated[tuple[LabelName, ...], AfterValidator(each_once), AfterValidator(_names_a_group)]
    group_wait: Duration
    group_interval: DurationOverZero
    repeat_interval: DurationOverZero


class Selector(ClosedModel):
    """Alerts by name, or all of some severities."""

    alerts: tuple[str, ...] = ()
    severities: tuple[Severity, ...] = ()

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.alerts) == bool(self.severities):
            raise ValueError("one of `alerts:` and `severities:` is allowed, with at least one entry")
        return self


class Inhibition(ClosedModel):
    """While a source alert fires, the target alerts with equal labels stay silent."""

    source: Selector
    target: Selector
    equal: tuple[LabelName, ...] = Field(min_length=1)


class RoutingFile(ClosedModel):
    """catalog/routing.yaml."""

    resolve_timeout: Duration
    fallback_team: str
    channels: Annotated[tuple[Channel, ...], Field(min_length=1), AfterValidator(each_once)]
    receivers: Mapping[Name, Receiver]
    default: DefaultRoute
    routes: tuple[RouteEntry, ...]
    inhibitions: tuple[Inhibition, ...] = ()


# Rules


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
    the one whose series the rules read, where that is not the services'.
    """

    exporter: str
    type: Literal["counter", "gauge", "histogram"]
    labels: tuple[LabelName, ...]
    description: str
    not_watched: str | None = Field(default=None, min_length=1)
    namespace: Name | None = None
    parts: SeriesParts | None = None


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


class Page(ClosedModel):
    """A runbook page: what its first line calls it, and the text below each heading of the second level."""

    title: str
    sections: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedRule:
    """A rule and where it stands: the domain is the file's name without `.yaml`."""

    domain: str
    document: Document
    path: tuple[str | int, ...]
    rule: Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Everything that teams wrote, each part valid by itself. `documents` are by file, for the places of errors."""

    services: Mapping[str, Service]
    teams: Mapping[str, Team]
    operating_team: str
    routing: RoutingFile
    remediations: Mapping[str, RemediationEntry]
    hand_overs: Mapping[str, HandOverEntry]
    bounds: Mapping[str, Mapping[str, int]]
    hourly_limits: Mapping[str, ActionLimit]
    actions: Mapping[str, ActionFile]
    rules: Mapping[str, RulesFile]
    series: ScrapedSeriesFile
    market: MarketFile
    pages: Mapping[str, Page]
    documents: Mapping[str, Document]
    _alerts: Mapping[str, LocatedRule] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Look the alerts up once: whoever refers to one asks for all."""
        alerts: dict[str, LocatedRule] = {}
        for located in self.located_rules():
            if located.rule.alert is not None:
                alerts.setdefault(located.rule.alert, located)
        object.__setattr__(self, "_alerts", alerts)

    def located_rules(self) -> Iterator[LocatedRule]:
        """Yield every rule with its place, in the order of the files."""
        for domain, file in self.rules.items():
            document = self.documents[f"rules/{domain}.yaml"]
            for group_index, group in enumerate(file.groups):
                for rule_index, rule in enumerate(group.rules):
                    path = ("groups", group_index, "rules", rule_index)
                    yield LocatedRule(domain=domain, document=document, path=path, rule=rule)

    def triggers(self) -> Mapping[str, RemediationEntry]:
        """Return the remediations by the alert that the function answers: `triggered_by`, or the alert itself."""
        return {entry.triggered_by or alert: entry for alert, entry in self.remediations.items()}

    def alerts(self) -> Mapping[str, LocatedRule]:
        """Return the alerts by name; of two with one name, the first."""
        return self._alerts

    def owner(self, paged_service: str) -> str:
        """Return the team that is paged for a service of the catalog, or for what belongs to the team itself."""
        return self.services[paged_service].team if paged_service in self.services else paged_service
