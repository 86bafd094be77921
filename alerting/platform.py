"""The one immutable value that holds everything to be deployed.

The catalog and the rules become a `Platform` once; components turn parts of it into resources, `orion render` prints
it, checks read it. Nobody else reads the YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from alerting.platform_repairs import Repairs
from alerting.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFile:
    """One PrometheusRule: `name` is a Kubernetes name, `groups` are Prometheus' own, ready to be written."""

    name: str
    groups: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodMonitor:
    """A PodMonitor of the operator: a scrape target that the chart does not bring."""

    name: str
    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One Grafana dashboard: `name` is its uid and a Kubernetes name, `text` its JSON."""

    name: str
    text: str


class SecretSource(StrEnum):
    """The source of a mounted secret file's text."""

    PAGERDUTY_INTEGRATION = "pagerduty integration"  # `reference` is the name of the orchestration's key
    SLACK_WEBHOOK = "slack webhook"  # `reference` is the channel, with its #


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFile:
    """One file that Alertmanager reads a secret from: /etc/alertmanager/secrets/SECRET/KEY."""

    secret: str
    key: str
    source: SecretSource
    reference: str

    @property
    def path(self) -> str:
        """The path at which the operator mounts the file."""
        return f"/etc/alertmanager/secrets/{self.secret}/{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerFiles:
    """Alertmanager's files. `configuration` holds no secret; `templates` maps a file's name to its text."""

    configuration: Mapping[str, Any]
    templates: Mapping[str, str]
    template_config_map: str
    secret_files: tuple[SecretFile, ...]

    @property
    def slack_channels(self) -> list[str]:
        """The channels that need a webhook, sorted, each with its #."""
        return sorted({file.reference for file in self.secret_files if file.source is SecretSource.SLACK_WEBHOOK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """One person's shifts, as PagerDuty counts them: the first one, and what repeats it (RFC 5545).

    `start` and `end` are the first shift's, `effective_since` is when shifts begin to count; all are ISO 8601 in UTC.
    Repetition is by the wall clock of the schedule's time zone. `shifts_per_turn` changes nothing of that, with one
    person: PagerDuty's editor can't open an event whose turns are not whole weeks of the days that its rule lists.
    """

    name: str
    person: str  # an email
    start: str
    end: str
    effective_since: str
    recurrences: tuple[str, ...]
    shifts_per_turn: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """An on-call schedule: the rotations cover every hour. `time_zone` is an IANA name."""

    name: str
    team: str
    time_zone: str
    rotations: tuple[Rotation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PagedTeam:
    """A team as PagerDuty knows it: what its schedules, its policy and its incidents are found by."""

    name: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationLevel:
    """A level of an escalation policy: the people notified, and the minutes without acknowledgement until the next."""

    schedules: tuple[str, ...]
    people: tuple[str, ...]
    timeout_minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationPolicy:
    """A team's escalation levels, first to last, gone through `repeats` more times. The last may be another team's."""

    name: str
    team: str
    levels: tuple[EscalationLevel, ...]
    repeats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PagedService:
    """A service of the catalog as PagerDuty knows it. The acknowledgement timeout is explicit, never a default."""

    name: str
    description: str
    escalation_policy: str
    acknowledgement_timeout_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterRule:
    """The events that a PagerDuty service gets: any of the conditions holds, in PagerDuty's Condition Language."""

    service: str
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOrchestration:
    """The way of every page into PagerDuty. The first rule that holds picks the service, else it is `catch_all`.

    Each of `keys` exists in each of the numbers of `key_numbers`; Alertmanager uses the last. `team` may edit it.
    """

    name: str
    team: str
    keys: tuple[str, ...]
    key_numbers: tuple[int, ...]
    rules: tuple[RouterRule, ...]
    catch_all: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCall:
    """Everything that PagerDuty is told. People are looked up by email, never made.

    `operating_team` keeps this platform itself: it is paged when that fails.
    """

    operating_team: str
    people: tuple[str, ...]
    teams: tuple[PagedTeam, ...]
    schedules: tuple[Schedule, ...]
    escalation_policies: tuple[EscalationPolicy, ...]
    services: tuple[PagedService, ...]
    orchestration: EventOrchestration


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRoute:
    """A route whose groups have threads. `key` is its static key, `channel` where its threads are."""

    receiver: str
    key: str
    channel: str
    title_prefix: str
    group_by: tuple[str, ...]
    pages: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogSilence:
    """A maintenance window. Its alerts have, of each label in `match`, one of the values. Times are Unix seconds."""

    name: str
    owner: str
    reason: str
    match: Mapping[str, tuple[str, ...]]
    since: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """Routes, people and maintenance windows that chat's function is given.

    People are emails: `responders` may acknowledge, silence and escalate, and `approvers` approve repairs.
    `webhook_receivers` are those whose notifications have no thread: webhooks show them. `waits` are in seconds, by
    their names in `chatops.episode.Waits`.
    """

    routes: tuple[ChatRoute, ...]
    webhook_receivers: tuple[str, ...]
    responders: tuple[str, ...]
    approvers: tuple[str, ...]
    silences: tuple[CatalogSilence, ...]
    waits: Mapping[str, float] = field(default_factory=dict[str, float])

    def as_function_data(self) -> dict[str, Any]:
        """Return what the function is given in its zip as `chat.json`."""
        return {
            "routes": {
                route.receiver: {
                    "key": route.key,
                    "channel": route.channel,
                    "title_prefix": route.title_prefix,
                    "group_by": list(route.group_by),
                    "pages": route.pages,
                }
                for route in self.routes
            },
            "webhook_receivers": list(self.webhook_receivers),
            "responders": list(self.responders),
            "approvers": list(self.approvers),
            "silences": {
                silence.name: {
                    "owner": silence.owner,
                    "reason": silence.reason,
                    "match": {label: list(values) for label, values in sorted(silence.match.items())},
                    "since": silence.since,
                    "until": silence.until,
                }
                for silence in self.silences
            },
            "waits": dict(self.waits),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Everything to be deployed to one stack."""

    settings: Settings
    rules: tuple[RuleFile, ...]
    dashboards: tuple[Dashboard, ...]
    pod_monitors: tuple[PodMonitor, ...]
    alertmanager: AlertmanagerFiles
    on_call: OnCall
    repairs: Repairs
    chat: Chat
