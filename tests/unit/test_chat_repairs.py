"""Repairs in a thread: what is shown, who may approve, what the repair function is told, and how an end is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError

from chatops.counts import Count
from chatops.executor import TooEarly
from chatops.repair import Status
from orion_common.envelope import Unreadable
from orion_common.repair_messages import RepairProposal
from tests.chat_harness import FINGERPRINT, LABELS, ChatWorld, chat_world
from tests.chat_repairs import ANN, BOB, EVE, FACTS, SHOWN, blocks, buttons, decide, decisions, propose, report
from tests.lambda_harness import clients


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ChatWorld]:
    with chat_world(tmp_path) as world:
        world.chat = replace(world.chat, data=replace(world.chat.data, approvers=frozenset({"ann@example.com"})))
        yield world


@pytest.fixture
def paged(world: ChatWorld) -> ChatWorld:
    world.page()
    return world


def status(world: ChatWorld) -> Status:
    (episode,) = world.episodes()
    (repair,) = episode.repairs
    return repair.status


def test_a_proposal_shows_exactly_what_would_run_with_its_buttons(paged: ChatWorld) -> None:
    propose(paged)
    propose(paged)

    assert {"approve", "reject"} <= set(buttons(paged))
    texts = [block["text"]["text"] for block in blocks(paged) if "text" in block]
    assert any(SHOWN in text and "waiting for an approval until" in text for text in texts)
    assert [text for text in paged.slack.replies() if "proposed" in text] == [f"Repair proposed: {SHOWN}"]
    assert paged.count(Count.REPAIRS) == 2


def test_an_approval_is_told_to_the_repair_function_with_who_gave_it(paged: ChatWorld) -> None:
    propose(paged)

    decide(paged, "approve")

    (decision,) = decisions(paged)
    assert decision == {
        "source": "orion.repair.decided",
        "repair": FACTS.repair,
        "proposal": FACTS.proposal,
        "is_approved": True,
        "by": "ann@example.com",
    }
    assert status(paged) is Status.RUNNING
    assert "approve" not in buttons(paged)
    assert ("repair approved", SHOWN) in [(entry["kind"], entry["text"]) for entry in paged.audited()]


@pytest.mark.parametrize("person", [BOB, EVE])
def test_who_may_not_approve_is_told_so_and_nothing_runs(paged: ChatWorld, person: str) -> None:
    propose(paged)

    decide(paged, "approve", person)

    assert decisions(paged) == []
    assert paged.slack.whispers == [(person, "The catalog does not allow you to do this")]
    assert status(paged) is Status.PROPOSED


def test_a_rejection_is_told_to_both_and_an_approval_after_it_does_nothing(paged: ChatWorld) -> None:
    propose(paged)
    decide(paged, "reject")
    decide(paged, "approve")

    assert [decision["is_approved"] for decision in decisions(paged)] == [False]
    assert "Repair rejected by ann@example.com" in paged.slack.replies()
    assert status(paged) is Status.REJECTED
    assert "approve" not in buttons(paged)


def test_a_button_approves_nothing_that_the_record_does_not_have(paged: ChatWorld) -> None:
    propose(paged)

    decide(paged, "approve", repair=f"repair#{FINGERPRINT}#restart_node#0a1b#{FACTS.proposal}")

    assert decisions(paged) == []
    assert paged.slack.whispers == [(ANN, "This repair is not waiting for an approval")]


def test_what_nobody_approves_expires(paged: ChatWorld) -> None:
    propose(paged)
    paged.time += 901
    paged.sweep()
    decide(paged, "approve")

    assert decisions(paged) == []
    assert "Repair expired: nothing was run" in paged.slack.replies()
    assert status(paged) is Status.EXPIRED


def test_an_approval_of_what_does_not_fire_any_more_runs_nothing(paged: ChatWorld) -> None:
    propose(paged)
    paged.alertmanagers.firing = {"f" * 16}

    decide(paged, "approve")

    assert decisions(paged) == []
    assert status(paged) is Status.WITHDRAWN


def test_a_success_is_verified_once_the_alert_has_cleared(paged: ChatWorld) -> None:
    propose(paged)
    decide(paged, "approve")
    report(paged, "succeeded", "restarted: pod orion/positions-1")
    report(paged, "succeeded", "restarted: pod orion/positions-1")
    paged.alertmanagers.firing = {"f" * 16}
    paged.time += 400
    paged.sweep()

    replies = paged.slack.replies()
    assert replies.count("The repair's command succeeded: restarted: pod orion/positions-1") == 1
    assert "Repair verified: its alert has cleared" in replies
    assert status(paged) is Status.VERIFIED


@pytest.mark.parametrize("outcome", ["failed", "timed out", "lost"])
def test_a_repair_that_failed_is_escalated_with_what_was_seen(paged: ChatWorld, outcome: str) -> None:
    propose(paged)
    decide(paged, "approve")

    report(paged, outcome, "Failed: no space left")

    assert status(paged) is Status.ESCALATED
    (incident,) = paged.pagerduty.incidents()
    notes = paged.pagerduty.client.get(f"/incidents/{incident['id']}/notes").json()["notes"]
    assert any("no space left" in note["content"] for note in notes)
    assert any(text.startswith("Escalated: ") and "no space left" in text for text in paged.slack.replies())


def test_a_success_that_does_not_clear_its_alert_is_escalated(paged: ChatWorld) -> None:
    propose(paged)
    decide(paged, "approve")
    report(paged, "succeeded")

    paged.time += paged.chat.policy.waits.verify + 1
    paged.sweep()

    assert status(paged) is Status.ESCALATED


def test_an_automatic_repair_is_in_the_thread_and_in_the_audit_record(paged: ChatWorld) -> None:
    report(paged, "succeeded", "restarted: pod orion/positions-1")

    assert "The repair's command succeeded: restarted: pod orion/positions-1" in paged.slack.replies()
    kinds = [entry["kind"] for entry in paged.audited()]
    assert "repair run" in kinds
    assert "repair proposed" not in kinds
    assert status(paged) is Status.VERIFYING


def test_an_automatic_repair_that_failed_is_escalated(paged: ChatWorld) -> None:
    report(paged, "timed out", "it may have done a part")

    assert status(paged) is Status.ESCALATED


def test_diagnostics_are_told_and_neither_verified_nor_escalated(paged: ChatWorld) -> None:
    facts = replace(FACTS, action="collect_diagnostics", changes_cluster=False)
    report(paged, "failed", "no space left", facts)
    report(paged, "succeeded", "collected 12 files", replace(facts, proposal="e" * 32))

    (episode,) = paged.episodes()
    assert [repair.status for repair in episode.repairs] == [Status.CLOSED, Status.CLOSED]
    assert "collect_diagnostics: collected 12 files" in paged.slack.replies()


def test_a_storm_of_repairs_that_are_over_a_limit_is_told_once(paged: ChatWorld) -> None:
    for number in range(20):
        facts = replace(FACTS, repair=f"repair#{number:016x}#restart_pod#0a1b", fingerprint=f"{number:016x}")
        report(paged, "limited", "3 of restart_pod an hour for positions were sent already", facts)

    told = [text for text in paged.slack.replies() if "an hour for positions" in text]
    assert told == ["Repair not run: 3 of restart_pod an hour for positions were sent already"]


def test_a_repair_that_the_repair_function_does_not_run_after_all_is_told(paged: ChatWorld) -> None:
    propose(paged)
    decide(paged, "approve")

    report(paged, "stopped", "All repairs are stopped since noon by bob")

    assert status(paged) is Status.WITHDRAWN
    assert "Repair not run: All repairs are stopped since noon by bob" in paged.slack.replies()


def test_a_decision_that_the_queue_does_not_take_is_escalated_and_never_told_to_have_run(paged: ChatWorld) -> None:
    propose(paged)
    sqs = clients().sqs

    def fail(**_: object) -> None:
        raise ConnectTimeoutError(endpoint_url="sqs")

    sqs.meta.events.register_first("before-send.sqs.SendMessage", fail)
    try:
        decide(paged, "approve")
    finally:
        sqs.meta.events.unregister("before-send.sqs.SendMessage", fail)

    assert status(paged) is Status.ESCALATED


def test_a_proposal_before_its_episode_is_delivered_again(world: ChatWorld) -> None:
    with pytest.raises(TooEarly):
        propose(world)

    world.page()
    propose(world)

    assert status(world) is Status.PROPOSED


def test_a_repair_of_a_group_without_a_thread_is_nobodys(paged: ChatWorld) -> None:
    propose(paged, replace(FACTS, receiver="default"))

    (episode,) = paged.episodes()
    assert episode.repairs == ()
    assert any("without a thread" in text for text in paged.seen.texts)


def test_a_message_of_no_repair_is_unreadable(paged: ChatWorld) -> None:
    with pytest.raises(Unreadable, match=r"facts\.repair"):
        propose(paged, replace(FACTS, repair="repair"))
    with pytest.raises(Unreadable, match=r"message\.seen_at"):
        paged.handle({"source": "orion.repair.proposed", "facts": json.loads(json.dumps(_facts())), "seen_at": "noon"})


def _facts() -> dict[str, Any]:
    content = json.loads(RepairProposal(facts=FACTS, seen_at=0, approve_by=0).as_text())
    return content["facts"]


def test_diagnostics_are_asked_for_by_whoever_responds(paged: ChatWorld) -> None:
    paged.click("diagnostics", BOB)

    (asked,) = decisions(paged)
    assert (asked["source"], asked["receiver"], asked["by"]) == (
        "orion.repair.diagnostics",
        "warning",
        "bob@example.com",
    )
    assert asked["group_labels"] == LABELS
