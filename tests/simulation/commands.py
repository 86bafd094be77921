"""Systems Manager as the simulation has it: it runs what it is sent, and reports the end by an event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from chatops.repair import Command, Outcome
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
