"""Handles outcomes of claimed repairs: records them, publishes them, and sweeps for those never heard of."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from runbook_automation.commands import Commands
from runbook_automation.configuration import BEGIN_SECONDS
from runbook_automation.counts import Count, Observer, count_of
from runbook_automation.messages import CommandEvent
from runbook_automation.publisher import Publisher
from runbook_automation.repair import UNDER_WAY, Ending, Repair, Status, digest, time_text
from runbook_automation.store import RepairStore

RUNNING_STATUSES = frozenset({"Pending", "InProgress", "Delayed", "Cancelling"})
EARLY_SECONDS = 60
"""An event this young may have come before its command was written down: it is tried again, an older one is not."""
LOOK_AGAIN_SECONDS = 60


class EventTooEarly(RuntimeError):
    """An event of a command that is not known yet; the queue brings it again."""


class SweepIncomplete(RuntimeError):
    """Some overdue repairs could not be looked after; the next sweep tries them again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Ends repairs and publishes it. `now` returns Unix seconds, and the sweep begins nothing after `deadline`."""

    store: RepairStore
    commands: Commands
    publisher: Publisher
    observer: Observer
    now: Callable[[], float]
    deadline: float = math.inf

    def handle_event(self, event: CommandEvent) -> None:
        """End the repair of a command that has ended. Raises `EventTooEarly` while no record names the command."""
        if event.status in RUNNING_STATUSES:
            return
        repair = self.store.find_by_command(event.command_id)
        if repair is None:
            if self.now() - event.time.timestamp() < EARLY_SECONDS:
                raise EventTooEarly(event.command_id)
            self.observer.count(Count.UNKNOWN_COMMAND)
            self.observer.say("event of a command that no record names", command=event.command_id)
            return
        if repair.finished_at is not None:
            self.observer.count(Count.DUPLICATE)
            return
        ending = self.commands.ending(event.command_id, heard_from=event.instance_id)
        if ending is not None:
            self.end(repair, ending)

    def sweep(self) -> None:
        """Look after the open repairs whose time is over. Raises `SweepIncomplete` naming those that failed."""
        now = int(self.now())
        failures: list[str] = []
        for repair in self.store.overdue(now):
            if self.now() > self.deadline:
                break  # the next sweep takes the others
            try:
                self._look_after(repair, now)
            except (ClientError, BotoCoreError) as error:  # the others get their turn, now and in the next sweep
                failures.append(f"{repair.id}: {error}")
                self.store.postpone(repair, now + LOOK_AGAIN_SECONDS)
        if failures:
            raise SweepIncomplete("; ".join(failures))

    def _look_after(self, repair: Repair, now: int) -> None:
        if repair.finished_at is not None or repair.status not in UNDER_WAY:
            self.publish(repair)
            return
        if repair.status is Status.RELEASED:
            text = (
                f"Claimed at {time_text(repair.started_at)} and given back, since Systems Manager did not take the "
                "command or the function's time was over, and no message has brought it again: nothing ran"
            )
            self.end(repair, Ending(status=Status.FAILED, result=text))
            return
        if repair.command_id is None:
            text = (
                f"Claimed at {time_text(repair.started_at)}, and no command is known: it may have run or not. "
                "It is not sent again: look at what it is about"
            )
            self.end(repair, Ending(status=Status.LOST, result=text))
            return
        ending = self.commands.ending(repair.command_id)
        if ending is not None:
            self.end(repair, ending)
        elif now - repair.started_at > repair.timeout_seconds + BEGIN_SECONDS:
            text = (
                f"Systems Manager calls the command running since {time_text(repair.started_at)}: it may have done a "
                "part; if it has not begun by now, it will refuse to"
            )
            self.end(repair, Ending(status=Status.TIMED_OUT, result=text))
        else:
            self.store.postpone(repair, now + LOOK_AGAIN_SECONDS)

    def end(self, repair: Repair, ending: Ending) -> None:
        """Record how a repair ended, and publish it, unless it had ended before."""
        ended = repair.ended(ending, int(self.now()))
        if self.store.record_ending(ended, was=repair.status):
            self.publish(ended)
        else:
            self.observer.count(Count.DUPLICATE)

    def publish_together(self, repairs: Iterable[Repair]) -> None:
        """Publish repairs that ended alike as one message for each team, status and action; then close each."""
        alike: defaultdict[tuple[str, ...], list[Repair]] = defaultdict(list)
        for repair in repairs:
            alike[repair.team, repair.status.value, repair.action].append(repair)
        for group in alike.values():
            self.publisher.publish(group[0] if len(group) == 1 else digest(group))
            for repair in group:
                self._close(repair)

    def publish(self, repair: Repair) -> None:
        """Publish how a repair ended, and close it."""
        self.publisher.publish(repair)
        self._close(repair)

    def _close(self, repair: Repair) -> None:
        self.store.close(repair)
        self.observer.count(count_of(repair.status))
        self.observer.say("repair ended", repair=repair.id, status=repair.status.value, result=repair.result)
