"""What is to be done about one alert: pure, so that every hostile value can be tried on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from runbook_automation.configuration import Action, Remediations
from runbook_automation.messages import Alert

MAXIMUM_LENGTH = 253
"""The longest name that Kubernetes allows."""
NAMESPACE = "namespace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An action and its parameters, each of which matched its pattern."""

    action: Action
    team: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An action that must not be taken, and why. The reason never holds the value that was refused."""

    action: Action
    team: str
    reason: str


def repair_id(alert: Alert, action: Action) -> str:
    """Return what a repair is known by, whatever the group that brought it and however often it arrives."""
    return f"repair#{alert.fingerprint}#{alert.starts_at}#{action.name}"


def decide(alert: Alert, remediations: Remediations, teams: Collection[str]) -> Plan | Refusal | None:
    """Return what answers a firing alert, or None if nothing does. `teams` are those that can be told."""
    remediation = remediations.by_alert.get(alert.name)
    if remediation is None:
        return None
    action = remediation.action
    named = alert.labels.get("team", "")
    team = named if named in teams else remediation.team
    parameters: dict[str, str] = {}
    for parameter in action.parameters:
        value = alert.labels.get(parameter.label, "")
        if not value:
            return Refusal(action=action, team=team, reason=f"label {parameter.label}: missing or empty")
        if len(value) > MAXIMUM_LENGTH:
            reason = f"label {parameter.label}: found {len(value)} characters; allowed: {MAXIMUM_LENGTH}"
            return Refusal(action=action, team=team, reason=reason)
        if not parameter.pattern.fullmatch(value):
            reason = f"label {parameter.label}: not a value that {parameter.pattern.pattern} allows"
            return Refusal(action=action, team=team, reason=reason)
        if parameter.name == NAMESPACE and value not in remediations.namespaces:
            reason = f"label {parameter.label}: not a namespace that repairs may touch"
            return Refusal(action=action, team=team, reason=reason)
        parameters[parameter.name] = value
    return Plan(action=action, team=team, parameters=parameters)
