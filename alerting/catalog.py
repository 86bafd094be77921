"""What teams write, as closed and frozen models: services, teams, routing, repairs and rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from alerting.documents import Document
from alerting.durations import Duration
from alerting.market import MarketFile

Name = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Channel = Annotated[str, StringConstraints(pattern=r"^#[a-z0-9_-]{1,79}$")]
LabelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
MetricName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_:][A-Za-z0-9_:]*$")]


class Severity(StrEnum):
    """How fast a person has to act. It says nothing of which service, team or environment is concerned.

    `none` is for alerts that say nothing is wrong, such as `Watchdog`.
    """

    CRITICAL = "critical"
    HIGH = "high"
    WARNING = "warning"
    INFO = "info"
    NONE = "none"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# Services


class Service(_Model):
    """A service that people are paged for. `objective` is the share of requests that must not fail in 30 days."""

    description: str = Field(min_length=1)
    team: str
    namespace: Name
    # A burn rate of 14.4 can never be reached below 93.06 %.
    objective: float = Field(gt=0.9306, lt=1)


class ServicesFile(_Model):
    """catalog/services.yaml."""

    services: Mapping[Name, Service] = Field(min_length=1)


# Teams


def _a_day(value: object) -> date:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        raise ValueError("a day such as 2026-01-05 is allowed")
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"a day such as 2026-01-05 is allowed, and this one is none: {error}") from None


def _a_time_of_day(value: object) -> time:
    # Unquoted, YAML reads 16:00 as the number 960.
    if not isinstance(value, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        raise ValueError('a time of day in quotes, such as "09:00", is allowed')
    return time.fromisoformat(value)


Day = Annotated[date, BeforeValidator(_a_day)]
TimeOfDay = Annotated[time, BeforeValidator(_a_time_of_day)]


class Turn(StrEnum):
    """How long one person has the duty. Whoever takes two turns in a row is named twice."""

    DAILY = "daily"
    WEEKLY = "weekly"


class RotationEntry(_Model):
    """People who take turns, the first from `first_day` on.

    A turn begins at `handoff`, by the wall clock of the schedule's time zone. With `until`, the rotation is for the
    hours from `handoff` to `until` of every day only, and other rotations are for the rest: three of them follow the
    sun. `until` at or before `handoff` is the next day's. No shift begins after `last_day`.
    """

    turn: Turn
    first_day: Day
    last_day: Day | None = None
    handoff: TimeOfDay
    until: TimeOfDay | None = None
    people: tuple[Email, ...]


class OverrideEntry(_Model):
    """One person in the place of others for a while: of everybody, or of `instead_of` in that person's hours."""

    person: Email
    instead_of: Email | None = None
    since: AwareDatetime
    until: AwareDatetime
    reason: str = Field(min_length=1)


class ScheduleEntry(_Model):
    """One on-call schedule: at any moment one person at most. `time_zone` is an IANA name."""

    time_zone: str
    rotations: Mapping[Name, RotationEntry]
    overrides: tuple[OverrideEntry, ...] = ()


class LevelEntry(_Model):
    """One level of an escalation: who is notified, and after how many minutes the next one is."""

    schedules: tuple[str, ...] = ()
    people: tuple[Email, ...] = ()
    timeout_minutes: int = Field(ge=1, le=1440)


class EscalationEntry(_Model):
    """A team's escalation policy. After its levels come those of the team in `then`; all of it is repeated."""

    levels: tuple[LevelEntry, ...]
    then: str | None = None
    repeats: int = Field(ge=0, le=9)


class Team(_Model):
    """A team with its people, rotations and escalation.

    `one_duty_at_a_time` forbids that one of its people is on call on two schedules at once, of whatever team. People
    whom a level names directly are reached at any time: they are on no schedule by that.
    """

    description: str = Field(min_length=1)
    people: tuple[Email, ...] = Field(min_length=1)
    schedules: Mapping[Name, ScheduleEntry]
    escalation: EscalationEntry
    acknowledgement_timeout: Duration
    one_duty_at_a_time: bool = False


class TeamsFile(_Model):
    """catalog/teams.yaml. `operating_team` keeps this platform: what goes wrong with it is told to that team."""

    operating_team: str
    teams: Mapping[Name, Team] = Field(min_length=1)


# Routing


class SlackEntry(_Model):
    """A message to one channel."""

    channel: Channel
    title_prefix: str = Field(default="", max_length=40)
    send_resolved: bool = True


class PageEntry(_Model):
    """An incident in PagerDuty, in the service that the alert belongs to."""

    summary_prefix: str = Field(default="", max_length=40)


class Receiver(_Model):
    """Who hears of an alert. `publish` sends the notification to the alert topic too, where repairs listen.

    `heartbeat` sends it to the topic of the dead man's switch, which only counts.
    """

    page: PageEntry | None = None
    slack: tuple[SlackEntry, ...] = ()
    publish: bool = True
    heartbeat: bool = False


class Timings(_Model):
    """How long Alertmanager gathers alerts and how often it repeats. What is not set is the default route's."""

    group_wait: Duration | None = None
    group_interval: Duration | None = None
    repeat_interval: Duration | None = None


class RouteEntry(Timings):
    """Which alerts go to a receiver: those whose every label named in `match` has one of the values."""

    match: Mapping[LabelName, tuple[str, ...]] = Field(min_length=1)
    receiver: str


class DefaultRoute(_Model):
    """Where an alert goes that no route takes, and the timings of all routes that set none of their own."""

    receiver: str
    group_by: tuple[LabelName, ...] = Field(min_length=1)
    group_wait: Duration
    group_interval: Duration
    repeat_interval: Duration


class Selector(_Model):
    """Alerts by name, or all of some severities."""

    alerts: tuple[str, ...] = ()
    severities: tuple[Severity, ...] = ()

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.alerts) == bool(self.severities):
            raise ValueError("one of `alerts:` and `severities:` is allowed, with at least one entry")
        return self


class Inhibition(_Model):
    """While a source alert fires, the target alerts with equal labels stay silent."""

    source: Selector
    target: Selector
    equal: tuple[LabelName, ...] = Field(min_length=1)


class RoutingFile(_Model):
    """catalog/routing.yaml."""

    resolve_timeout: Duration
    fallback_team: str
    channels: tuple[Channel, ...] = Field(min_length=1)
    receivers: Mapping[Name, Receiver]
    default: DefaultRoute
    routes: tuple[RouteEntry, ...]
    inhibitions: tuple[Inhibition, ...] = ()


# Repairs


class RemediationEntry(_Model):
    """Which action answers an alert."""

    action: str


ActionName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


class HandOverEntry(_Model):
    """An action that runs nothing: the alert is published to a team's topic, with a link to what it is about.

    `link` is an address with `{region}` and `{value}`; `value` is the alert's label `label`, which must match `pattern`
    as a whole.
    """

    team: str
    label: LabelName
    pattern: str = Field(pattern=r"^\^.*\$$")
    link: str = Field(pattern=r"^https://[^\s]+$")


class RemediationsFile(_Model):
    """catalog/remediations.yaml: alert name to what is done, and how far each action may go.

    `bounds` are whole numbers, by action and name: an action's script reads them as variables.
    """

    remediations: Mapping[str, RemediationEntry] = Field(default_factory=dict)
    hand_overs: Mapping[ActionName, HandOverEntry] = Field(default_factory=dict)
    bounds: Mapping[ActionName, Mapping[ActionName, Annotated[int, Field(ge=1)]]] = Field(default_factory=dict)


class DocumentParameter(BaseModel):
    """A parameter of an SSM document. Fields that only AWS reads are kept as they are."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: Literal["String"]
    allowedPattern: str = Field(pattern=r"^\^.*\$$")  # noqa: N815 - the name is AWS's
    interpolationType: Literal["ENV_VAR"]  # noqa: N815 - the name is AWS's


class SsmDocument(BaseModel):
    """An SSM document of schema 2.2."""

    model_config = ConfigDict(frozen=True, extra="allow")

    schemaVersion: Literal["2.2"]  # noqa: N815 - the name is AWS's
    description: str = Field(min_length=1)
    parameters: Mapping[str, DocumentParameter] = Field(min_length=1)
    mainSteps: tuple[Mapping[str, Any], ...] = Field(min_length=1)  # noqa: N815 - the name is AWS's


class Verb(StrEnum):
    """What may be done with a resource of the cluster. Not `deletecollection`: a repair is about one thing."""

    GET = "get"
    LIST = "list"
    WATCH = "watch"
    CREATE = "create"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"


class Right(_Model):
    """What a script may do with a resource of the cluster: an API group, `pods` or `pods/log`, and verbs."""

    group: str = ""
    resource: str = Field(pattern=r"^[a-z]+(/[a-z]+)?$")
    verbs: tuple[Verb, ...]


class ActionFile(_Model):
    """runbooks/actions/NAME.yaml: a repair or a diagnosis.

    `rights` are what its script needs in the namespaces that may be touched, `cluster_rights` what it needs of
    resources that belong to none; the bastion gets these and no others. `bounds` names the bounds that the script
    reads; catalog/remediations.yaml sets them.
    """

    name: ActionName
    document_name: str = Field(pattern=r"^orion-[a-z0-9-]{3,100}$")
    timeout_seconds: int = Field(ge=30, le=3600)
    parameters_from_labels: Mapping[str, LabelName] = Field(min_length=1)
    bounds: tuple[ActionName, ...] = ()
    rights: tuple[Right, ...]
    cluster_rights: tuple[Right, ...] = ()
    document: SsmDocument


# Rules


class Rule(_Model):
    """A rule in Prometheus' own words: either an alert or a recording."""

    alert: str | None = Field(default=None, pattern=r"^[A-Z][A-Za-z0-9]*$")
    record: MetricName | None = None
    expr: str = Field(min_length=1)
    for_: Duration | None = Field(default=None, alias="for")
    keep_firing_for: Duration | None = None
    labels: Mapping[LabelName, str] = Field(default_factory=dict)
    annotations: Mapping[LabelName, str] = Field(default_factory=dict)


class RuleGroup(_Model):
    """A group of rules that are evaluated one after the other."""

    name: str = Field(min_length=1)
    interval: Duration | None = None
    query_offset: Duration | None = None
    limit: int | None = Field(default=None, ge=0)
    rules: tuple[Rule, ...] = Field(min_length=1)


class RulesFile(_Model):
    """rules/DOMAIN.yaml."""

    groups: tuple[RuleGroup, ...] = Field(min_length=1)


class ScrapedSeries(_Model):
    """A series that an exporter serves, and the labels that the exporter puts on it."""

    exporter: str
    type: Literal["counter", "gauge", "histogram"]
    labels: tuple[LabelName, ...]
    description: str


class ExporterPods(_Model):
    """The pods of an exporter, by their label `app.kubernetes.io/name`; none stands for the catalog's services.

    `port` is the name or the number of a port that the container declares.
    """

    name: Name | None = None
    port: int | str


class Exporter(_Model):
    """Who serves series. What has no `pods` the chart brings and scrapes by itself."""

    description: str = Field(min_length=1)
    pods: ExporterPods | None = None


class ScrapedSeriesFile(_Model):
    """rules/scraped_series.yaml."""

    exporters: Mapping[str, Exporter]
    series: Mapping[MetricName, ScrapedSeries]


class Page(_Model):
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

    def alerts(self) -> Mapping[str, LocatedRule]:
        """Return the alerts by name; of two with one name, the first."""
        return self._alerts

    def owner(self, paged_service: str) -> str:
        """Return the team that is paged for a service of the catalog, or for what belongs to the team itself."""
        return self.services[paged_service].team if paged_service in self.services else paged_service
