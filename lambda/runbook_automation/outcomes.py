"""Handles outcomes of claimed repairs: records them, publishes them, and sweeps for those never heard of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from orion_common.observer import Observer
from runbook_automation.chat_queue import ChatQueue
from runbook_automation.command_results import CommandResults
from runbook_automation.counts import Count, count_of
from runbook_automation.lifecycle import (
    Ask,
    Asked,
    Due,
    Effect,
    Ended,
    Ignore,
    Postpone,
    Propose,
    Publish,
    Record,
    RecordResolve,
    RuleOut,
    Send,
    State,
    step,
)
from runbook_automation.messages import CommandEvent
from runbook_automation.publisher import Publisher
from runbook_automation.repair import MAY_RUN, Ending, Repair, digest
from runbook_automation.store import RepairStore

RUNNING_STATUSES = frozenset({"Pending", "InProgress", "Delayed", "Cancelling"})
EARLY_SECONDS = 60
"""An event this young may have come before its command was written down: it is tried again, an older one is not."""


class EventTooEarly(RuntimeError):
    """An event of a command that is not known yet; the queue brings it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Ends repairs and publishes it. `now` returns Unix seconds."""

    store: RepairStore
    results: CommandResults
    publisher: Publisher
    chat: ChatQueue
    observer: Observer
    now: Callable[[], float]

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
        ending = self.results.ending(event.command_id, heard_from=event.instance_id)
        if ending is not None:
            self.end(repair, ending)

    def end(self, repair: Repair, ending: Ending) -> None:
        """Record how a repair ended, and publish it, unless it had ended before."""
        _, effects = step(State(repair=repair), Ended(ending, int(self.now())))
        self.carry_out(repair, effects)

    def look_after(self, repair: Repair, now: int) -> None:
        """End, publish or postpone an open repair whose time is over."""
        state = State(repair=repair)
        _, effects = step(state, Due(now))
        for effect in effects:
            if isinstance(effect, Ask):
                _, effects = step(state, Asked(self.results.ending(effect.command_id), now))
        self.carry_out(repair, effects)

    def carry_out(self, repair: Repair, effects: Sequence[Effect]) -> None:
        """Carry out the effects of a step of a repair that was claimed before."""
        for effect in effects:
            match effect:
                case Publish(ended):
                    if Record() not in effects or self.store.record_ending(ended, was=repair.status):
                        if ended.status not in MAY_RUN:
                            self.store.unlock(ended)
                        self.publish(ended)
                    else:
                        self.observer.count(Count.DUPLICATE)
                case Postpone(due_at):
                    self.store.postpone(repair, due_at)
                case Ignore():
                    self.observer.count(Count.DUPLICATE)
                case Record():  # written with what is published
                    pass
                case Send() | Propose() | Ask() | RecordResolve() | RuleOut():
                    raise AssertionError(f"{effect}: no effect of a repair that was claimed before")
                case _:
                    assert_never(effect)

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
        self.chat.report(repair)
        self.store.close(repair)
        self.observer.count(count_of(repair.status))
        self.observer.say("repair ended", repair=repair.id, status=repair.status.value, result=repair.result)
