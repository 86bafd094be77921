"""Decides what to do about one alert. Pure, so that tests can try every hostile value."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from orion_common.envelope import Alert
from orion_common.names import NAMESPACE
from runbook_automation.configuration import Action, HandOver, Remediations, Source

MAXIMUM_LENGTH = 253
"""The longest name that Kubernetes allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An action and its parameters, each of which matched its pattern."""

    action: Action
    team: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handing:
    """A team that is to be told, with a link to what the alert is about."""

    action: HandOver
    team: str
    parameters: Mapping[str, str]
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An action that must not be taken, and why. The reason never holds the value that was refused."""

    action: Action | HandOver
    team: str
    reason: str


def repair_id(alert: Alert, action: Action | HandOver) -> str:
    """Return what a repair is known by, whatever the group that brought it and however often it arrives.

    The start is written in one way: Alertmanager's messages leave zeros out that its API writes.
    """
    started = datetime.fromisoformat(alert.starts_at).astimezone(UTC).isoformat(timespec="milliseconds")
    return f"repair#{alert.fingerprint}#{started.replace('+00:00', 'Z')}#{action.name}"


def decide(
    alert: Alert, remediations: Remediations, teams: Collection[str], region: str
) -> Plan | Handing | Refusal | None:
    """Return what answers a firing alert, or None if nothing does. `teams` are those that can be told."""
    remediation = remediations.by_alert.get(alert.name)
    if remediation is None:
        return None
    named = alert.labels.get("team", "")
    team = named if named in teams else remediation.team
    action = remediation.action
    if isinstance(action, HandOver):
        return _hand_over(alert, action, team, region)
    parameters: dict[str, str] = {}
    for parameter in action.parameters:
        texts = alert.annotations if parameter.source is Source.ANNOTATION else alert.labels
        where, value = f"{parameter.source} {parameter.key}", texts.get(parameter.key, "")
        reason = _refused(where, value, parameter.pattern)
        if reason is None and parameter.name == NAMESPACE and value not in remediations.namespaces:
            reason = f"{where}: not a namespace that repairs may touch"
        if reason is not None:
            return Refusal(action=action, team=team, reason=reason)
        parameters[parameter.name] = value
    return Plan(action=action, team=team, parameters=parameters)


def _hand_over(alert: Alert, action: HandOver, team: str, region: str) -> Handing | Refusal:
    value = alert.labels.get(action.label, "")
    reason = _refused(f"label {action.label}", value, action.pattern)
    if reason is not None:
        return Refusal(action=action, team=team, reason=reason)
    link = action.link.format(region=region, value=quote(value, safe=""))
    return Handing(action=action, team=action.team, parameters={action.label: value}, link=link)


def _refused(where: str, value: str, pattern: re.Pattern[str]) -> str | None:
    if not value:
        return f"{where}: missing or empty"
    if len(value) > MAXIMUM_LENGTH:
        return f"{where}: found {len(value)} characters; allowed: {MAXIMUM_LENGTH}"
    if not pattern.fullmatch(value):
        return f"{where}: not a value that {pattern.pattern} allows"
    return None
