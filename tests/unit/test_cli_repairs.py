"""`orion repairs stop`: nothing is claimed after it, and every command that waits or runs is cancelled."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from rich.console import Console

from alerting.names import ACTION_STOP, REPAIR_STOP, SERVICE_STOP, STATE_TABLE
from cli.aws_account import Account
from cli.known_names import QuestionUnclear
from cli.repairs import (
    PATIENCE_SECONDS,
    SENDING_SECONDS,
    Scope,
    Switch,
    show_repairs,
    start_repairs,
    stop_repairs,
)
from orion_common.names import STOP_ID
from orion_common.stop_scopes import Scope as FunctionScope
from tests.alerting_data import DATA, fixture_catalog
from tests.lambda_events import create_state_table
from tests.lambda_harness import NOW, SESSION, clients

ACTIONS, SERVICES = (", ".join(sorted(names)) for names in (fixture_catalog().actions, fixture_catalog().services))
RESTART, SCALE = "orion-restart-pod", "orion-scale-consumers"
DOCUMENTS = {"restart_pod": RESTART, "scale_consumers": SCALE}


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
    return Switch(table=table, ssm=ssm, caller=caller, documents=DOCUMENTS, now=clock.now, sleep=clock.sleep)


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
    known = replace(switch(table, _Commands()), services=("orders", "gateway"))

    assert [stop["id"] for stop in known.stops()] == ids
    assert [stop["id"] for stop in known.start()] == ids
    assert known.stops() == []


def test_a_stop_of_an_action_or_a_service_is_the_item_that_the_function_looks_for(table: Any) -> None:
    known = replace(switch(table, _Commands()), services=("orders",))

    for action, service in (("restart_pod", None), (None, "orders"), (None, None)):
        assert known.stop("a drill", Scope(action or "", service or ""))

    scopes = (FunctionScope(), FunctionScope(action="restart_pod"), FunctionScope(service="orders"))
    assert [stop["id"] for stop in known.stops()] == [scope.stop_id for scope in scopes]


@pytest.mark.parametrize(
    ("action", "service", "said"),
    [
        ("restart_pods", None, f'--action: found "restart_pods"; allowed: {ACTIONS}'),
        (None, "order", f'--service: found "order"; allowed: {SERVICES}'),
        (None, "", f'--service: found ""; allowed: {SERVICES}'),
        ("restart_pod", "orders", "found --action and --service; allowed: one of them, or none for all repairs"),
    ],
)
@pytest.mark.parametrize("command", [partial(stop_repairs, why="a drill"), start_repairs])
def test_what_the_catalog_does_not_have_is_refused_before_aws_is_asked(
    monkeypatch: pytest.MonkeyPatch,
    command: Callable[..., int],
    action: str | None,
    service: str | None,
    said: str,
) -> None:
    def account_of(_root: Path, _stack: str) -> Account:
        pytest.fail("AWS is asked who the caller is")

    monkeypatch.setattr("cli.repairs.account_of", account_of)

    with pytest.raises(QuestionUnclear) as refused:
        command(DATA, Console(file=io.StringIO()), stack="dev", action=action, service=service)

    assert str(refused.value) == said


def test_a_stop_of_an_action_cancels_its_commands_and_no_others(table: Any) -> None:
    ssm = _Commands({"a": [RESTART, "Pending"], "b": [SCALE, "InProgress"]})

    assert switch(table, ssm).cancel(Scope(action="restart_pod")) == (1, [])

    assert ssm.cancelled == ["a"]


def test_a_stop_of_a_service_cancels_the_commands_of_its_repairs_and_no_others(table: Any) -> None:
    ssm, clock = _Commands({id_: [RESTART, "Pending"] for id_ in "abc"}), _Clock()
    for id_, service in (("a", "orders"), ("b", "gateway")):
        _sent(table, id_, service)
    clock.at[3] = lambda: _sent(table, "c", "orders")  # the function writes down what it has sent a moment later

    assert switch(table, ssm, clock).cancel(Scope(service="orders")) == (2, [])

    assert ssm.cancelled == ["a", "c"]


def _sent(table: Any, command: str, service: str) -> None:
    table.put_item(Item={"id": f"repair#{command}", "command_id": command, "labels": {"service": service}})


def test_a_start_of_a_scope_lifts_its_stop_and_no_other(table: Any) -> None:
    known = replace(switch(table, _Commands()), services=("orders",))
    for scope in (Scope(), Scope(action="restart_pod"), Scope(service="orders")):
        known.stop("a drill", scope)

    assert [stop["id"] for stop in known.start(Scope(service="orders"))] == ["stop@service/orders"]
    assert known.start(Scope(service="orders")) == []
    assert [stop["id"] for stop in known.stops()] == ["stop", "stop@action/restart_pod"]


def test_a_start_leaves_a_stop_that_is_newer_than_what_it_has_read(table: Any) -> None:
    known = switch(table, _Commands())
    known.stop("a drill")
    newer = {"id": "stop", "since": "2026-11-24T10:50:00Z", "by": "arn:bo", "why": "again"}
    changed = replace(known, table=_ReplacedAtRead(table, newer))

    assert changed.start(Scope()) == []
    assert table.scan()["Items"] == [newer]


@dataclass
class _ReplacedAtRead:
    """A table in which somebody replaces an item as soon as it has been read."""

    table: Any
    item: Mapping[str, Any]

    def get_item(self, **arguments: Any) -> Any:
        answer = self.table.get_item(**arguments)
        self.table.put_item(Item=self.item)
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)


def test_status_shows_each_stop_and_the_command_line_refuses_an_unknown_name(
    table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(session=SESSION, endpoint=None, caller="arn:ana")

    def account_of(_root: Path, _stack: str) -> Account:
        return account

    monkeypatch.setattr("cli.repairs.account_of", account_of)
    shown = io.StringIO()
    console = Console(file=shown, width=200)
    switch(table, _Commands()).stop("a drill", Scope(action="restart_pod"))

    show_repairs(DATA, console, "dev")
    start_repairs(DATA, console, "dev", service="orders")

    assert shown.getvalue().splitlines() == [
        "action restart_pod stopped since 2026-11-24T10:40:11Z by arn:ana (a drill)",
        "repairs of orders were not stopped",
        "still action restart_pod stopped since 2026-11-24T10:40:11Z by arn:ana (a drill)",
    ]
    with pytest.raises(QuestionUnclear, match="allowed: "):
        start_repairs(DATA, console, "dev", action="evict")
