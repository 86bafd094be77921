"""Orders of a proposal, clicks, looks, decisions, a stop and time: none of them runs what must not run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chatops import actions, step
from chatops import repair as chat_repair
from runbook_automation import lifecycle
from runbook_automation.repair import Status
from tests.simulation.approvals import PROPOSAL, World, explore, happenings
from tests.simulation.world import Violation

Step = Callable[..., Any]


def test_no_order_of_happenings_runs_what_must_not_run() -> None:
    assert explore() > 300


def test_a_command_is_reached_at_all() -> None:
    """Some order runs the command: code that never runs one would break no invariant."""
    worlds = {World().key(): World()}
    for _ in range(5):
        worlds |= {after.key(): after for world in worlds.values() for after in happenings(world)}

    ran = [world for world in worlds.values() if world.commands]
    assert ran
    assert all(world.repair is not None and world.repair.status is Status.CLAIMED for world in ran)
    assert {repair.proposal for world in ran for repair in world.episode.repairs} == {PROPOSAL}


def _whatever_its_status(decided: Step) -> Step:
    def mutated(state: Any, event: Any) -> Any:
        known = state.repair
        waits = None if known is None else replace(known, status=Status.WAITING)
        return decided(replace(state, repair=waits), event)

    return mutated


def _approves(decided: Step) -> Step:
    def mutated(state: Any, event: Any) -> Any:
        return decided(state, replace(event, is_approved=True))

    return mutated


def _without_stop(prevented: Step) -> Step:
    def mutated(state: Any, repair: Any) -> Any:
        return prevented(replace(state, stop=None), repair)

    return mutated


def _without_resolve(not_approved: Step) -> Step:
    def mutated(state: Any, repair: Any, event: Any) -> Any:
        return not_approved(replace(state, resolved_at=0), repair, event)

    return mutated


def _returns(*, value: object) -> Callable[[Step], Step]:
    def by(_: Step) -> Step:
        def mutated(*_: Any) -> object:
            return value

        return mutated

    return by


def _at_once(proposed: Step) -> Step:
    def mutated(proposal: Any, now: Any, seconds: Any) -> Any:
        return proposed(replace(proposal, approval=False), now, seconds)

    return mutated


@pytest.mark.parametrize(
    ("module", "name", "by", "violation"),
    [
        (lifecycle, "_decided", _whatever_its_status, "runs twice"),
        (lifecycle, "_decided", _approves, "nobody approved"),
        (lifecycle, "_prevented", _without_stop, "while repairs are stopped"),
        (lifecycle, "_not_approved", _without_resolve, "has resolved"),
        (lifecycle, "is_expired", _returns(value=False), "has expired"),
        (actions, "refused", _returns(value=None), "nobody approved"),
        (chat_repair, "proposed", _at_once, "nobody approved"),
    ],
)
def test_a_bug_put_in_on_purpose_is_found(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, by: Callable[[Step], Step], violation: str
) -> None:
    original = getattr(module, name)
    for holder in (module, step):
        if getattr(holder, name, None) is original:
            monkeypatch.setattr(holder, name, by(original))

    with pytest.raises(Violation, match=violation):
        explore()
