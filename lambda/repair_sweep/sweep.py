"""Looks after open repairs whose time is over: ends those that nobody else will, and publishes what was not."""

from __future__ import annotations

import math
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from orion_common.envelope import NotOurs, read_object
from orion_common.names import SWEEP_SOURCE
from runbook_automation.configuration import BEGIN_SECONDS
from runbook_automation.outcomes import Outcomes
from runbook_automation.repair import UNDER_WAY, Ending, Repair, Status, time_text

LOOK_AGAIN_SECONDS = 60


class SweepIncomplete(RuntimeError):
    """Some overdue repairs could not be looked after; the next sweep tries them again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairSweep:
    """Handles the messages of the schedule. It begins nothing after `deadline`, in Unix seconds."""

    outcomes: Outcomes
    deadline: float = math.inf

    def handle(self, body: str) -> None:
        """Sweep once. Raises `NotOurs` for a message that is not the schedule's."""
        source = read_object(body).get("source")
        if source != SWEEP_SOURCE:
            raise NotOurs(f"source: found {source!r:.100}; allowed: {SWEEP_SOURCE!r}")
        self.sweep()

    def sweep(self) -> None:
        """Look after the open repairs whose time is over. Raises `SweepIncomplete` naming those that failed."""
        now = int(self.outcomes.now())
        failures: list[str] = []
        for repair in self.outcomes.store.overdue(now):
            if self.outcomes.now() > self.deadline:
                break  # the next sweep takes the others
            try:
                self._look_after(repair, now)
            except (ClientError, BotoCoreError) as error:  # the others get their turn, now and in the next sweep
                failures.append(f"{repair.id}: {error}")
                self.outcomes.store.postpone(repair, now + LOOK_AGAIN_SECONDS)
        if failures:
            raise SweepIncomplete("; ".join(failures))

    def _look_after(self, repair: Repair, now: int) -> None:
        if repair.finished_at is not None or repair.status not in UNDER_WAY:
            self.outcomes.publish(repair)
            return
        if repair.status is Status.RELEASED:
            text = (
                f"Claimed at {time_text(repair.started_at)} and given back, since Systems Manager did not take the "
                "command or the function's time was over, and no message has brought it again: nothing ran"
            )
            self.outcomes.end(repair, Ending(status=Status.FAILED, result=text))
            return
        if repair.command_id is None:
            text = (
                f"Claimed at {time_text(repair.started_at)}, and no command is known: it may have run or not. "
                "It is not sent again: look at what it is about"
            )
            self.outcomes.end(repair, Ending(status=Status.LOST, result=text))
            return
        ending = self.outcomes.results.ending(repair.command_id)
        if ending is not None:
            self.outcomes.end(repair, ending)
        elif now - repair.started_at > repair.timeout_seconds + BEGIN_SECONDS:
            text = (
                f"Systems Manager calls the command running since {time_text(repair.started_at)}: it may have done a "
                "part; if it has not begun by now, it will refuse to"
            )
            self.outcomes.end(repair, Ending(status=Status.TIMED_OUT, result=text))
        else:
            self.outcomes.store.postpone(repair, now + LOOK_AGAIN_SECONDS)
