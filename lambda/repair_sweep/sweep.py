"""Looks after open repairs whose time is over: ends those that nobody else will, and publishes what was not."""

from __future__ import annotations

import math
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from orion_common.envelope import NotOurs, read_object
from orion_common.names import SWEEP_SOURCE
from runbook_automation.lifecycle import LOOK_AGAIN_SECONDS
from runbook_automation.outcomes import Outcomes


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
                self.outcomes.look_after(repair, now)
            except (ClientError, BotoCoreError) as error:  # the others get their turn, now and in the next sweep
                failures.append(f"{repair.id}: {error}")
                self.outcomes.store.postpone(repair, now + LOOK_AGAIN_SECONDS)
        if failures:
            raise SweepIncomplete("; ".join(failures))
