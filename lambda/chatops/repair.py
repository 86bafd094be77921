"""The life of a repair within an episode, as pure functions.

proposed → approved, rejected, expired or withdrawn
approved → running, expired or withdrawn
running → verifying, escalated or closed
verifying → verified or escalated

The command that is approved is the one that was shown: a proposal never changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from chatops.effects import AskAlertmanager, Effect, Escalate, RejectRepair, Reply, RunCommand, ShowMessage


class Outcome(StrEnum):
    """The end of a repair's command. A `LOST` command may have run or not; it is never sent again.

    `DONE`: there is nothing to verify, as where an action changes nothing. `NOT_RUN`: nothing was sent.
    """

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    LOST = "lost"
    DONE = "done"
    NOT_RUN = "not run"


class Status(StrEnum):
    """The state of a repair."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    RUNNING = "running"
    VERIFYING = "verifying"
    """Its command succeeded, and its alert has to clear."""
    VERIFIED = "verified"
    ESCALATED = "escalated"
    CLOSED = "closed"
    """Its command ended after its episode had, or had nothing to verify: nobody is paged."""
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    """Its alert no longer fires, another episode runs it, or it must not run: nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """An SSM document, with its version where that is known, and its parameters."""

    document: str
    parameters: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.document}({', '.join(f'{name}={value!r}' for name, value in self.parameters)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A repair that an alert can be answered by.

    `target` is what the alert saw: a UID, a number of replicas, a revision. A repair that needs `approval` runs only
    after a person who may approve it has done so, until `approve_by`.
    """

    fingerprint: str
    action: str
    target: str
    command: Command
    approval: bool = True
    approve_by: float | None = None

    @property
    def id(self) -> str:
        """Return the identity of the repair, whichever group and episode its alert belongs to."""
        return f"repair#{self.fingerprint}#{self.action}#{self.target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """A repair of an episode. `due_at` is when its state ends by itself; `by` is who approved or rejected it.

    `result` is what the repair function says of its end.
    """

    proposal: Proposal
    status: Status
    changed_at: float
    due_at: float | None
    by: str | None = None
    outcome: Outcome | None = None
    result: str = ""


RepairStep = tuple[Repair, tuple[Effect, ...]]


def proposed(proposal: Proposal, now: float, approval_seconds: float) -> RepairStep:
    """Return a new repair. One that needs no approval is approved by the catalog."""
    expires_at = now + approval_seconds if proposal.approve_by is None else proposal.approve_by
    if proposal.approval:
        repair = Repair(proposal=proposal, status=Status.PROPOSED, changed_at=now, due_at=expires_at)
        return repair, (Reply(f"Repair proposed: {proposal.command}"), ShowMessage())
    repair = Repair(proposal=proposal, status=Status.APPROVED, changed_at=now, due_at=expires_at, by="the catalog")
    return repair, (Reply(f"Repair approved by the catalog: {proposal.command}"), AskAlertmanager())


def approved(repair: Repair, person: str, now: float) -> RepairStep:
    """Approve a proposed repair. Alertmanager is asked whether its alert still fires before it runs."""
    after = replace(repair, status=Status.APPROVED, changed_at=now, by=person)
    return after, (Reply(f"Repair approved by {person}: {repair.proposal.command}"), ShowMessage(), AskAlertmanager())


def rejected(repair: Repair, person: str, now: float) -> RepairStep:
    """Reject a proposed repair."""
    after = replace(repair, status=Status.REJECTED, changed_at=now, due_at=None, by=person)
    return after, (Reply(f"Repair rejected by {person}"), ShowMessage(), RejectRepair(repair.proposal.id))


def looked(
    repair: Repair, asked_at: float, firing: frozenset[str], now: float, command_seconds: float, *, complete: bool
) -> RepairStep:
    """Run an approved repair whose alert still fires, and verify one whose alert has cleared.

    `complete`: the look proves that an alert that it lacks does not fire.
    """
    fires = repair.proposal.fingerprint in firing
    if repair.status is Status.APPROVED and is_newer_look(asked_at, repair):
        if fires:
            return _ended(repair, Status.RUNNING, now, now + command_seconds), (RunCommand(repair.proposal.id),)
        if complete:
            return _ended(repair, Status.WITHDRAWN, now), (Reply("Repair withdrawn: its alert no longer fires"),)
    if repair.status is Status.VERIFYING and is_newer_look(asked_at, repair) and complete and not fires:
        return _ended(repair, Status.VERIFIED, now), (Reply("Repair verified: its alert has cleared"),)
    return repair, ()


def is_newer_look(asked_at: float, repair: Repair) -> bool:
    """Return whether a look was taken after a repair came to its state."""
    return asked_at >= repair.changed_at


def ended(repair: Repair, outcome: Outcome, result: str, now: float, verify_seconds: float) -> RepairStep:
    """Record how a repair ended: success has to be verified, and what failed is escalated."""
    known = replace(repair, outcome=outcome, result=result)
    if outcome is Outcome.NOT_RUN:
        return _not_run(known, now)
    if repair.status is not Status.RUNNING:
        return repair, ()
    if outcome is Outcome.SUCCEEDED:
        after = _ended(known, Status.VERIFYING, now, now + verify_seconds)
        return after, (Reply(f"The repair's command succeeded{_said(result)}"), AskAlertmanager())
    if outcome is Outcome.DONE:
        return _ended(known, Status.CLOSED, now), (Reply(f"{repair.proposal.action}{_said(result)}"),)
    return escalated(known, f"the repair's command {repair.proposal.command} {outcome}{_said(result)}", now)


def _not_run(repair: Repair, now: float) -> RepairStep:
    if repair.status not in {Status.PROPOSED, Status.APPROVED, Status.RUNNING}:
        return repair, ()
    return _ended(repair, Status.WITHDRAWN, now), (Reply(f"Repair not run{_said(repair.result)}"), ShowMessage())


def closed(repair: Repair, outcome: Outcome, result: str, now: float) -> RepairStep:
    """Record how a repair ended whose episode had ended before."""
    if repair.status is not Status.RUNNING:
        return repair, ()
    after = replace(_ended(repair, Status.CLOSED, now), outcome=outcome, result=result)
    return after, (Reply(f"The repair's command {outcome}, after this had resolved{_said(result)}"),)


def _said(result: str) -> str:
    return f": {result}" if result else ""


def escalated(repair: Repair, why: str, now: float) -> RepairStep:
    """Escalate a repair that did not help."""
    return _ended(repair, Status.ESCALATED, now), (Reply(f"Escalated: {why}"), Escalate(why))


def taken(repair: Repair, now: float) -> RepairStep:
    """Withdraw a repair that another episode runs."""
    return _ended(repair, Status.WITHDRAWN, now), (Reply("Repair withdrawn: another episode runs it"),)


def ticked(repair: Repair, now: float) -> RepairStep:
    """End the state of a repair whose time is over."""
    if repair.due_at is None or now < repair.due_at:
        return repair, ()
    if repair.status is Status.RUNNING:
        command = repair.proposal.command
        timed_out = replace(repair, outcome=Outcome.TIMED_OUT)
        return escalated(timed_out, f"the repair's command {command} has not ended in time", now)
    if repair.status is Status.VERIFYING:
        return escalated(repair, "the repair's command succeeded and its alert has not cleared in time", now)
    return _ended(repair, Status.EXPIRED, now), (Reply("Repair expired: nothing was run"), ShowMessage())


def episode_ended(repair: Repair, now: float) -> Repair:
    """Return a repair whose episode has ended: nothing is run any more, and success is verified."""
    if repair.status in {Status.PROPOSED, Status.APPROVED}:
        return _ended(repair, Status.WITHDRAWN, now)
    if repair.status is Status.VERIFYING:
        return _ended(repair, Status.VERIFIED, now)
    return repair


def is_under_way(repairs: Iterable[Repair], repair_id: str) -> bool:
    """Return whether the command of a repair may still be running."""
    return any(repair.proposal.id == repair_id and repair.status is Status.RUNNING for repair in repairs)


def _ended(repair: Repair, status: Status, now: float, due_at: float | None = None) -> Repair:
    return replace(repair, status=status, changed_at=now, due_at=due_at)
