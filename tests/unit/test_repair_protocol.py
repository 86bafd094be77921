"""A repair from its alert to its verified end: each function as it is deployed, and between them the very messages.

The functions share one table. Here each has an account of its own, between which the repair's record is carried.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from chatops.repair import Status
from orion_common.names import Mode
from tests.chat_harness import ChatWorld, chat_world
from tests.lambda_events import LABELS, notification
from tests.lambda_harness import SentToChat, clients, moto_world, with_chat

APPROVER = "ann@example.com"
OTHER = "f" * 16


@contextmanager
def repair_side(item: dict[str, Any] | None = None) -> Generator[SentToChat]:
    """Yield the repair function in mode `approve`, with a repair's record where there is one."""
    with moto_world() as world:
        world.in_mode(Mode.APPROVE)
        side = with_chat(world)
        if item is not None:
            world.table.put_item(Item=item)
        yield side


def repair_queue() -> list[str]:
    sqs = clients().sqs
    url = sqs.get_queue_url(QueueName="orion-runbook-automation")["QueueUrl"]
    return [message.get("Body", "") for message in sqs.receive_message(QueueUrl=url).get("Messages", [])]


def chat_with(world: ChatWorld) -> None:
    """Have Ann approve repairs, and the group fire."""
    world.chat = replace(world.chat, data=replace(world.chat.data, approvers=frozenset({APPROVER})))
    world.page()


def test_a_repair_is_proposed_approved_run_and_verified(tmp_path: Path) -> None:
    with repair_side() as before:
        before.world.handle(notification())
        (proposal,) = before.bodies()
        (item,) = before.world.items()

    with chat_world(tmp_path) as chat:
        chat_with(chat)
        chat.time = json.loads(proposal)["approve_by"] - 600
        chat.handle(proposal)
        (root,) = chat.slack.roots()
        approve = next(
            element
            for block in root["attachments"][0]["blocks"]
            for element in block.get("elements", ())
            if element["action_id"] == "approve"
        )
        chat.click("approve", value=approve["value"])
        (decision,) = repair_queue()

    with repair_side(item) as after:
        after.world.handle(decision)
        after.world.answer_of("restarted: pod orion/positions-7d9c5b8f6d-x2x7k")
        after.world.handle(after.world.event())
        (sent,) = after.world.sent
        (report,) = after.bodies()

    assert sent["Parameters"]["uid"] == [LABELS["uid"]]
    assert json.loads(report)["facts"] == json.loads(proposal)["facts"]

    with chat_world(tmp_path / "again") as chat:
        chat_with(chat)
        chat.time = json.loads(proposal)["approve_by"] - 600
        chat.handle(proposal)
        chat.click("approve", value=f"{chat.episodes()[0].id} {approve['value'].partition(' ')[2]}")
        chat.handle(report)
        chat.alertmanagers.firing = {OTHER}
        chat.time += 400
        chat.sweep()

        (episode,) = chat.episodes()
        assert [repair.status for repair in episode.repairs] == [Status.VERIFIED]
        assert "The repair's command succeeded: restarted: pod orion/positions-7d9c5b8f6d-x2x7k" in chat.slack.replies()
