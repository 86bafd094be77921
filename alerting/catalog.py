"""Closed and frozen models of the catalog's files: services and routing, and the catalog as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from alerting.oncall.teams import Team
from alerting.repairs.model import (
    ActionFile,
    ActionLimit,
    Approvers,
    CeilingEntry,
    HandOverEntry,
    HoursEntry,
    ModeRule,
    RemediationEntry,
)
from alerting.routing.silences import SilenceEntry
from alerting.rules.burn_rates import LEAST_OBJECTIVE
from alerting.rules.corrections import CorrectionEntry
from alerting.rules.market_calendar import MarketFile
from alerting.rules.model import RuleSet, ScrapedSeriesFile
from alerting.rules.objectives import STANDARD, Objectives
from alerting.rules.series import ALERTNAME, SERVICE, SEVERITY
from alerting.source.durations import Duration, DurationOverZero
from alerting.source.fields import (
    FIRST_KEY,
    Channel,
    ClosedModel,
    KeyNumbers,
    LabelName,
    Name,
    Severity,
    each_once,
)
from alerting.source.yaml_source import Document

SERVICES = "catalog/services.yaml"


class Service(ClosedModel):
    """A service that people are paged for.

    `objective` is the share of requests that must not fail, over the period of its `tier` of rules/objectives.
    """

    description: str = Field(min_length=1)
    team: str
    namespace: Name
    objective: float = Field(gt=LEAST_OBJECTIVE, lt=1)
    tier: str = STANDARD


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
    Where chat is on, a thread takes the place of the last entry of `slack`. Without `threads` all entries stay
    webhooks, for alerts that may be about chat itself.
    """

    page: PageEntry | None = None
    slack: tuple[SlackEntry, ...] = ()
    publish: bool = True
    heartbeat: bool = False
    threads: bool = True


class Timings(ClosedModel):
    """The waits and intervals of a route. A field that is not set takes the default route's value.

    Alertmanager takes no interval of 0 (its `config.go`, `Route`).
    """

    group_wait: Duration | None = None
    group_interval: DurationOverZero | None = None
    repeat_interval: DurationOverZero | None = None


GROUPED_BY = (ALERTNAME, SERVICE, SEVERITY)
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
    if SEVERITY not in labels:
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
    """catalog/routing.yaml. `integration_keys` are the numbers of the keys that pages are sent with."""

    resolve_timeout: Duration
    fallback_team: str
    integration_keys: KeyNumbers = FIRST_KEY
    channels: Annotated[tuple[Channel, ...], Field(min_length=1), AfterValidator(each_once)]
    receivers: Mapping[Name, Receiver]
    default: DefaultRoute
    routes: tuple[RouteEntry, ...]
    inhibitions: tuple[Inhibition, ...] = ()


class Page(ClosedModel):
    """A runbook page: what its first line calls it, the text below each heading of the second level, and all of it."""

    title: str
    sections: Mapping[str, str]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Everything that teams wrote, each part valid by itself. `documents` are by file, for the places of errors.

    `rules` are the written rules and those that are generated from the other parts. `objectives` is None for an earlier
    release, whose rules/objectives is not there.
    """

    services: Mapping[str, Service]
    teams: Mapping[str, Team]
    operating_team: str
    routing: RoutingFile
    remediations: Mapping[str, RemediationEntry]
    hand_overs: Mapping[str, HandOverEntry]
    bounds: Mapping[str, Mapping[str, int]]
    hourly_limits: Mapping[str, ActionLimit]
    cooldown_seconds: Mapping[str, int]
    hours: Mapping[str, HoursEntry]
    modes: tuple[ModeRule, ...]
    approval_above: tuple[CeilingEntry, ...]
    approvers: Approvers
    actions: Mapping[str, ActionFile]
    rules: RuleSet
    objectives: Objectives | None
    series: ScrapedSeriesFile
    market: MarketFile
    silences: Mapping[str, SilenceEntry]
    corrections: Mapping[str, CorrectionEntry]
    pages: Mapping[str, Page]
    documents: Mapping[str, Document]

    def triggers(self) -> Mapping[str, RemediationEntry]:
        """Return the remediations by the alert that the function answers: `triggered_by`, or the alert itself."""
        return {entry.triggered_by or alert: entry for alert, entry in self.remediations.items()}

    def owner(self, paged_service: str) -> str:
        """Return the team that is paged for a service of the catalog, or for what belongs to the team itself."""
        return self.services[paged_service].team if paged_service in self.services else paged_service
