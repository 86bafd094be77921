"""Decides what to do about one alert. Pure, so that tests can try every hostile value."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from orion_common.envelope import Alert
from orion_common.names import NAMESPACE, Mode
from runbook_automation.configuration import Action, HandOver, Remediations, Source

TARGET_CHARACTERS = 16
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


STRICTEST_FIRST = (Mode.OFF, Mode.DRY_RUN, Mode.APPROVE, Mode.ON)


def mode_of(action: Action, stack: Mode, labels: Mapping[str, str], now: float) -> Mode:
    """Return the mode of an action for an alert at a time in Unix seconds.

    It is the strictest of the stack's, the action's, its service's, and those that depend on the time.
    """
    service = labels.get("service", "")
    timed = (one.mode for one in action.timed_modes if one.matches(service, now))
    of_service = action.service_modes.get(service, Mode.ON)
    return min(stack, action.mode, of_service, *timed, key=STRICTEST_FIRST.index)


def repair_id(alert: Alert, action: Action | HandOver, target: Mapping[str, str]) -> str:
    """Return the id of a repair: its alert, its action, and the target that the alert saw.

    The target is the action's parameters: a pod's UID, a number of replicas, a revision. When the alert began is no
    part of it, since Alertmanager moves that.
    """
    seen = hashlib.sha256(json.dumps(dict(target), sort_keys=True).encode()).hexdigest()
    return f"repair#{alert.fingerprint}#{action.name}#{seen[:TARGET_CHARACTERS]}"


def previous_repair_id(alert: Alert, action: Action | HandOver) -> str:
    """Return the id that a repair had before November 2026, whose record may still be in the table."""
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
    return plan_of(alert, action, remediations, team)


def plan_of(alert: Alert, action: Action, remediations: Remediations, team: str) -> Plan | Refusal:
    """Return an action with the parameters that an alert gives it, or why the alert must not be answered by it."""
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
