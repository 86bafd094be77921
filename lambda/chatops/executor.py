"""Applies events to records, and carries out the effects in their outboxes.

Whatever fails or is killed in between leaves a record that is due, which the sweep finds.

TooEarly   an event came before the episode that it is about; the queue delivers it again
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

from chatops.clients import Clients, RateLimited, Refused, Unavailable
from chatops.delivery import deliver
from chatops.effects import RunCommand
from chatops.episode import Episode, EpisodeId, Group, Policy
from chatops.events import Answer, CommandTaken, Event, GaveUp, GroupEvent, RepairProposed, RepairReported, Tick
from chatops.outbox import Entry, is_expired, is_once, must_not_repeat
from chatops.record import Record, RepairHolder, advance, opened, opens, without_episode
from chatops.repair import is_under_way
from chatops.step import is_old
from chatops.store import (
    Conflict,
    Put,
    Store,
    find_episode,
    put_holder,
    put_newest,
    put_record,
    read_holder,
    read_newest,
    read_record,
)

ATTEMPTS = 10
"""How often a write is tried that others come before."""
UNCERTAIN = "it began, and whether it happened is not known"
TOO_OLD = "it could not be done in time"


class TooEarly(RuntimeError):
    """The episode that an event is about has not opened yet: nothing was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """Handles inputs one at a time. `now` returns Unix seconds; no effect begins after `deadline`, in the same.

    Each method may raise `Conflict`, `Unavailable` or `TooEarly`: the queue delivers the input again, and nothing acts
    twice.
    """

    store: Store
    clients: Clients
    policy: Policy
    now: Callable[[], float]
    deadline: float = inf

    def receive(self, group: Group, event: GroupEvent) -> None:
        """Apply an event to the newest episode of a group, or open one, and carry out the effects."""
        received: list[EpisodeId] = []
        until_written(lambda: received.extend(self._receive(group, event)))
        for id_ in received:
            self.drain(id_)

    def receive_for(self, id_: EpisodeId, event: Event) -> None:
        """Apply an event to one episode, and carry out the effects."""
        until_written(lambda: self._apply(id_, event))
        self.drain(id_)

    def repair_reported(self, group: Group, event: RepairReported) -> None:
        """Apply the end of a repair to the episode that ran it, or to the newest of its group."""
        holder, _ = read_holder(self.store, event.proposal.id)
        if holder is None:
            self.receive(group, event)
        else:
            self.receive_for(holder.episode, event)

    def sweep(self) -> None:
        """Look after each record that is due. One that fails stays due, and keeps the others from nothing."""
        for id_ in self.store.due(self.now()):
            try:
                self.receive_for(id_, Tick())
            except (Conflict, Unavailable):
                continue

    def drain(self, id_: EpisodeId) -> None:
        """Carry out the effects of an episode that are due."""
        while self.now() < self.deadline:
            record, version = read_record(self.store, id_)
            entry = record.outbox.due(self.now())
            if entry is None:
                return
            try:
                self._carry_out(record, version, entry)
            except Conflict:
                continue  # another function wrote the record first

    def _receive(self, group: Group, event: GroupEvent) -> tuple[EpisodeId, ...]:
        newest, version = read_newest(self.store, group.key)
        id_ = EpisodeId(group.key, newest.number)
        previous = find_episode(self.store, id_) if newest.number else None
        if previous is not None and previous.is_open:
            self._apply(id_, event)
            return (id_,)
        now = self.now()
        if opens(newest, previous, event, now):
            after, record = opened(group, newest, event, self.policy, now)
            self.store.write(put_newest(group.key, after, version), put_record(record, 0))
            return (record.episode.id,)
        seen_at = seen_at_of(event)
        if seen_at is not None and is_early(previous, seen_at, now):
            raise TooEarly(str(group.key))
        noted = without_episode(newest, event)
        if noted is not newest:
            self.store.write(put_newest(group.key, noted, version))
        if previous is None:
            return ()
        self._apply(id_, event)
        return (id_,)

    def _apply(self, id_: EpisodeId, event: Event) -> None:
        record, version = read_record(self.store, id_)
        after = advance(record, event, self.policy, self.now())
        if after is not record:
            self.store.write(put_record(after, version))

    def _carry_out(self, record: Record, version: int, entry: Entry) -> None:
        """Lease an effect by a conditional write, carry it out, and record its answer."""
        now = self.now()
        if must_not_repeat(entry):
            self._give_up(record, entry, UNCERTAIN)
            return
        if is_expired(entry, now):
            self._give_up(record, entry, TOO_OLD)
            return
        outbox, begun = record.outbox.begin(entry, now)
        leased = replace(record, outbox=outbox)
        puts = (put_record(leased, version),)
        if isinstance(entry.effect, RunCommand):
            holding = self._holding(entry.effect.repair, record)
            if holding is None:
                self._finish(record, entry, CommandTaken(entry.effect.repair))
                return
            puts = (*puts, holding)
        self.store.write(*puts)
        self._deliver(leased, begun)

    def _deliver(self, record: Record, entry: Entry) -> None:
        try:
            answer = deliver(self.clients, record.episode, entry, self.policy, self.now())
        except RateLimited as error:
            self._retry(record, entry, error.retry_after)
        except Unavailable:
            if is_once(entry):
                self._give_up(record, entry, UNCERTAIN)
            else:
                self._retry(record, entry, 0.0)
        except Refused as error:
            self._give_up(record, entry, str(error))
        else:
            self._finish(record, entry, answer)

    def _holding(self, repair: str, record: Record) -> Put | None:
        """Return the write by which an episode takes a repair, or None if another has it.

        The holder's episode has to have ended, which is final, and its command to be over.
        """
        id_ = record.episode.id
        holder, version = read_holder(self.store, repair)
        if holder is not None and holder.episode != id_:
            other = find_episode(self.store, holder.episode)
            if other is not None and (other.is_open or is_under_way(other.repairs, repair)):
                return None
        return put_holder(repair, RepairHolder(episode=id_), version)

    def _finish(self, record: Record, entry: Entry, answer: Answer) -> None:
        def settled(record: Record) -> Record:
            without = replace(record, outbox=record.outbox.settle(entry))
            return advance(without, answer, self.policy, self.now())

        self._record_attempt(record.episode.id, entry, settled)

    def _retry(self, record: Record, entry: Entry, wait: float) -> None:
        def waiting(record: Record) -> Record:
            return replace(record, outbox=record.outbox.retry(entry, self.now(), wait))

        self._record_attempt(record.episode.id, entry, waiting)

    def _give_up(self, record: Record, entry: Entry, why: str) -> None:
        def buried(record: Record) -> Record:
            without = replace(record, outbox=record.outbox.bury(entry, why))
            return advance(without, GaveUp(entry.effect, why), self.policy, self.now())

        self._record_attempt(record.episode.id, entry, buried)

    def _record_attempt(self, id_: EpisodeId, entry: Entry, change: Callable[[Record], Record]) -> None:
        """Write what became of an attempt, unless the effect has been begun anew since."""

        def attempt() -> None:
            record, version = read_record(self.store, id_)
            if record.outbox.holds(entry):
                self.store.write(put_record(change(record), version))

        until_written(attempt)


def seen_at_of(event: GroupEvent) -> float | None:
    """Return when the alert of a repair was seen to fire, or None for what is no repair's."""
    match event:
        case RepairProposed(seen_at=seen_at):
            return seen_at
        case RepairReported(began_at=began_at):
            return began_at
        case _:
            return None


def is_early(previous: Episode | None, seen_at: float, now: float) -> bool:
    """Return whether a repair was proposed for what the next episode of a group is about, which is not open yet."""
    is_newer = previous is None or previous.ended_at is None or seen_at > previous.ended_at
    return is_newer and not is_old(seen_at, now)


def until_written(attempt: Callable[[], object]) -> None:
    """Repeat a read and its conditional write until nobody else writes in between. Raises `Conflict` in the end."""
    for _ in range(ATTEMPTS - 1):
        try:
            attempt()
        except Conflict:
            continue
        return
    attempt()
