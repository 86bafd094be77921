"""Repair functions that are killed at each of their calls of AWS: a command runs once, and its end is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runbook_automation.configuration import CLAIM_SECONDS
from tests.lambda_events import LABELS, notification
from tests.lambda_harness import NOW, SWEEP, World, moto_world

BEFORE, AFTER = "before-send", "before-parse"


class Killed(BaseException):
    """The function is killed. It is no `Exception`, so that no code under test catches it."""


@pytest.fixture
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


def _message(number: int) -> str:
    """Return the notification of an alert of its own."""
    return notification(LABELS | {"pod": f"pod-{number}"}, fingerprints=[f"{number:016x}"])


def _calls(world: World, body: str) -> int:
    """Return how many calls of AWS a message takes."""
    calls: list[object] = []

    def count(**_: object) -> None:
        calls.append(None)

    unregister = _listen(world, BEFORE, count)
    world.handle(body)
    unregister()
    return len(calls)


def _listen(world: World, event: str, handler: Callable[..., Any]) -> Callable[[], None]:
    listening = [
        world.listen(client, f"{event}.{client.meta.service_model.service_id.hyphenize()}", handler, first=True)
        for client in (world.ssm, world.sns, world.s3, world.table.meta.client)
    ]

    def unregister() -> None:
        for stop in listening:
            stop()

    return unregister


def _handle_and_be_killed(world: World, body: str, event: str, number: int) -> None:
    calls: list[object] = []

    def kill(**_: object) -> None:
        calls.append(None)
        if len(calls) == number:
            raise Killed

    unregister = _listen(world, event, kill)
    with pytest.raises(Killed):
        world.handle(body)
    unregister()


def _told_of(world: World, pod: str) -> list[str]:
    told = world.told("notifications") + world.told("team-trading")
    return [repair["id"] for repair in told if repair["parameters"]["pod"] == pod]


def _commands_of(world: World, pod: str) -> int:
    return sum(sent["Parameters"]["pod"] == [pod] for sent in world.commands())


@pytest.mark.parametrize("event", [BEFORE, AFTER])
def test_a_function_that_is_killed_while_it_answers_an_alert_runs_one_command_and_tells_once(
    world: World, event: str
) -> None:
    for number in range(1, _calls(world, _message(0)) + 1):
        pod, world.time = f"pod-{number}", NOW
        _handle_and_be_killed(world, _message(number), event, number)

        world.handle(_message(number))
        world.time = NOW + CLAIM_SECONDS + 600
        world.handle(SWEEP)
        world.handle(SWEEP)

        assert _commands_of(world, pod) <= 1
        assert len(_told_of(world, pod)) == 1


@pytest.mark.parametrize("event", [BEFORE, AFTER])
def test_a_sweep_that_is_killed_is_made_up_for_by_the_next(world: World, event: str) -> None:
    world.handle(_message(0))
    world.time = NOW + CLAIM_SECONDS + 600
    for number in range(1, _calls(world, SWEEP) + 1):
        pod, world.time = f"pod-{number}", NOW
        world.handle(_message(number))
        world.time = NOW + CLAIM_SECONDS + 600
        _handle_and_be_killed(world, SWEEP, event, number)

        world.time += 120
        world.handle(SWEEP)
        world.handle(SWEEP)

        assert _commands_of(world, pod) == 1
        assert len(set(_told_of(world, pod))) == 1
    assert all("open" not in item for item in world.items())
