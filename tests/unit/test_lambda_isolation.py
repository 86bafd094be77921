"""One alert, record or message that can't be handled keeps the others from nothing, on moto."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from orion_common.envelope import Unreadable
from repair_sweep.sweep import SweepIncomplete
from runbook_automation.counts import Count
from runbook_automation.repair import Repair
from runbook_automation.store import RepairStore
from tests.lambda_events import LABELS, notification
from tests.lambda_harness import NOW, SWEEP, World, moto_world, refused_by_aws

SWEPT_AT_ONCE = 5
"""A sweep takes ten times as many: each has to be made."""
DATABASE = {
    "alertname": "AuroraHighCPU",
    "service": "database",
    "team": "database",
    "dbinstance_identifier": "orion-aurora-1",
}


@pytest.fixture
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


def _with_a_bad_alert(**changes: Any) -> str:
    """Return a message of two alerts, the first of which was changed."""
    envelope = json.loads(notification(LABELS, LABELS | {"pod": "positions-2"}))
    message = json.loads(envelope["Message"])
    message["notification"]["alerts"][0] |= changes
    return json.dumps(envelope | {"Message": json.dumps(message)})


@pytest.mark.parametrize(
    "changes",
    [
        {"startsAt": "0001-01-01T00:00:00+14:00"},
        {"startsAt": "9999-12-31T23:59:59-14:00"},
        {"startsAt": "yesterday"},
        {"fingerprint": "x"},
        {"status": "unknown"},
        {"labels": {"alertname": "HighMemoryUsage", "pod": "\ud800"}},
        {"labels": {"alertname": 1}},
    ],
    ids=lambda changes: f"{next(iter(changes))} {next(iter(changes.values()))!a}",
)
def test_an_alert_that_cannot_be_read_keeps_the_others_from_nothing(world: World, changes: dict[str, Any]) -> None:
    with pytest.raises(Unreadable, match=r"alerts\[0\]"):
        world.handle(_with_a_bad_alert(**changes))

    assert [command["Parameters"]["pod"] for command in world.commands()] == [["positions-2"]]
    assert world.seen.counts[Count.UNREADABLE] == 1


def test_an_alert_that_can_neither_be_read_nor_kept_keeps_the_others_from_nothing(world: World) -> None:
    world.fail(world.s3, "PutObject", ReadTimeoutError(endpoint_url="https://s3"))

    with pytest.raises(ReadTimeoutError):
        world.handle(_with_a_bad_alert(startsAt="yesterday"))

    assert [command["Parameters"]["pod"] for command in world.commands()] == [["positions-2"]]


def test_a_notice_of_a_newer_claim_is_not_lost_when_an_older_ones_is_closed(world: World) -> None:
    """The older message came too late, which keeps a newer one from nothing, not even in between."""
    late = notification(DATABASE, envelope={"Timestamp": "2026-11-24T10:20:00.000Z", "MessageId": "late"})
    newer = notification(DATABASE, envelope={"Timestamp": "2026-11-24T10:40:00.000Z", "MessageId": "newer"})
    closing, closed = RepairStore.close, list[str]()

    def close_after_the_newer_one(store: RepairStore, repair: Repair) -> None:
        if not closed:
            closed.append(repair.id)
            world.fail(world.sns, "Publish", refused_by_aws("Throttled", 429))
            with pytest.raises(ClientError):
                world.handle(newer)
            world.mend()
        closing(store, repair)

    with patch.object(RepairStore, "close", close_after_the_newer_one):
        world.handle(late)
    assert [notice["status"] for notice in world.told("team-database")] == ["too late"]

    world.time = NOW + 10 * 60
    world.handle(SWEEP)

    assert [notice["status"] for notice in world.told("team-database")] == ["handed over"]


def test_notices_that_cannot_be_published_keep_the_sweep_from_no_others(world: World) -> None:
    world.sns.delete_topic(TopicArn=world.automation.publisher.team_topic_arns["trading"])
    elsewhere = LABELS | {"namespace": "elsewhere"}
    fingerprints = [f"{number:016x}" for number in range(SWEPT_AT_ONCE)]
    with pytest.raises(ClientError):
        world.handle(notification(*(elsewhere for _ in fingerprints), fingerprints=fingerprints))
    world.time = NOW + 10
    world.handle(notification(LABELS | {"team": "platform"}, fingerprints=["f" * 16]))

    with patch("runbook_automation.store.SWEPT_AT_ONCE", SWEPT_AT_ONCE):
        for minute in range(10, 12):
            world.time = NOW + minute * 60
            with pytest.raises(SweepIncomplete):
                world.handle(SWEEP)

    assert [result["status"] for result in world.told("notifications")] == ["succeeded"]
