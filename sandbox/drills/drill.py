"""A drill: causes, expectations of the journal, and the times between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Protocol

from sandbox.clock import Clock
from sandbox.journal import Event, Journal, Kind

MACHINE_SECONDS = 60.0
"""How long this machine may take for its own part of a hop, whatever the time scale. A limit, not a measurement."""
PEER_SECONDS = 15.0
"""How long an Alertmanager waits for each peer before it, in story seconds: --cluster.peer-timeout, by default."""
LEAST_PEER_SECONDS = 1.0
"""The least real seconds that the program scales it to."""
CONDITION_POLL_SECONDS = 0.1
SANDBOX = ("--stack", "sandbox")


class DrillFailed(AssertionError):
    """Something that had to be seen was not, or something was seen that must not be."""


class DrillTarget(Protocol):
    """The actions of a drill on the running sandbox, besides reading its journal."""

    journal: Journal
    clock: Clock

    def check(self) -> None:
        """Hold that everything still runs. Raises `ServiceFailed` naming what has ended by itself."""
        ...

    def start_fault(self, kind: str, labels: Mapping[str, str]) -> None:
        """Switch a fault of the metrics source on."""
        ...

    def end_fault(self, kind: str, labels: Mapping[str, str]) -> None:
        """Switch a fault off."""
        ...

    def scale_deployment(self, name: str, replicas: int) -> None:
        """Give a service's deployment so many replicas."""
        ...

    def roll_out(self, name: str) -> None:
        """Begin the rollout of another revision of a service's deployment."""
        ...

    def rolled_out(self, name: str) -> str:
        """Return the revision of a service's deployment; it is empty while a rollout goes on."""
        ...

    def ready_pods(self, service: str) -> list[str]:
        """Return the names of a service's ready pods."""
        ...

    def on_call(self, service: str) -> list[str]:
        """Return the emails of whom PagerDuty says to be on call now at the first level of a service's policy."""
        ...

    def alertmanagers_answering(self) -> int:
        """Return how many replicas answer."""
        ...

    def alertmanagers_ready(self) -> int:
        """Return how many replicas are ready and see each other."""
        ...

    def first_to_notify(self) -> str:
        """Return the pod of the replica that waits for no other before it notifies."""
        ...

    def alertmanagers(self) -> list[str]:
        """Return the pods of the replicas of Alertmanager."""
        ...

    def prometheuses(self) -> list[str]:
        """Return the pods of the replicas of Prometheus."""
        ...

    def held_down(self, *pods: str) -> AbstractContextManager[float]:
        """Kill what runs in pods without warning, and again whenever it is started, until the end.

        Yields when all were killed.
        """
        ...

    def restarts_held(self, service: str) -> AbstractContextManager[None]:
        """Have restarts of a service's pods wait, as if another one were under way, until the end."""
        ...

    def orion(self, *arguments: str) -> None:
        """Run the command `orion` as a person does. Raises `DrillFailed` with what it wrote if it fails."""
        ...

    def full_disk(self, prometheus: str) -> AbstractContextManager[float]:
        """Give a Prometheus a small disk, wait until it works there, and have the disk full until the end.

        Yields when it is full.
        """
        ...

    def publish_alerts(self, message: str, *, times: int, publishers: int) -> None:
        """Publish a message to the topic that Alertmanager publishes to, from so many clients at once."""
        ...

    def unread_repair_messages(self) -> int:
        """Return how many messages wait for the repair function or are being worked on."""
        ...

    def click(self, person: str, channel: str, ts: str, button: str) -> None:
        """Click a button of a message in Slack. Raises `LookupError` where the message has no such button."""
        ...

    def slack_user(self, person: str) -> str:
        """Return the id of the person in Slack with an email."""
        ...

    def maintenance_window(
        self, name: str, match: Mapping[str, Sequence[str]], until: int
    ) -> AbstractContextManager[None]:
        """Deploy to chat a maintenance window from now until a Unix second, until the end."""
        ...

    def acknowledge(self, person: str, incident: str) -> None:
        """Acknowledge an incident in PagerDuty."""
        ...

    def silences(self) -> list[Mapping[str, str]]:
        """Return the labels that each active silence of Alertmanager matches."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One thing that a drill saw. `seconds` are real ones, since what it followed."""

    what: str
    seconds: float
    since: str


@dataclass(slots=True)
class Drill:
    """One run of one drill. Its times are real seconds; its limits are the story's seconds, scaled."""

    name: str
    target: DrillTarget
    started: float = field(default_factory=time.time)
    hops: list[Hop] = field(default_factory=list[Hop])
    undoing: dict[Hashable, Callable[[], None]] = field(default_factory=dict[Hashable, "Callable[[], None]"])

    def undo(self) -> None:
        """End what the drill has begun and not ended: what failed must not have later drills fail too.

        All of it is tried, the last begun first, before the error of what could not be ended is raised.
        """
        with ExitStack() as undoing:
            for undo in self.undoing.values():
                undoing.callback(undo)
            self.undoing.clear()

    def start_fault(self, kind: str, **labels: str) -> Event:
        """Break something, and return the journal's word for it."""
        self.undoing[kind, frozenset(labels.items())] = lambda: self.target.end_fault(kind, labels)
        self.target.start_fault(kind, labels)
        return self.expect(f"{kind}: {_said(labels)}", Kind.FAULT_STARTED, ids={"fault": kind, **labels})

    def end_fault(self, kind: str, **labels: str) -> Event:
        """Mend it, and return the journal's word for it."""
        self.target.end_fault(kind, labels)
        self.undoing.pop((kind, frozenset(labels.items())), None)
        return self.expect(f"mended: {_said(labels)}", Kind.FAULT_ENDED, ids={"fault": kind, **labels})

    def stop_repairs(self, *scope: str) -> None:
        """Stop repairs by `orion repairs stop`, all or those of a scope such as `--service orders`."""
        self.undoing[scope] = lambda: self.target.orion("repairs", "start", *SANDBOX, *scope)
        self.target.orion("repairs", "stop", *SANDBOX, *scope, "--why", "a drill")

    def start_repairs(self, *scope: str) -> None:
        """Let repairs begin again."""
        self.target.orion("repairs", "start", *SANDBOX, *scope)
        self.undoing.pop(scope, None)

    def expect(
        self,
        what: str,
        kind: Kind,
        *,
        ids: Mapping[str, str] | None = None,
        where: Callable[[Event], bool] = lambda _: True,
        after: Event | None = None,
        within: float = 0.0,
    ) -> Event:
        """Wait for an event and return it.

        `within` is in story seconds from `after` (else from now); the machine gets `MACHINE_SECONDS` on top.
        Raises `DrillFailed` if it does not come in time.
        """
        since = after.time if after is not None else self.started
        patience = self.target.clock.real(within) + MACHINE_SECONDS
        wanted_ids = ids or {}
        event = self.target.journal.wait_for(
            lambda seen: seen.matches(kind, wanted_ids) and where(seen),
            since=since,
            timeout_seconds=max(0.0, since + patience - time.time()) if after is not None else patience,
            meanwhile=self.target.check,
        )
        if event is None:
            raise DrillFailed(self._missing(what, kind, wanted_ids, patience, since))
        label = after.kind.value if after is not None else "start"
        self.hops.append(Hop(what=what, seconds=event.time - since, since=label))
        return event

    def expect_count(
        self,
        what: str,
        count: int,
        kind: Kind,
        *,
        ids: Mapping[str, str] | None = None,
        where: Callable[[Event], bool] = lambda _: True,
        within: float = 0.0,
    ) -> list[Event]:
        """Wait until `count` such events were seen since the drill began, and return them."""
        deadline = time.monotonic() + self.target.clock.real(within) + MACHINE_SECONDS
        while len(found := self._found(kind, ids or {}, where)) < count:
            if time.monotonic() >= deadline:
                raise DrillFailed(f"{what}: expected {count}, saw {len(found)}")
            self.target.check()
            time.sleep(CONDITION_POLL_SECONDS)
        self.hops.append(Hop(what=what, seconds=found[count - 1].time - self.started, since="start"))
        return found

    def require_exactly(
        self,
        what: str,
        count: int,
        kind: Kind,
        *,
        ids: Mapping[str, str] | None = None,
        where: Callable[[Event], bool] = lambda _: True,
    ) -> None:
        """Hold that exactly `count` such events were seen since the drill began.

        Raises `DrillFailed` with each that was.
        """
        found = self._found(kind, ids or {}, where)
        if len(found) != count:
            listed = "\n".join(f"    {event.time - self.started:+.2f} s {event.source}: {event.ids}" for event in found)
            raise DrillFailed(f"{what}: expected exactly {count}, saw {len(found)}\n{listed}")
        self.hops.append(Hop(what=f"{what}: exactly {count}", seconds=time.time() - self.started, since="start"))

    def require(self, what: str, found: object, expected: object) -> None:
        """Hold that something found is what was expected. Raises `DrillFailed` with both."""
        if found != expected:
            raise DrillFailed(f"{what}: expected {expected!r}, found {found!r}")

    def require_within(self, what: str, first: Event, then: Event, *, limit_seconds: float) -> None:
        """Hold that the real time between two events is within a real limit. Raises `DrillFailed` with both."""
        seconds = then.time - first.time
        if seconds > limit_seconds:
            raise DrillFailed(f"{what}: took {seconds:.1f} s, allowed {limit_seconds:.0f} s")
        self.hops.append(Hop(what=f"{what}: {limit_seconds:.0f} s allowed", seconds=seconds, since=first.kind.value))

    def wait_until(self, what: str, holds: Callable[[], bool], *, within: float = 0.0) -> None:
        """Wait for a state that is no event. `within` is in story seconds. Raises `DrillFailed` when time is up."""
        deadline = time.monotonic() + self.target.clock.real(within) + MACHINE_SECONDS
        while not holds():
            if time.monotonic() >= deadline:
                raise DrillFailed(f"{what}: not so after {self.target.clock.real(within) + MACHINE_SECONDS:.0f} s")
            self.target.check()
            time.sleep(CONDITION_POLL_SECONDS)

    def let_pass(self, *, story_seconds: float = 0.0, peers: int = 0) -> None:
        """Let the time go by in which something unwanted would have come.

        What must not happen has no condition to wait for. `peers` is how many Alertmanagers would have had their turn.
        """
        time.sleep(
            self.target.clock.real(story_seconds)
            + peers * max(self.target.clock.real(PEER_SECONDS), LEAST_PEER_SECONDS)
        )

    def _found(self, kind: Kind, ids: Mapping[str, str], where: Callable[[Event], bool]) -> list[Event]:
        return [
            event
            for event in self.target.journal.events()
            if event.time >= self.started and event.matches(kind, ids) and where(event)
        ]

    def _missing(self, what: str, kind: Kind, ids: Mapping[str, str], patience: float, since: float) -> str:
        others = [event for event in self.target.journal.events() if event.time >= since and event.kind is kind]
        seen = "\n".join(f"    {event.time - since:+.2f} s {event.source}: {dict(event.ids)}" for event in others[-8:])
        return f"{what}: no {kind.value!r} with {dict(ids)} within {patience:.0f} s. Of that kind there were:\n{seen}"


def _said(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in labels.items())
