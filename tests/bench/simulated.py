"""simulated_events_per_second: the events that the simulation of episodes goes through on one core, and its calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.bench.figures import Figure
from tests.simulation.plan import plan_of
from tests.simulation.simulation import Simulation

EVENTS = "simulated_events_per_second"
CALLS = "simulated_calls_per_second"
SIMULATION_FIGURES = (EVENTS, CALLS)
SEEDS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """Events, calls of functions to the world, and the seconds that they took."""

    events: int
    calls: int
    seconds: float


def simulation_figures(wanted: Callable[[str], bool]) -> Iterator[Figure]:
    """Run the seeds on one core, and yield the rates."""
    if not any(map(wanted, SIMULATION_FIGURES)):
        return
    simulated = _simulated()
    if wanted(EVENTS):
        yield Figure(name=EVENTS, value=simulated.events / simulated.seconds, unit="events/s")
    if wanted(CALLS):
        yield Figure(name=CALLS, value=simulated.calls / simulated.seconds, unit="calls/s")


def _simulated() -> Simulated:
    events = calls = 0
    began = time.perf_counter()
    for seed in range(SEEDS):
        simulation = Simulation(plan_of(seed))
        simulation.run()
        events += simulation.world.steps
        calls += simulation.world.calls
    return Simulated(events=events, calls=calls, seconds=time.perf_counter() - began)
