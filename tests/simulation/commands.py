"""Systems Manager as the simulation has it: it runs what it is sent, and reports the end by an event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chatops.episode import Group
from chatops.repair import Command, Outcome
from chatops.stops import Stop
from orion_common.stop_scopes import Scope
from tests.simulation.world import World


@dataclass(slots=True)
class SimulatedCommands:
    """The instances that run commands. `check` raises if a command must not run."""

    world: World
    check: Callable[[str, Command], None]
    report: Callable[[str, Outcome], None]
    heals: Callable[[str], None]
    sent: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def reject(self, repair: str, by: str) -> None:
        """Take note that a repair was rejected."""
        self.world.call("ssm reject", lambda: self.world.note(f"ssm: {repair} rejected by {by}"))

    def stop(self, action: str, service: str, by: str, at: float) -> None:
        """Take note that repairs were stopped."""
        del at
        self.world.call("ssm stop", lambda: self.world.note(f"ssm: {action or service or 'all'} stopped by {by}"))

    def lift(self, stop: Stop, by: str, at: float) -> None:
        """Take note that a stop was lifted."""
        del at
        self.world.call("ssm lift", lambda: self.world.note(f"ssm: {stop.scope.repairs} started by {by}"))

    def stops(self, scopes: Sequence[Scope]) -> tuple[Stop, ...]:
        """Return none: no plan stops repairs."""
        del scopes
        return ()

    def collect(self, request: str, group: Group, by: str, at: float) -> None:
        """Take note that diagnostics were asked for."""
        del by, at
        self.world.call("ssm collect", lambda: self.world.note(f"ssm: diagnostics of {group.key} for {request}"))

    def send(self, repair: str, command: Command, by: str) -> None:
        """Run a command."""
        del by

        def act() -> None:
            self.check(repair, command)
            self.sent.append((repair, str(command)))
            self.world.note(f"ssm: runs {repair}")
            random = self.world.random
            outcome = random.choice((Outcome.SUCCEEDED, Outcome.SUCCEEDED, Outcome.FAILED))
            heals = outcome is Outcome.SUCCEEDED and random.random() < 0.7
            seconds = random.choice((5.0, 30.0, 200.0))

            def ends() -> None:
                if heals:
                    self.heals(repair)
                self.report(repair, outcome)

            self.world.after(seconds, ends)

        self.world.call("ssm send", act, limited=True)
