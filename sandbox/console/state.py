"""The state that the journal's events add up to: alerts, notifications, incidents, repairs and messages."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from pydantic import BaseModel, Field, ValidationError

from alerting.names import ALERT_TOPIC
from alerting.routing.group_key import deduplication_key
from sandbox.journal import Event, Kind

KEPT_MESSAGES = 40
KEPT_REFUSALS = 20
KEPT_PASSED = 500
"""How many resolved alerts, resolved incidents, ended repairs and groups are remembered."""
THREAD_KEY = "episode#"
"""The beginning of the key by which chat marks the root message of a thread; the group's dedup key follows."""
TOLD_BEFORE_SECONDS = 5.0
"""A notification may be out before the observer, which looks ten times a second, has seen its alert firing."""


@dataclass(slots=True, kw_only=True)
class Alert:
    """One alert of Prometheus. Times are Unix seconds."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    since: float
    resolved: float | None = None

    @property
    def row(self) -> tuple[str, str, str]:
        """The labels that alerts in one row share: name, service and severity."""
        labels = self.labels
        return labels.get("alertname", ""), labels.get("service", ""), labels.get("severity", "")


@dataclass(slots=True, kw_only=True)
class Group:
    """A group of alerts that Alertmanager told the alert topic about. `total` is how many it held when last told."""

    receiver: str
    labels: Mapping[str, str]
    dedup_key: str
    status: str = ""
    total: int = 0
    told: float = 0.0

    def holds(self, alert: Alert) -> bool:
        """Say whether an alert belongs here. A label that Prometheus adds on the way is not among the alert's own."""
        return all(alert.labels.get(name, value) == value for name, value in self.labels.items())


@dataclass(slots=True, kw_only=True)
class Notified:
    """A person who was notified of an incident, and on which level."""

    person: str
    level: str
    time: float


@dataclass(slots=True, kw_only=True)
class Incident:
    """One incident in PagerDuty."""

    id: str
    number: int
    service: str
    summary: str
    severity: str
    urgency: str
    dedup_key: str
    opened: float
    status: str = "triggered"
    changed: float = 0.0
    by: str = ""
    notified: list[Notified] = field(default_factory=list[Notified])


@dataclass(slots=True, kw_only=True)
class Repair:
    """One command of Systems Manager, and what the repair function said of it."""

    command: str
    document: str
    parameters: Mapping[str, str]
    started: float
    finished: float | None = None
    status: str = "Running"
    output: str = ""
    errors: str = ""
    alert: str = ""
    result: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message in a Slack channel, as it was last edited. `key` is what the root message of a thread is known by."""

    channel: str
    ts: str
    title: str
    text: str
    color: str
    time: float
    key: str = ""

    def is_thread_of(self, group: Group) -> bool:
        """Say whether it is the root of a thread of chat about a group."""
        return bool(group.dedup_key) and self.key.startswith(f"{THREAD_KEY}{group.dedup_key}#")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request that somebody refused, and why."""

    source: str
    reason: str
    time: float


class _Notification(BaseModel):
    """Alertmanager's part of a message to the alert topic."""

    receiver: str
    status: str = ""
    group_labels: dict[str, str] = Field(default_factory=dict[str, str], alias="groupLabels")


class _Told(BaseModel):
    """A message to the alert topic. Anyone may publish there: what is not of this shape is passed over."""

    route: str
    notification: _Notification
    total: int = 0


class _Result(BaseModel):
    """The repair function's report on a command."""

    command_id: str
    alert: str = ""
    result: str = ""


class ConsoleState:
    """Adds up events. What has passed is kept in bounds, so that a long run does not grow without end."""

    def __init__(self) -> None:
        self.alerts: dict[frozenset[tuple[str, str]], Alert] = {}
        self.groups: dict[str, Group] = {}
        self.incidents: dict[str, Incident] = {}
        self.repairs: dict[str, Repair] = {}
        self.messages: deque[Message] = deque(maxlen=KEPT_MESSAGES)
        self.refusals: deque[Refusal] = deque(maxlen=KEPT_REFUSALS)
        self.faults: dict[frozenset[tuple[str, str]], Event] = {}
        self._results: dict[str, _Result] = {}
        self._incidents_by_key: dict[str, list[Incident]] = {}
        self._adders: Mapping[Kind, Callable[[Event], None]] = {
            Kind.FAULT_STARTED: self._fault,
            Kind.FAULT_ENDED: self._fault,
            Kind.ALERT_FIRING: self._firing,
            Kind.ALERT_RESOLVED: self._resolved,
            Kind.TOPIC_PUBLISHED: self._published,
            Kind.INCIDENT_TRIGGERED: self._incident,
            Kind.INCIDENT_ACKNOWLEDGED: self._incident,
            Kind.INCIDENT_RESOLVED: self._incident,
            Kind.PERSON_NOTIFIED: self._notified,
            Kind.MESSAGE_POSTED: self._message,
            Kind.MESSAGE_UPDATED: self._message_edited,
            Kind.COMMAND_STARTED: self._command_started,
            Kind.COMMAND_FINISHED: self._command_finished,
            Kind.REQUEST_REFUSED: self._refused,
        }

    def add(self, event: Event) -> None:
        """Take one more event into account. Kinds that nobody looks at are passed over."""
        adder = self._adders.get(event.kind)
        if adder is not None:
            adder(event)

    def groups_of(self, alert: Alert) -> Iterator[Group]:
        """Yield the groups in which an alert was told, this time."""
        for group in self.groups.values():
            if group.told >= alert.since - TOLD_BEFORE_SECONDS and group.holds(alert):
                yield group

    def incidents_of(self, group: Group) -> Iterator[Incident]:
        """Yield the incidents of a group, one for each time that it came."""
        yield from self._incidents_by_key.get(group.dedup_key, ())

    def _fault(self, event: Event) -> None:
        key = frozenset(event.ids.items())
        if event.kind is Kind.FAULT_STARTED:
            self.faults[key] = event
        else:
            self.faults.pop(key, None)

    def _firing(self, event: Event) -> None:
        annotations: Mapping[str, str] = event.details.get("annotations") or {}
        key = frozenset(event.ids.items())
        self.alerts.pop(key, None)  # so that the newest comes last
        self.alerts[key] = Alert(labels=event.ids, annotations=annotations, since=event.time)

    def _resolved(self, event: Event) -> None:
        alert = self.alerts.get(frozenset(event.ids.items()))
        if alert is not None:
            alert.resolved = event.time
            _forget(self.alerts, lambda one: one.resolved is not None)

    def _published(self, event: Event) -> None:
        message = event.details.get("message")
        if event.ids.get("topic") == ALERT_TOPIC:
            told = _read(_Told, message)
            if told is not None:
                self._told(event.time, told)
            return
        result = _read(_Result, message)
        if result is not None:
            self._results[result.command_id] = result
            _forget(self._results)
            if result.command_id in self.repairs:
                _complete(self.repairs[result.command_id], result)

    def _told(self, time: float, told: _Told) -> None:
        notification = told.notification
        key = deduplication_key(told.route, notification.group_labels)
        group = self.groups.pop(key, None) or Group(
            receiver=notification.receiver, labels=notification.group_labels, dedup_key=key
        )
        group.receiver, group.status, group.total, group.told = (
            notification.receiver,
            notification.status,
            told.total,
            time,
        )
        self.groups[key] = group
        _forget(self.groups)

    def _incident(self, event: Event) -> None:
        incident_id = event.ids["incident"]
        details = event.details
        incident = self.incidents.get(incident_id)
        if incident is None:
            incident = self.incidents[incident_id] = Incident(
                id=incident_id,
                number=int(details.get("number", 0)),
                service=event.ids.get("service", ""),
                summary=str(details.get("summary", "")),
                severity=str(details.get("severity", "")),
                urgency=str(details.get("urgency", "")),
                dedup_key=event.ids.get("dedup_key", ""),
                opened=event.time,
            )
            self._incidents_by_key.setdefault(incident.dedup_key, []).append(incident)
        incident.status = event.kind.value.removeprefix("incident ")
        incident.changed = event.time
        incident.by = str(details.get("by", ""))
        if incident.status == "resolved":
            for gone in _forget(self.incidents, lambda one: one.status == "resolved"):
                self._incidents_by_key[gone.dedup_key].remove(gone)

    def _notified(self, event: Event) -> None:
        incident = self.incidents.get(event.ids.get("incident", ""))
        if incident is not None:
            person, level = event.ids.get("person", ""), event.ids.get("level", "")
            incident.notified.append(Notified(person=person, level=level, time=event.time))

    def _message(self, event: Event) -> None:
        """Keep a message that everybody sees in its channel: not a reply, and not what only one person sees."""
        if not event.details.get("thread") and not event.details.get("only_for"):
            self.messages.append(_message_of(event))

    def _message_edited(self, event: Event) -> None:
        edited = _message_of(event)
        for place, message in enumerate(self.messages):
            if (message.channel, message.ts) == (edited.channel, edited.ts):
                self.messages[place] = replace(edited, time=message.time, key=message.key)

    def _command_started(self, event: Event) -> None:
        command = event.ids.get("command", "")
        repair = self.repairs[command] = Repair(
            command=command,
            document=event.ids.get("document", ""),
            parameters={name: str(value) for name, value in event.details.get("parameters", {}).items()},
            started=event.time,
        )
        if command in self._results:
            _complete(repair, self._results[command])

    def _command_finished(self, event: Event) -> None:
        repair = self.repairs.get(event.ids.get("command", ""))
        if repair is not None:
            repair.finished = event.time
            repair.status = event.ids.get("status", "")
            repair.output = str(event.details.get("output", ""))
            repair.errors = str(event.details.get("errors", ""))
            _forget(self.repairs, lambda one: one.finished is not None)

    def _refused(self, event: Event) -> None:
        reason = str(event.details.get("reason", ""))
        self.refusals.append(Refusal(source=event.source, reason=reason, time=event.time))


def _complete(repair: Repair, result: _Result) -> None:
    repair.alert, repair.result = result.alert, result.result


_Key = TypeVar("_Key")
_Kept = TypeVar("_Kept")
_Message = TypeVar("_Message", bound=BaseModel)


def _read(model: type[_Message], text: object) -> _Message | None:
    """Return what a text holds, or None where it is of another shape."""
    try:
        return model.model_validate_json(text) if isinstance(text, str) else None
    except ValidationError:
        return None


def _forget(kept: dict[_Key, _Kept], passed: Callable[[_Kept], bool] = lambda _: True) -> list[_Kept]:
    """Drop the oldest of those that have passed until no more than `KEPT_PASSED` are kept, and return them."""
    over = len(kept) - KEPT_PASSED
    keys = [key for key, value in kept.items() if passed(value)][:over] if over > 0 else []
    return [kept.pop(key) for key in keys]


def _message_of(event: Event) -> Message:
    details = event.details
    return Message(
        channel=event.ids.get("channel", ""),
        ts=str(details.get("ts") or ""),
        title=str(details.get("title") or ""),
        text=str(details.get("text") or ""),
        color=str(details.get("color") or ""),
        time=event.time,
        key=str(details.get("key") or ""),
    )
