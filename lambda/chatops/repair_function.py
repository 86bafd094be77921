"""The repair function as chat sees it: it proposes and reports repairs, and is told what people decided.

Chat sends no commands. It puts decisions on the repair function's queue, which runs exactly the plan that it stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from chatops.clients import Unavailable
from chatops.episode import Group
from chatops.events import RepairProposed, RepairReported
from chatops.repair import Command, Outcome, Proposal
from chatops.stop_items import StopItems
from chatops.stops import Stop
from orion_common.repair_messages import (
    DiagnosticsRequest,
    RepairDecision,
    RepairFacts,
    RepairProposal,
    RepairReport,
    RepairStop,
    StopLift,
)
from orion_common.stop_scopes import Scope

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

AGAIN_SECONDS = 15
"""Longer than a function that has claimed a repair may take to send its command."""
_VERIFIED: Mapping[str, Outcome] = {
    "succeeded": Outcome.SUCCEEDED,
    "nothing done": Outcome.SUCCEEDED,
    "gone": Outcome.SUCCEEDED,
    "failed": Outcome.FAILED,
    "timed out": Outcome.TIMED_OUT,
    "lost": Outcome.LOST,
}
"""Ends of what changes the cluster, by the status of the repair's record. Of any other status nothing was sent."""
_DONE = frozenset({*_VERIFIED, "handed over", "dry run"})
"""Ends of what changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairFunction:
    """The repair function's queue, and the items of stops. To put a decision there twice has no second effect."""

    sqs: SQSClient
    queue_url: str
    stop_items: StopItems

    def send(self, repair: str, command: Command, by: str) -> None:
        """Have an approved repair's command run. What it is says the repair function's own record."""
        del command
        self._decide(repair, by, is_approved=True)

    def reject(self, repair: str, by: str) -> None:
        """Have a repair end that waits for an approval."""
        self._decide(repair, by, is_approved=False)

    def stop(self, action: str, service: str, by: str, at: float) -> None:
        """Stop repairs. The second message finds what was sent by a function that had claimed it a moment before."""
        stop = RepairStop(action=action, service=service, by=by, why="stopped from Slack", at=at)
        for delay in (0, AGAIN_SECONDS):
            self._put(stop.as_text(), delay)

    def lift(self, stop: Stop, by: str, at: float) -> None:
        """Lift exactly this stop."""
        scope = stop.scope
        lift = StopLift(action=scope.action, service=scope.service, since=stop.since, stopped_by=stop.by, by=by, at=at)
        self._put(lift.as_text())

    def stops(self, scopes: Sequence[Scope]) -> tuple[Stop, ...]:
        """Return the stops of scopes that hold at this moment."""
        return self.stop_items.of(scopes)

    def collect(self, request: str, group: Group, by: str, at: float) -> None:
        """Collect diagnostics. A label that the group lacks is empty here, and absent in Alertmanager."""
        asked = DiagnosticsRequest(
            request=request,
            by=by,
            receiver=group.receiver,
            group=group.key,
            group_labels={name: value for name, value in group.labels if value},
            at=at,
        )
        self._put(asked.as_text())

    def _decide(self, repair: str, by: str, *, is_approved: bool) -> None:
        id_, _, proposal = repair.rpartition("#")
        decision = RepairDecision(repair=id_, proposal=proposal, is_approved=is_approved, by=by)
        self._put(decision.as_text())

    def _put(self, body: str, delay_seconds: int = 0) -> None:
        try:
            self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=body, DelaySeconds=delay_seconds)
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(f"the repair function's queue: {error}") from error


def proposed(message: RepairProposal) -> RepairProposed:
    """Return the input that a proposal is."""
    return RepairProposed(_proposal(message.facts, approve_by=message.approve_by), message.seen_at)


def reported(message: RepairReport) -> RepairReported:
    """Return the input that a report is."""
    facts, status = message.facts, message.status
    if facts.changes_cluster:
        outcome = _VERIFIED.get(status, Outcome.DONE if status in _DONE else Outcome.NOT_RUN)
    else:
        outcome = Outcome.DONE if status in _DONE else Outcome.NOT_RUN
    return RepairReported(
        proposal=_proposal(facts, approve_by=None),
        outcome=outcome,
        result=message.result,
        began_at=message.started_at,
    )


def _proposal(facts: RepairFacts, *, approve_by: float | None) -> Proposal:
    """Return what chat knows a repair by. Its id ends with the token of its claim: each claim is another repair."""
    _, _, _, target = facts.repair.split("#", 3)
    return Proposal(
        fingerprint=facts.fingerprint,
        action=facts.action,
        target=f"{target}#{facts.proposal}",
        command=Command(document=facts.document or facts.action, parameters=tuple(sorted(facts.parameters.items()))),
        approval=approve_by is not None,
        approve_by=approve_by,
    )
