"""Effects: everything that an episode does to the world. They wait in the outbox of its record.

A level effect (`level`) carries no content: it brings the world to the record as it is when the effect is carried out,
or asks for the newest state. One that has not begun does the work of any that would be added.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chatops.stops import Stop


class Lane(StrEnum):
    """Effects of a lane are carried out one after another, in their order."""

    CHAT = "chat"
    WHISPER = "whisper"
    LOOK = "look"
    INCIDENT = "incident"
    PAGERDUTY = "pagerduty"
    SILENCE = "silence"
    COMMAND = "command"
    STOP = "stop"
    AUDIT = "audit"
    DRAFT = "draft"


@dataclass(frozen=True, slots=True)
class ShowMessage:
    """Posts the root message of the thread, or updates it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Posts a reply in the thread."""

    text: str


@dataclass(frozen=True, slots=True)
class Whisper:
    """Tells a person something that only they see."""

    person: str
    text: str


@dataclass(frozen=True, slots=True)
class AskAlertmanager:
    """Asks every replica of Alertmanager which alerts of the group fire."""


@dataclass(frozen=True, slots=True)
class AskPagerDuty:
    """Asks PagerDuty for the newest incident that holds the group's alert."""


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Acknowledges the incident in a person's name."""

    person: str
    clicked_at: float


@dataclass(frozen=True, slots=True)
class Note:
    """Adds a note to the incident."""

    text: str


@dataclass(frozen=True, slots=True)
class Escalate:
    """Escalates the incident, with what was seen."""

    text: str


@dataclass(frozen=True, slots=True)
class ResolveAlert:
    """Resolves the group's alert in PagerDuty, if it opened before the episode ended."""


@dataclass(frozen=True, slots=True)
class SetSilence:
    """Creates, extends or expires the silence in Alertmanager, as the record says."""


@dataclass(frozen=True, slots=True)
class RunCommand:
    """Sends the command of a repair, at most once."""

    repair: str


@dataclass(frozen=True, slots=True)
class RejectRepair:
    """Tells the repair function that a person has rejected a repair."""

    repair: str


@dataclass(frozen=True, slots=True)
class StopRepairs:
    """Has the repair function stop the repairs of an action or a service, or all where both are empty."""

    action: str
    service: str
    person: str
    clicked_at: float


@dataclass(frozen=True, slots=True)
class LiftStop:
    """Has the repair function lift exactly this stop."""

    stop: Stop
    person: str
    clicked_at: float


@dataclass(frozen=True, slots=True)
class ReadStops:
    """Reads which of the thread's repairs are stopped."""


@dataclass(frozen=True, slots=True)
class CollectDiagnostics:
    """Has the repair function collect diagnostics of the group's alerts. `request` is the click's id."""

    request: str
    person: str
    clicked_at: float


@dataclass(frozen=True, slots=True)
class KeepAudit:
    """Keeps in the audit record what the timeline has and it has not."""


@dataclass(frozen=True, slots=True)
class WriteDraft:
    """Writes the post-incident draft of an episode that has ended, or writes it anew."""


Effect = (
    ShowMessage
    | Reply
    | Whisper
    | AskAlertmanager
    | AskPagerDuty
    | Acknowledge
    | Note
    | Escalate
    | ResolveAlert
    | SetSilence
    | RunCommand
    | RejectRepair
    | StopRepairs
    | LiftStop
    | ReadStops
    | CollectDiagnostics
    | KeepAudit
    | WriteDraft
)

DAY_SECONDS = 24 * 3600
AUDIT_SECONDS = 7 * DAY_SECONDS
"""How long the audit record is tried to be written: whoever took its rights away has a week to give them back."""
CLICK_SECONDS = 900
"""How long a click counts: an acknowledgement that comes later would surprise whoever has the incident by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Rules for carrying out effects of a type, which are tried for `lifetime` seconds, or only `once`."""

    lane: Lane
    level: bool = False
    once: bool = False
    lifetime: float = DAY_SECONDS


TRAITS: dict[type[Effect], Traits] = {
    ShowMessage: Traits(lane=Lane.CHAT, level=True),
    Reply: Traits(lane=Lane.CHAT),
    Whisper: Traits(lane=Lane.WHISPER, lifetime=CLICK_SECONDS),
    AskAlertmanager: Traits(lane=Lane.LOOK, level=True),
    AskPagerDuty: Traits(lane=Lane.INCIDENT, level=True),
    Acknowledge: Traits(lane=Lane.PAGERDUTY, lifetime=CLICK_SECONDS),
    Note: Traits(lane=Lane.PAGERDUTY),
    Escalate: Traits(lane=Lane.PAGERDUTY, lifetime=CLICK_SECONDS),  # then the dead letter's alarm pages
    ResolveAlert: Traits(lane=Lane.PAGERDUTY),
    SetSilence: Traits(lane=Lane.SILENCE, level=True),
    RunCommand: Traits(lane=Lane.COMMAND, once=True, lifetime=CLICK_SECONDS),
    RejectRepair: Traits(lane=Lane.COMMAND, lifetime=CLICK_SECONDS),  # then it expires
    StopRepairs: Traits(lane=Lane.STOP, lifetime=CLICK_SECONDS),
    LiftStop: Traits(lane=Lane.STOP, lifetime=CLICK_SECONDS),
    ReadStops: Traits(lane=Lane.STOP, level=True),
    CollectDiagnostics: Traits(lane=Lane.COMMAND, lifetime=CLICK_SECONDS),
    KeepAudit: Traits(lane=Lane.AUDIT, level=True, lifetime=AUDIT_SECONDS),
    WriteDraft: Traits(lane=Lane.DRAFT, level=True),
}
