"""Handles the messages of the repair function's queue, one after another.

A repair is claimed by a conditional write, then sent, then its command is recorded: nothing here waits for a command.
Its end is written down before it is published, and it stays open until it was; whatever dies in between is found by
the sweep. A claim of which no command is known may have run: the team hears of it, and it is never sent again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from orion_common.alertmanager import AlertmanagerApi
from orion_common.deadlines import need_time
from orion_common.envelope import Notification, NotOurs, Unreadable
from orion_common.message_archive import MessageArchive
from orion_common.names import Mode
from orion_common.observer import Observer
from orion_common.repair_messages import DiagnosticsRequest, RepairDecision, RepairStop, StopLift
from runbook_automation.approvals import Approvals
from runbook_automation.chat_queue import ChatQueue
from runbook_automation.command_results import CommandResults
from runbook_automation.commands import Commands
from runbook_automation.configuration import Remediations
from runbook_automation.counts import Count
from runbook_automation.diagnostics import Diagnostics
from runbook_automation.messages import CommandEvent, read_message
from runbook_automation.notifications import Notifications
from runbook_automation.outcomes import Outcomes
from runbook_automation.publisher import Publisher
from runbook_automation.stops import Stops
from runbook_automation.store import RepairStore


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
    chat: ChatQueue
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
                try:
                    self._notifications.handle(message)
                finally:  # a bucket that does not answer keeps no alert from its answer
                    if message.unreadable:
                        self._keep(Count.UNREADABLE, body, message_id, message.unreadable[0])
            case CommandEvent():
                self.outcomes.handle_event(message)
            case RepairDecision():
                self._approvals.handle(message)
            case RepairStop():
                self._stops.handle(message)
            case StopLift():
                self._stops.lift(message)
            case DiagnosticsRequest():
                self._diagnostics.handle(message)
            case _:
                assert_never(message)

    @property
    def outcomes(self) -> Outcomes:
        """Return what ends repairs."""
        return Outcomes(
            store=self.store,
            results=self.results,
            publisher=self.publisher,
            chat=self.chat,
            observer=self.observer,
            now=self.now,
        )

    @property
    def _notifications(self) -> Notifications:
        return Notifications(
            mode=self.mode,
            region=self.region,
            remediations=self.remediations,
            store=self.store,
            commands=self.commands,
            alertmanager=self.alertmanager,
            outcomes=self.outcomes,
            deadline=self.deadline,
        )

    @property
    def _approvals(self) -> Approvals:
        return Approvals(
            mode=self.mode,
            remediations=self.remediations,
            store=self.store,
            commands=self.commands,
            outcomes=self.outcomes,
            carry_out=self._notifications.carry_out,
        )

    @property
    def _stops(self) -> Stops:
        return Stops(store=self.store, commands=self.commands, outcomes=self.outcomes)

    @property
    def _diagnostics(self) -> Diagnostics:
        return Diagnostics(
            mode=self.mode,
            remediations=self.remediations,
            store=self.store,
            commands=self.commands,
            alertmanager=self.alertmanager,
            outcomes=self.outcomes,
            carry_out=self._notifications.carry_out,
        )

    def _need_time(self) -> None:
        need_time(self.now(), self.deadline)

    def _keep(self, what: Count, body: str, message_id: str, reason: str) -> None:
        self.archive.refuse(self.observer, what, body, message_id, reason)
