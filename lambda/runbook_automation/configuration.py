"""Reads the function's configuration: its environment, and the remediations in its zip."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from orion_common.names import Mode, Variable
from runbook_automation.hours import Hours

DELIVERY_SECONDS = 60
"""How long a command may wait for the bastion. A repair that comes later may meet another state than the one seen."""
GRACE_SECONDS = 60
"""How long after a command must have ended its event may take."""
CLAIM_SECONDS = 120
"""After this, whoever claimed a repair has ended: a function lives for 30 seconds."""
MAXIMUM_AGE_SECONDS = 15 * 60
"""How old a notification may be to be acted on, by its topic's time. It is as long as the queue itself tries a message:
five receives, three minutes apart (`VISIBILITY_SECONDS` and `MAXIMUM_RECEIVES` of `components.function_queue`). What is
older was held up by something else, by a mapping that was switched off or among the dead letters: what it saw may be
over.
"""
BEGIN_SECONDS = 15 * 60
"""How long after its claim a command may still begin: the agent keeps what it has no place for, over a restart too, and
the script then refuses. One that Systems Manager still calls running when this and its time-out are over is given up.
"""

APPROVAL_GRACE_SECONDS = 120
"""How long an approval may take from the click to this function: chat asks Alertmanager in between."""


class Source(StrEnum):
    """The part of an alert that holds a parameter's value."""

    LABEL = "label"
    ANNOTATION = "annotation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A document's parameter. Its value is that of the alert's label or annotation `key`, and matches `pattern`."""

    name: str
    source: Source
    key: str
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedMode:
    """A mode that applies within some hours, or at all other times, to the repairs of a service or to all of them."""

    mode: Mode
    service: str | None
    hours: Hours
    is_within: bool

    def matches(self, service: str, now: float) -> bool:
        """Return whether the mode applies to a service at a time in Unix seconds."""
        return self.service in {None, service} and self.hours.contain(now) is self.is_within


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A document of Systems Manager. `timeout_seconds` is how long it may run.

    `per_service_hour` and `per_platform_hour` are how many commands of it may be sent within an hour. `mode` is how far
    it may go, `service_modes` holds stricter modes by service, and `timed_modes` those that depend on the time. An
    action that changes nothing in the cluster (`changes_cluster`) collects what there is to see. `target` names the
    parameters that say what is repaired, without what may change of it; none where that is the alert's service. It
    is not repaired twice within `cooldown_seconds`.
    """

    name: str
    document: str
    timeout_seconds: int
    per_service_hour: int
    per_platform_hour: int
    parameters: tuple[Parameter, ...]
    changes_cluster: bool = True
    target: tuple[str, ...] = ()
    cooldown_seconds: int | None = None
    mode: Mode = Mode.ON
    service_modes: Mapping[str, Mode] = field(default_factory=dict[str, Mode])
    timed_modes: tuple[TimedMode, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """Publishes the alert to a team's topic and runs nothing. `link` holds `{region}` and `{value}`, the label's."""

    name: str
    team: str
    label: str
    pattern: re.Pattern[str]
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remediation:
    """The action for an alert, and the team that is told of a failure when the alert names none."""

    action: Action | HandOver
    team: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedDocument:
    """The version and hash (SHA-256) of an action's document. No other version is run."""

    version: str
    hash: str

    def named(self, document: str) -> str:
        """Return a document's name with this version, as people who approve it see it."""
        return f"{document} version {self.version} ({self.hash[:12]})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalCeiling:
    """The repairs that may begin within an hour without an approval: in a service, and in all."""

    per_service_hour: int
    per_platform_hour: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Remediations:
    """The remediations by alert, the namespaces in which they may act, and how long people may approve a repair.

    Beyond `approval_above` every repair that changes anything waits for an approval.
    """

    by_alert: Mapping[str, Remediation]
    namespaces: frozenset[str]
    approval_seconds: int
    approval_above: ApprovalCeiling | None = None

    def collecting(self) -> tuple[Action, ...]:
        """Return the actions that change nothing in the cluster, each once: they collect diagnostics."""
        actions = {one.action.name: one.action for one in self.by_alert.values() if isinstance(one.action, Action)}
        return tuple(action for action in actions.values() if not action.changes_cluster)

    def action(self, name: str) -> Action | None:
        """Return the action of a document by its name, or None if no alert is answered by it."""
        actions = (remediation.action for remediation in self.by_alert.values())
        return next((action for action in actions if isinstance(action, Action) and action.name == name), None)

    @classmethod
    def from_json(cls, text: str) -> Remediations:
        """Read `remediations.json`. Raises `KeyError`, `ValueError` or `re.error` if it is not what it should be."""
        data: dict[str, Any] = json.loads(text)
        actions: dict[str, Action | HandOver] = {
            name: Action(
                name=name,
                document=action["document"],
                timeout_seconds=int(action["timeout_seconds"]),
                per_service_hour=int(action["per_service_hour"]),
                per_platform_hour=int(action["per_platform_hour"]),
                parameters=tuple(_parameter(parameter, source) for parameter, source in action["parameters"].items()),
                changes_cluster=action["changes_cluster"],
                target=tuple(action["target"]),
                cooldown_seconds=action["cooldown_seconds"],
                mode=Mode(action["mode"]),
                service_modes={service: Mode(mode) for service, mode in action["service_modes"].items()},
                timed_modes=tuple(_timed_mode(timed) for timed in action["timed_modes"]),
            )
            for name, action in data["actions"].items()
        } | {
            name: HandOver(
                name=name,
                team=hand_over["team"],
                label=hand_over["label"],
                pattern=re.compile(hand_over["pattern"]),
                link=hand_over["link"],
            )
            for name, hand_over in data["hand_overs"].items()
        }
        return cls(
            by_alert={
                alert: Remediation(action=actions[repair["action"]], team=repair["team"])
                for alert, repair in data["repairs"].items()
            },
            namespaces=frozenset(data["namespaces"]),
            approval_seconds=int(data["approval_seconds"]),
            approval_above=None if data["approval_above"] is None else ApprovalCeiling(**data["approval_above"]),
        )


def _timed_mode(data: Mapping[str, Any]) -> TimedMode:
    return TimedMode(
        mode=Mode(data["mode"]),
        service=data["service"],
        hours=Hours.from_data(data["hours"]),
        is_within=data["is_within"],
    )


def _parameter(name: str, data: Mapping[str, str]) -> Parameter:
    """Return a parameter. Raises `ValueError` unless its data names one source."""
    (source,) = (source for source in Source if source.value in data)
    return Parameter(name=name, source=source, key=data[source.value], pattern=re.compile(data["pattern"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The function's environment: names of what it uses, and its mode."""

    table: str
    notification_topic_arn: str
    team_topic_arns: Mapping[str, str]
    bastion_tag_value: str
    diagnostics_bucket: str
    mode: Mode
    documents: Mapping[str, DeployedDocument]
    region: str
    alertmanager: str | None
    chat_queue_url: str | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Configuration:
        """Read it. Raises `KeyError` or `ValueError` naming the variable that is missing or wrong."""
        return cls(
            table=environment[Variable.REPAIR_TABLE],
            notification_topic_arn=environment[Variable.NOTIFICATION_TOPIC_ARN],
            team_topic_arns=json.loads(environment[Variable.TEAM_TOPIC_ARNS]),
            bastion_tag_value=environment[Variable.BASTION_TAG_VALUE],
            diagnostics_bucket=environment[Variable.DIAGNOSTICS_BUCKET],
            mode=Mode(environment[Variable.REPAIR_MODE]),
            documents={
                action: DeployedDocument(version=document["version"], hash=document["hash"])
                for action, document in json.loads(environment[Variable.REPAIR_DOCUMENTS]).items()
            },
            region=environment["AWS_REGION"],
            alertmanager=environment.get(Variable.ALERTMANAGER_API),
            chat_queue_url=environment.get(Variable.CHAT_QUEUE_URL),
        )
