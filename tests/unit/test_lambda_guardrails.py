"""One repair of a target at a time, and none again before its cooldown is over, on moto: by conditional writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from orion_common.deadlines import TryLater
from runbook_automation.configuration import BEGIN_SECONDS, GRACE_SECONDS, ApprovalCeiling, Remediations
from runbook_automation.store import RepairStore
from tests.lambda_events import LABELS, function_data, notification
from tests.lambda_harness import NOW, SWEEP, World, moto_world, refused_by_aws, with_chat

COOLDOWN = 900
ACTIONS = {
    "HighMemoryUsage": "restart_pod",
    "PodNotReady": "collect_diagnostics",
    "KafkaConsumerLag": "scale_consumers",
    "KafkaConsumerLagCritical": "scale_consumers",
    "HighErrorRateAfterRollout": "rollback_deployment",
}
DEPLOYMENT = {"namespace": "orion", "deployment": "positions", "service": "positions", "team": "trading"}
LAG = DEPLOYMENT | {"alertname": "KafkaConsumerLag"}
ROLLOUT = DEPLOYMENT | {"alertname": "HighErrorRateAfterRollout", "revision": "7"}
RESTART = LABELS | {"pod": "positions-1"}


@pytest.fixture
def world() -> Iterator[World]:
    with moto_world() as world:
        with_cooldown(world, COOLDOWN)
        yield world


def with_cooldown(world: World, seconds: int | None) -> None:
    """Have the function answer alerts by every action, and wait between two scalings of a target."""
    data = function_data(ACTIONS)
    data["actions"]["scale_consumers"]["cooldown_seconds"] = seconds
    world.automation = replace(world.automation, remediations=Remediations.from_json(json.dumps(data)))
    world.limit(per_service_hour=20, per_platform_hour=20)


def firing(labels: dict[str, str], *, replicas: int = 2, of: int = 1) -> str:
    """Return a message in which an alert of its own fires, the `of`-th of its kind."""
    fingerprint = f"{sum(map(ord, labels['alertname'] + labels.get('deployment', ''))):08x}{of:08x}"
    body = json.loads(notification(labels, fingerprints=[fingerprint], envelope={"MessageId": fingerprint}))
    message = json.loads(body["Message"])
    message["notification"]["alerts"][0]["annotations"]["replicas"] = str(replicas)
    # A message that is read within a day is no old one.
    return json.dumps(body | {"Message": json.dumps(message), "Timestamp": "2026-11-25T10:46:03.859Z"})


def sent(world: World) -> list[str]:
    return [command["DocumentName"] for command in world.commands()]


def end_last_command(world: World) -> None:
    world.answer_of("scaled: all are ready")
    world.handle(world.event())
    world.mend()


def test_a_target_is_not_repaired_again_before_its_cooldown_is_over_whatever_alert_asks(world: World) -> None:
    world.handle(firing(LAG))
    end_last_command(world)

    world.handle(firing(LAG, replicas=4))
    world.handle(firing(LAG | {"alertname": "KafkaConsumerLagCritical"}, replicas=4))

    assert len(sent(world)) == 1
    results = [told["result"] for told in world.told("team-trading")]
    assert [result.partition(":")[0] for result in results] == [
        f"scale_consumers was sent for orion/positions less than {COOLDOWN} s before"
    ] * 2


@pytest.mark.parametrize(("seconds", "commands"), [(COOLDOWN - 1, 1), (COOLDOWN, 2)])
def test_a_cooldown_ends_and_not_before(world: World, seconds: int, commands: int) -> None:
    world.handle(firing(LAG))
    end_last_command(world)
    world.time = NOW + seconds

    world.handle(firing(LAG, replicas=4))

    assert len(sent(world)) == commands


def test_another_deployment_has_a_cooldown_of_its_own(world: World) -> None:
    world.handle(firing(LAG))
    end_last_command(world)

    world.handle(firing(LAG | {"deployment": "positions-replay"}))

    assert len(sent(world)) == 2


def test_no_repair_begins_while_another_one_of_its_target_goes_on(world: World) -> None:
    world.handle(firing(RESTART))

    world.handle(firing(ROLLOUT))

    assert sent(world) == ["orion-restart-pod"]
    (told,) = world.told("team-trading")
    assert told["status"] == "limited"
    assert told["result"].startswith("Another repair of orion/positions (restart_pod) is under way: nothing was done")


def test_the_next_repair_may_begin_when_the_one_before_has_ended(world: World) -> None:
    world.handle(firing(RESTART))
    end_last_command(world)

    world.handle(firing(ROLLOUT))

    assert sent(world) == ["orion-restart-pod", "orion-rollback-deployment"]


def test_two_pods_of_a_service_are_restarted_by_one_action(world: World) -> None:
    world.handle(firing(RESTART))
    world.handle(firing(RESTART | {"pod": "positions-2"}, of=2))

    assert sent(world) == ["orion-restart-pod"] * 2
    end_last_command(world)
    world.handle(firing(ROLLOUT))
    assert len(sent(world)) == 2  # the first restart goes on


def test_one_target_is_held_by_one_repair_of_an_action(world: World) -> None:
    """As many replicas as the alert saw are no part of the target: two alerts of a deployment scale it once."""
    with_cooldown(world, None)
    world.handle(firing(LAG))

    world.handle(firing(LAG, replicas=4))

    assert len(sent(world)) == 1


def test_diagnostics_wait_for_nothing_and_keep_nothing_waiting(world: World) -> None:
    world.handle(firing(ROLLOUT))
    world.handle(firing(LABELS | {"alertname": "PodNotReady"}))
    end_last_command(world)

    assert sent(world) == ["orion-rollback-deployment", "orion-collect-diagnostics"]


def test_a_repair_that_nobody_can_say_the_end_of_keeps_its_target_until_it_cannot_run_any_more(world: World) -> None:
    world.fail(world.ssm, "SendCommand", refused_by_aws("InternalServerError", 500))
    world.handle(firing(RESTART))
    world.mend()
    world.time = NOW + 200
    world.handle(SWEEP)  # it is lost
    held_for = BEGIN_SECONDS + GRACE_SECONDS + 300

    for moment, commands in ((held_for - 1, []), (held_for, ["orion-rollback-deployment"])):
        world.time = NOW + moment
        world.handle(firing(ROLLOUT, of=int(moment)))

        assert sent(world) == commands


def test_a_repair_that_was_given_back_keeps_nobody_waiting(world: World) -> None:
    world.fail(world.ssm, "SendCommand", refused_by_aws("ThrottlingException", 400))
    with pytest.raises(TryLater):
        world.handle(firing(RESTART))
    world.mend()

    world.handle(firing(ROLLOUT))
    end_last_command(world)
    world.handle(firing(RESTART))

    assert sent(world) == ["orion-rollback-deployment", "orion-restart-pod"]


def test_a_repair_that_another_function_begins_meanwhile_is_in_the_way(world: World) -> None:
    """A lock that was read may be stale when written: only the condition of the write holds."""
    reading, others = RepairStore.read_items, list[str]()

    def read_before_another(store: RepairStore, *ids: str) -> Any:
        found = reading(store, *ids)
        if not others:
            others.append("restart")
            world.handle(firing(RESTART))
        return found

    with patch.object(RepairStore, "read_items", read_before_another):
        world.handle(firing(ROLLOUT))

    assert sent(world) == ["orion-restart-pod"]


def test_the_end_of_a_repair_that_another_function_meets_is_not_undone(world: World) -> None:
    """A claim that read the lock before its holder ended writes nothing of that holder."""
    world.handle(firing(RESTART))
    reading, ended = RepairStore.read_items, list[str]()

    def read_before_the_end(store: RepairStore, *ids: str) -> Any:
        found = reading(store, *ids)
        if not ended:
            ended.append("restart")
            end_last_command(world)
        return found

    with patch.object(RepairStore, "read_items", read_before_the_end):
        world.handle(firing(RESTART | {"pod": "positions-2"}, of=2))

    locks: list[Any] = [item for item in world.table.scan()["Items"] if str(item["id"]).startswith("lock#")]
    assert [len(lock["holders"]) for lock in locks] == [1]


def above(world: World, *, per_service: int, per_platform: int) -> None:
    """Have the function ask for an approval of every repair beyond so many within an hour."""
    ceiling = ApprovalCeiling(per_service_hour=per_service, per_platform_hour=per_platform)
    remediations = replace(world.automation.remediations, approval_above=ceiling)
    world.automation = replace(world.automation, remediations=remediations)


def pod(number: int, service: str = "positions") -> str:
    return firing(LABELS | {"pod": f"{service}-{number}", "service": service}, of=number + 100 * len(service))


@pytest.mark.parametrize(
    ("services", "commands"), [(("positions",) * 5, 2), (("positions", "orders", "gateway") * 2, 4)]
)
def test_beyond_a_ceiling_every_repair_waits_for_an_approval(
    world: World, services: tuple[str, ...], commands: int
) -> None:
    chat = with_chat(world)
    above(world, per_service=2, per_platform=4)

    for number, service in enumerate(services):
        world.handle(pod(number, service))

    assert len(sent(world)) == commands
    proposals = chat.messages()
    assert len(proposals) == len(services) - commands
    assert {proposal["source"] for proposal in proposals} == {"orion.repair.proposed"}
    assert {item["status"] for item in world.items()} == {"sent", "waiting for approval"}


def test_what_was_approved_runs_beyond_the_ceiling_and_takes_no_place_in_it(world: World) -> None:
    chat = with_chat(world)
    above(world, per_service=1, per_platform=1)
    world.handle(pod(1))
    world.handle(pod(2))
    (proposal,) = chat.messages()

    decided = {"repair": proposal["facts"]["repair"], "proposal": proposal["facts"]["proposal"], "by": "Ann"}
    world.handle(json.dumps({"source": "orion.repair.decided", "is_approved": True} | decided))

    assert len(sent(world)) == 2
    ledgers: list[Any] = [item for item in world.table.scan()["Items"] if item["id"] == "automatic"]
    assert [len(ledger["taken"]) for ledger in ledgers] == [1]


def test_a_message_that_comes_again_asks_again_and_runs_nothing(world: World) -> None:
    chat = with_chat(world)
    above(world, per_service=1, per_platform=1)
    world.handle(pod(1))
    for _ in range(3):
        world.handle(pod(2))

    assert len(sent(world)) == 1
    assert len({proposal["facts"]["proposal"] for proposal in chat.messages()}) == 1


def test_without_chat_nothing_is_done_beyond_a_ceiling(world: World) -> None:
    above(world, per_service=1, per_platform=1)
    world.handle(pod(1))
    world.handle(pod(2))

    assert len(sent(world)) == 1
    (told,) = world.told("team-trading")
    assert (told["status"], told["result"].partition(",")[0]) == (
        "limited",
        "1 repairs an hour of orion/positions began without an approval already",
    )


def test_diagnostics_and_what_is_prevented_take_no_place_below_a_ceiling(world: World) -> None:
    with_chat(world)
    above(world, per_service=2, per_platform=2)
    world.handle(firing(LABELS | {"alertname": "PodNotReady"}))
    world.handle(pod(1))
    world.handle(firing(ROLLOUT))  # beside a restart
    world.handle(pod(2))

    assert sent(world) == ["orion-collect-diagnostics", "orion-restart-pod", "orion-restart-pod"]


def test_a_place_below_a_ceiling_that_another_function_takes_meanwhile_is_not_given_twice(world: World) -> None:
    with_chat(world)
    above(world, per_service=1, per_platform=1)
    reading, others = RepairStore.read_items, list[str]()

    def read_before_another(store: RepairStore, *ids: str) -> Any:
        found = reading(store, *ids)
        if not others:
            others.append("restart")
            world.handle(pod(1))
        return found

    with patch.object(RepairStore, "read_items", read_before_another):
        world.handle(pod(2))

    assert len(sent(world)) == 1
