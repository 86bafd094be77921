"""Repairs as they are deployed: what answers which alert, how far it may go, and the rights that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from alerting.settings import RepairMode


class ParameterSource(StrEnum):
    """The part of an alert that holds the value of a repair's parameter."""

    LABEL = "label"
    ANNOTATION = "annotation"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairParameter:
    """One parameter of a repair's document: its name, and what its value must match as a whole.

    The value is that of the alert's label or annotation (`source`) with the name `key`.
    """

    name: str
    source: ParameterSource
    key: str
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Hours of a week in an IANA time zone: they begin on each of `days` (0 is Monday). Times are such as 09:30."""

    time_zone: str
    days: tuple[int, ...]
    begins: str
    ends: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedMode:
    """A mode that applies within some hours, or at all other times (`is_within`), to a service or to all of them."""

    mode: RepairMode
    service: str | None
    hours: Hours
    is_within: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionModes:
    """The modes of an action in a stack: everywhere, by service, and by the time. The strictest of them applies."""

    everywhere: RepairMode = RepairMode.ON
    services: Mapping[str, RepairMode] = field(default_factory=dict[str, RepairMode])
    timed: tuple[TimedMode, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairAction:
    """An SSM document. `content` is the document itself (schema 2.2), `digest` its sha256 in hex.

    `per_service_hour` and `per_platform_hour` are how many commands may be sent within an hour: for one service, and in
    all. An action that changes nothing in the cluster (`changes_cluster`) collects what there is to see. `target` names
    the parameters that say what is repaired, none where that is the alert's service; the same target is not repaired
    again within `cooldown_seconds`.
    """

    name: str
    document_name: str
    content: Mapping[str, Any]
    digest: str
    parameters: tuple[RepairParameter, ...]
    timeout_seconds: int
    per_service_hour: int
    per_platform_hour: int
    changes_cluster: bool = True
    target: tuple[str, ...] = ()
    cooldown_seconds: int | None = None
    modes: ActionModes = ActionModes()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalCeiling:
    """The repairs that may begin within an hour without an approval: in a service, and in all."""

    per_service_hour: int
    per_platform_hour: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """An action that runs nothing: the alert is published to a team's topic, with a link to what it is about.

    `link` holds `{region}` and `{value}`; `value` is the label's, which must match `pattern` as a whole.
    """

    name: str
    team: str
    label: str
    pattern: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ClusterRight:
    """The bastion's rights on one resource of the cluster. `names` are the only objects, unless there are none."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRight:
    """The bastion's rights in the account: a service, its actions, and the ends of the ARNs they are allowed on."""

    service: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """A repair: the alert, the action that runs on it, and the team that is told of a failure."""

    alert: str
    action: str
    team: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairTeam:
    """A team that has a topic of its own, and the e-mail addresses that hear of what is told there."""

    name: str
    mail: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    """All repairs and the actions that they use.

    `namespaces` are those that may be touched. `rights` are what the actions need in each of them, `cluster_rights`
    what they need of resources that belong to no namespace, `account_rights` what they need in the account. People may
    approve a repair for `approval_seconds`. Beyond `approval_above` every repair that changes anything waits for an
    approval.
    """

    actions: tuple[RepairAction, ...]
    hand_overs: tuple[HandOver, ...]
    repairs: tuple[Repair, ...]
    teams: tuple[RepairTeam, ...]
    namespaces: tuple[str, ...]
    rights: tuple[ClusterRight, ...]
    cluster_rights: tuple[ClusterRight, ...]
    approval_seconds: int
    approval_above: ApprovalCeiling | None = None
    account_rights: tuple[AccountRight, ...] = ()

    def as_function_data(self) -> dict[str, Any]:
        """Return what the function is given in its zip as `remediations.json`: names and patterns, nothing of AWS."""
        return {
            "actions": {
                action.name: {
                    "document": action.document_name,
                    "timeout_seconds": action.timeout_seconds,
                    "per_service_hour": action.per_service_hour,
                    "per_platform_hour": action.per_platform_hour,
                    "changes_cluster": action.changes_cluster,
                    "target": list(action.target),
                    "cooldown_seconds": action.cooldown_seconds,
                    "mode": action.modes.everywhere.value,
                    "service_modes": {name: mode.value for name, mode in action.modes.services.items()},
                    "timed_modes": [asdict(timed) | {"mode": timed.mode.value} for timed in action.modes.timed],
                    "parameters": {
                        parameter.name: {parameter.source.value: parameter.key, "pattern": parameter.pattern}
                        for parameter in action.parameters
                    },
                }
                for action in self.actions
            },
            "hand_overs": {
                one.name: {"team": one.team, "label": one.label, "pattern": one.pattern, "link": one.link}
                for one in self.hand_overs
            },
            "repairs": {repair.alert: {"action": repair.action, "team": repair.team} for repair in self.repairs},
            "namespaces": list(self.namespaces),
            "approval_seconds": self.approval_seconds,
            "approval_above": None if self.approval_above is None else asdict(self.approval_above),
        }
