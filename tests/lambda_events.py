"""Recorded events, and small changes of them, for the functions' tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
EVENTS = ROOT / "tests" / "events"
NAMESPACE = "orion"
LABELS = {
    "alertname": "HighMemoryUsage",
    "container": "positions",
    "namespace": "orion",
    "pod": "positions-7d9c5b8f6d-x2x7k",
    "service": "positions",
    "severity": "warning",
    "team": "trading",
    "uid": "3f1c2b7e-6a52-4f0c-9d1e-0f6b5f1c9a01",
}


def recorded(name: str) -> dict[str, Any]:
    """Return an event as it was recorded."""
    return json.loads((EVENTS / f"{name}.json").read_text())


def notification(
    *labels: Mapping[str, str], total: int | None = None, fingerprints: Sequence[str] = (), **changes: Any
) -> str:
    """Return the recorded notification with an alert for each of `labels`, and fields of the notification changed."""
    envelope = recorded("notification_firing")
    message = json.loads(envelope["Message"])
    (alert,) = message["notification"]["alerts"]
    wanted = labels or (LABELS,)
    message["notification"]["alerts"] = [
        alert | {"labels": dict(one), "fingerprint": fingerprints[index] if fingerprints else f"{index:016x}"}
        for index, one in enumerate(wanted)
    ]
    message["notification"] |= changes
    message["total"] = len(wanted) if total is None else total
    envelope["Message"] = json.dumps(message)
    return json.dumps(envelope)


def sqs_event(*bodies: str) -> dict[str, Any]:
    """Return what Lambda is given for a batch of messages."""
    return {
        "Records": [
            {
                "messageId": f"00000000-0000-4000-8000-{index:012d}",
                "receiptHandle": "handle",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:orion-runbook-automation",
                "awsRegion": "us-east-1",
            }
            for index, body in enumerate(bodies)
        ]
    }


def action_file(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "runbooks" / "actions" / f"{name}.yaml").read_text())


def function_data(repairs: Mapping[str, str]) -> dict[str, Any]:
    """Return `remediations.json` for alerts and the actions that answer them."""
    actions = {name: action_file(name) for name in repairs.values()}
    return {
        "actions": {
            name: {
                "document": action["document_name"],
                "timeout_seconds": action["timeout_seconds"],
                "parameters": {
                    parameter: {
                        "label": label,
                        "pattern": action["document"]["parameters"][parameter]["allowedPattern"],
                    }
                    for parameter, label in action["parameters_from_labels"].items()
                },
            }
            for name, action in actions.items()
        },
        "repairs": {alert: {"action": action, "team": "platform"} for alert, action in repairs.items()},
        "namespaces": [NAMESPACE],
    }


def create_state_table(dynamodb: Any) -> None:
    """The table as the components make it."""
    dynamodb.create_table(
        TableName="orion-state",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "command_id", "AttributeType": "S"},
            {"AttributeName": "open", "AttributeType": "S"},
            {"AttributeName": "due_at", "AttributeType": "N"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-command",
                "KeySchema": [{"AttributeName": "command_id", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            },
            {
                "IndexName": "by-status",
                "KeySchema": [
                    {"AttributeName": "open", "KeyType": "HASH"},
                    {"AttributeName": "due_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            },
        ],
    )
