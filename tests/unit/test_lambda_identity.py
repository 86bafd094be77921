"""A repair is known by alert, action and target, and open until its alert has resolved: what comes after, on moto."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from orion_common.deadlines import TryLater
from runbook_automation.configuration import MAXIMUM_AGE_SECONDS
from runbook_automation.counts import Count
from tests.lambda_events import LABELS, notification
from tests.lambda_harness import NOW, SENT, SWEEP, World, moto_world, refused_by_aws


@pytest.fixture
def world() -> Iterator[World]:
    with moto_world() as world:
        world.answer_of("replaced: pod a by pod b\n")
        yield world


def at(second: int) -> str:
    """Return a time after the minute in which the alert of `notification()` was sent."""
    moment = datetime(2026, 11, 24, 10, 46, tzinfo=UTC) + timedelta(seconds=second)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def firing(second: int) -> str:
    """Return the message that the topic took then: the alert of `notification()` fires."""
    return notification(envelope={"Timestamp": at(second)})


def resolved(second: int) -> str:
    """Return the message that the topic took then: the alert of `notification()` has resolved."""
    return firing(second).replace('\\"status\\": \\"firing\\"', '\\"status\\": \\"resolved\\"')


def test_an_alert_is_answered_once_until_it_has_resolved_whenever_it_began(world: World) -> None:
    world.handle(notification())
    world.handle(world.event())
    again = firing(5).replace("T10:46:02", "T10:46:04")
    assert "T10:46:04" in again
    world.handle(again)
    assert len(world.commands()) == 1

    world.handle(resolved(6))
    world.handle(again)
    assert len(world.commands()) == 1
    world.handle(firing(7))

    assert len(world.commands()) == 2


def test_another_target_of_the_same_alert_is_another_repair(world: World) -> None:
    world.handle(notification())
    world.handle(notification(LABELS | {"uid": "3f1c2b7e-6a52-4f0c-9d1e-0f6b5f1c9a02"}))

    assert len(world.commands()) == 2


def test_the_alerts_that_a_resolved_groups_message_left_out_have_resolved_too(world: World) -> None:
    world.handle(notification())
    world.handle(world.event())
    world.handle(
        notification(
            LABELS | {"pod": "other"},
            total=120,
            status="resolved",
            fingerprints=["f" * 16],
            envelope={"Timestamp": at(6)},
        )
    )
    commands = len(world.commands())
    world.handle(firing(7))

    assert len(world.commands()) == commands + 1


def old_record(**changes: Any) -> dict[str, Any]:
    """Return a record as the previous version wrote it: known by the start of its alert."""
    return {
        "id": "repair#0000000000000000#2026-11-24T10:46:02.819Z#restart_pod",
        "claim": "c" * 32,
        "alert": "HighMemoryUsage",
        "action": "restart_pod",
        "team": "trading",
        "labels": LABELS,
        "parameters": {},
        "status": "sent",
        "seen_at": 1,
        "started_at": int(NOW),
        "due_at": int(NOW) + 100,
        "timeout_seconds": 60,
        "command_id": "11111111-2222-3333-4444-555555555555",
        "open": "repair",
        **changes,
    }


def test_an_alert_that_the_previous_version_answered_is_not_answered_again(world: World) -> None:
    world.table.put_item(Item=old_record())

    world.handle(notification())

    assert world.commands() == []
    assert world.seen.counts[Count.DUPLICATE] == 1


def test_a_record_of_the_previous_version_ends_by_the_sweep(world: World) -> None:
    world.table.put_item(Item=old_record(started_at=1, due_at=1))
    world.invocations_of = lambda _: []

    world.handle(SWEEP)

    (failure,) = world.told("team-trading")
    assert failure["result"].startswith("No instance took the command")
    assert "open" not in world.items()[0]


def test_an_alert_that_has_resolved_is_not_answered_by_a_message_that_came_late(world: World) -> None:
    world.fail(world.ssm, "SendCommand", refused_by_aws("ThrottlingException", 400))
    with pytest.raises(TryLater):
        world.handle(notification())
    world.mend()

    world.handle(resolved(4))
    world.handle(notification())
    world.time = SENT + MAXIMUM_AGE_SECONDS
    world.handle(SWEEP)

    assert world.commands() == []
    assert world.told("team-trading") == []
    (item,) = world.items()
    assert (item["status"], "open" in item) == ("resolved", False)
    assert world.seen.counts[Count.RESOLVED] == 1


def test_an_alert_that_has_resolved_is_not_answered_by_a_message_that_was_overtaken(world: World) -> None:
    world.handle(resolved(4))
    world.handle(notification())

    assert world.commands() == []


def test_the_newest_resolve_counts_in_whatever_order_they_come(world: World) -> None:
    world.handle(resolved(4))
    world.handle(resolved(2))
    world.handle(notification())

    assert world.commands() == []


def test_an_alert_that_fires_again_from_the_same_start_is_answered(world: World) -> None:
    world.handle(resolved(4))
    world.handle(firing(5))
    world.handle(resolved(6))

    assert len(world.commands()) == 1
    assert world.items()[0]["status"] == "sent"


def test_an_old_resolve_does_not_keep_from_its_answer_what_fires_again(world: World) -> None:
    world.fail(world.ssm, "SendCommand", refused_by_aws("ThrottlingException", 400))
    with pytest.raises(TryLater):
        world.handle(notification())
    world.mend()

    world.handle(resolved(2))
    world.handle(notification())

    assert len(world.commands()) == 1


def test_each_repair_leaves_its_record(world: World) -> None:
    for second in (0, 2, 4):
        world.handle(firing(second))
        world.handle(world.event())
        world.handle(resolved(second + 1))

    commands = {command["CommandId"] for command in world.commands()}
    assert len(commands) == 3
    assert {item["command_id"] for item in world.items()} == commands
    assert {item["status"] for item in world.items()} == {"succeeded"}
    assert not any("open" in item for item in world.items())


def test_an_end_that_was_not_published_yet_is_published_after_the_alert_fires_again(world: World) -> None:
    world.handle(firing(0))
    ended = world.event()
    world.fail(world.sns, "Publish", refused_by_aws("InternalError", 500))
    with pytest.raises(ClientError):
        world.handle(ended)
    world.mend()
    world.answer_of("replaced: pod a by pod b\n")
    world.handle(resolved(1))
    world.handle(firing(2))
    assert world.told("notifications") == []

    world.time = NOW + 90
    world.handle(SWEEP)

    (first,) = (said["command_id"] for said in world.told("notifications"))
    assert len(world.commands()) == 2
    assert f'"{first}"' in ended


def test_an_alert_that_flaps_uses_up_the_limit_of_its_service(world: World) -> None:
    limit = 3
    world.limit(per_service_hour=limit, per_platform_hour=2 * limit)
    for number in range(limit + 1):
        world.handle(firing(2 * number))
        world.handle(world.event())
        world.handle(resolved(2 * number + 1))

    assert len(world.commands()) == limit
    (refused,) = world.told("team-trading")
    assert refused["status"] == "limited"
    assert refused["labels"] == LABELS
