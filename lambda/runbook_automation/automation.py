"""Handles each message: claims and sends repairs, publishes outcomes, and sweeps for lost ones.

A repair is claimed by a conditional write, then sent, then its command is recorded: nothing here waits for a command.
Its end is written down before it is published, and it stays open until it was; whatever dies in between is found by
the sweep. A claim of which no command is known may have run: the team hears of it, and it is never sent again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from botocore.exceptions import BotoCoreError, ClientError

from orion_common.alertmanager import AlertmanagerApi, NotFetched
from orion_common.deadlines import TryLater, need_time
from orion_common.envelope import Alert, Notification, NotOurs, Unreadable
from orion_common.message_archive import MessageArchive
from orion_common.names import Mode
from runbook_automation.command_results import CommandResults
from runbook_automation.commands import Commands, NotSent
from runbook_automation.configuration import (
    BEGIN_SECONDS,
    CLAIM_SECONDS,
    DELIVERY_SECONDS,
    GRACE_SECONDS,
    MAXIMUM_AGE_SECONDS,
    Action,
    Remediations,
)
from runbook_automation.counts import Count, Observer
from runbook_automation.decisions import Handing, Plan, Refusal, decide, repair_id
from runbook_automation.limits import limits_of
from runbook_automation.messages import CommandEvent, read_message
from runbook_automation.outcomes import Outcomes
from runbook_automation.publisher import Publisher
from runbook_automation.repair import Ending, Repair, Status, shown_labels, time_text
from runbook_automation.store import Claim, Full, RepairStore, Stopped

MAXIMUM_RESULT = 500
MAXIMUM_NAME = 200
"""How much of an alert's name is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Automation:
    """Handles one message after another. `now` returns Unix seconds; nothing is begun after `deadline`, in the same."""

    mode: Mode
    region: str
    remediations: Remediations
    store: RepairStore
    commands: Commands
    results: CommandResults
    publisher: Publisher
    archive: MessageArchive
    alertmanager: AlertmanagerApi
    observer: Observer
    now: Callable[[], float]
    deadline: float = math.inf

    def handle(self, body: str, message_id: str) -> None:
        """Deal with one message of the queue. Raises when the queue should bring it again, or give it up."""
        self.observer.count(Count.HANDLED)
        self._need_time()
        try:
            message = read_message(body)
        except Unreadable as error:
            self._keep(Count.UNREADABLE, body, message_id, str(error))
            # Of its alerts nobody knows but the dead letters' alarm.
            raise
        except NotOurs as error:
            self._keep(Count.NOT_OURS, body, message_id, str(error))
            return
        match message:
            case Notification():
                if message.unreadable:
                    self._keep(Count.UNREADABLE, body, message_id, message.unreadable[0])
                self._handle_notification(message)
            case CommandEvent():
                self.outcomes.handle_event(message)
            case _:
                assert_never(message)

    @property
    def outcomes(self) -> Outcomes:
        """Return what ends repairs."""
        return Outcomes(
            store=self.store,
            results=self.results,
            publisher=self.publisher,
            observer=self.observer,
            now=self.now,
        )

    def _need_time(self) -> None:
        need_time(self.now(), self.deadline)

    def _keep(self, what: Count, body: str, message_id: str, reason: str) -> None:
        key = self.archive.keep(message_id, body, reason)
        self.observer.count(what)
        self.observer.say("message refused and kept", reason=reason, key=key)

    def _handle_notification(self, notification: Notification) -> None:
        if notification.is_repeat:
            self.observer.count(Count.REPEAT)
            return
        too_late = self._too_late(notification)
        failures = self._answer_alerts(notification.alerts, notification.sent_at, too_late)
        failures += self._answer_left_out(notification, too_late)
        if failures:
            raise failures[0]
        if notification.unreadable:
            raise Unreadable("; ".join(notification.unreadable))

    def _answer_alerts(self, alerts: Iterable[Alert], seen_at: datetime, too_late: str | None) -> list[Exception]:
        """Answer alerts that were seen then and return what failed: each gets its turn first."""
        failures: list[Exception] = []
        not_sent: list[Repair] = []
        for alert in alerts:
            try:
                self._answer(alert, int(seen_at.timestamp() * 1000), too_late, not_sent)
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

    def _answer_left_out(self, notification: Notification, too_late: str | None) -> list[Exception]:
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
        found = tuple(alert for alert in firing if alert.fingerprint not in carried)
        self.observer.count(Count.FETCHED, len(found))
        failures = self._answer_alerts(found, datetime.fromtimestamp(self.now(), UTC), too_late)
        if unreadable:
            self._tell_left_out(notification, names, len(unreadable), f"Alertmanager's answer: {unreadable[0]}")
        return failures

    def _tell_left_out(self, notification: Notification, names: set[str], number: int, reason: str) -> None:
        self.observer.count(Count.LEFT_OUT, number)
        self.observer.say("alerts left out", route=notification.route, number=number, reason=reason)
        named = names | {alert.name for alert in notification.alerts}
        for name in sorted(named & set(self.remediations.by_alert)):
            self._tell_once(self._notice(notification, name, number, reason))

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
        return self.alertmanager.firing(notification)

    def _answer(self, alert: Alert, seen_at: int, too_late: str | None, not_sent: list[Repair]) -> None:
        """Answer one alert. A repair that is stopped or over a limit is recorded, and added to `not_sent`."""
        decision = decide(alert, self.remediations, self.publisher.team_topic_arns, self.region)
        if decision is None:
            return
        self._need_time()
        repair = self._claimed(alert, decision, seen_at)
        match decision:
            case _ if not alert.firing:
                self._rule_out(repair)
            case _ if too_late is not None:
                self._claim_ended(repair, Ending(status=Status.TOO_LATE, result=too_late))
            case Refusal():
                self._claim_ended(repair, Ending(status=Status.REFUSED, result=decision.reason))
            case Handing() if self.mode is Mode.DRY_RUN:
                would = f"would hand {alert.name} to the team {decision.team}"
                self._claim_ended(repair, Ending(status=Status.DRY_RUN, result=would, link=decision.link))
            case Handing():
                handed = f"handed {alert.name} to the team {decision.team}"
                self._claim_ended(repair, Ending(status=Status.HANDED_OVER, result=handed, link=decision.link))
            case Plan() if self.mode is Mode.DRY_RUN:
                would = f"would run {decision.action.document} with {dict(decision.parameters)}"
                self._claim_ended(repair, Ending(status=Status.DRY_RUN, result=would))
            case Plan():
                ending = self._send(repair, decision, alert)
                if ending is not None:
                    not_sent += self._recorded(repair.ended(ending, int(self.now())))
            case _:
                assert_never(decision)

    def _claimed(self, alert: Alert, decision: Plan | Handing | Refusal, seen_at: int) -> Repair:
        now = int(self.now())
        action = decision.action
        return Repair(
            id=repair_id(alert, action),
            alert=alert.name[:MAXIMUM_NAME],
            action=action.name,
            team=decision.team,
            labels=shown_labels(alert.labels),
            parameters={} if isinstance(decision, Refusal) else decision.parameters,
            status=Status.CLAIMED,
            seen_at=seen_at,
            started_at=now,
            due_at=now + CLAIM_SECONDS,
            timeout_seconds=action.timeout_seconds if isinstance(action, Action) else 0,
        )

    def _claim_ended(self, repair: Repair, ending: Ending) -> None:
        self._tell_once(repair.ended(ending, int(self.now())))

    def _rule_out(self, repair: Repair) -> None:
        """Write down that an alert resolved before it was answered: a message that saw it fire may still come."""
        result = "it resolved before anything was done about it"
        if self.store.claim(repair.ended(Ending(status=Status.RESOLVED, result=result), int(self.now()))):
            self.observer.count(Count.RESOLVED)

    def _tell_once(self, repair: Repair) -> None:
        if not self.store.claim(repair):
            self.observer.count(Count.DUPLICATE)
            return
        self.outcomes.publish(repair)

    def _recorded(self, ended: Repair) -> list[Repair]:
        """Record a repair that ended before it was sent; return it unless it was answered already."""
        if self.store.claim(ended):
            return [ended]
        self.observer.count(Count.DUPLICATE)
        return []

    def _send(self, repair: Repair, plan: Plan, alert: Alert) -> Ending | None:
        """Send a plan's command, once. Return why it must not be sent now, or None."""
        match self.store.claim_to_send(repair, limits_of(alert, plan), int(self.now())):
            case Stopped() as stop:
                return Ending(
                    status=Status.STOPPED,
                    result=f"All repairs are stopped since {stop.since} by {stop.by} ({stop.why}): nothing was done. "
                    "Follow the alert's runbook",
                )
            case Full(limit):
                return Ending(
                    status=Status.LIMITED,
                    result=f"{limit.said} were sent already: nothing was done. Look for a cause that they share, and "
                    "follow the alert's runbook",
                )
            case Claim.DUPLICATE:
                self.observer.count(Count.DUPLICATE)
            case Claim.MADE:
                self._send_claimed(repair, plan, f"{alert.name} {alert.fingerprint}")
        return None

    def _send_claimed(self, repair: Repair, plan: Plan, comment: str) -> None:
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
