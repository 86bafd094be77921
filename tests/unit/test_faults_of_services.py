"""Chat while a service that it needs is faulty: nothing is lost, and nothing happens twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from chatops import alertmanager_replicas
from chatops.episode import Phase
from tests.fault_backends import Fault, Service
from tests.fault_harness import FaultWorld

OUTAGE_SECONDS = 600.0


@pytest.fixture
def make_world(monkeypatch: pytest.MonkeyPatch) -> Callable[[], FaultWorld]:
    def make() -> FaultWorld:
        world = FaultWorld()
        monkeypatch.setattr(alertmanager_replicas, "_connection", world.connection)
        return world

    return make


@pytest.fixture
def world(make_world: Callable[[], FaultWorld]) -> FaultWorld:
    return make_world()


def live(world: FaultWorld, service: Service | None = None, fault: Fault = Fault.TIME_OUT) -> None:
    """Live through an incident, with a fault while it opens and another while people act."""
    begin = world.time
    if service is not None:
        world.be_faulty(service, fault, OUTAGE_SECONDS)
    world.fire()
    world.run(begin + OUTAGE_SECONDS + 400, every=120)
    if service is not None:
        world.be_faulty(service, fault, OUTAGE_SECONDS)
    world.click("acknowledge")
    world.click("silence-1h")
    world.run(world.time + OUTAGE_SECONDS + 400, every=120)
    world.resolve()
    world.run(world.time + 600)


def nothing_is_lost_or_doubled(world: FaultWorld) -> None:
    """Hold the world to what an incident without any fault leaves."""
    (root,) = world.slack.roots()
    assert root["text"].startswith("[RESOLVED]")
    replies = Counter(world.slack.replies())
    assert [text for text, number in replies.items() if number > 1] == []
    assert {"Acknowledged by ann@example.com", "Silenced for 1 h by ann@example.com", "Resolved"} <= replies.keys()
    assert [entry["agent"]["id"] for entry in world.pagerduty.log] == ["UANN"]
    assert world.pagerduty.status == "resolved"
    assert len(world.alertmanagers.silences) == 1
    (episode,) = world.episodes()
    assert episode.phase is Phase.ENDED
    kept = [key for key in world.objects if key.startswith("audit/")]
    assert len(kept) == episode.timeline[-1].number
    assert world.given_up == []


def test_without_a_fault(world: FaultWorld) -> None:
    live(world)

    nothing_is_lost_or_doubled(world)


@pytest.mark.parametrize("service", Service)
@pytest.mark.parametrize("fault", Fault)
def test_ten_minutes_of_a_fault_lose_nothing_and_double_nothing(
    world: FaultWorld, service: Service, fault: Fault
) -> None:
    live(world, service, fault)

    nothing_is_lost_or_doubled(world)


def _lived(world: FaultWorld) -> None:
    """Live through an incident without an outage, in which people act at once."""
    world.fire()
    world.run(world.time)
    world.click("acknowledge")
    world.click("silence-1h")
    world.run(world.time + 240, every=240)
    world.resolve()
    world.run(world.time + 720, every=240)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_function_that_is_killed_at_any_of_its_effects_loses_nothing_and_doubles_nothing(
    make_world: Callable[[], FaultWorld], *, after: bool
) -> None:
    clean = make_world()
    _lived(clean)
    assert clean.effects > 20

    for number in range(1, clean.effects + 1):
        world = make_world()
        world.kill_at = (number, after)
        _lived(world)
        nothing_is_lost_or_doubled(world)


def test_a_hundred_deliveries_of_each_message_are_as_one(world: FaultWorld) -> None:
    world.copies = 100

    _lived(world)

    nothing_is_lost_or_doubled(world)


def test_messages_that_are_a_day_late_open_nothing_and_do_nothing(world: FaultWorld) -> None:
    world.fire()
    world.run(world.time)
    world.click("acknowledge")
    world.click("silence-1h")
    world.send(world.notification("firing"))
    late, world.queue = world.queue, []
    world.resolve()
    world.run(world.time + 900)
    world.time += 24 * 3600
    for message in late:
        message.at = world.time
    world.queue = late
    replies, episodes = world.slack.replies(), world.episodes()

    world.run(world.time + 900)

    assert world.pagerduty.log == []
    assert world.alertmanagers.silences == []
    assert (world.slack.replies(), len(world.slack.roots()), world.given_up) == (replies, 1, [])
    assert [episode.phase for episode in episodes] == [Phase.ENDED]
