"""Repairs in a thread for the tests of chat: what the repair function says of them, and what it is told."""

from __future__ import annotations

import json
from typing import Any

from orion_common.repair_messages import RepairFacts, RepairProposal, RepairReport
from tests.chat_harness import FINGERPRINT, LABELS, ChatWorld
from tests.lambda_harness import clients

ANN, BOB, EVE = "U012ABCD1", "U012ABCD2", "U012ABCD9"
FACTS = RepairFacts(
    repair=f"repair#{FINGERPRINT}#restart_pod#0a1b",
    proposal="f" * 32,
    action="restart_pod",
    document="orion-restart-pod version 3 (0a1b2c3d4e5f)",
    changes_cluster=True,
    parameters={"pod": "positions-1", "namespace": "orion"},
    fingerprint=FINGERPRINT,
    receiver="warning",
    group_labels=LABELS,
)
ANN_MAIL = "ann@example.com"
ID = f"{FACTS.repair}#{FACTS.proposal}"
SHOWN = "orion-restart-pod version 3 (0a1b2c3d4e5f)(namespace='orion', pod='positions-1')"


def propose(world: ChatWorld, facts: RepairFacts = FACTS) -> None:
    world.handle(RepairProposal(facts=facts, seen_at=world.time, approve_by=world.time + 900).as_text())


def report(world: ChatWorld, status: str, result: str = "", facts: RepairFacts = FACTS) -> None:
    world.handle(RepairReport(facts=facts, status=status, result=result, started_at=world.time).as_text())


def decide(world: ChatWorld, button: str, person: str = ANN, repair: str = ID) -> None:
    (episode,) = world.episodes()
    world.click(button, person, value=f"{episode.id} {repair}")


def decisions(world: ChatWorld) -> list[dict[str, Any]]:
    """Return what the repair function's queue has got since the last look."""
    del world
    sqs = clients().sqs
    url = sqs.get_queue_url(QueueName="orion-runbook-automation")["QueueUrl"]
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message.get("Body", "")) for message in received]


def blocks(world: ChatWorld) -> list[dict[str, Any]]:
    (root,) = world.slack.roots()
    return root["attachments"][0]["blocks"]


def buttons(world: ChatWorld) -> list[str]:
    return [element["action_id"] for block in blocks(world) for element in block.get("elements", ())]
