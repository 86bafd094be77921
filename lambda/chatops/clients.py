"""The clients that carry effects out, as the executor sees them: Slack, PagerDuty, Alertmanager, AWS.

Unavailable   no answer, or a server's error: the operation may have happened or not
RateLimited   nothing happened, and nothing will for some seconds
Refused       nothing happened, and trying again is no use; the text says why
Gone          the Slack message is not there any more

An operation that has a second effect when it is repeated has a look-up beside it, which is asked before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chatops.episode import Details, Group, Incident, IncidentNote, RootMessage
from chatops.looks import Look
from chatops.repair import Command
from chatops.stops import Stop
from orion_common.stop_scopes import Scope


class Unavailable(RuntimeError):
    """There was no answer, so that the operation may have happened or not."""


class RateLimited(RuntimeError):
    """The operation was not carried out, since there were too many."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"rate limited for {retry_after:g} s")
        self.retry_after = retry_after


class Refused(RuntimeError):
    """The operation was not carried out, and never will be."""


class Gone(RuntimeError):
    """The Slack message was deleted."""


class Chat(Protocol):
    """Slack. `key` marks a message in its metadata, by which it can be looked up in its channel or thread."""

    def find(self, channel: str, thread: str | None, key: str) -> str | None:
        """Return the id of the message with a key, or None."""
        ...

    def post(self, channel: str, key: str, message: RootMessage) -> str:
        """Post a root message and return its id, by which its thread is known."""
        ...

    def update(self, channel: str, thread: str, message: RootMessage) -> None:
        """Bring a root message up to date. Raises `Gone`."""
        ...

    def reply(self, channel: str, thread: str, key: str, text: str) -> None:
        """Post a reply. Raises `Gone`."""
        ...

    def whisper(self, channel: str, thread: str | None, person: str, text: str) -> None:
        """Post a message that only one person sees."""
        ...

    def name_of(self, person: str) -> str:
        """Return the name under which a Slack user is known, or the id where Slack does not tell it."""
        ...


class PagerDuty(Protocol):
    """PagerDuty. People are Slack user ids, which the client maps by email. An incident is found by its alert's key."""

    def incident_of(self, alert_key: str) -> Incident | None:
        """Return the newest incident that holds an alert with the key, without its notes."""
        ...

    def notes_of(self, incident: str) -> tuple[IncidentNote, ...]:
        """Return people's newest notes on an incident, the oldest first."""
        ...

    def open_alerts(self) -> Sequence[tuple[Group, float]]:
        """Return the groups whose alerts are open in an incident, and when each opened."""
        ...

    def acknowledge(self, incident: str, person: str) -> None:
        """Acknowledge an incident in a person's name. `Refused`: the person has no PagerDuty user."""
        ...

    def has_acknowledged(self, incident: str, person: str, since: float) -> bool:
        """Return whether the incident's log says that a person acknowledged it since a time."""
        ...

    def note(self, incident: str, key: str, text: str) -> None:
        """Add a note."""
        ...

    def escalate(self, incident: str, key: str, text: str) -> None:
        """Escalate to the next level, with a note."""
        ...

    def has_note(self, incident: str, key: str) -> bool:
        """Return whether the incident has the note of a key."""
        ...

    def resolve_alert(self, incident: str, alert_key: str) -> None:
        """Resolve one alert of an incident, and the incident with its last one."""
        ...


@dataclass(frozen=True, slots=True)
class ActiveSilence:
    """A silence in Alertmanager that has not expired."""

    id: str
    ends_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """A matcher of a silence. A regular expression matches the label's value as a whole."""

    name: str
    value: str
    is_regex: bool
    is_equal: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSilence:
    """A silence to be created. Times are Unix seconds; one that has started begins when it is created."""

    matchers: tuple[Matcher, ...]
    starts_at: float
    ends_at: float
    created_by: str
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSilence:
    """Anybody's silence that has not expired. `alerts` is how many alerts it suppresses now."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: float
    ends_at: float
    created_by: str
    comment: str
    alerts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveGroup:
    """A group with alerts that fire and are not suppressed. The first of them fires since `since`."""

    group: Group
    firing: frozenset[str]
    since: float
    details: Details


class Alertmanager(Protocol):
    """All replicas of Alertmanager. `key` is part of a silence's comment."""

    def look(self, group: Group) -> Look:
        """Ask each replica for the group's alerts, silenced and inhibited ones too."""
        ...

    def active_groups(self) -> Sequence[ActiveGroup]:
        """Return the groups that have alerts which fire and are not suppressed."""
        ...

    def silences(self, key: str) -> Sequence[ActiveSilence]:
        """Return the active silences with a key. Raises `Unavailable` unless every replica answers."""
        ...

    def set_silence(self, id_: str | None, group: Group, key: str, ends_at: float) -> None:
        """Create a silence of exactly the group's labels, or change the end of one."""
        ...

    def expire_silence(self, id_: str) -> None:
        """Expire a silence."""
        ...

    def all_silences(self) -> Sequence[ListedSilence]:
        """Return the silences of everybody in the replicas that answer. Raises `Unavailable` if none does."""
        ...

    def create_silence(self, silence: NewSilence) -> None:
        """Create a silence."""
        ...


class Commands(Protocol):
    """The repair function, which alone sends commands. `by` is the name of the person who decided."""

    def send(self, repair: str, command: Command, by: str) -> None:
        """Have an approved repair's command run, as it was shown."""
        ...

    def reject(self, repair: str, by: str) -> None:
        """Have a repair end that waits for an approval."""
        ...

    def stop(self, action: str, service: str, by: str, at: float) -> None:
        """Stop the repairs of an action or a service, or all where both are empty."""
        ...

    def lift(self, stop: Stop, by: str, at: float) -> None:
        """Lift exactly this stop: a newer one of its scope stays."""
        ...

    def stops(self, scopes: Sequence[Scope]) -> tuple[Stop, ...]:
        """Return the stops of scopes that hold at this moment."""
        ...

    def collect(self, request: str, group: Group, by: str, at: float) -> None:
        """Collect diagnostics of a group's alerts, once for a request."""
        ...


class Archive(Protocol):
    """S3. Nothing here has a second effect when it is repeated."""

    def keep(self, key: str, text: str) -> None:
        """Write an object of the audit record, unless it is there."""
        ...

    def write_draft(self, key: str, text: str) -> str:
        """Write a post-incident draft over the one that is there, and return its address."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """The clients that an executor has."""

    chat: Chat
    pagerduty: PagerDuty
    alertmanager: Alertmanager
    commands: Commands
    archive: Archive
