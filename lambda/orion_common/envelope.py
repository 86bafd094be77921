"""Reads the envelope in which SNS delivers a notification of Alertmanager, strictly.

Unreadable   it is of ours and can't be read: cut at 256 KiB, or not what Alertmanager writes
NotOurs      it is something else
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar

from orion_common.names import MESSAGE_VERSION, TRUNCATED

FINGERPRINT = re.compile(r"[0-9a-f]{16}")
REPEAT = "repeat interval elapsed"
"""Alertmanager's reason for a notification that says nothing new."""

_Value = TypeVar("_Value")


class Unreadable(ValueError):
    """A message of ours that can't be read; the text says where."""


class NotOurs(ValueError):
    """A message that is none of ours; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert of a notification, as Alertmanager writes it. `fingerprint`, a hash of its labels, is its identity.

    `starts_at` is its text, unchanged, and no part of the identity: Alertmanager moves it while the alert fires.
    `annotations` are none either: Alertmanager has the newest that Prometheus sent.
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
    read; `unreadable` says what is wrong with each of the others. `external_url` is Alertmanager's address for people.
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
    external_url: str = ""

    @property
    def left_out(self) -> int:
        """Return how many alerts of the group the message does not hold."""
        return self.total - len(self.alerts) - len(self.unreadable)

    @property
    def is_repeat(self) -> bool:
        """Say whether it says nothing new."""
        return self.reason == REPEAT


def parse_json(text: str) -> Any:
    """Return the JSON of `text`. Raises `ValueError`, for JSON nested too deeply too."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def is_notification(content: Mapping[str, Any]) -> bool:
    """Return whether a queue's message is what SNS delivers for a topic."""
    return content.get("Type") == "Notification" and "TopicArn" in content


def read_object(body: str) -> dict[str, Any]:
    """Return the JSON object of a queue's message. Raises `NotOurs`."""
    try:
        content = parse_json(body)
    except ValueError as error:
        raise NotOurs(f"not JSON: {error}") from error
    if not isinstance(content, dict):
        raise NotOurs(f"not a JSON object: {type(content).__name__}")
    return content


def read_notification(envelope: Mapping[str, Any]) -> Notification:
    """Return the notification of an envelope. Raises `Unreadable` or `NotOurs`."""
    if _attribute(envelope, TRUNCATED) == "true":
        raise Unreadable("Alertmanager cut the message at 256 KiB")
    try:
        message = parse_json(field_of(envelope, "Message", str, "envelope"))
    except Unreadable:
        raise
    except ValueError as error:
        raise Unreadable(f"Message: not JSON: {error}") from error
    if not isinstance(message, dict) or "notification" not in message:
        raise NotOurs("the topic's message is no notification of Alertmanager's")
    version = message.get("version")
    if version != MESSAGE_VERSION:
        raise Unreadable(f"version: found {version!r:.100}; allowed: {MESSAGE_VERSION!r}")
    notification = field_of(message, "notification", dict, "message")
    alerts = field_of(notification, "alerts", list, "notification")
    total = field_of(message, "total", int, "message")
    if isinstance(total, bool) or total < len(alerts):
        raise Unreadable(f"message.total: found {total!r}; allowed: the number of alerts, {len(alerts)}, or more")
    readable, unreadable = readable_alerts(alerts, "alerts", _alert)
    external_url = notification.get("externalURL")
    return Notification(
        id=field_of(envelope, "MessageId", str, "envelope"),
        sent_at=time_of(field_of(envelope, "Timestamp", str, "envelope"), "envelope.Timestamp"),
        route=field_of(message, "route", str, "message"),
        firing=_is_firing(notification, "notification"),
        reason=field_of(notification, "notification_reason", str, "notification"),
        total=total,
        receiver=field_of(notification, "receiver", str, "notification"),
        group_labels=texts_of(notification, "groupLabels", "notification"),
        common_labels=texts_of(notification, "commonLabels", "notification"),
        alerts=readable,
        unreadable=unreadable,
        external_url=external_url if isinstance(external_url, str) else "",
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
    status = field_of(holder, "status", str, place)
    if status not in {"firing", "resolved"}:
        raise Unreadable(f"{place}.status: found {status!r:.100}; allowed: firing, resolved")
    return status == "firing"


def read_api_alert(alert: object, place: str) -> Alert | None:
    """Return an alert as Alertmanager's API has it, or None for one that is silenced or inhibited.

    Raises `Unreadable`.
    """
    if not isinstance(alert, dict):
        raise Unreadable(f"{place}: found {type(alert).__name__}; allowed: an object")
    state = field_of(field_of(alert, "status", dict, place), "state", str, f"{place}.status")
    return _identified(alert, place, firing=True) if state == "active" else None


def _identified(alert: Mapping[str, Any], place: str, *, firing: bool) -> Alert:
    labels = texts_of(alert, "labels", place)
    if not labels.get("alertname"):
        raise Unreadable(f"{place}.labels: no alertname")
    fingerprint = field_of(alert, "fingerprint", str, place)
    if not FINGERPRINT.fullmatch(fingerprint):
        raise Unreadable(f"{place}.fingerprint: found {fingerprint!r:.100}; allowed: 16 hexadecimal digits")
    starts_at = field_of(alert, "startsAt", str, place)
    time_of(starts_at, f"{place}.startsAt")
    return Alert(
        name=labels["alertname"],
        firing=firing,
        labels=labels,
        starts_at=starts_at,
        fingerprint=fingerprint,
        annotations=texts_of(alert, "annotations", place),
    )


def field_of(source: Mapping[str, Any], name: str, kind: type[_Value], place: str) -> _Value:
    """Return a field of the kind that is wanted. Raises `Unreadable`."""
    value = source.get(name)
    if not isinstance(value, kind):
        found = "nothing" if value is None else type(value).__name__
        raise Unreadable(f"{place}.{name}: found {found}; allowed: {kind.__name__}")
    return value


def texts_of(source: Mapping[str, Any], name: str, place: str) -> Mapping[str, str]:
    """Return a field that maps texts to texts. Raises `Unreadable`."""
    values: dict[str, Any] = field_of(source, name, dict, place)
    for key, value in values.items():
        if not isinstance(value, str):
            raise Unreadable(f"{place}.{name}.{key!r:.100}: found {type(value).__name__}; allowed: str")
        try:
            (key + value).encode()
        except UnicodeEncodeError as error:  # half of a surrogate pair, which no table or topic takes
            raise Unreadable(f"{place}.{name}: not Unicode text: {error}") from error
    return values


def time_of(text: str, place: str) -> datetime:
    """Return a time that has an offset. Raises `Unreadable`."""
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
