"""Carries out what people decided in chat about repairs that wait for an approval.

What runs is the stored plan, with the document as it was shown. Whether it still may run is decided by one
conditional write, so that a decision that arrives twice runs nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from orion_common.names import Mode
from orion_common.repair_messages import RepairDecision
from runbook_automation.commands import Commands
from runbook_automation.configuration import Action, Remediations
from runbook_automation.counts import Count
from runbook_automation.decisions import Plan, mode_of
from runbook_automation.lifecycle import Decided, Effect, Ignore, Publish, Send
from runbook_automation.limits import limits_of
from runbook_automation.outcomes import Outcomes
from runbook_automation.repair import Repair
from runbook_automation.store import RepairStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvals:
    """Handles decisions one after another. `send` sends the command of a claimed repair, once."""

    mode: Mode
    remediations: Remediations
    store: RepairStore
    commands: Commands
    outcomes: Outcomes
    send: Callable[[Repair, Plan], None]

    def handle(self, decision: RepairDecision) -> None:
        """Run or end the repair that a decision is about, unless that has happened. Raises `Busy`."""
        known = self.store.find(decision.repair)
        if known is None:
            self.outcomes.observer.count(Count.DUPLICATE)
            return
        action = self.remediations.action(known.action)
        plan = None if action is None else Plan(action=action, team=known.team, parameters=known.parameters)
        decided = Decided(
            proposal=decision.proposal,
            is_approved=decision.is_approved,
            by=decision.by,
            claim=uuid4().hex,
            now=int(self.outcomes.now()),
            document=self._document(known, action),
        )
        limits = () if plan is None else limits_of(known.labels, plan)
        self._carry_out(self.store.decide(known, decided, limits), plan)

    def _document(self, known: Repair, action: Action | None) -> str:
        """Return the document that would run now, or nothing if the catalog does not let it run any more."""
        if action is None or mode_of(action, self.mode, known.labels) in {Mode.OFF, Mode.DRY_RUN}:
            return ""
        return self.commands.document_of(action)

    def _carry_out(self, effects: tuple[Effect, ...], plan: Plan | None) -> None:
        for effect in effects:
            match effect:
                case Ignore():
                    self.outcomes.observer.count(Count.DUPLICATE)
                case Publish(ended):
                    self.outcomes.publish(ended)
                case Send(claimed) if plan is not None:
                    self.outcomes.observer.count(Count.APPROVED)
                    self.send(claimed, plan)
                case _:  # the store has written the record
                    pass
