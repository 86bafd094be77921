"""The state of a PagerDuty account. All of it is in memory, behind the account's one lock."""

from __future__ import annotations

import itertools
import string
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol, TypeVar

from sandbox.clouds.pagerduty.orchestrations import Orchestration, label_of
from sandbox.clouds.pagerduty.schedule_model import Schedule

Stored = TypeVar("Stored")
ID_LETTERS = string.digits + string.ascii_uppercase
RESOURCE_ID_LENGTH = 7
INCIDENT_ID_LENGTH = 14
V3_ID_LENGTH = 26
PRIORITIES = {"P1": "Critical", "P2": "Severe", "P3": "Moderate", "P4": "Minor", "P5": "Cosmetic"}
"""The priorities of an account, the most severe first."""


class Status(StrEnum):
    """The status of an incident."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Severity(StrEnum):
    """The severities of an event. PagerDuty has no others."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Urgency(StrEnum):
    """The urgency of an incident. Only a high one escalates."""

    HIGH = "high"
    LOW = "low"


class Named(Protocol):
    """An object with an id and a summary for people."""

    @property
    def id(self) -> str:
        """The id."""
        ...

    @property
    def summary(self) -> str:
        """The text."""
        ...


@dataclass(slots=True, kw_only=True)
class User:
    """A person."""

    id: str
    name: str
    email: str
    time_zone: str
    role: str
    job_title: str | None
    description: str | None

    @property
    def summary(self) -> str:
        """The person's name."""
        return self.name


@dataclass(slots=True, kw_only=True)
class Team:
    """A team: a name that policies and schedules may carry."""

    id: str
    name: str
    description: str

    @property
    def summary(self) -> str:
        """The team's name."""
        return self.name


@dataclass(slots=True, kw_only=True)
class Integration:
    """A way for events into a service. `key` is the routing key."""

    id: str
    service: str
    name: str
    type: str
    key: str
    created_at: datetime

    @property
    def summary(self) -> str:
        """The integration's name."""
        return self.name


UrgencyChoice = Literal["high", "low", "severity_based"]


@dataclass(slots=True, kw_only=True)
class Service:
    """A service. Timeouts are in seconds of the story; None is never."""

    id: str
    name: str
    description: str
    escalation_policy: str
    acknowledgement_timeout: int | None
    auto_resolve_timeout: int | None
    urgency: UrgencyChoice
    enabled: bool
    created_at: datetime
    last_incident_at: datetime | None = None

    @property
    def summary(self) -> str:
        """The service's name."""
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A target of an escalation level: a person, or whoever is on call on a schedule."""

    kind: Literal["user", "schedule"]
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationRule:
    """A level of an escalation policy. `delay_minutes` are the story's, until the next level."""

    id: str
    delay_minutes: int
    targets: tuple[Target, ...]


@dataclass(slots=True, kw_only=True)
class EscalationPolicy:
    """An escalation policy: its levels are notified in order, `num_loops` times more after the last."""

    id: str
    name: str
    description: str
    num_loops: int
    handoff_notifications: str
    rules: tuple[EscalationRule, ...]
    teams: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The policy's name."""
        return self.name


@dataclass(slots=True, kw_only=True)
class Alert:
    """An open alert: the trigger events of one integration with one key, until it is resolved."""

    id: str
    key: str
    integration: str
    service: str
    incident: str
    resolved: bool
    severity: Severity
    summary: str
    created_at: datetime
    details: Mapping[str, Any]
    payload: Mapping[str, Any]
    contexts: Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """The actor of a change: a person, an integration, or a service, which stands for its timers too."""

    kind: Literal["user", "service", "integration"]
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """Something that happened to an incident. `kind` is the type's name without `_log_entry`."""

    id: str
    kind: str
    at: datetime
    incident: str
    summary: str
    agent: Agent
    channel: Mapping[str, Any]
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A person's note on an incident."""

    id: str
    incident: str
    user: str
    content: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusUpdate:
    """A person's message about an incident to its subscribers."""

    id: str
    user: str
    message: str
    at: datetime
    subject: str | None = None
    html_message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Priority:
    """A priority that an incident may have."""

    id: str
    name: str
    description: str

    @property
    def summary(self) -> str:
        """The priority's name."""
        return self.name


@dataclass(slots=True, kw_only=True)
class Incident:
    """A problem that somebody has to look at. `level` counts from 1, `loops_left` what the policy still repeats.

    `first_key` is the key of the alert that opened it; `merged_into` the incident that it was merged into.
    `snapshot` is the policy as it was when the incident was triggered: later changes do not reach an open incident.
    """

    id: str
    number: int
    title: str
    first_key: str
    service: str
    escalation_policy: str
    snapshot: EscalationPolicy
    urgency: Urgency
    created_at: datetime
    status: Status = Status.TRIGGERED
    level: int = 1
    loops_left: int = 0
    assignees: tuple[str, ...] = ()
    assigned_at: datetime
    directly_assigned: bool = False
    changed_at: datetime
    changed_by: Agent | None = None
    acknowledged: tuple[tuple[Agent, datetime], ...] = ()
    priority: str | None = None
    merged_into: str | None = None
    log: list[LogEntry] = field(default_factory=list[LogEntry])
    notes: list[Note] = field(default_factory=list[Note])
    alerts: list[Alert] = field(default_factory=list[Alert])

    @property
    def summary(self) -> str:
        """The number and the title."""
        return f"[#{self.number}] {self.title}"

    @property
    def key(self) -> str | None:
        """The incident's key; one that holds several alerts has none."""
        return self.first_key if len(self.alerts) <= 1 else None


class Account:
    """One account. Whoever reads or writes it holds `lock`."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.lock = threading.RLock()
        self.users: dict[str, User] = {}
        self.teams: dict[str, Team] = {}
        self.services: dict[str, Service] = {}
        self.integrations: dict[str, Integration] = {}
        self.orchestrations: dict[str, Orchestration] = {}
        self.policies: dict[str, EscalationPolicy] = {}
        self.schedules: dict[str, Schedule] = {}
        self.incidents: dict[str, Incident] = {}
        self.priorities: dict[str, Priority] = {}
        self._counter = itertools.count(1)
        self._incident_numbers = itertools.count(1)
        for name, description in PRIORITIES.items():
            priority = Priority(id=self.new_id(), name=name, description=description)
            self.priorities[priority.id] = priority

    def new_id(self, first: str = "P", length: int = RESOURCE_ID_LENGTH) -> str:
        """Return an id that nothing else has: letters and digits, with the length that PagerDuty's have."""
        number, digits = next(self._counter) * 7919 + 104729, ""  # spread, so that neighbours do not look alike
        while number:
            number, digit = divmod(number, len(ID_LETTERS))
            digits = ID_LETTERS[digit] + digits
        return first + digits.rjust(length - len(first), "0")

    def new_v3_id(self) -> str:
        """Return an id as schedules' parts have."""
        return self.new_id("S", V3_ID_LENGTH)

    def new_incident(self) -> tuple[str, int]:
        """Return the id and the number of the next incident."""
        return self.new_id("Q", INCIDENT_ID_LENGTH), next(self._incident_numbers)

    @staticmethod
    def new_key() -> str:
        """Return a routing key or a dedup key: 32 hexadecimal digits."""
        return uuid.uuid4().hex

    def user_by_email(self, email: str) -> User | None:
        """Return the person with this address; case does not count."""
        return next((user for user in self.users.values() if user.email.casefold() == email.casefold()), None)

    def integration_by_key(self, key: str) -> Integration | None:
        """Return the integration that a routing key belongs to."""
        return next((each for each in self.integrations.values() if each.key == key), None)

    def integration_name(self, integration: str) -> str | None:
        """Return the name of a service's integration or of an orchestration's, or None if it is gone."""
        if integration in self.integrations:
            return self.integrations[integration].name
        return label_of(self.orchestrations.values(), integration)

    def open_alert(self, integration: Integration, key: str) -> Alert | None:
        """Return the unresolved alert of a service that an event with this key of this integration is about."""
        return next(
            (
                alert
                for incident in self.incidents.values()
                if incident.status is not Status.RESOLVED
                for alert in incident.alerts
                if alert.service == integration.service and alert.integration == integration.id
                if alert.key == key and not alert.resolved
            ),
            None,
        )

    def integrations_of(self, service: str) -> list[Integration]:
        """Return a service's integrations."""
        return [each for each in self.integrations.values() if each.service == service]

    def policies_with(self, kind: Literal["user", "schedule"], target: str) -> list[EscalationPolicy]:
        """Return the escalation policies that reach a person or a schedule."""
        wanted = Target(kind=kind, id=target)
        return [policy for policy in self.policies.values() if any(wanted in rule.targets for rule in policy.rules)]

    def open_incidents_with(self, schedule: str) -> list[Incident]:
        """Return the open incidents whose policy, as it was when they were triggered, reaches a schedule."""
        wanted = Target(kind="schedule", id=schedule)
        return [
            incident
            for incident in self.incidents.values()
            if incident.status is not Status.RESOLVED
            and any(wanted in rule.targets for rule in incident.snapshot.rules)
        ]

    def services_of(self, policy: str) -> list[Service]:
        """Return the services that an escalation policy is for."""
        return [service for service in self.services.values() if service.escalation_policy == policy]


def by_id(stored: Mapping[str, Stored], ids: Iterable[str]) -> list[Stored]:
    """Return what is stored under these ids, leaving out what has gone."""
    return [stored[each] for each in ids if each in stored]
