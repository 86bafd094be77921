"""Slack as the simulation has it: messages with keys, threads, and what only one person sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from chatops.clients import Gone
from chatops.episode import RootMessage
from tests.simulation.world import Violation, World


@dataclass(slots=True)
class Thread:
    """A root message with its replies by key."""

    id: str
    key: str
    message: RootMessage
    replies: dict[str, str] = field(default_factory=dict[str, str])
    deleted: bool = False


@dataclass(slots=True)
class Slack:
    """One workspace."""

    world: World
    threads: dict[str, Thread] = field(default_factory=dict[str, Thread])
    whispers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def shown(self, key: str | None = None) -> Iterator[Thread]:
        """Yield the threads that are there, or those with a key."""
        return (thread for thread in self.threads.values() if not thread.deleted and key in {None, thread.key})

    def find(self, channel: str, thread: str | None, key: str) -> str | None:
        """Return the id of a message."""

        def act() -> str | None:
            if thread is None:
                return next((shown.id for shown in self.shown(key)), None)
            known = self.threads[thread]
            return key if key in known.replies and not known.deleted else None

        return self.world.call(f"slack find {channel}", act, limited=True)

    def post(self, channel: str, key: str, message: RootMessage) -> str:
        """Post a root message."""

        def act() -> str:
            if any(self.shown(key)):
                raise Violation(f"a second thread of {key}")
            id_ = f"T{len(self.threads) + 1}"
            self.threads[id_] = Thread(id_, key, message)
            self.world.note(f"slack: posted {key} {message.state}")
            return id_

        return self.world.call(f"slack post {channel}", act, limited=True)

    def update(self, channel: str, thread: str, message: RootMessage) -> None:
        """Update a root message."""

        def act() -> None:
            known = self._thread(thread)
            known.message = message
            self.world.note(f"slack: {known.key} shows {message.state} {message.acknowledged_by}")

        self.world.call(f"slack update {channel}", act, limited=True)

    def reply(self, channel: str, thread: str, key: str, text: str) -> None:
        """Post a reply."""

        def act() -> None:
            known = self._thread(thread)
            if key in known.replies:
                raise Violation(f"a reply is posted twice: {key} {text}")
            if any(_number(other) > _number(key) for other in known.replies):
                raise Violation(f"a reply comes after a later one: {key} {text}")
            known.replies[key] = text
            self.world.note(f"slack: {known.key}: {text}")

        self.world.call(f"slack reply {channel}", act, limited=True)

    def whisper(self, channel: str, thread: str | None, person: str, text: str) -> None:
        """Tell one person."""
        del thread

        def act() -> None:
            self.whispers.append((person, text))
            self.world.note(f"slack: to {person}: {text}")

        self.world.call(f"slack whisper {channel}", act, limited=True)

    def name_of(self, person: str) -> str:
        """Return the name of a person, which is the id."""
        return person

    def _thread(self, id_: str) -> Thread:
        known = self.threads[id_]
        if known.deleted:
            raise Gone
        return known


def _number(key: str) -> int:
    return int(key.rpartition("/")[2])
