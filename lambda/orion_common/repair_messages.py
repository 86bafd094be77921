"""Messages between chat and the repair functions, by which a repair is proposed, decided on, and reported.

Each may arrive twice, late, out of order or never: the record of the repair decides, by the proposal's token.
`orion_common.envelope.Unreadable` is raised for what can't be read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from orion_common.envelope import Unreadable, field_of, texts_of
from orion_common.names import (
    DIAGNOSTICS_SOURCE,
    REPAIR_DECIDED_SOURCE,
    REPAIR_ENDED_SOURCE,
    REPAIR_PROPOSED_SOURCE,
    REPAIRS_STOPPED_SOURCE,
    STOP_LIFTED_SOURCE,
)

ID_MARKS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairFacts:
    """A repair as both sides know it. `repair` is its record, and `proposal` the token of one claim of that record.

    `document` is the document with its deployed version: with `parameters` it is exactly what is run. What changes
    nothing in the cluster does not make its alert resolve. `receiver` and `group_labels` name the group of alerts whose
    notification it answers.
    """

    repair: str
    proposal: str
    action: str
    document: str
    changes_cluster: bool
    parameters: Mapping[str, str]
    fingerprint: str
    receiver: str
    group_labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairProposal:
    """A repair waits for an approval until a time. `seen_at` is when its alert was seen to fire. Unix seconds."""

    facts: RepairFacts
    seen_at: float
    approve_by: float

    def as_text(self) -> str:
        """Return the message."""
        return _text(REPAIR_PROPOSED_SOURCE, self.facts, seen_at=self.seen_at, approve_by=self.approve_by)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReport:
    """A repair has ended. `status` is that of its record, `result` says it to a person, `started` is when it began."""

    facts: RepairFacts
    status: str
    result: str
    started_at: float

    def as_text(self) -> str:
        """Return the message."""
        return _text(
            REPAIR_ENDED_SOURCE, self.facts, status=self.status, result=self.result, started_at=self.started_at
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairDecision:
    """A person has approved or rejected a proposed repair."""

    repair: str
    proposal: str
    is_approved: bool
    by: str

    def as_text(self) -> str:
        """Return the message."""
        return json.dumps({"source": REPAIR_DECIDED_SOURCE, **asdict(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairStop:
    """A person has stopped the repairs of an action or of a service, or all of them where both are empty."""

    action: str
    service: str
    by: str
    why: str
    at: float

    def as_text(self) -> str:
        """Return the message."""
        return json.dumps({"source": REPAIRS_STOPPED_SOURCE, **asdict(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class StopLift:
    """A person has lifted a stop: the one that `stopped_by` set at `since`, as its item says, and no newer one."""

    action: str
    service: str
    since: str
    stopped_by: str
    by: str
    at: float

    def as_text(self) -> str:
        """Return the message."""
        return json.dumps({"source": STOP_LIFTED_SOURCE, **asdict(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosticsRequest:
    """A person has asked for diagnostics of what a group's alerts are about. `request` is the click's own id."""

    request: str
    by: str
    receiver: str
    group: str
    group_labels: Mapping[str, str]
    at: float

    def as_text(self) -> str:
        """Return the message."""
        return json.dumps({"source": DIAGNOSTICS_SOURCE, **asdict(self)})


def read_stop(content: Mapping[str, Any]) -> RepairStop:
    """Return the stop of a message. Raises `Unreadable`."""
    texts = {name: field_of(content, name, str, "message") for name in ("action", "service", "by", "why")}
    return RepairStop(**texts, at=_seconds(content, "at"))


def read_lift(content: Mapping[str, Any]) -> StopLift:
    """Return the lift of a message. Raises `Unreadable`."""
    names = ("action", "service", "since", "stopped_by", "by")
    texts = {name: field_of(content, name, str, "message") for name in names}
    return StopLift(**texts, at=_seconds(content, "at"))


def read_diagnostics_request(content: Mapping[str, Any]) -> DiagnosticsRequest:
    """Return the request of a message. Raises `Unreadable`."""
    texts = {name: field_of(content, name, str, "message") for name in ("request", "by", "receiver", "group")}
    return DiagnosticsRequest(
        **texts, group_labels=texts_of(content, "group_labels", "message"), at=_seconds(content, "at")
    )


def read_proposal(content: Mapping[str, Any]) -> RepairProposal:
    """Return the proposal of a message. Raises `Unreadable`."""
    return RepairProposal(
        facts=_facts(content), seen_at=_seconds(content, "seen_at"), approve_by=_seconds(content, "approve_by")
    )


def read_report(content: Mapping[str, Any]) -> RepairReport:
    """Return the report of a message. Raises `Unreadable`."""
    return RepairReport(
        facts=_facts(content),
        status=field_of(content, "status", str, "message"),
        result=field_of(content, "result", str, "message"),
        started_at=_seconds(content, "started_at"),
    )


def read_decision(content: Mapping[str, Any]) -> RepairDecision:
    """Return the decision of a message. Raises `Unreadable`."""
    return RepairDecision(
        repair=field_of(content, "repair", str, "message"),
        proposal=field_of(content, "proposal", str, "message"),
        is_approved=field_of(content, "is_approved", bool, "message"),
        by=field_of(content, "by", str, "message"),
    )


def _text(source: str, facts: RepairFacts, **others: object) -> str:
    return json.dumps({"source": source, "facts": asdict(facts), **others})


def _facts(content: Mapping[str, Any]) -> RepairFacts:
    facts = field_of(content, "facts", dict, "message")
    texts = {
        name: field_of(facts, name, str, "facts")
        for name in ("repair", "proposal", "action", "document", "fingerprint", "receiver")
    }
    if texts["repair"].count("#") != ID_MARKS:
        raise Unreadable(f"facts.repair: found {texts['repair']!r:.200}; allowed: repair#FINGERPRINT#ACTION#TARGET")
    return RepairFacts(
        **texts,
        changes_cluster=field_of(facts, "changes_cluster", bool, "facts"),
        parameters=texts_of(facts, "parameters", "facts"),
        group_labels=texts_of(facts, "group_labels", "facts"),
    )


def _seconds(content: Mapping[str, Any], name: str) -> float:
    value = content.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unreadable(f"message.{name}: found {value!r:.100}; allowed: Unix seconds")
    return float(value)
