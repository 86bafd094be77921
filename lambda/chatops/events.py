"""Inputs of an episode. Each may arrive twice, late, out of order or never.

Notifications, webhooks and Slack actions come from queues; answers come from effects that were carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from chatops.effects import Effect
from chatops.episode import Details, Incident
from chatops.looks import Look
from chatops.repair import Outcome, Proposal
from chatops.stops import Stop
from orion_common.stop_scopes import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """Alertmanager sent a notification of the group. `firing` are fingerprints; none: the group is resolved."""

    sent_at: float
    firing: frozenset[str]
    details: Details | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """The reconciler found at a time that alerts of the group fire since another, or that an incident holds it open."""

    asked_at: float
    firing: frozenset[str] = frozenset()
    firing_since: float = 0.0
    details: Details | None = None
    incident_opened_at: float | None = None


@dataclass(frozen=True, slots=True)
class PagerDutyChanged:
    """A webhook of PagerDuty named an incident that holds the group's alert."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The time at which the episode is due has come."""


class Button(StrEnum):
    """Buttons of a thread."""

    ACKNOWLEDGE = "acknowledge"
    SILENCE_1_HOUR = "silence-1h"
    SILENCE_4_HOURS = "silence-4h"
    SILENCE_UNTIL_RESOLVED = "silence-until-resolved"
    LIFT_SILENCE = "lift-silence"
    ESCALATE = "escalate"
    APPROVE = "approve"
    REJECT = "reject"
    DIAGNOSTICS = "diagnostics"
    STOP_ACTION = "stop-action"
    STOP_SERVICE = "stop-service"
    STOP_ALL = "stop-all"
    LIFT_ACTION_STOP = "lift-action-stop"
    LIFT_SERVICE_STOP = "lift-service-stop"
    LIFT_STOP_OF_ALL = "lift-stop-of-all"
    NEEDED_A_HUMAN = "needed-a-human"
    NEEDED_NO_HUMAN = "needed-no-human"


LIFTS: Mapping[Button, Button] = {
    Button.STOP_ACTION: Button.LIFT_ACTION_STOP,
    Button.STOP_SERVICE: Button.LIFT_SERVICE_STOP,
    Button.STOP_ALL: Button.LIFT_STOP_OF_ALL,
}
"""The buttons that stop repairs, each with the one that is in its place while its scope is stopped."""


def stop_button(scope: Scope) -> Button:
    """Return the button that stops the repairs of a scope."""
    if scope.action:
        return Button.STOP_ACTION
    return Button.STOP_SERVICE if scope.service else Button.STOP_ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackAction:
    """A person clicked a button. `repair` is the id of the repair whose button it is.

    `is_elsewhere`: the button is on another message than the episode's own.
    """

    id: str
    person: str
    button: Button
    clicked_at: float
    repair: str | None = None
    is_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class RepairProposed:
    """An alert of the group, seen at a time, can be answered by a repair."""

    proposal: Proposal
    seen_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReported:
    """The repair function reports how a repair has ended, which began at a time: a proposed or an automatic one."""

    proposal: Proposal
    outcome: Outcome
    result: str
    began_at: float


@dataclass(frozen=True, slots=True)
class MessageShown:
    """The root message is there, and shows the episode as it was when the effect began."""

    thread: str


@dataclass(frozen=True, slots=True)
class MessageGone:
    """Somebody deleted the root message. `text` is a reply that found no thread."""

    text: str | None = None


@dataclass(frozen=True, slots=True)
class AlertmanagerAnswered:
    """Alertmanager's replicas said which alerts of the group they have."""

    look: Look


@dataclass(frozen=True, slots=True)
class PagerDutyAnswered:
    """PagerDuty returned the newest incident that holds the group's alert, or that there is none."""

    incident: Incident | None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """PagerDuty took the acknowledgement of a person."""

    person: str


@dataclass(frozen=True, slots=True)
class CommandSent:
    """The command of a repair was sent."""

    repair: str


@dataclass(frozen=True, slots=True)
class CommandTaken:
    """Another open episode runs the same repair."""

    repair: str


@dataclass(frozen=True, slots=True)
class StopsRead:
    """These are the stops of the thread's repairs."""

    stops: tuple[Stop, ...]


@dataclass(frozen=True, slots=True)
class AuditKept:
    """The audit record has the entries of the timeline up to a number."""

    number: int


@dataclass(frozen=True, slots=True)
class DraftWritten:
    """The post-incident draft is at an address."""

    address: str


@dataclass(frozen=True, slots=True)
class Done:
    """An effect whose answer says nothing was carried out."""


@dataclass(frozen=True, slots=True)
class GaveUp:
    """An effect was not carried out, and is not tried again."""

    effect: Effect
    why: str


GroupEvent = Notified | Reconciled | PagerDutyChanged | RepairProposed | RepairReported
"""Inputs that name a group: they go to its newest episode, or open one."""
Answer = (
    MessageShown
    | MessageGone
    | AlertmanagerAnswered
    | PagerDutyAnswered
    | Acknowledged
    | CommandSent
    | CommandTaken
    | StopsRead
    | AuditKept
    | DraftWritten
    | Done
    | GaveUp
)
Event = GroupEvent | Tick | SlackAction | Answer
