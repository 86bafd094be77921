"""Runs seeds, and shrinks a plan that fails to the fewest actions and faults that still fail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tests.simulation.plan import Plan, plan_of
from tests.simulation.simulation import Simulation


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A run in which an invariant did not hold."""

    plan: Plan
    error: str
    faults: tuple[int, ...]
    steps: int

    def __str__(self) -> str:
        return f"seed {self.plan.seed}: {self.error}\n{trace(self.plan)}"


def trace(plan: Plan) -> str:
    """Run a plan and return what happened, line by line."""
    simulation = Simulation(plan, tracing=True)
    try:
        simulation.run()
    except Exception as error:  # noqa: BLE001 - whatever the code under test raises ends the trace
        simulation.world.note(f"! {error!r}")
    return "\n".join(simulation.world.trace)


def run_plan(plan: Plan) -> Failure | None:
    """Run a plan and return what failed, if anything."""
    simulation = Simulation(plan)
    try:
        simulation.run()
    except Exception as error:  # noqa: BLE001 - an error of the code under test is a failure like any other
        world = simulation.world
        return Failure(plan=plan, error=repr(error), faults=tuple(world.faults), steps=world.steps)
    return None


def run_seeds(seeds: Iterable[int]) -> Failure | None:
    """Run seeds until one fails."""
    return next((failure for seed in seeds if (failure := run_plan(plan_of(seed))) is not None), None)


def shrink(failure: Failure) -> Failure:
    """Return the smallest failure that is left when actions and faults are taken away one by one."""
    smaller: Failure | None = failure
    while smaller is not None:
        failure, smaller = smaller, next(filter(None, map(run_plan, _smaller(smaller))), None)
    return failure


def _smaller(failure: Failure) -> Iterable[Plan]:
    plan = failure.plan
    for index in range(len(plan.actions)):
        yield replace(plan, actions=plan.actions[:index] + plan.actions[index + 1 :])
    for index in range(len(plan.windows)):
        yield replace(plan, windows=plan.windows[:index] + plan.windows[index + 1 :])
    for half in (
        failure.faults,
        failure.faults[: len(failure.faults) // 2],
        failure.faults[len(failure.faults) // 2 :],
    ):
        if half:
            yield replace(plan, muted=plan.muted | set(half))
    for fault in failure.faults:
        yield replace(plan, muted=plan.muted | {fault})
    for name in ("call", "lost", "repeated", "late"):
        if getattr(plan.rates, name):
            yield replace(plan, rates=replace(plan.rates, **{name: 0.0}))
