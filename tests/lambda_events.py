"""Recorded events, and small changes of them, for the functions' tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from alerting.platform_repairs import HandOver, Repair, RepairAction, Repairs
from alerting.repairs.compile import repair_action, repairs, rights_of
from alerting.repairs.model import ActionLimit
from alerting.repairs.ssm_documents import document_text
from tests.alerting_data import ROOT, fixture_catalog

EVENTS = ROOT / "tests" / "events"
NAMESPACE = "orion"
FUNCTION_OPERATIONS = frozenset(
    {
        "dynamodb:BatchGetItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "s3:PutObject",
        "sns:Publish",
        "ssm:GetCommandInvocation",
        "ssm:ListCommandInvocations",
        "ssm:SendCommand",
    }
)
"""The operations that the repair function asks of AWS: its own tests and those of its role hold it to this."""
SWEEP_OPERATIONS = frozenset(
    {
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "sns:Publish",
        "ssm:GetCommandInvocation",
        "ssm:ListCommandInvocations",
    }
)
"""The operations that the sweep asks of AWS."""
OUT_OF_THE_WAY = ActionLimit(service=50, platform=200)
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
    *labels: Mapping[str, str],
    total: int | None = None,
    fingerprints: Sequence[str] = (),
    envelope: Mapping[str, Any] = MappingProxyType({}),
    **changes: Any,
) -> str:
    """Return the recorded notification with an alert for each of `labels`, and its or its envelope's fields changed."""
    envelope = recorded("notification_firing") | dict(envelope)
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


def repair_actions() -> dict[str, RepairAction]:
    """Return every action of runbooks/actions with its document as it is deployed."""
    return {
        name: repair_action(
            action, namespaces=[NAMESPACE], bounds=fixture_catalog().bounds.get(name, {}), limit=OUT_OF_THE_WAY
        )
        for name, action in fixture_catalog().actions.items()
    }


def function_repairs(wanted: Mapping[str, str]) -> Repairs:
    """Return all actions, and repairs of these alerts by these actions."""
    used = fixture_catalog().actions.values()
    return replace(
        repairs(fixture_catalog()),
        actions=tuple(repair_actions().values()),
        hand_overs=tuple(
            HandOver(name=name, team=one.team, label=one.label, pattern=one.pattern, link=one.link)
            for name, one in fixture_catalog().hand_overs.items()
        ),
        repairs=tuple(Repair(alert=alert, action=action, team="platform") for alert, action in wanted.items()),
        namespaces=(NAMESPACE,),
        rights=rights_of(right for action in used for right in action.rights),
        cluster_rights=rights_of(right for action in used for right in action.cluster_rights),
    )


def function_data(wanted: Mapping[str, str]) -> dict[str, Any]:
    """Return `remediations.json` for alerts and the actions that answer them."""
    return function_repairs(wanted).as_function_data()


def create_documents(ssm: Any) -> dict[str, dict[str, str]]:
    """Make every document as the components do; returns what the function is told of each, by action."""
    deployed: dict[str, dict[str, str]] = {}
    for name, action in repair_actions().items():
        described = ssm.create_document(
            Name=action.document_name,
            DocumentType="Command",
            DocumentFormat="JSON",
            Content=document_text(action.content),
        )["DocumentDescription"]
        deployed[name] = {"version": described["DocumentVersion"], "hash": described["Hash"]}
    return deployed


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
