"""Collects diagnostics at a person's word from chat, of what the firing alerts of a group are about.

It changes nothing, so that nobody approves it. Its limits and the stop hold it as they hold any repair.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from orion_common.alertmanager import AlertmanagerApi, NotFetched
from orion_common.envelope import Alert
from orion_common.names import Mode
from orion_common.repair_messages import DiagnosticsRequest
from runbook_automation.commands import Commands
from runbook_automation.configuration import CLAIM_SECONDS, MAXIMUM_AGE_SECONDS, Action, Remediations
from runbook_automation.counts import Count
from runbook_automation.decisions import Plan, mode_of, plan_of, repair_id
from runbook_automation.guardrails import guardrails_of
from runbook_automation.lifecycle import Effect
from runbook_automation.outcomes import Outcomes
from runbook_automation.repair import Ending, Origin, Repair, Status, shown_labels
from runbook_automation.repair_items import AlertKey
from runbook_automation.store import RepairStore

MOST_TARGETS = 3
"""How many targets one click collects diagnostics of: a group may hold hundreds of alerts."""
REQUEST_CHARACTERS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostics:
    """Handles requests one after another. `carry_out` carries out the effects of a claim, with its plan."""

    mode: Mode
    remediations: Remediations
    store: RepairStore
    commands: Commands
    alertmanager: AlertmanagerApi
    outcomes: Outcomes
    carry_out: Callable[[Sequence[Effect], Plan | None], None]

    def handle(self, request: DiagnosticsRequest) -> None:
        """Collect what alerts allow, or report why that can't be. A request that comes again collects nothing more."""
        now = int(self.outcomes.now())
        if now - request.at > MAXIMUM_AGE_SECONDS:
            return
        self.outcomes.observer.count(Count.DIAGNOSTICS)
        try:
            alerts, _ = self.alertmanager.firing(request.receiver, request.group_labels)
        except NotFetched as error:
            self._refuse(request, f"Alertmanager was asked for the alerts: {error}", now)
            return
        plans = list(self._plans(alerts))
        if not plans:
            self._refuse(request, "no alert that fires here has the labels that diagnostics need", now)
        for alert, plan in plans[:MOST_TARGETS]:
            self._collect(request, alert, plan, now)

    def _plans(self, alerts: tuple[Alert, ...]) -> Iterator[tuple[Alert, Plan]]:
        """Yield what can be collected, each target once."""
        seen: set[str] = set()
        for alert in alerts:
            for action in self.remediations.collecting():
                plan = plan_of(alert, action, self.remediations, alert.labels.get("team", ""))
                if isinstance(plan, Plan) and str(plan.parameters) not in seen:
                    seen.add(str(plan.parameters))
                    yield alert, plan

    def _collect(self, request: DiagnosticsRequest, alert: Alert, plan: Plan, now: int) -> None:
        repair = self._claimed(request, alert, plan, now)
        mode = mode_of(plan.action, self.mode, alert.labels, now)
        if mode in {Mode.OFF, Mode.DRY_RUN}:
            ending = Ending(status=Status.DRY_RUN, result=f"The mode of {plan.action.name} is {mode} here")
            self.outcomes.chat.report(repair.ended(ending, now))
            return
        key = AlertKey(resolve_ids=(), previous_id=repair.id)
        self.carry_out(self.store.claim(repair, key, guardrails_of(alert.labels, plan), now), plan)

    def _claimed(self, request: DiagnosticsRequest, alert: Alert, plan: Plan, now: int) -> Repair:
        asked = hashlib.sha256(request.request.encode()).hexdigest()[:REQUEST_CHARACTERS]
        return Repair(
            id=f"{repair_id(alert, plan.action, plan.parameters)}.{asked}",
            alert=alert.name,
            action=plan.action.name,
            team=plan.team,
            labels=shown_labels(alert.labels),
            parameters=plan.parameters,
            status=Status.CLAIMED,
            seen_at=now * 1000,
            started_at=now,
            due_at=now + CLAIM_SECONDS,
            timeout_seconds=plan.action.timeout_seconds,
            origin=self._origin(request, alert.fingerprint),
            document=self.commands.document_of(plan.action),
            approved_by=request.by,
        )

    def _refuse(self, request: DiagnosticsRequest, reason: str, now: int) -> None:
        collecting: tuple[Action, ...] = self.remediations.collecting()
        action = collecting[0].name if collecting else "diagnostics"
        refused = Repair(
            id=f"repair#none#{action}#{hashlib.sha256(request.request.encode()).hexdigest()[:REQUEST_CHARACTERS]}",
            alert="",
            action=action,
            team="",
            labels={},
            status=Status.CLAIMED,
            seen_at=now * 1000,
            started_at=now,
            due_at=now,
            timeout_seconds=0,
            origin=self._origin(request, "none"),
        )
        self.outcomes.chat.report(refused.ended(Ending(status=Status.REFUSED, result=reason), now))

    def _origin(self, request: DiagnosticsRequest, fingerprint: str) -> Origin:
        return Origin(
            fingerprint=fingerprint,
            group=request.group,
            receiver=request.receiver,
            group_labels=request.group_labels,
        )
