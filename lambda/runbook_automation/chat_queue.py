"""Tells chat about repairs, by its queue: which wait for an approval, and how each has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orion_common.object_pages import page_of_address
from orion_common.repair_messages import RepairFacts, RepairProposal, RepairReport
from runbook_automation.item_ids import first_id
from runbook_automation.repair import Repair

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

DELAY_SECONDS = 5
"""Chat opens the episode by the notification that this function has too. What came first would wait for minutes."""
RESULT_CHARACTERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatQueue:
    """Chat's queue, or none where the stack has no chat: then nothing is told."""

    sqs: SQSClient
    url: str | None

    @property
    def is_on(self) -> bool:
        """Return whether the stack has chat."""
        return self.url is not None

    def propose(self, repair: Repair) -> None:
        """Ask for the approval of a repair that waits for it."""
        facts = facts_of(repair)
        if self.url is None or facts is None or repair.approve_by is None:
            return
        proposal = RepairProposal(facts=facts, seen_at=repair.seen_at / 1000, approve_by=repair.approve_by)
        self.sqs.send_message(QueueUrl=self.url, MessageBody=proposal.as_text(), DelaySeconds=DELAY_SECONDS)

    def report(self, repair: Repair) -> None:
        """Report how a repair has ended."""
        facts = facts_of(repair)
        if self.url is None or facts is None:
            return
        report = RepairReport(
            facts=facts,
            status=repair.status.value,
            result=repair.result[:RESULT_CHARACTERS] + _output_of(repair),
            started_at=repair.started_at,
        )
        self.sqs.send_message(QueueUrl=self.url, MessageBody=report.as_text(), DelaySeconds=DELAY_SECONDS)


def _output_of(repair: Repair) -> str:
    """Return where people read all that a command wrote. What changes anything begins with diagnostics."""
    if not repair.location:
        return ""
    what = "its output, with diagnostics from before" if repair.changes_cluster else "its output"
    return f" ({what}: {page_of_address(repair.location)} )"


def facts_of(repair: Repair) -> RepairFacts | None:
    """Return what chat is told of a repair, or None for a record that does not say which group it is about."""
    origin = repair.origin
    if origin is None:
        return None
    return RepairFacts(
        repair=first_id(repair),
        proposal=repair.proposal or repair.claim,
        action=repair.action,
        document=repair.document,
        changes_cluster=repair.changes_cluster,
        parameters=repair.parameters,
        fingerprint=origin.fingerprint,
        receiver=origin.receiver,
        group_labels=origin.group_labels,
    )
