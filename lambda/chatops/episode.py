"""The record of an episode: from the first firing notification of a group of alerts until nothing of it fires.

All values are immutable. Times are Unix seconds. `chatops.step` decides how an episode changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import NamedTuple

from chatops.refusals import Refusals
from chatops.repair import Repair, Status
from chatops.stops import NO_STOPS, SeenStops, Stop
from chatops.timeline import TimelineEntry
from orion_common.stop_scopes import Scope

EPISODE_PREFIX = "episode#"


class EpisodeId(NamedTuple):
    """The identity of an episode: PagerDuty's deduplication key of its group, and a number taken when it opened."""

    group: str
    number: int

    def __str__(self) -> str:
        return f"{EPISODE_PREFIX}{self.group}#{self.number}"

    @classmethod
    def from_text(cls, text: str) -> EpisodeId:
        """Return the identity that a text names. Raises `ValueError`."""
        group, mark, number = text.removeprefix(EPISODE_PREFIX).rpartition("#")
        if not (text.startswith(EPISODE_PREFIX) and mark and number.isascii() and number.isdigit()):
            raise ValueError(f"found {text!r:.100}; allowed: {EPISODE_PREFIX}GROUP#NUMBER")
        return cls(group, int(number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group of alerts as Alertmanager forms it. `key` is PagerDuty's deduplication key for it.

    `labels` are those that its route groups by; a label that the group lacks has an empty value, as in a matcher.
    `receiver` is that of its route: it and the labels name the group in Alertmanager's API. A route that never `pages`
    has no incident that could be escalated.
    """

    key: str
    labels: tuple[tuple[str, str], ...]
    channel: str
    title: str
    receiver: str = ""
    pages: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """Texts of a group's newest notification, as they came: the thread shows them.

    `more` is how many alerts fire beside the one that is described, and `silence` is the address of Alertmanager's page
    that silences the group.
    """

    severity: str = ""
    service: str = ""
    summary: str = ""
    description: str = ""
    value: str = ""
    since: float | None = None
    more: int = 0
    runbook: str = ""
    dashboard: str = ""
    silence: str = ""


class Phase(StrEnum):
    """The phase of an episode. `ENDED` is final: alerts that fire after it open the next episode."""

    FIRING = "firing"
    CHECKING = "checking"
    """Alertmanager reported the group resolved, and is asked whether any of its alerts still fires."""
    ENDED = "ended"


class IncidentStatus(StrEnum):
    """PagerDuty's status of an incident."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentNote:
    """A person's note on an incident. `by` is an email, or a name where PagerDuty tells no email."""

    id: str
    by: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """The PagerDuty incident that holds the group's alert, as PagerDuty last returned it. People are emails.

    A merged incident is another incident that holds the same alert, and so is one that was triggered again.
    `opened_at` is when the group's alert opened in it, and `status` is `RESOLVED` if that alert is. `by_policy` says
    that its escalation policy has assigned it, and not a person. `notes` are people's newest ones, the oldest first.
    """

    id: str
    status: IncidentStatus
    opened_at: float
    acknowledged_by: tuple[str, ...] = ()
    assigned_to: tuple[str, ...] = ()
    by_policy: bool = False
    priority: str = ""
    notes: tuple[IncidentNote, ...] = ()
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A silence of the group's labels that a person asked for. It never lasts longer than the policy's ceiling.

    One `until_resolved` lasts a quarter of an hour and is extended while the episode is open, so that it ends by itself
    if the platform does. `warned`: people were told that it ends soon.
    """

    by: str
    requested_at: float
    ends_at: float
    until_resolved: bool = False
    lifted: bool = False
    warned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanAnswer:
    """The answer to whether an episode needed a human: the newest one, by whom, and when."""

    needed: bool
    by: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """The times that Alertmanager and Prometheus take, and the times between looks at them. Seconds.

    The deployment says what they are: in the sandbox Alertmanager and Prometheus are faster, and so are these.
    """

    settled: float = 150
    """A replica that has run for less may lack alerts that fire: Prometheus sends each again after a minute, and an
    evaluation later at worst."""
    lag: float = 90
    """How long replicas may differ: an alert that fires for longer than this after `resolved` is silenced."""
    first_look: float = 60
    look: float = 300
    """How often an open episode is compared with Alertmanager and PagerDuty, whatever was or was not delivered."""
    silenced_look: float = 60
    """How often a silenced one is: Alertmanager does not notify when a silenced alert resolves."""
    soon: float = 30
    """When a look that proved nothing is followed by the next."""
    between_looks: float = 60
    """The time between the two looks that end an episode whose resolve was never reported."""
    verify: float = 600
    """How long the alert of a repair that succeeded has to clear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The catalog's rules for people, silences and repairs. People are Slack user ids."""

    responders: frozenset[str]
    approvers: frozenset[str]
    replicas: int = 3
    silence_ceiling_seconds: float = 24 * 3600
    approval_seconds: float = 900
    command_seconds: float = 3600
    thread_seconds: float = 1800
    """How often a thread that does not change is looked for in Slack."""
    waits: Waits = Waits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One episode.

    `firing` holds the fingerprints that the newest notification named, and `news_at` is when that was sent. `details`
    are the texts of the notification sent at `details_at`; before the first one they are from Alertmanager's API.
    `gone_since` is when a look first found that nothing fires; `thread` is the id of the root message in Slack,
    and `shown_at` is when it was last there.
    `acknowledging` are the people whose acknowledgement is on its way to PagerDuty. `handled` are the ids and times of
    the Slack actions that were answered. `resolved_by_hand` is the id of an incident of which the thread says that it
    was resolved while alerts fired. `audited` is the number of the newest entry of the timeline that the audit record
    has, and `draft` is the address of the post-incident draft. `refusals` counts the refused clicks that are in it.
    """

    id: EpisodeId
    group: Group
    opened_at: float
    news_at: float
    next_look_at: float
    details: Details = Details()
    details_at: float = -inf
    phase: Phase = Phase.FIRING
    firing: frozenset[str] = frozenset()
    gone_since: float | None = None
    ended_at: float | None = None
    thread: str | None = None
    shown_at: float = 0.0
    incident: Incident | None = None
    resolved_by_hand: str | None = None
    acknowledging: frozenset[str] = frozenset()
    silence: Silence | None = None
    repairs: tuple[Repair, ...] = ()
    handled: tuple[tuple[str, float], ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    audited: int = 0
    draft: str | None = None
    needed_human: HumanAnswer | None = None
    stops: SeenStops = NO_STOPS
    refusals: Refusals = ()

    @property
    def is_open(self) -> bool:
        """Return whether the episode has not ended."""
        return self.phase is not Phase.ENDED


def stop_scopes(episode: Episode) -> tuple[Scope, ...]:
    """Return the scopes whose repairs a thread can stop: the newest repair's action, its service, and all."""
    action = (Scope(action=episode.repairs[-1].proposal.action),) if episode.repairs else ()
    service = (Scope(service=episode.details.service),) if episode.details.service else ()
    return (*action, *service, Scope())


class Shown(StrEnum):
    """The state of an episode as the thread shows it."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRepair:
    """A repair that a thread asks approval for: exactly what is run, and until when it may be approved."""

    id: str
    command: str
    until: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RootMessage:
    """The content of the first message of an episode's thread. `episode` is what its buttons act on."""

    episode: str
    title: str
    state: Shown
    firing: int
    opened_at: float
    ended_at: float | None
    details: Details
    incident: Incident | None
    silenced_until: float | None
    silenced_by: str | None
    needed_human: HumanAnswer | None = None
    waiting: tuple[WaitingRepair, ...] = ()
    stops: tuple[Stop, ...] = ()
    has_repairs: bool = False

    @property
    def acknowledged_by(self) -> tuple[str, ...]:
        """Return who has acknowledged the incident."""
        return self.incident.acknowledged_by if self.incident else ()


def root_message(episode: Episode) -> RootMessage:
    """Return the root message that an episode's thread must show."""
    silence = episode.silence if episode.silence and not episode.silence.lifted else None
    return RootMessage(
        episode=str(episode.id),
        title=episode.group.title,
        state=_state(episode),
        firing=len(episode.firing) if episode.is_open else 0,
        opened_at=episode.opened_at,
        ended_at=episode.ended_at,
        details=episode.details,
        incident=episode.incident,
        silenced_until=silence.ends_at if silence else None,
        silenced_by=silence.by if silence else None,
        needed_human=episode.needed_human,
        stops=tuple(seen.stop for seen in episode.stops.held),
        has_repairs=bool(episode.repairs),
        waiting=tuple(
            WaitingRepair(id=repair.proposal.id, command=str(repair.proposal.command), until=repair.due_at)
            for repair in episode.repairs
            if repair.status is Status.PROPOSED
        ),
    )


def _state(episode: Episode) -> Shown:
    if not episode.is_open:
        return Shown.RESOLVED
    if episode.incident and episode.incident.status is IncidentStatus.ACKNOWLEDGED:
        return Shown.ACKNOWLEDGED
    return Shown.FIRING
