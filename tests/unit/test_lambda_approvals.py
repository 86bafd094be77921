"""Repairs that wait for an approval: what runs, and what does not, whatever order messages arrive in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from alerting.repairs.compile import APPROVAL_SECONDS
from orion_common.envelope import Unreadable
from orion_common.names import STOP_ID, Mode
from runbook_automation.chat_queue import DELAY_SECONDS, ChatQueue
from runbook_automation.configuration import APPROVAL_GRACE_SECONDS, DeployedDocument
from runbook_automation.counts import Count
from runbook_automation.decisions import mode_of
from tests.lambda_events import LABELS, notification
from tests.lambda_harness import NOW, SWEEP, SentToChat, World, moto_world, with_chat

APPROVER = "Ann"


@pytest.fixture
def chat() -> Iterator[SentToChat]:
    with moto_world() as world:
        world.in_mode(Mode.APPROVE)
        yield with_chat(world)


@pytest.fixture
def world(chat: SentToChat) -> World:
    return chat.world


def proposed(chat: SentToChat) -> dict[str, Any]:
    """Have an alert fire, and return the proposal that chat got."""
    chat.world.handle(notification())
    (proposal,) = chat.messages()
    return proposal


def decision(proposal: dict[str, Any], *, is_approved: bool = True) -> str:
    facts = proposal["facts"]
    return json.dumps(
        {
            "source": "orion.repair.decided",
            "repair": facts["repair"],
            "proposal": facts["proposal"],
            "is_approved": is_approved,
            "by": APPROVER,
        }
    )


def status(world: World) -> str:
    (item,) = world.items()
    return item["status"]


def test_a_repair_waits_and_chat_is_shown_exactly_what_would_run(chat: SentToChat, world: World) -> None:
    proposal = proposed(chat)

    assert world.commands() == []
    assert status(world) == "waiting for approval"
    facts = proposal["facts"]
    assert facts["document"].startswith("orion-restart-pod version 1 (")
    assert facts["parameters"] == {"namespace": "orion", "pod": LABELS["pod"], "uid": LABELS["uid"]}
    assert facts["receiver"] == json.loads(json.loads(notification())["Message"])["notification"]["receiver"]
    assert proposal["approve_by"] == NOW + APPROVAL_SECONDS
    assert world.told("team-trading") == []


def test_an_approved_repair_runs_as_it_was_shown_once(chat: SentToChat, world: World) -> None:
    proposal = proposed(chat)

    for _ in range(3):
        world.handle(decision(proposal))

    assert len(world.commands()) == 1
    (sent,) = world.sent
    shown = {name: [value] for name, value in proposal["facts"]["parameters"].items()}
    assert {name: sent["Parameters"][name] for name in shown} == shown
    (item,) = world.items()
    assert (item["status"], item["approved_by"]) == ("sent", APPROVER)
    assert world.seen.counts[Count.APPROVED] == 1


def test_chat_hears_how_an_approved_repair_ended(chat: SentToChat, world: World) -> None:
    proposal = proposed(chat)
    world.handle(decision(proposal))
    world.answer_of("restarted: pod orion/positions")

    world.handle(world.event())

    (report,) = chat.messages()
    assert (report["source"], report["status"]) == ("orion.repair.ended", "succeeded")
    assert report["facts"]["proposal"] == proposal["facts"]["proposal"]
    assert report["result"] == "restarted: pod orion/positions"
    assert report["facts"]["changes_cluster"]
    assert world.told("notifications")[0]["approved_by"] == APPROVER


def test_a_rejected_repair_does_not_run_and_is_told_to_the_team(chat: SentToChat, world: World) -> None:
    proposal = proposed(chat)
    world.handle(decision(proposal, is_approved=False))
    world.handle(decision(proposal))

    assert world.commands() == []
    assert status(world) == "rejected"
    assert [told["subject"] for told in world.told("team-trading")] == ["Runbook Action Rejected: restart_pod"]


def test_an_approval_that_comes_too_late_runs_nothing(chat: SentToChat, world: World) -> None:
    proposal = proposed(chat)
    world.time = NOW + APPROVAL_SECONDS + APPROVAL_GRACE_SECONDS + 1

    world.handle(decision(proposal))

    assert world.commands() == []
    assert status(world) == "expired"


def test_a_repair_that_nobody_approves_expires_for_both_sides(chat: SentToChat, world: World) -> None:
    proposal = proposed(chat)
    world.time = NOW + APPROVAL_SECONDS + APPROVAL_GRACE_SECONDS + 1
    world.handle(SWEEP)
    world.handle(decision(proposal))

    assert world.commands() == []
    assert status(world) == "expired"
    assert [told["subject"] for told in world.told("team-trading")] == ["Runbook Action Not Taken: restart_pod"]
    assert [report["status"] for report in chat.messages()] == ["expired"]


def test_a_stop_ends_what_is_approved_after_it(chat: SentToChat, world: World) -> None:
    proposal = proposed(chat)
    world.table.put_item(Item={"id": STOP_ID, "since": "2026-11-24T10:40:00Z", "by": "ana", "why": "a bad release"})

    world.handle(decision(proposal))

    assert world.commands() == []
    assert status(world) == "stopped"
    assert "stopped since 2026-11-24T10:40:00Z by ana" in chat.messages()[0]["result"]


def test_nothing_is_proposed_while_repairs_are_stopped(chat: SentToChat, world: World) -> None:
    world.table.put_item(Item={"id": STOP_ID, "since": "2026-11-24T10:40:00Z", "by": "ana", "why": "a bad release"})

    world.handle(notification())

    assert [message["source"] for message in chat.messages()] == ["orion.repair.ended"]
    assert status(world) == "stopped"


def test_a_place_in_a_limit_is_taken_by_an_approval_alone(chat: SentToChat, world: World) -> None:
    world.limit(per_service_hour=1, per_platform_hour=1)
    world.handle(notification(LABELS, LABELS | {"pod": "positions-2"}, fingerprints=("a" * 16, "b" * 16)))
    first, second = chat.messages()

    for proposal in (first, second):
        world.handle(decision(proposal))

    assert len(world.commands()) == 1
    assert sorted(item["status"] for item in world.items()) == ["limited", "sent"]


def test_what_has_resolved_since_does_not_run(chat: SentToChat, world: World) -> None:
    proposal = proposed(chat)
    resolved = notification(status="resolved", envelope={"Timestamp": "2026-11-24T10:50:00.000Z"})
    content = json.loads(resolved)
    message = json.loads(content["Message"])
    message["notification"]["alerts"][0]["status"] = "resolved"
    world.handle(json.dumps(content | {"Message": json.dumps(message)}))

    world.handle(decision(proposal))

    assert world.commands() == []
    assert status(world) == "resolved"


def test_another_version_of_the_document_than_was_shown_does_not_run(chat: SentToChat, world: World) -> None:
    proposal = proposed(chat)
    newer = {"restart_pod": DeployedDocument(version="2", hash="f" * 64)}
    world.automation = replace(world.automation, commands=replace(world.automation.commands, documents=newer))

    world.handle(decision(proposal))

    assert world.commands() == []
    assert status(world) == "refused"
    assert "version 1 (" in chat.messages()[0]["result"]


def test_a_stack_that_went_back_to_dry_run_runs_nothing_that_is_approved(chat: SentToChat, world: World) -> None:
    proposal = proposed(chat)
    world.in_mode(Mode.DRY_RUN)

    world.handle(decision(proposal))

    assert world.commands() == []
    assert status(world) == "refused"


def test_a_proposal_that_was_lost_is_made_again_as_it_was(chat: SentToChat, world: World) -> None:
    world.fail(world.sqs, "SendMessage", ClientError({"Error": {"Code": "500"}}, "SendMessage"))
    with pytest.raises(ClientError):
        world.handle(notification())
    world.mend()
    world.time += 60
    chat.messages()

    proposal = proposed(chat)

    (item,) = world.items()
    assert proposal["facts"]["proposal"] == item["proposal"]
    assert proposal["approve_by"] == NOW + APPROVAL_SECONDS


def test_a_decision_on_another_claim_or_on_nothing_is_ignored(chat: SentToChat, world: World) -> None:
    proposal = proposed(chat)
    facts = proposal["facts"]
    other, nothing = facts | {"proposal": "0" * 32}, facts | {"repair": f"repair#{'f' * 16}#restart_pod#0"}

    world.handle(decision({"facts": other}))
    world.handle(decision({"facts": nothing}))

    assert world.commands() == []
    assert status(world) == "waiting for approval"
    assert world.seen.counts[Count.DUPLICATE] == 2


def test_a_decision_that_lacks_a_field_is_unreadable(world: World) -> None:
    with pytest.raises(Unreadable, match=r"message\.is_approved"):
        world.handle(json.dumps({"source": "orion.repair.decided", "repair": "r", "proposal": "p"}))


def test_without_chat_nothing_waits_for_what_nobody_could_give(world: World) -> None:
    world.automation = replace(world.automation, chat=ChatQueue(sqs=world.sqs, url=None))

    world.handle(notification())

    assert status(world) == "refused"
    assert "chat, which asks for it, is off" in world.told("team-trading")[0]["result"]


def test_an_action_that_is_off_answers_nothing(chat: SentToChat, world: World) -> None:
    world.in_mode(Mode.OFF)

    world.handle(notification())

    assert world.items() == []
    assert chat.messages() == []


def test_chat_hears_how_a_repair_ended_that_needed_no_approval(chat: SentToChat, world: World) -> None:
    world.in_mode(Mode.ON)
    world.handle(notification())
    world.answer_of("", "Failed", "no space left")
    world.handle(world.event("Failed"))

    (report,) = chat.messages()
    (item,) = world.items()
    assert (report["status"], report["facts"]["proposal"]) == ("failed", item["claim"])


@pytest.mark.parametrize(
    ("stack", "action", "service", "mode"),
    [
        (Mode.ON, Mode.ON, Mode.ON, Mode.ON),
        (Mode.ON, Mode.APPROVE, Mode.ON, Mode.APPROVE),
        (Mode.ON, Mode.APPROVE, Mode.OFF, Mode.OFF),
        (Mode.DRY_RUN, Mode.APPROVE, Mode.ON, Mode.DRY_RUN),
        (Mode.APPROVE, Mode.ON, Mode.ON, Mode.APPROVE),
    ],
)
def test_the_strictest_mode_applies(world: World, stack: Mode, action: Mode, service: Mode, mode: Mode) -> None:
    known = world.automation.remediations.action("restart_pod")
    assert known is not None
    of_service = replace(known, mode=action, service_modes={"positions": service})

    assert mode_of(of_service, stack, LABELS, NOW) is mode
    assert mode_of(of_service, stack, LABELS | {"service": "other"}, NOW) is mode_of(
        replace(known, mode=action), stack, {}, NOW
    )


def test_a_message_to_chat_waits_until_chat_has_opened_its_episode(chat: SentToChat, world: World) -> None:
    world.handle(notification())

    assert [request["DelaySeconds"] for request in chat.requests] == [DELAY_SECONDS]
