"""Answers the alerts of Alertmanager's notifications: decides, claims, sends, and reports what is not sent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import assert_never

from botocore.exceptions import BotoCoreError, ClientError

from orion_common.alertmanager import AlertmanagerApi, NotFetched
from orion_common.deadlines import TryLater, need_time
from orion_common.envelope import Alert, Notification, Unreadable
from orion_common.group_key import deduplication_key
from orion_common.names import Mode
from orion_common.observer import Observer
from runbook_automation.commands import Commands, NotSent
from runbook_automation.configuration import (
    APPROVAL_GRACE_SECONDS,
    BEGIN_SECONDS,
    CLAIM_SECONDS,
    DELIVERY_SECONDS,
    GRACE_SECONDS,
    MAXIMUM_AGE_SECONDS,
    Action,
    Remediations,
)
from runbook_automation.counts import Count
from runbook_automation.decisions import Handing, Plan, Refusal, decide, mode_of, previous_repair_id, repair_id
from runbook_automation.guardrails import NO_GUARDRAILS, automatic_guardrails
from runbook_automation.item_ids import resolve_id
from runbook_automation.lifecycle import Effect, Ignore, Propose, Publish, RecordResolve, Resolved, RuleOut, Send, step
from runbook_automation.outcomes import Outcomes
from runbook_automation.repair import Ending, Origin, Repair, Status, shown_labels, time_text
from runbook_automation.repair_items import AlertKey
from runbook_automation.store import Busy, RepairStore

MAXIMUM_RESULT = 500
MAXIMUM_NAME = 200
"""How much of an alert's name is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The group of alerts of a notification. `key` is PagerDuty's deduplication key for it."""

    key: str
    receiver: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifications:
    """Handles one notification after another, and begins nothing after `deadline`, in Unix seconds."""

    mode: Mode
    region: str
    remediations: Remediations
    store: RepairStore
    commands: Commands
    alertmanager: AlertmanagerApi
    outcomes: Outcomes
    deadline: float = math.inf

    @property
    def observer(self) -> Observer:
        """Return the observer of counts and log lines."""
        return self.outcomes.observer

    def now(self) -> float:
        """Return the time in Unix seconds."""
        return self.outcomes.now()

    def _need_time(self) -> None:
        need_time(self.now(), self.deadline)

    def handle(self, notification: Notification) -> None:
        """Answer the alerts of a notification. Raises when the queue should deliver it again."""
        if notification.is_repeat:
            self.observer.count(Count.REPEAT)
            return
        too_late = self._too_late(notification)
        key = deduplication_key(notification.route, notification.group_labels)
        group = Group(key=key, receiver=notification.receiver, labels=notification.group_labels)
        if notification.left_out and not notification.firing:
            # Those of its alerts that the message has no room for have resolved, too.
            self.store.resolve(resolve_id(group.key), _milliseconds(notification.sent_at), int(self.now()))
        failures = self._answer_alerts(notification.alerts, group, notification.sent_at, too_late)
        failures += self._answer_left_out(notification, group, too_late)
        if failures:
            raise failures[0]
        if notification.unreadable:
            raise Unreadable("; ".join(notification.unreadable))

    def _answer_alerts(
        self, alerts: Iterable[Alert], group: Group, seen_at: datetime, too_late: str | None
    ) -> list[Exception]:
        """Answer alerts that were seen then and return what failed: each gets its turn first."""
        failures: list[Exception] = []
        not_sent: list[Repair] = []
        for alert in alerts:
            try:
                self._answer(alert, group, _milliseconds(seen_at), too_late, not_sent)
            except (TryLater, ClientError, BotoCoreError) as error:
                failures.append(error)
        try:
            self.outcomes.publish_together(not_sent)
        except (ClientError, BotoCoreError) as error:  # the sweep publishes each by itself
            failures.append(error)
        return failures

    def _too_late(self, notification: Notification) -> str | None:
        """Return why a notification is too old to act on and what to do instead, or None for one that is not."""
        now, sent_at = self.now(), notification.sent_at.timestamp()
        if now - sent_at <= MAXIMUM_AGE_SECONDS:
            return None
        return (
            f"Alertmanager's message of {time_text(int(sent_at))} was read at {time_text(int(now))}, more than "
            f"{MAXIMUM_AGE_SECONDS // 60} minutes later: what it saw may be over, so nothing was done. "
            "If the alert still fires, follow its runbook"
        )

    def _answer_left_out(self, notification: Notification, group: Group, too_late: str | None) -> list[Exception]:
        """Answer the firing alerts of a group that its message has no room for; a team hears if they can't be had."""
        left_out = notification.left_out
        names = {notification.common_labels.get("alertname", "")} - {""}
        if not left_out or not notification.firing or (names and not names & set(self.remediations.by_alert)):
            return []
        self._need_time()
        try:
            firing, unreadable = self._firing(notification, too_late)
        except NotFetched as error:
            self._tell_left_out(notification, names, left_out, str(error))
            return []
        carried = {alert.fingerprint for alert in notification.alerts}
        fetched = tuple(alert for alert in firing if alert.fingerprint not in carried)
        self.observer.count(Count.FETCHED, len(fetched))
        failures = self._answer_alerts(fetched, group, datetime.fromtimestamp(self.now(), UTC), too_late)
        if unreadable:
            self._tell_left_out(notification, names, len(unreadable), f"Alertmanager's answer: {unreadable[0]}")
        return failures

    def _tell_left_out(self, notification: Notification, names: set[str], number: int, reason: str) -> None:
        self.observer.count(Count.LEFT_OUT, number)
        self.observer.say("alerts left out", route=notification.route, number=number, reason=reason)
        named = names | {alert.name for alert in notification.alerts}
        for name in sorted(named & set(self.remediations.by_alert)):
            notice = self._notice(notification, name, number, reason)
            self.carry_out(self.store.claim(notice, None, NO_GUARDRAILS, int(self.now())))

    def _notice(self, notification: Notification, name: str, left_out: int, reason: str) -> Repair:
        """Return what a team is told about alerts that nothing was done about, as a record so that it is told once."""
        now = int(self.now())
        remediation = self.remediations.by_alert[name]
        result = f"Nothing was done about {left_out} alerts of this group, for which its message had no room: {reason}"
        return Repair(
            id=f"left-out#{notification.id}#{name}",
            alert=name,
            action=remediation.action.name,
            team=remediation.team,
            labels=shown_labels(notification.group_labels),
            status=Status.CLAIMED,
            seen_at=int(notification.sent_at.timestamp() * 1000),
            started_at=now,
            due_at=now + CLAIM_SECONDS,
            timeout_seconds=0,
        ).ended(Ending(status=Status.LEFT_OUT, result=result), now)

    def _firing(self, notification: Notification, too_late: str | None) -> tuple[tuple[Alert, ...], tuple[str, ...]]:
        if too_late is not None:
            raise NotFetched(too_late)
        return self.alertmanager.firing(notification.receiver, notification.group_labels)

    def _answer(self, alert: Alert, group: Group, seen_at: int, too_late: str | None, not_sent: list[Repair]) -> None:
        """Answer one alert. A repair that is stopped or over a limit is recorded, and added to `not_sent`."""
        decision = decide(alert, self.remediations, self.outcomes.publisher.team_topic_arns, self.region)
        if decision is None:
            return
        mode = self.mode
        if isinstance(decision, Plan):
            mode = mode_of(decision.action, mode, alert.labels, self.now())
        if mode is Mode.OFF:
            return
        self._need_time()
        repair = self._claimed(alert, decision, group, seen_at, mode)
        key = AlertKey(
            resolve_ids=(resolve_id(alert.fingerprint), resolve_id(group.key)),
            previous_id=previous_repair_id(alert, decision.action),
        )
        if not alert.firing:
            self._resolve(repair, key)
            return
        now = int(self.now())
        ending = self._ending_without_command(alert, decision, mode, too_late)
        if ending is not None:
            self.carry_out(self.store.claim(repair.ended(ending, now), key, NO_GUARDRAILS, now))
        elif isinstance(decision, Plan):
            self.carry_out(self._claim(repair, key, decision, alert.labels, now), decision, not_sent)

    def _claim(
        self, repair: Repair, key: AlertKey, plan: Plan, labels: Mapping[str, str], now: int
    ) -> tuple[Effect, ...]:
        if repair.status is Status.WAITING:
            return self.store.claim(repair, key, NO_GUARDRAILS, now)
        guardrails = automatic_guardrails(labels, plan, self.remediations.approval_above)
        otherwise = self._waiting(repair) if self.outcomes.chat.is_on else None
        return self.store.claim(repair, key, guardrails, now, otherwise=otherwise)

    def _ending_without_command(
        self, alert: Alert, decision: Plan | Handing | Refusal, mode: Mode, too_late: str | None
    ) -> Ending | None:
        """Return how a repair ends at once, or None if a command is to be sent for it, now or after an approval."""
        if too_late is not None:
            return Ending(status=Status.TOO_LATE, result=too_late)
        dry_run = mode is Mode.DRY_RUN
        match decision:
            case Refusal(reason=reason):
                return Ending(status=Status.REFUSED, result=reason)
            case Handing(team=team, link=link):
                said, status = ("would hand", Status.DRY_RUN) if dry_run else ("handed", Status.HANDED_OVER)
                return Ending(status=status, result=f"{said} {alert.name} to the team {team}", link=link)
            case Plan(action=action, parameters=parameters) if dry_run:
                return Ending(status=Status.DRY_RUN, result=f"would run {action.document} with {dict(parameters)}")
            case Plan() if mode is Mode.APPROVE and not self.outcomes.chat.is_on:
                return Ending(status=Status.REFUSED, result="It needs an approval, and chat, which asks for it, is off")
            case Plan():
                return None
            case _:
                assert_never(decision)

    def _resolve(self, repair: Repair, key: AlertKey) -> None:
        """Record that an alert has resolved: it is answered anew when it fires again, and not by an older message."""
        state = self.store.read_state(repair, key, NO_GUARDRAILS)
        if state is None:
            raise Busy(f"{repair.id}: the table did not answer")
        _, effects = step(state, Resolved(repair.seen_at))
        for effect in effects:
            match effect:
                case RecordResolve(seen_at, answered):
                    if self.store.resolve(key.resolve_ids[0], seen_at, int(self.now())) and not answered:
                        self.observer.count(Count.RESOLVED)
                case RuleOut(known, seen_at):
                    self.store.rule_out(known, seen_at)
                case _:
                    raise AssertionError(f"{effect}: no effect of a resolve")

    def carry_out(
        self,
        effects: Sequence[Effect],
        plan: Plan | None = None,
        not_sent: list[Repair] | None = None,
    ) -> None:
        """Carry out the effects of a claim, or of a decision about one.

        A repair that is not sent is added to `not_sent`, where there is one.
        """
        for effect in effects:
            match effect:
                case Ignore():
                    self.observer.count(Count.DUPLICATE)
                case Publish(ended) if not_sent is not None:
                    not_sent.append(ended)
                case Publish(ended):
                    self.outcomes.publish(ended)
                case Propose(waiting):
                    self.outcomes.chat.propose(waiting)
                    self.observer.count(Count.PROPOSED)
                case Send(claimed) if plan is not None:
                    self._send_claimed(claimed, plan)
                case _:  # the store has written the record
                    pass

    def _claimed(
        self, alert: Alert, decision: Plan | Handing | Refusal, group: Group, seen_at: int, mode: Mode
    ) -> Repair:
        now = int(self.now())
        action = decision.action
        parameters = {} if isinstance(decision, Refusal) else decision.parameters
        repair = Repair(
            id=repair_id(alert, action, parameters),
            alert=alert.name[:MAXIMUM_NAME],
            action=action.name,
            team=decision.team,
            labels=shown_labels(alert.labels),
            parameters=parameters,
            status=Status.CLAIMED,
            seen_at=seen_at,
            started_at=now,
            due_at=now + CLAIM_SECONDS,
            timeout_seconds=action.timeout_seconds if isinstance(action, Action) else 0,
            origin=Origin(
                fingerprint=alert.fingerprint, group=group.key, receiver=group.receiver, group_labels=group.labels
            ),
            document=self.commands.document_of(action) if isinstance(action, Action) else "",
            changes_cluster=isinstance(action, Action) and action.changes_cluster,
        )
        return self._waiting(repair) if mode is Mode.APPROVE and isinstance(decision, Plan) else repair

    def _waiting(self, repair: Repair) -> Repair:
        """Return a repair as it waits for an approval."""
        approve_by = repair.started_at + self.remediations.approval_seconds
        return replace(
            repair,
            status=Status.WAITING,
            proposal=repair.claim,
            approve_by=approve_by,
            due_at=approve_by + APPROVAL_GRACE_SECONDS,
        )

    def _send_claimed(self, repair: Repair, plan: Plan) -> None:
        """Send the command of a claimed repair, once."""
        fingerprint = repair.origin.fingerprint if repair.origin else ""
        comment = f"{repair.alert} {fingerprint}".rstrip()
        try:
            self._need_time()
            command_id = self.commands.send(plan, comment, not_after=repair.started_at + BEGIN_SECONDS)
        except TryLater:
            self.store.release(repair, int(self.now()) + MAXIMUM_AGE_SECONDS)
            self.observer.count(Count.NOT_TAKEN)
            raise
        except NotSent as error:
            self.outcomes.end(
                repair,
                Ending(status=Status.FAILED, result=f"Systems Manager refused the command: {error}"[:MAXIMUM_RESULT]),
            )
            return
        except (ClientError, BotoCoreError) as error:
            # It may have been taken all the same: the sweep tells the team, and nothing sends it again.
            self.observer.count(Count.UNCERTAIN)
            self.observer.say("no answer to a command", repair=repair.id, error=str(error))
            return
        due_at = int(self.now()) + DELIVERY_SECONDS + plan.action.timeout_seconds + GRACE_SECONDS
        self.store.record_command(repair, command_id, due_at)
        self.observer.count(Count.SENT)
        self.observer.say("repair sent", repair=repair.id, command=command_id)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
