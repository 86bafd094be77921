"""Stops of repairs in a thread: who sets and lifts one, what is shown, and which stop a click lifts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chatops.stops import AGAIN_SECONDS, READ_SECONDS
from tests.chat_harness import ChatWorld, chat_world
from tests.chat_repairs import ANN, ANN_MAIL, BOB, blocks, buttons, decisions, propose, report

SINCE = "2026-11-24T10:46:03Z"
STOPS = ["stop-action", "stop-service", "stop-all"]


@pytest.fixture
def paged(tmp_path: Path) -> Iterator[ChatWorld]:
    with chat_world(tmp_path) as world:
        world.chat = replace(world.chat, data=replace(world.chat.data, approvers=frozenset({"ann@example.com"})))
        world.page()
        yield world


def stopped(world: ChatWorld, id_: str = "stop", since: str = SINCE, by: str = ANN_MAIL, why: str = "a drill") -> None:
    """Write the item of a stop, as the repair function and `orion repairs stop` do."""
    world.table.put_item(Item={"id": id_, "since": since, "by": by, "why": why})


def pass_time(world: ChatWorld, seconds: float) -> None:
    world.time += seconds
    world.sweep()


def shown_stops(world: ChatWorld) -> list[str]:
    texts = [block["text"]["text"] for block in blocks(world) if "text" in block]
    return [line for text in texts for line in text.split("\n") if "stopped" in line]


def shown_buttons(world: ChatWorld) -> list[str]:
    return [button for button in buttons(world) if "stop-" in button or button.endswith("-stop")]


def stopped_from_here(world: ChatWorld) -> None:
    """Stop all repairs from the thread, and let it show that."""
    propose(world)
    world.click("stop-all", ANN)
    stopped(world)
    pass_time(world, 6)


def lifts(world: ChatWorld) -> list[dict[str, Any]]:
    """Return the lifts that were sent since the last look. The second message of a stop may come at any time."""
    return [one for one in decisions(world) if one["source"] == "orion.repair.stop-lifted"]


def test_an_approver_stops_repairs_by_scope_and_the_thread_says_so(paged: ChatWorld) -> None:
    propose(paged)

    for button in ("stop-action", "stop-service", "stop-all"):
        paged.time += 1
        paged.click(button, ANN)

    stops = [(one["action"], one["service"], one["by"]) for one in decisions(paged)]
    assert stops == [("restart_pod", "", ANN_MAIL), ("", "positions", ANN_MAIL), ("", "", ANN_MAIL)]
    replies = paged.slack.replies()
    assert (
        f"Repairs of positions stopped by {ANN_MAIL}. A button here starts them again, or `orion repairs start`"
        in replies
    )
    assert [entry["text"] for entry in paged.audited() if entry["kind"] == "repairs stopped"] == [
        "restart_pod",
        "positions",
        "all",
    ]


def test_who_may_not_approve_may_not_stop(paged: ChatWorld) -> None:
    propose(paged)

    paged.click("stop-all", BOB)

    assert decisions(paged) == []
    assert paged.slack.whispers == [(BOB, "The catalog does not allow you to do this")]


def test_a_stop_has_the_button_that_lifts_it_in_place_of_its_own(paged: ChatWorld) -> None:
    propose(paged)
    assert shown_buttons(paged) == STOPS

    paged.click("stop-all", ANN)
    assert shown_buttons(paged) == STOPS, "nothing is stopped yet"
    stopped(paged, why="<!channel> & co")
    pass_time(paged, 6)

    assert shown_buttons(paged) == ["stop-action", "stop-service", "lift-stop-of-all"]
    assert shown_stops(paged) == [
        f"*All repairs are stopped* since {SINCE} by {ANN_MAIL} (&lt;!channel&gt; &amp; co)",
    ]


def test_a_stop_from_elsewhere_is_shown_once_a_repair_was_not_run(paged: ChatWorld) -> None:
    stopped(paged, "stop@action/restart_pod", by="arn:ana")
    stopped(paged, "stop@service/positions", by="arn:bo")

    report(paged, "stopped", "Repairs of restart_pod are stopped")

    assert shown_buttons(paged) == ["lift-action-stop", "lift-service-stop", "stop-all"]
    assert [line.split("*")[1] for line in shown_stops(paged)] == [
        "Repairs of restart_pod are stopped",
        "Repairs of positions are stopped",
    ]


def test_an_approver_lifts_the_stop_that_the_record_has(paged: ChatWorld) -> None:
    stopped_from_here(paged)
    decisions(paged)

    paged.click("lift-stop-of-all", ANN, value="episode#" + paged.episodes()[0].id.group + "#1 stop@action/evict")
    paged.table.delete_item(Key={"id": "stop"})  # as the repair function does
    (lift,) = lifts(paged)
    pass_time(paged, 6)

    assert {name: lift[name] for name in ("source", "action", "service", "since", "stopped_by", "by")} == {
        "source": "orion.repair.stop-lifted",
        "action": "",
        "service": "",
        "since": SINCE,
        "stopped_by": ANN_MAIL,
        "by": ANN_MAIL,
    }
    assert shown_buttons(paged) == STOPS
    assert shown_stops(paged) == []
    assert f"{ANN_MAIL} lifts the stop of {SINCE} by {ANN_MAIL}: All repairs begin again" in paged.slack.replies()
    kept = [entry for entry in paged.audited() if entry["kind"] == "repairs started"]
    assert [(entry["actor"], entry["text"]) for entry in kept] == [(ANN, f"all: stopped since {SINCE} by {ANN_MAIL}")]


def test_who_may_not_approve_may_not_lift(paged: ChatWorld) -> None:
    stopped_from_here(paged)
    decisions(paged)

    paged.click("lift-stop-of-all", BOB)

    assert lifts(paged) == []
    assert paged.slack.whispers == [(BOB, "The catalog does not allow you to do this")]


def test_a_click_that_is_older_than_a_newer_stop_lifts_nothing(paged: ChatWorld) -> None:
    stopped_from_here(paged)
    decisions(paged)
    clicked = f"{paged.time:.6f}"
    stopped(paged, since="2026-11-24T10:50:00Z", by="arn:bo")  # somebody has lifted the first, and this one is newer
    pass_time(paged, 301)

    paged.click("lift-stop-of-all", ANN, at=clicked)
    assert lifts(paged) == []
    assert paged.slack.whispers == [
        (ANN, "There is a newer stop than the one you clicked on, by arn:bo. Look at it, and click again")
    ]

    paged.click("lift-stop-of-all", ANN)
    assert [lift["since"] for lift in lifts(paged)] == ["2026-11-24T10:50:00Z"]


def test_what_was_lifted_elsewhere_is_not_lifted_again(paged: ChatWorld) -> None:
    stopped_from_here(paged)
    decisions(paged)
    paged.table.delete_item(Key={"id": "stop"})  # as `orion repairs start` does
    pass_time(paged, 301)

    paged.click("lift-stop-of-all", ANN)

    assert shown_buttons(paged) == STOPS
    assert lifts(paged) == []
    assert paged.slack.whispers == [(ANN, "These repairs are not stopped any more")]


def test_a_stop_is_lifted_from_a_thread_that_has_resolved(paged: ChatWorld) -> None:
    stopped_from_here(paged)
    decisions(paged)
    paged.alertmanagers.firing = set()
    for _ in range(4):
        pass_time(paged, 301)

    assert not paged.episodes()[0].is_open
    assert shown_buttons(paged) == ["lift-stop-of-all"]
    paged.click("lift-stop-of-all", ANN)
    assert [lift["since"] for lift in lifts(paged)] == [SINCE]


def test_a_stop_from_elsewhere_is_shown_within_a_minute_and_so_is_its_end(paged: ChatWorld) -> None:
    propose(paged)
    assert shown_buttons(paged) == STOPS

    stopped(paged, by="arn:bo")
    pass_time(paged, READ_SECONDS + 1)
    assert shown_buttons(paged) == ["stop-action", "stop-service", "lift-stop-of-all"]

    paged.table.delete_item(Key={"id": "stop"})  # as `orion repairs start` does
    pass_time(paged, READ_SECONDS + 1)
    assert shown_buttons(paged) == STOPS


def test_a_thread_without_a_repair_asks_the_table_for_no_stop(paged: ChatWorld) -> None:
    stopped(paged)
    pass_time(paged, 301)

    (episode,) = paged.episodes()
    assert episode.stops.read_at is None
    assert shown_buttons(paged) == []


def test_a_thread_that_has_resolved_and_shows_no_stop_asks_no_more(paged: ChatWorld) -> None:
    propose(paged)
    paged.alertmanagers.firing = set()
    for _ in range(4):
        pass_time(paged, 301)

    (episode,) = paged.episodes()
    assert not episode.is_open
    assert episode.stops.read_at is None


def test_a_click_whose_effect_never_shows_is_awaited_for_a_minute(paged: ChatWorld) -> None:
    propose(paged)
    paged.click("stop-all", ANN)
    for _ in range(20):
        pass_time(paged, 5)

    (episode,) = paged.episodes()
    assert episode.stops.read_at is not None
    assert episode.stops.read_at - paged.time > AGAIN_SECONDS
