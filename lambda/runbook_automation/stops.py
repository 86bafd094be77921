"""Stops repairs at a person's word from chat, and lifts stops: nothing is claimed while one holds.

It is the stop of `orion repairs stop`, of everything, an action or a service. What waits or runs is cancelled. A
function that claimed a repair a moment before may send its command after the first look, so that chat sends the message
twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from orion_common.names import EXPIRES_AT
from orion_common.repair_messages import RepairStop, StopLift
from orion_common.stop_scopes import Scope
from runbook_automation.commands import Commands
from runbook_automation.configuration import MAXIMUM_AGE_SECONDS
from runbook_automation.counts import Count
from runbook_automation.item_ids import stop_scopes
from runbook_automation.outcomes import Outcomes
from runbook_automation.repair import KEEP_SECONDS, Ending, Repair, Status, time_text
from runbook_automation.store import RepairStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Stops:
    """Handles stops one after another."""

    store: RepairStore
    commands: Commands
    outcomes: Outcomes

    def handle(self, stop: RepairStop) -> None:
        """Write the stop, end the repairs that wait for an approval, and cancel the commands that wait or run."""
        now = self.outcomes.now()
        if now - stop.at > MAXIMUM_AGE_SECONDS:
            return  # whoever clicked has been told by now, and may have had repairs begin again
        scope = Scope(stop.action, stop.service)
        id_ = scope.stop_id
        since = time_text(int(stop.at))
        click, expires_at = f"{id_}#{stop.by}#{stop.at}", int(stop.at) + 2 * MAXIMUM_AGE_SECONDS
        if self.store.stops.stop(id_, click=click, expires_at=expires_at, since=since, by=stop.by, why=stop.why):
            self.outcomes.observer.count(Count.STOPS)
            self.outcomes.observer.say("repairs stopped", item=id_, by=stop.by)
        elif not self.store.stops.is_stopped(id_):
            return  # it was lifted since the click
        for repair in self.store.open_repairs():
            if scope in stop_scopes(repair) and repair.finished_at is None:
                self._end(repair, f"{scope.repairs} are stopped since {since} by {stop.by}: nothing was done")

    def lift(self, lift: StopLift) -> None:
        """Lift exactly the stop that was shown to the person, and keep who lifted it and when."""
        now = self.outcomes.now()
        if now - lift.at > MAXIMUM_AGE_SECONDS:
            return
        id_ = Scope(lift.action, lift.service).stop_id
        ended = {"until": time_text(int(now)), "started_by": lift.by, EXPIRES_AT: int(now) + KEEP_SECONDS}
        if self.store.stops.lift(id_, since=lift.since, stopped_by=lift.stopped_by, ended=ended):
            self.outcomes.observer.count(Count.LIFTS)
            self.outcomes.observer.say("repairs started", item=id_, by=lift.by)

    def _end(self, repair: Repair, result: str) -> None:
        if repair.status is Status.WAITING:
            self.outcomes.end(repair, Ending(status=Status.STOPPED, result=result))
        elif repair.command_id is not None:
            self.commands.cancel(repair.command_id)  # its event ends the repair
