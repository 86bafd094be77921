"""Stops that a person sets in a thread, and diagnostics that one asks for there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from orion_common.alertmanager import NotFetched
from orion_common.envelope import Alert
from orion_common.names import Mode
from orion_common.repair_messages import DiagnosticsRequest, RepairStop, StopLift
from runbook_automation.configuration import MAXIMUM_AGE_SECONDS
from runbook_automation.counts import Count
from tests.lambda_events import LABELS, notification
from tests.lambda_harness import NOW, SentToChat, World, moto_world, with_chat

ALERT = Alert(
    name="HighMemoryUsage",
    firing=True,
    labels=LABELS,
    starts_at="2026-11-24T10:40:00Z",
    fingerprint="a" * 16,
    annotations={},
)


SINCE = "2026-11-24T10:40:11Z"


@pytest.fixture
def chat() -> Iterator[SentToChat]:
    with moto_world() as world:
        yield with_chat(world)


@pytest.fixture
def world(chat: SentToChat) -> World:
    return chat.world


def told(chat: SentToChat) -> list[tuple[str, str]]:
    """Return the status and the result of each report since the last look."""
    return [(one["status"], one["result"]) for one in chat.messages() if one["source"] == "orion.repair.ended"]


def stop(*, action: str = "", service: str = "", at: float = NOW) -> str:
    return RepairStop(action=action, service=service, by="Ann", why="stopped from Slack", at=at).as_text()


def lift(*, since: str = SINCE, stopped_by: str = "Ann", service: str = "positions", at: float = NOW) -> str:
    return StopLift(action="", service=service, since=since, stopped_by=stopped_by, by="Bob", at=at).as_text()


def statuses(world: World) -> list[str]:
    return sorted(item["status"] for item in world.items())


@pytest.mark.parametrize(
    ("action", "service", "status"),
    [
        ("", "", "stopped"),
        ("restart_pod", "", "stopped"),
        ("", "positions", "stopped"),
        ("collect_diagnostics", "", "sent"),
        ("", "orders", "sent"),
    ],
)
def test_a_stop_holds_what_it_names_and_nothing_else(world: World, action: str, service: str, status: str) -> None:
    world.handle(stop(action=action, service=service))

    world.handle(notification())

    assert len(world.commands()) == (status == "sent")
    assert statuses(world) == [status]


def test_who_stopped_what_is_told_to_the_team(world: World) -> None:
    world.handle(stop(service="positions"))
    world.handle(notification())

    (told,) = world.told("team-trading")
    assert told["result"].startswith("Repairs of positions are stopped since 2026-11-24T10:40:11Z by Ann (stopped from")


def test_a_stop_ends_what_waits_for_an_approval(chat: SentToChat, world: World) -> None:
    world.in_mode(Mode.APPROVE)
    world.handle(notification())
    told(chat)

    world.handle(stop(service="orders"))
    assert statuses(world) == ["waiting for approval"]
    world.handle(stop(action="restart_pod"))

    assert statuses(world) == ["stopped"]
    assert [status for status, _ in told(chat)] == ["stopped"]


def test_a_stop_cancels_what_was_sent(world: World) -> None:
    world.handle(notification())
    cancelled: list[str] = []

    def note(params: dict[str, Any], **_: object) -> None:
        cancelled.append(params["CommandId"])

    def answer(**_: object) -> tuple[Any, dict[str, Any]]:  # in place of the request: moto ends no command
        return SimpleNamespace(status_code=200), {}

    world.listen(world.ssm, "provide-client-params.ssm.CancelCommand", note)
    world.listen(world.ssm, "before-call.ssm.CancelCommand", answer)

    world.handle(stop())
    world.handle(stop())

    assert set(cancelled) == {world.commands()[0]["CommandId"]}
    assert world.seen.counts[Count.STOPS] == 1


def test_what_was_lifted_since_the_click_stays_lifted(world: World) -> None:
    clicked = stop(service="positions")
    world.handle(clicked)
    world.table.delete_item(Key={"id": "stop@service/positions"})  # as `orion repairs start` does

    world.handle(clicked)
    world.handle(notification())

    assert len(world.commands()) == 1


def test_a_later_click_stops_again(world: World) -> None:
    world.handle(stop(service="positions"))
    world.table.delete_item(Key={"id": "stop@service/positions"})

    world.handle(stop(service="positions", at=NOW + 1))
    world.handle(notification())

    assert world.commands() == []


def test_a_stop_that_comes_late_stops_nothing(world: World) -> None:
    world.handle(stop(at=NOW - MAXIMUM_AGE_SECONDS - 1))
    world.handle(notification())

    assert len(world.commands()) == 1


def test_a_stop_that_is_lifted_stops_nothing_and_who_had_set_and_lifted_it_is_kept(world: World) -> None:
    world.handle(stop(service="positions"))
    world.handle(lift())
    world.handle(lift())

    world.handle(notification())

    assert len(world.commands()) == 1
    assert world.seen.counts[Count.LIFTS] == 1
    kept = world.table.get_item(Key={"id": f"stop@service/positions#{SINCE}"}).get("Item", {})
    assert {name: kept[name] for name in ("since", "by", "why", "until", "started_by")} == {
        "since": SINCE,
        "by": "Ann",
        "why": "stopped from Slack",
        "until": SINCE,
        "started_by": "Bob",
    }
    assert kept["expires_at"] == int(NOW) + 90 * 24 * 3600


@pytest.mark.parametrize(
    "changes",
    [
        {"since": "2026-11-24T10:39:00Z"},
        {"stopped_by": "Bob"},
        {"service": "orders"},
        {"at": NOW - MAXIMUM_AGE_SECONDS - 1},
    ],
)
def test_a_lift_of_another_stop_or_one_that_comes_late_lifts_nothing(world: World, changes: dict[str, Any]) -> None:
    world.handle(stop(service="positions"))

    world.handle(lift(**changes))
    world.handle(notification())

    assert world.commands() == []
    assert world.seen.counts[Count.LIFTS] == 0


def test_a_stop_that_is_replaced_while_it_is_lifted_stays(world: World) -> None:
    world.handle(stop(service="positions"))
    newer = {"id": "stop@service/positions", "since": "2026-11-24T10:41:00Z", "by": "Ann", "why": "again"}

    def replaced(**_: object) -> None:  # between the read of the stop and its deletion
        world.table.put_item(Item=newer)

    world.listen(world.table.meta.client, "before-call.dynamodb.TransactWriteItems", replaced)
    world.handle(lift())

    assert world.table.get_item(Key={"id": "stop@service/positions"}).get("Item") == newer


class _Alertmanager:
    def __init__(self, *alerts: Alert, error: str = "") -> None:
        self.alerts, self.error = alerts, error

    def firing(self, receiver: str, group_labels: dict[str, str]) -> tuple[tuple[Alert, ...], tuple[str, ...]]:
        del receiver, group_labels
        if self.error:
            raise NotFetched(self.error)
        return self.alerts, ()


def ask(world: World, *alerts: Alert, error: str = "", request: str = "click-1", at: float = NOW) -> None:
    alertmanager: Any = _Alertmanager(*alerts, error=error)
    world.automation = replace(world.automation, alertmanager=alertmanager)
    asked = DiagnosticsRequest(request=request, by="Ann", receiver="warning", group="g", group_labels={}, at=at)
    world.handle(asked.as_text())


def test_diagnostics_are_collected_once_for_a_click_and_again_for_the_next(world: World) -> None:
    for request in ("click-1", "click-1", "click-2"):
        ask(world, ALERT, request=request)

    documents = [command["DocumentName"] for command in world.commands()]
    assert documents == ["orion-collect-diagnostics"] * 2
    assert {sent["Parameters"]["pod"][0] for sent in world.sent} == {LABELS["pod"]}


def test_diagnostics_need_no_approval_and_their_end_is_told(chat: SentToChat, world: World) -> None:
    world.in_mode(Mode.APPROVE)
    ask(world, ALERT)
    world.answer_of("collected: 12 files")
    world.handle(world.event())

    assert len(world.commands()) == 1
    ((status, result),) = told(chat)
    assert (status, result.split(" (")[0]) == ("succeeded", "collected: 12 files")


def test_a_group_of_hundreds_is_looked_at_in_a_few_places(world: World) -> None:
    alerts = [
        replace(ALERT, labels=LABELS | {"pod": f"positions-{number}"}, fingerprint=f"{number:016x}")
        for number in range(200)
    ]

    ask(world, *alerts)

    assert len(world.commands()) == 3


@pytest.mark.parametrize(
    ("mode", "alerts", "error", "said"),
    [
        (Mode.ON, (replace(ALERT, labels={"alertname": "X"}),), "", "no alert that fires here has the labels"),
        (Mode.ON, (replace(ALERT, labels=LABELS | {"namespace": "kube-system"}),), "", "no alert that fires here"),
        (Mode.ON, (), "no answer", "Alertmanager was asked for the alerts: no answer"),
        (Mode.OFF, (ALERT,), "", "The mode of collect_diagnostics is off here"),
    ],
)
def test_what_cannot_be_collected_is_told(
    chat: SentToChat, world: World, mode: Mode, alerts: tuple[Alert, ...], error: str, said: str
) -> None:
    world.in_mode(mode)

    ask(world, *alerts, error=error)

    assert world.commands() == []
    ((_, result),) = told(chat)
    assert said in result


def test_a_stop_holds_diagnostics_too(chat: SentToChat, world: World) -> None:
    world.handle(stop())

    ask(world, ALERT)

    assert world.commands() == []
    assert [status for status, _ in told(chat)] == ["stopped"]


def test_a_request_that_comes_late_collects_nothing(world: World) -> None:
    ask(world, ALERT, at=NOW - MAXIMUM_AGE_SECONDS - 1)

    assert world.commands() == []
