"""Reads what arrives in chat's queue, strictly, into inputs of episodes.

`Unreadable` and `NotOurs` of `orion_common.envelope` are raised for what can't be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from chatops.details import details_of_alert
from chatops.episode import Details, EpisodeId
from chatops.events import Button, Notified, SlackAction
from orion_common.envelope import (
    Alert,
    Notification,
    NotOurs,
    Unreadable,
    field_of,
    is_notification,
    read_notification,
    read_object,
    time_of,
)
from orion_common.group_key import quoted
from orion_common.names import (
    CHAT_DIGEST_SOURCE,
    CHAT_DUE_SOURCE,
    CHAT_SWEEP_SOURCE,
    PAGERDUTY_SOURCE,
    REPAIR_ENDED_SOURCE,
    REPAIR_PROPOSED_SOURCE,
    SLACK_SOURCE,
)
from orion_common.repair_messages import RepairProposal, RepairReport, read_proposal, read_report

UNNAMED = frozenset({"unnamed"})
"""In place of fingerprints, for a group that fires and whose message carries none of its firing alerts."""
SILENCE_ADDRESS_LIMIT = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class Click:
    """A click on a button of a message. `message` is the message's id, and `workspace` whose it is."""

    workspace: str
    message: str
    episode: EpisodeId
    action: SlackAction


@dataclass(frozen=True, slots=True)
class Ignored:
    """A click that does nothing, such as that on a link."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """PagerDuty reported that an incident has changed."""

    incident: str


@dataclass(frozen=True, slots=True)
class Sweep:
    """The schedule's message."""


@dataclass(frozen=True, slots=True)
class Due:
    """An episode is due, as chat told its own queue before."""

    episode: EpisodeId


@dataclass(frozen=True, slots=True)
class DigestDue:
    """A channel's digest is to be shown, as chat told its own queue before."""

    channel: str


Input = Notification | Click | Ignored | Webhook | Sweep | Due | DigestDue | RepairProposal | RepairReport


def read_input(body: str) -> Input:
    """Return what a queue's message says. Raises `Unreadable` or `NotOurs`."""
    content = read_object(body)
    if is_notification(content):
        return read_notification(content)
    source = content.get("source")
    if source == CHAT_SWEEP_SOURCE:
        return Sweep()
    if source == CHAT_DUE_SOURCE:
        return Due(_episode(field_of(content, "episode", str, "message")))
    if source == CHAT_DIGEST_SOURCE:
        return DigestDue(field_of(content, "channel", str, "message"))
    if source == REPAIR_PROPOSED_SOURCE:
        return read_proposal(content)
    if source == REPAIR_ENDED_SOURCE:
        return read_report(content)
    if source == SLACK_SOURCE:
        return _click(field_of(content, "click", dict, "message"))
    if source == PAGERDUTY_SOURCE:
        return Webhook(field_of(content, "incident", str, "message"))
    raise NotOurs(f"neither a notification of a topic, nor a click, a webhook or a repair: source {source!r:.100}")


def _click(click: Mapping[str, Any]) -> Click | Ignored:
    texts = {
        name: field_of(click, name, str, "click")
        for name in ("workspace", "person", "action", "at", "channel", "message", "value")
    }
    try:
        button = Button(texts["action"])
    except ValueError:
        return Ignored()
    try:
        clicked_at = float(texts["at"])
    except ValueError as error:
        raise Unreadable(f"click.at: found {texts['at']!r:.100}; allowed: Unix seconds") from error
    episode, _, repair = texts["value"].partition(" ")
    action = SlackAction(
        id=f"{texts['person']}/{texts['at']}/{button.value}",
        person=texts["person"],
        button=button,
        clicked_at=clicked_at,
        repair=repair or None,
    )
    return Click(
        workspace=texts["workspace"],
        message=f"{texts['channel']}/{texts['message']}",
        episode=_episode(episode),
        action=action,
    )


def _episode(text: str) -> EpisodeId:
    try:
        return EpisodeId.from_text(text)
    except ValueError as error:
        raise Unreadable(f"an episode's id: {error}") from error


def notified(notification: Notification, labels: tuple[tuple[str, str], ...]) -> Notified:
    """Return the input that a notification is, for the group with these labels."""
    sent_at = notification.sent_at.timestamp()
    if not notification.firing:
        return Notified(sent_at=sent_at, firing=frozenset())
    firing = [alert for alert in notification.alerts if alert.firing]
    return Notified(
        sent_at=sent_at,
        firing=frozenset(alert.fingerprint for alert in firing) or UNNAMED,
        details=_details(notification, firing, labels),
    )


def _details(notification: Notification, firing: list[Alert], labels: tuple[tuple[str, str], ...]) -> Details:
    alert = firing[0] if firing else None
    annotations = dict(alert.annotations) if alert else {}
    if others := _other_services(firing):
        annotations["summary"] = f"{annotations.get('summary', '')} (and {', '.join(others)})"
    return details_of_alert(
        {**notification.common_labels, **(alert.labels if alert else {})},
        annotations,
        since=time_of(alert.starts_at, "alerts[0].startsAt").timestamp() if alert else None,
        more=max(len(firing) - 1, 0) + notification.left_out,
        silence=silence_address(notification.external_url, labels),
    )


def _other_services(firing: list[Alert]) -> list[str]:
    """Return the services of a group of several, without that of the alert that is described, the first."""
    first, *others = (alert.labels.get("service", "") for alert in firing) if firing else ("",)
    return sorted(set(others) - {first, ""})


def silence_address(alertmanager: str, labels: tuple[tuple[str, str], ...]) -> str:
    """Return the address of Alertmanager's page that silences exactly a group, or none where that is too long."""
    matchers = ",".join(f"{name}={quoted(value)}" for name, value in labels)
    address = f"{alertmanager}/#/silences/new?filter={quote('{' + matchers + '}', safe='')}"
    return address if alertmanager and len(address) <= SILENCE_ADDRESS_LIMIT else ""
