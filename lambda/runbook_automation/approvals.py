"""Carries out what people decided in chat about repairs that wait for an approval.

What runs is the stored plan, with the document as it was shown. Whether it still may run is decided by one
conditional write, so that a decision that arrives twice runs nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from orion_common.names import Mode
from orion_common.repair_messages import RepairDecision
from runbook_automation.commands import Commands
from runbook_automation.configuration import Action, Remediations
from runbook_automation.counts import Count
from runbook_automation.decisions import Plan, mode_of
from runbook_automation.guardrails import NO_GUARDRAILS, guardrails_of
from runbook_automation.lifecycle import Decided, Effect, Send
from runbook_automation.outcomes import Outcomes
from runbook_automation.repair import Repair
from runbook_automation.store import RepairStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvals:
    """Handles decisions one after another. `carry_out` carries out the effects of one, with its plan."""

    mode: Mode
    remediations: Remediations
    store: RepairStore
    commands: Commands
    outcomes: Outcomes
    carry_out: Callable[[Sequence[Effect], Plan | None], None]

    def handle(self, decision: RepairDecision) -> None:
        """Run or end the repair that a decision is about, unless that has happened. Raises `Busy`."""
        known = self.store.find(decision.repair)
        if known is None:
            self.outcomes.observer.count(Count.DUPLICATE)
            return
        action = self.remediations.action(known.action)
        plan = None if action is None else Plan(action=action, team=known.team, parameters=known.parameters)
        now = int(self.outcomes.now())
        decided = Decided(
            proposal=decision.proposal,
            is_approved=decision.is_approved,
            by=decision.by,
            claim=uuid4().hex,
            now=now,
            document=self._document(known, action, now),
        )
        guardrails = NO_GUARDRAILS if plan is None else guardrails_of(known.labels, plan)
        effects = self.store.decide(known, decided, guardrails)
        if any(isinstance(effect, Send) for effect in effects):
            self.outcomes.observer.count(Count.APPROVED)
        self.carry_out(effects, plan)

    def _document(self, known: Repair, action: Action | None, now: float) -> str:
        """Return the document that would run now, or nothing if the catalog does not let it run any more."""
        if action is None or mode_of(action, self.mode, known.labels, now) in {Mode.OFF, Mode.DRY_RUN}:
            return ""
        return self.commands.document_of(action)
