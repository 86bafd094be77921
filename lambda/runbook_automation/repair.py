"""One repair: the record that is kept of it, and what is said about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self
from uuid import uuid4

from orion_common.names import DUE_AT, EXPIRES_AT, OPEN

OPEN_REPAIR = "repair"
"""The value of the attribute `OPEN`, which only a repair that still has to be looked after has."""
KEEP_SECONDS = 90 * 24 * 60 * 60
LABEL_CHARACTERS = 500
MAXIMUM_LABELS = 64


class Status(StrEnum):
    """The status of a repair. The first four are in progress, the others final."""

    WAITING = "waiting for approval"
    CLAIMED = "claimed"
    RELEASED = "released"  # nothing was sent; whoever comes next may claim it
    SENT = "sent"
    SUCCEEDED = "succeeded"
    HANDED_OVER = "handed over"  # to a team, which was told
    NOTHING_DONE = "nothing done"  # what the alert saw had changed
    GONE = "gone"  # what the alert saw was not there any more
    DRY_RUN = "dry run"
    REFUSED = "refused"
    TOO_LATE = "too late"  # its message was too old to act on; a new one may still be
    RESOLVED = "resolved"  # before anything was done about it; nobody is told
    STOPPED = "stopped"  # somebody has stopped all repairs: nothing ran
    LIMITED = "limited"  # as many as an hour allows were sent already
    REJECTED = "rejected"  # by a person, in place of an approval
    EXPIRED = "expired"  # nobody approved it in time
    LEFT_OUT = "left out"  # alerts that came in no message: a notice, which answers none
    FAILED = "failed"
    TIMED_OUT = "timed out"
    LOST = "lost"  # nobody can say whether it ran


RESULTS = frozenset({Status.SUCCEEDED, Status.DRY_RUN})
"""What goes to the notification topic; every other end goes to the team's."""
MAY_RUN = frozenset({Status.LOST, Status.TIMED_OUT})
"""The ends after which a command may run still."""
UNDER_WAY = frozenset({Status.WAITING, Status.CLAIMED, Status.RELEASED, Status.SENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The outcome of a repair.

    `output` and `errors` are what the command wrote, `location` where all of it is kept; `link` is for a person.
    """

    status: Status
    result: str
    output: str = ""
    errors: str = ""
    location: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The alert that a repair answers, by its fingerprint, and the group in whose notification it came.

    `group` is PagerDuty's deduplication key of the group. `receiver` and `group_labels` name it to chat.
    """

    fingerprint: str
    group: str
    receiver: str
    group_labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One repair's record. Times are Unix seconds, but `seen_at`: the milliseconds at which its alert was seen so.

    `document` is the SSM document with the version that was deployed at the claim. `approve_by` is until when people
    may approve it, and None for a repair that needs no approval; `proposal` is the token that an approval has to name,
    and `approved_by` who approved it. `lock` is the id of the lock that the repair holds, or empty.
    """

    id: str
    alert: str
    action: str
    team: str
    labels: Mapping[str, str]
    status: Status
    seen_at: int
    started_at: int
    due_at: int
    timeout_seconds: int
    claim: str = field(default_factory=lambda: uuid4().hex)
    """Whose record it is: every claim has a token of its own."""
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    origin: Origin | None = None
    document: str = ""
    changes_cluster: bool = False
    proposal: str = ""
    approve_by: int | None = None
    approved_by: str = ""
    lock: str = ""
    command_id: str | None = None
    finished_at: int | None = None
    result: str = ""
    output: str = ""
    errors: str = ""
    location: str = ""
    link: str = ""

    def ended(self, ending: Ending, now: int) -> Repair:
        """Return the record of the ended repair."""
        return replace(
            self,
            status=ending.status,
            result=ending.result,
            output=ending.output,
            errors=ending.errors,
            location=ending.location,
            link=ending.link,
            finished_at=now,
        )

    def to_item(self) -> dict[str, Any]:
        """Return the table's item of a repair: open, unless nobody is to be told."""
        item = {
            "id": self.id,
            "claim": self.claim,
            "alert": self.alert,
            "action": self.action,
            "team": self.team,
            "labels": dict(self.labels),
            "parameters": dict(self.parameters),
            "status": self.status.value,
            "seen_at": self.seen_at,
            "started_at": self.started_at,
            DUE_AT: self.due_at,
            "timeout_seconds": self.timeout_seconds,
            EXPIRES_AT: self.started_at + KEEP_SECONDS,
        }
        if self.status is not Status.RESOLVED:
            item[OPEN] = OPEN_REPAIR
        if self.origin is not None:
            item["origin"] = asdict(self.origin)
        if self.approve_by is not None:
            item |= {"approve_by": self.approve_by, "proposal": self.proposal, "approved_by": self.approved_by}
        if self.document:
            item |= {"document": self.document, "changes_cluster": self.changes_cluster}
        if self.lock:
            item["lock"] = self.lock
        if self.finished_at is not None:
            item |= {"finished_at": self.finished_at, "result": self.result, "link": self.link}
        return item

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Self:
        """Read a table's item."""
        return cls(
            id=item["id"],
            claim=item.get("claim", ""),  # older records have none
            alert=item["alert"],
            action=item["action"],
            team=item["team"],
            labels=item["labels"],
            parameters=item["parameters"],
            status=Status(item["status"]),
            seen_at=int(item.get("seen_at", 0)),  # older records have none
            started_at=int(item["started_at"]),
            due_at=int(item[DUE_AT]),
            timeout_seconds=int(item["timeout_seconds"]),
            origin=Origin(**item["origin"]) if "origin" in item else None,
            document=item.get("document", ""),
            changes_cluster=bool(item.get("changes_cluster", False)),
            proposal=item.get("proposal", ""),
            approve_by=int(item["approve_by"]) if "approve_by" in item else None,
            approved_by=item.get("approved_by", ""),
            lock=item.get("lock", ""),
            command_id=item.get("command_id"),
            finished_at=int(item["finished_at"]) if "finished_at" in item else None,
            result=item.get("result", ""),
            output=item.get("output", ""),
            errors=item.get("errors", ""),
            location=item.get("location", ""),
            link=item.get("link", ""),
        )

    def as_message(self) -> dict[str, Any]:
        """Return what is published about it."""
        return {
            "version": "1",
            "id": self.id,
            "alert": self.alert,
            "action": self.action,
            "status": self.status.value,
            "team": self.team,
            "labels": dict(self.labels),
            "parameters": dict(self.parameters),
            "result": self.result,
            "output": self.output,
            "errors": self.errors,
            "output_location": self.location,
            "link": self.link,
            "approved_by": self.approved_by,
            "command_id": self.command_id,
            "started": time_text(self.started_at),
            "finished": None if self.finished_at is None else time_text(self.finished_at),
        }


def digest(repairs: Sequence[Repair]) -> Repair:
    """Return what is published of several repairs that ended alike: their number, what they have in common, and each.

    It is no record: each of them has one.
    """
    first = repairs[0]
    common = {
        name: value
        for name, value in first.labels.items()
        if all(repair.labels.get(name) == value for repair in repairs)
    }
    targets = "\n".join(
        " ".join(f"{name}={value}" for name, value in repair.parameters.items()) or repair.id for repair in repairs
    )
    return replace(
        first,
        id=f"{len(repairs)} repairs, {first.id} the first",
        labels=common,
        parameters={},
        result=f"{len(repairs)} repairs: {first.result}",
        output=targets,
    )


def time_text(seconds: float) -> str:
    """Return a time as text, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def shown_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels as they are kept and published: the first ones, long values cut and said to be."""
    return {
        _cut(name): _cut(value) for name, value in sorted(labels.items(), key=lambda item: item[0])[:MAXIMUM_LABELS]
    }


def _cut(text: str) -> str:
    if len(text) <= LABEL_CHARACTERS:
        return text
    return f"{text[:LABEL_CHARACTERS]}… ({len(text)} characters)"
