"""Reads what arrives in the queue, strictly, into one of three things.

    Unreadable   it is of ours and can't be read: cut at 256 KiB, or not what Alertmanager writes
    NotOurs      it is something else

Both are kept as they came and never tried again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar

OUTCOME_DETAIL_TYPE = "EC2 Command Invocation Status-change Notification"
SWEEP_SOURCE = "orion.sweep"
FINGERPRINT = re.compile(r"[0-9a-f]{16}")
MESSAGE_VERSION = "1"
REPEAT = "repeat interval elapsed"
"""Alertmanager's reason for a notification that says nothing new."""

_Value = TypeVar("_Value")


class Unreadable(ValueError):
    """A message of ours that can't be read; the text says where."""


class NotOurs(ValueError):
    """A message that is none of ours; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert of a notification, as Alertmanager writes it. `starts_at` is its text, unchanged: it is an identity.

    `annotations` are no part of its identity: Alertmanager has the newest that Prometheus sent.
    """

    name: str
    firing: bool
    labels: Mapping[str, str]
    starts_at: str
    fingerprint: str
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A group of alerts. `total` is how many there were; a message holds 100 at most, fewer where these are long.

    `firing` says whether any of the group still does, be it carried or not.
    `receiver` is the name of one route's, so that with the group's labels it names the group. `id` and `sent_at` are
    the topic's, the latter by its clock: queues and redrives leave both as they are. `alerts` are those that could be
    read; `unreadable` says what is wrong with each of the others.
    """

    id: str
    sent_at: datetime
    route: str
    receiver: str
    firing: bool
    reason: str
    total: int
    group_labels: Mapping[str, str]
    common_labels: Mapping[str, str]
    alerts: tuple[Alert, ...]
    unreadable: tuple[str, ...] = ()

    @property
    def left_out(self) -> int:
        """Return how many alerts of the group the message does not hold."""
        return self.total - len(self.alerts) - len(self.unreadable)

    @property
    def is_repeat(self) -> bool:
        """Say whether it says nothing new."""
        return self.reason == REPEAT


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEvent:
    """A command's change of status on one instance. `time` is when Systems Manager said so."""

    command_id: str
    instance_id: str
    status: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Sweep:
    """The schedule's request to look for what is overdue."""


Message = Notification | CommandEvent | Sweep


def read_message(body: str) -> Message:
    """Return what a queue's message says. Raises `Unreadable` or `NotOurs`."""
    try:
        content = _parse(body)
    except ValueError as error:
        raise NotOurs(f"not JSON: {error}") from error
    if not isinstance(content, dict):
        raise NotOurs(f"not a JSON object: {type(content).__name__}")
    if content.get("Type") == "Notification" and "TopicArn" in content:
        return _notification(content)
    source = content.get("source")
    if source == SWEEP_SOURCE:
        return Sweep()
    if source == "aws.ssm" and content.get("detail-type") == OUTCOME_DETAIL_TYPE:
        return _command_event(content)
    raise NotOurs(f"neither a notification of a topic, nor a command's event, nor a sweep: source {source!r:.100}")


def _parse(text: str) -> Any:
    """Return the JSON of `text`. Raises `ValueError`, for JSON nested too deeply too."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _notification(envelope: Mapping[str, Any]) -> Notification:
    if _attribute(envelope, "truncated") == "true":
        raise Unreadable("Alertmanager cut the message at 256 KiB")
    try:
        message = _parse(_get(envelope, "Message", str, "envelope"))
    except Unreadable:
        raise
    except ValueError as error:
        raise Unreadable(f"Message: not JSON: {error}") from error
    if not isinstance(message, dict) or "notification" not in message:
        raise NotOurs("the topic's message is no notification of Alertmanager's")
    version = message.get("version")
    if version != MESSAGE_VERSION:
        raise Unreadable(f"version: found {version!r:.100}; allowed: {MESSAGE_VERSION!r}")
    notification = _get(message, "notification", dict, "message")
    alerts = _get(notification, "alerts", list, "notification")
    total = _get(message, "total", int, "message")
    if isinstance(total, bool) or total < len(alerts):
        raise Unreadable(f"message.total: found {total!r}; allowed: the number of alerts, {len(alerts)}, or more")
    readable, unreadable = readable_alerts(alerts, "alerts", _alert)
    return Notification(
        id=_get(envelope, "MessageId", str, "envelope"),
        sent_at=_time(_get(envelope, "Timestamp", str, "envelope"), "envelope.Timestamp"),
        route=_get(message, "route", str, "message"),
        firing=_is_firing(notification, "notification"),
        reason=_get(notification, "notification_reason", str, "notification"),
        total=total,
        receiver=_get(notification, "receiver", str, "notification"),
        group_labels=_texts(notification, "groupLabels", "notification"),
        common_labels=_texts(notification, "commonLabels", "notification"),
        alerts=readable,
        unreadable=unreadable,
    )


def readable_alerts(
    alerts: Sequence[object], place: str, read: Callable[[object, str], Alert | None]
) -> tuple[tuple[Alert, ...], tuple[str, ...]]:
    """Return the alerts that `read` can read, and what is wrong with the others: one bad alert hides no other."""
    readable: list[Alert] = []
    problems: list[str] = []
    for index, content in enumerate(alerts):
        try:
            alert = read(content, f"{place}[{index}]")
        except Unreadable as error:
            problems.append(str(error))
        else:
            readable += [] if alert is None else [alert]
    return tuple(readable), tuple(problems)


def _attribute(envelope: Mapping[str, Any], name: str) -> object:
    attributes = envelope.get("MessageAttributes")
    attribute = attributes.get(name) if isinstance(attributes, dict) else None
    return attribute.get("Value") if isinstance(attribute, dict) else None


def _alert(alert: object, place: str) -> Alert:
    if not isinstance(alert, dict):
        raise Unreadable(f"{place}: found {type(alert).__name__}; allowed: an object")
    return _identified(alert, place, firing=_is_firing(alert, place))


def _is_firing(holder: Mapping[str, Any], place: str) -> bool:
    status = _get(holder, "status", str, place)
    if status not in {"firing", "resolved"}:
        raise Unreadable(f"{place}.status: found {status!r:.100}; allowed: firing, resolved")
    return status == "firing"


def read_api_alert(alert: object, place: str) -> Alert | None:
    """Return an alert as Alertmanager's API has it, or None for one that is silenced or inhibited.

    Raises `Unreadable`.
    """
    if not isinstance(alert, dict):
        raise Unreadable(f"{place}: found {type(alert).__name__}; allowed: an object")
    state = _get(_get(alert, "status", dict, place), "state", str, f"{place}.status")
    return _identified(alert, place, firing=True) if state == "active" else None


def _identified(alert: Mapping[str, Any], place: str, *, firing: bool) -> Alert:
    labels = _texts(alert, "labels", place)
    if not labels.get("alertname"):
        raise Unreadable(f"{place}.labels: no alertname")
    fingerprint = _get(alert, "fingerprint", str, place)
    if not FINGERPRINT.fullmatch(fingerprint):
        raise Unreadable(f"{place}.fingerprint: found {fingerprint!r:.100}; allowed: 16 hexadecimal digits")
    starts_at = _get(alert, "startsAt", str, place)
    _time(starts_at, f"{place}.startsAt")
    return Alert(
        name=labels["alertname"],
        firing=firing,
        labels=labels,
        starts_at=starts_at,
        fingerprint=fingerprint,
        annotations=_texts(alert, "annotations", place),
    )


def _command_event(event: Mapping[str, Any]) -> CommandEvent:
    detail = _get(event, "detail", dict, "event")
    return CommandEvent(
        command_id=_get(detail, "command-id", str, "detail"),
        instance_id=_get(detail, "instance-id", str, "detail"),
        status=_get(detail, "status", str, "detail"),
        time=_time(_get(event, "time", str, "event"), "event.time"),
    )


def _get(source: Mapping[str, Any], name: str, kind: type[_Value], place: str) -> _Value:
    value = source.get(name)
    if not isinstance(value, kind):
        found = "nothing" if value is None else type(value).__name__
        raise Unreadable(f"{place}.{name}: found {found}; allowed: {kind.__name__}")
    return value


def _texts(source: Mapping[str, Any], name: str, place: str) -> Mapping[str, str]:
    values: dict[str, Any] = _get(source, name, dict, place)
    for key, value in values.items():
        if not isinstance(value, str):
            raise Unreadable(f"{place}.{name}.{key!r:.100}: found {type(value).__name__}; allowed: str")
        try:
            (key + value).encode()
        except UnicodeEncodeError as error:  # half of a surrogate pair, which no table or topic takes
            raise Unreadable(f"{place}.{name}: not Unicode text: {error}") from error
    return values


def _time(text: str, place: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Unreadable(f"{place}: found {text!r:.100}; allowed: a time such as 2026-01-02T03:04:05.678Z") from error
    if moment.tzinfo is None:
        raise Unreadable(f"{place}: found {text!r:.100}; allowed: a time with its offset")
    try:
        moment.astimezone(UTC)
    except OverflowError as error:
        raise Unreadable(f"{place}: found {text!r:.100}; allowed: a time of the years 1 to 9999 in UTC") from error
    return moment
