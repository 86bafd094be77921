"""No storm of alerts becomes a storm of repairs, and a stop stops, on moto: by conditional writes, told together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError

from orion_common.deadlines import TryLater
from orion_common.names import STOP_ID, Mode
from runbook_automation.counts import Count
from runbook_automation.limits import HOUR_SECONDS
from runbook_automation.repair import Repair
from runbook_automation.store import Busy, RepairStore
from tests.lambda_events import LABELS, notification
from tests.lambda_harness import NOW, SWEEP, World, moto_world, refused_by_aws

PODS = 30
PER_SERVICE, PER_PLATFORM = 3, 5


@pytest.fixture
def world() -> Iterator[World]:
    with moto_world() as world:
        world.limit(per_service_hour=PER_SERVICE, per_platform_hour=PER_PLATFORM)
        yield world


def storm(service: str = "positions", *, pods: int = PODS, first: int = 0, minute: int = 46) -> str:
    """Return a message in which so many pods of a service are over their memory."""
    labels = [LABELS | {"service": service, "pod": f"{service}-{number}"} for number in range(first, first + pods)]
    offset = sum(map(ord, service)) << 16
    fingerprints = [f"{offset + first + number:016x}" for number in range(pods)]
    body = notification(*labels, fingerprints=fingerprints, envelope={"MessageId": f"{service}-{first}-{minute}"})
    return body.replace("2026-11-24T10:46:", f"2026-11-24T10:{minute}:")


def stop(world: World) -> None:
    world.table.put_item(Item={"id": STOP_ID, "since": "2026-11-24T10:40:00Z", "by": "ana", "why": "a bad release"})


def _statuses(world: World) -> dict[str, int]:
    statuses = [item["status"] for item in world.items()]
    return {status: statuses.count(status) for status in sorted(set(statuses))}


def test_thirty_pods_of_a_service_are_three_commands_and_one_message_to_the_team(world: World) -> None:
    world.handle(storm())

    assert len(world.commands()) == PER_SERVICE
    assert _statuses(world) == {"limited": PODS - PER_SERVICE, "sent": PER_SERVICE}
    (told,) = world.told("team-trading")
    assert told["subject"] == "Runbook Action Refused: restart_pod"
    assert told["result"].startswith(f"{PODS - PER_SERVICE} repairs: 3 of restart_pod an hour for positions were sent")
    assert told["labels"]["service"] == "positions"
    assert all(f"pod=positions-{number} " in told["output"] + " " for number in range(PER_SERVICE, PODS))
    assert world.seen.counts[Count.LIMITED] == PODS - PER_SERVICE
    world.time = NOW + 10 * 60
    world.handle(SWEEP)
    assert world.told("team-trading") == []


def test_ten_deliveries_of_a_storm_are_as_many_commands_and_messages_as_one(world: World) -> None:
    for _ in range(10):
        world.handle(storm(pods=6))

    assert len(world.commands()) == PER_SERVICE
    assert len(world.told("team-trading")) == 1


def test_all_services_together_have_a_limit_too(world: World) -> None:
    for service in ("positions", "orders", "gateway"):
        world.handle(storm(service, pods=3))

    assert len(world.commands()) == PER_PLATFORM
    assert ["5 of restart_pod an hour in all were" in told["result"] for told in world.told("team-trading")] == [
        True
    ] * 2


def test_each_action_has_limits_of_its_own(world: World) -> None:
    world.handle(storm(pods=4))
    world.handle(notification(LABELS | {"alertname": "PodNotReady", "pod": "positions-9"}, fingerprints=["e" * 16]))

    assert [one["DocumentName"] for one in world.commands()][PER_SERVICE:] == ["orion-collect-diagnostics"]


def test_a_place_is_free_again_an_hour_after_it_was_taken_and_not_before(world: World) -> None:
    world.handle(storm(pods=3))
    for seconds, sent in ((HOUR_SECONDS - 1, 3), (HOUR_SECONDS, 4)):
        world.time = NOW + seconds
        moment = "2026-11-24T11:39:00.000Z"
        envelope = json.loads(storm(pods=1, first=int(seconds))) | {"Timestamp": moment}
        world.handle(json.dumps(envelope))

        assert len(world.commands()) == sent


def test_a_repair_that_was_given_back_keeps_its_place_and_takes_no_second_one(world: World) -> None:
    world.fail(world.ssm, "SendCommand", refused_by_aws("ThrottlingException", 400))
    for _ in range(PER_SERVICE + 1):
        with pytest.raises(TryLater):
            world.handle(storm(pods=1))
    world.mend()

    world.handle(storm(pods=PER_SERVICE))

    assert len(world.commands()) == PER_SERVICE
    assert world.told("team-trading") == []


def test_a_command_without_an_answer_has_taken_its_place(world: World) -> None:
    world.fail(world.ssm, "SendCommand", refused_by_aws("InternalServerError", 500))
    world.handle(storm(pods=PER_SERVICE))
    world.mend()

    world.handle(storm(first=10, pods=1))

    assert world.commands() == []


def test_a_dry_run_takes_no_place(world: World) -> None:
    world.in_mode(Mode.DRY_RUN)
    world.handle(storm())
    world.in_mode(Mode.ON)

    world.handle(storm(first=100, pods=1))

    assert len(world.commands()) == 1


def test_a_place_that_another_function_takes_meanwhile_is_not_given_twice(world: World) -> None:
    """A value that was read may be stale when written: only the condition of the write holds."""
    reading, others = RepairStore.read_items, list[int]()

    def read_before_another(store: RepairStore, *ids: str) -> Any:
        found = reading(store, *ids)
        if len(others) < PER_SERVICE:
            others.append(len(others))
            world.handle(storm(first=100 + len(others), pods=1))
        return found

    with patch.object(RepairStore, "read_items", read_before_another):
        world.handle(storm(pods=1))

    assert len(world.commands()) == PER_SERVICE
    assert _statuses(world) == {"limited": 1, "sent": PER_SERVICE}


def test_a_claim_that_always_meets_others_is_tried_again_later(world: World) -> None:
    conflict = ClientError(
        {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": [{"Code": "TransactionConflict"}]},
        "TransactWriteItems",
    )
    client = world.table.meta.client
    with patch.object(client, "transact_write_items", side_effect=conflict), pytest.raises(Busy):
        world.handle(storm(pods=1))
    assert world.items() == []

    world.handle(storm(pods=1))

    assert len(world.commands()) == 1


def test_while_repairs_are_stopped_nothing_is_sent_and_the_team_hears_once_who_and_why(world: World) -> None:
    stop(world)
    for _ in range(3):
        world.handle(storm())

    assert world.commands() == []
    assert _statuses(world) == {"stopped": PODS}
    (told,) = world.told("team-trading")
    assert told["subject"] == "Runbook Action Stopped: restart_pod"
    assert "stopped since 2026-11-24T10:40:00Z by ana (a bad release)" in told["result"]


def test_what_was_stopped_stays_stopped_and_what_comes_after_the_start_is_answered(world: World) -> None:
    stop(world)
    world.handle(storm(pods=1))
    world.table.delete_item(Key={"id": STOP_ID})

    world.handle(storm(pods=1))
    assert world.commands() == []
    world.handle(storm(first=50, pods=1))

    assert [one["Parameters"]["pod"] for one in world.commands()] == [["positions-50"]]


def test_a_repair_that_was_given_back_is_stopped_too(world: World) -> None:
    world.fail(world.ssm, "SendCommand", refused_by_aws("ThrottlingException", 400))
    with pytest.raises(TryLater):
        world.handle(storm(pods=1))
    world.mend()
    stop(world)

    world.handle(storm(pods=1))

    assert world.commands() == []
    assert [one["status"] for one in world.told("team-trading")] == ["stopped"]


def test_a_stop_between_the_look_and_the_claim_counts(world: World) -> None:
    reading = RepairStore.read_items

    def read_before_the_stop(store: RepairStore, *ids: str) -> Any:
        found = reading(store, *ids)
        stop(world)
        return found

    with patch.object(RepairStore, "read_items", read_before_the_stop):
        world.handle(storm(pods=1))

    assert world.commands() == []
    assert _statuses(world) == {"stopped": 1}


@pytest.mark.parametrize("operation", ["BatchGetItem", "TransactWriteItems"])
def test_nothing_is_sent_while_the_stop_cannot_be_read(world: World, operation: str) -> None:
    def fail(**_: object) -> None:
        raise refused_by_aws("InternalServerError", 500)

    world.listen(world.table.meta.client, f"before-send.dynamodb.{operation}", fail, first=True)

    with pytest.raises(ClientError):
        world.handle(storm(pods=1))

    assert world.commands() == []


def test_a_hand_over_runs_nothing_and_is_not_stopped(world: World) -> None:
    stop(world)
    database = {"alertname": "AuroraHighCPU", "service": "database", "team": "database"}

    world.handle(notification(database | {"dbinstance_identifier": "orion-aurora-1"}))

    assert [one["status"] for one in world.told("team-database")] == ["handed over"]


def test_a_message_about_many_that_cannot_be_published_is_not_lost(world: World) -> None:
    world.fail(world.sns, "Publish", refused_by_aws("Throttled", 429))
    with pytest.raises(ClientError):
        world.handle(storm(pods=PER_SERVICE + 2))
    world.mend()
    world.handle(storm(pods=PER_SERVICE + 2))
    assert world.told("team-trading") == []

    world.time = NOW + 10 * 60
    world.handle(SWEEP)

    assert [one["status"] for one in world.told("team-trading")] == ["limited"] * 2
    assert len(world.commands()) == PER_SERVICE


@pytest.mark.parametrize(
    ("began", "status", "result"),
    [
        ("", "stopped", "Cancelled before it began: nothing ran"),
        (
            "2026-11-24T10:46:05Z",
            "failed",
            "Cancelled: ended while running, and may have done a part; it wrote last: x",
        ),
    ],
)
def test_a_command_that_was_cancelled_says_whether_it_had_begun(
    world: World, began: str, status: str, result: str
) -> None:
    world.handle(storm(pods=1))
    answer = {"Status": "Cancelled", "StatusDetails": "Cancelled", "ExecutionStartDateTime": began}
    written = {"StandardOutputContent": "", "StandardErrorContent": "x"}
    world.change_answer("GetCommandInvocation", answer | written)

    world.handle(world.event("Cancelled"))

    (told,) = world.told("team-trading")
    assert (told["status"], told["result"]) == (status, result)


def test_a_record_of_many_is_not_claimed_by_its_digest(world: World) -> None:
    world.handle(storm(pods=PER_SERVICE + 2))

    assert {Repair.from_item(item).finished_at for item in world.items() if item["status"] == "limited"} == {int(NOW)}
    assert not [item for item in world.items() if item["status"] == "limited" and "open" in item]
