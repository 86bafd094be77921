"""Orders of claims and ends of repairs of one target: no two run at once, and none before a cooldown is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from runbook_automation.limits import Ledger
from runbook_automation.target_locks import TargetLock
from tests.simulation import targets
from tests.simulation.targets import World, explore, happenings
from tests.simulation.world import Violation


def test_no_order_of_claims_repairs_a_target_twice_at_once_or_too_soon() -> None:
    assert explore() > 1_000


def test_each_repair_is_reached_and_two_pods_are_repaired_at_once() -> None:
    """Code that lets nothing begin would break no invariant."""
    worlds = {World().key(): World()}
    for _ in range(4):
        worlds |= {after.key(): after for world in worlds.values() for after in happenings(world)}

    assert {name for world in worlds.values() for name in world.began} == set(targets.TARGETS)
    assert {"first pod", "second pod"} in [set(world.running) for world in worlds.values()]


def _without_holders(original: Callable[..., Any]) -> Callable[..., Any]:
    def mutated(lock: TargetLock, *arguments: Any, **named: Any) -> Any:
        return original(replace(lock, holders={}), *arguments, **named)

    return mutated


def _of_its_action(original: Callable[..., Any]) -> Callable[..., Any]:
    def mutated(lock: TargetLock, claim: str, hold: Any, *arguments: Any, **named: Any) -> Any:
        holders: Mapping[str, Any] = {
            one: holder for one, holder in lock.holders.items() if holder.action == hold.action
        }
        return original(replace(lock, holders=holders), claim, hold, *arguments, **named)

    return mutated


def _without_places(original: Callable[..., Any]) -> Callable[..., Any]:
    def mutated(ledger: Ledger, *arguments: Any, **named: Any) -> Any:
        return original(replace(ledger, taken={}), *arguments, **named)

    return mutated


@pytest.mark.parametrize(
    ("holder", "name", "by", "violation"),
    [
        (TargetLock, "with_holder", _without_holders, "at once"),
        (TargetLock, "with_holder", _of_its_action, "at once"),
        (Ledger, "with_place", _without_places, "cooldown"),
    ],
)
def test_a_bug_put_in_on_purpose_is_found(
    monkeypatch: pytest.MonkeyPatch, holder: type, name: str, by: Callable[..., Any], violation: str
) -> None:
    monkeypatch.setattr(holder, name, by(getattr(holder, name)))

    with pytest.raises(Violation, match=violation):
        explore()


def _nothing(_: object) -> tuple[int, ...]:
    return ()


def test_a_write_without_its_condition_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "_versions", _nothing)

    with pytest.raises(Violation):
        explore()
