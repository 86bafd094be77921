"""`orion repairs stop`: nothing is claimed after it, and every command that waits or runs is cancelled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from moto import mock_aws

from alerting.names import ACTION_STOP, REPAIR_STOP, SERVICE_STOP, STATE_TABLE
from cli.repairs import PATIENCE_SECONDS, SENDING_SECONDS, Switch
from orion_common.names import STOP_ID
from tests.lambda_events import create_state_table
from tests.lambda_harness import NOW, clients

RESTART, SCALE = "orion-restart-pod", "orion-scale-consumers"


@dataclass(slots=True)
class _Commands:
    """Systems Manager's commands: each is (document, status); a cancelled one ends `ends_after` looks later."""

    commands: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    cancelled: list[str] = field(default_factory=list[str])
    ends: bool = True

    def get_paginator(self, _: str) -> _Commands:
        return self

    def paginate(self, *, Filters: list[Mapping[str, str]]) -> Iterator[Mapping[str, Any]]:  # noqa: N803 - as boto3 has it
        wanted = {one["key"]: one["value"] for one in Filters}
        for id_, (document, status) in list(self.commands.items()):
            if (document, status) == (wanted["DocumentName"], wanted["Status"]):
                yield {"Commands": [{"CommandId": id_, "Status": status}]}

    def list_commands(self, *, CommandId: str) -> Mapping[str, Any]:  # noqa: N803 - as boto3 has it
        return {"Commands": [{"CommandId": CommandId, "Status": self.commands[CommandId][1]}]}

    def cancel_command(self, *, CommandId: str) -> None:  # noqa: N803 - as boto3 has it
        self.cancelled.append(CommandId)
        self.commands[CommandId][1] = "Cancelled" if self.ends else "Cancelling"


@pytest.fixture
def table() -> Iterator[Any]:
    with mock_aws():
        table = clients().dynamodb.Table(STATE_TABLE)
        create_state_table(table.meta.client)
        yield table


class _Clock:
    def __init__(self) -> None:
        self.time = NOW
        self.at: dict[int, Any] = {}

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        happens = self.at.pop(int(self.time - NOW), None)
        if happens is not None:
            happens()


def switch(table: Any, ssm: _Commands, clock: _Clock | None = None, caller: str = "arn:ana") -> Switch:
    clock = clock or _Clock()
    return Switch(table=table, ssm=ssm, caller=caller, documents=[RESTART, SCALE], now=clock.now, sleep=clock.sleep)


def test_the_function_looks_for_the_item_that_the_command_writes() -> None:
    assert STOP_ID == REPAIR_STOP


def test_a_stop_says_since_when_by_whom_and_why_and_the_first_one_counts(table: Any) -> None:
    assert switch(table, _Commands()).stop("a bad release")
    assert not switch(table, _Commands(), caller="arn:bo").stop("again")

    stop = switch(table, _Commands()).stopped()

    assert stop == {"id": "stop", "since": "2026-11-24T10:40:11Z", "by": "arn:ana", "why": "a bad release"}


def test_all_commands_of_repairs_that_wait_or_run_are_cancelled_and_no_others(table: Any) -> None:
    ssm = _Commands({"a": [RESTART, "Pending"], "b": [SCALE, "InProgress"], "c": [RESTART, "Success"]})
    ssm.commands["d"] = ["AWS-RunPatchBaseline", "InProgress"]

    assert switch(table, ssm).cancel() == (2, [])

    assert sorted(ssm.cancelled) == ["a", "b"]


def test_a_command_that_was_claimed_before_the_stop_and_sent_after_it_is_cancelled_too(table: Any) -> None:
    ssm, clock = _Commands(), _Clock()
    clock.at[int(SENDING_SECONDS) - 1] = lambda: ssm.commands.update(late=[RESTART, "Pending"])

    assert switch(table, ssm, clock).cancel() == (1, [])

    assert ssm.cancelled == ["late"]
    assert clock.time - NOW <= SENDING_SECONDS


def test_a_command_that_does_not_end_is_named(table: Any) -> None:
    ssm, clock = _Commands({"a": [RESTART, "InProgress"]}, ends=False), _Clock()

    assert switch(table, ssm, clock).cancel() == (1, ["a"])

    assert clock.time - NOW == PATIENCE_SECONDS
    assert ssm.cancelled == ["a"]


def test_a_start_removes_the_stop_and_keeps_who_had_stopped_and_started_and_when(table: Any) -> None:
    switch(table, _Commands()).stop("a bad release")
    clock = _Clock()
    clock.time += 60

    assert switch(table, _Commands(), clock, caller="arn:bo").start()
    assert switch(table, _Commands()).stopped() is None
    assert switch(table, _Commands()).start() == []

    (kept,) = table.scan()["Items"]
    told = {name: kept[name] for name in ("since", "until", "by", "started_by", "why")}
    assert told == {
        "since": "2026-11-24T10:40:11Z",
        "until": "2026-11-24T10:41:11Z",
        "by": "arn:ana",
        "started_by": "arn:bo",
        "why": "a bad release",
    }


def test_a_start_lifts_the_stops_of_threads_too(table: Any) -> None:
    ids = [f"{ACTION_STOP}restart_pod", f"{SERVICE_STOP}orders"]
    for id_ in ids:
        table.put_item(Item={"id": id_, "since": "2026-11-24T10:40:11Z", "by": "Ann", "why": "stopped from Slack"})
    known = replace(switch(table, _Commands()), actions=("restart_pod",), services=("orders", "gateway"))

    assert [stop["id"] for stop in known.stops()] == ids
    assert [stop["id"] for stop in known.start()] == ids
    assert known.stops() == []
