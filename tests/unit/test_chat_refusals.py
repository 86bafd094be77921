"""Refused clicks: each is in the audit record with who, what and why, and a flood of them is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chatops.refusals import MOST, MOST_OF_A_PERSON, counted
from tests.chat_harness import KEY, ChatWorld, chat_world

ANN, BOB, EVE = "U012ABCD1", "U012ABCD2", "U012ABCD9"
MAY_NOT = "The catalog does not allow you to do this"


@pytest.fixture
def paged(tmp_path: Path) -> Iterator[ChatWorld]:
    with chat_world(tmp_path) as world:
        world.page()
        yield world


def refusals(world: ChatWorld) -> list[tuple[str, str]]:
    return [(entry["actor"], entry["text"]) for entry in world.audited() if entry["kind"] == "refused"]


def test_who_may_not_is_in_the_audit_record_with_what_was_clicked(paged: ChatWorld) -> None:
    paged.click("escalate", EVE)
    paged.click("approve", BOB)

    assert refusals(paged) == [(EVE, f"escalate: {MAY_NOT}"), (BOB, f"approve: {MAY_NOT}")]


def test_a_click_that_is_delivered_twice_is_in_the_audit_record_once(paged: ChatWorld) -> None:
    paged.click("escalate", EVE)
    paged.click("escalate", EVE)

    assert len(refusals(paged)) == 1


@pytest.mark.parametrize(
    ("button", "changes", "why"),
    [
        (
            "acknowledge",
            {"at": "1795516000.000000"},
            "Your click arrived too late. Look at the thread, and click again",
        ),
        ("needed-a-human", {}, "This has not resolved yet"),
        ("acknowledge", {"message": "9.000100"}, "it is not on this thread's message"),
        ("acknowledge", {"channel": "C2"}, "it is not on this thread's message"),
    ],
    ids=["late", "out of place", "another message", "another channel"],
)
def test_a_stale_button_is_in_the_audit_record(
    paged: ChatWorld, button: str, changes: dict[str, str], why: str
) -> None:
    paged.click(button, ANN, **changes)

    assert refusals(paged) == [(ANN, f"{button}: {why}")]


def test_what_an_approver_clicks_too_late_is_in_the_audit_record(paged: ChatWorld) -> None:
    paged.chat = replace(paged.chat, data=replace(paged.chat.data, approvers=frozenset({"ann@example.com"})))

    paged.click("approve", ANN)
    paged.click("lift-stop-of-all", ANN)

    assert refusals(paged) == [
        (ANN, "approve: This repair is not waiting for an approval"),
        (ANN, "lift-stop-of-all: These repairs are not stopped any more"),
    ]


def test_another_workspace_and_an_unknown_incident_have_no_record_to_be_in(paged: ChatWorld) -> None:
    paged.click("acknowledge", workspace="T2")
    paged.click("acknowledge", value=f"episode#{KEY}#2")

    assert refusals(paged) == []
    assert sum("click ignored" in text for text in paged.seen.texts) == 2


def test_who_is_no_pagerduty_user_is_in_the_audit_record_with_what_was_not_done(paged: ChatWorld) -> None:
    paged.slack.people[EVE] = "eve@example.com"
    paged.chat = replace(paged.chat, data=replace(paged.chat.data, responders=frozenset({"eve@example.com"})))

    paged.click("acknowledge", EVE)

    (entry,) = (entry for entry in paged.audited() if entry["kind"] == "not done")
    assert (entry["actor"], entry["text"]) == (EVE, "Acknowledge: no PagerDuty user has your email")


def test_a_flood_of_refused_clicks_costs_the_record_a_bounded_amount(paged: ChatWorld) -> None:
    for number in range(40):
        paged.time += 1
        paged.click("escalate", EVE)
        paged.click("acknowledge", f"U012ABC{number:02}", message="9.000100")
        paged.click("silence-1h", f"U012ABC{number:02}")

    kept = refusals(paged)
    assert len([person for person, _ in kept if person == EVE]) == MOST_OF_A_PERSON
    assert len(kept) == MOST
    (episode,) = paged.episodes()
    assert len(episode.handled) == MOST
    assert len([whisper for whisper in paged.slack.whispers if whisper[0] == EVE]) == 40, "each is told why"

    paged.time += 1
    paged.click("acknowledge", ANN)
    assert "acknowledgement asked" in [entry["kind"] for entry in paged.audited()], "who may still can"


def test_refusals_are_counted_by_person() -> None:
    counts: Any = ()
    for _ in range(10):
        counts = counted(counts, EVE)

    assert counts == ((EVE, MOST_OF_A_PERSON),)
    assert counted(counts, ANN) == ((ANN, 1), (EVE, MOST_OF_A_PERSON))
