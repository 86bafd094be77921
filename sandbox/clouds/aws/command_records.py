"""Commands of Systems Manager: what is kept of each, and how AWS shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.clouds.aws.ssm_agent import StepResult
from sandbox.clouds.aws.ssm_documents import Document

PLUGIN_CHARACTERS = 2_500
"""What GetCommandInvocation and ListCommandInvocations show of a command's output."""
RUNNING = ("Pending", "InProgress")


@dataclass(slots=True, kw_only=True)
class Invocation:
    """One command on one instance."""

    instance_id: str
    status: str = "Pending"
    details: str = "Pending"
    steps: list[StepResult] = field(default_factory=list[StepResult])
    output_url: str = ""
    error_url: str = ""
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command. `request` is what it was sent with; times are Unix seconds."""

    id: str
    document: Document
    parameters: Mapping[str, str]
    request: Mapping[str, Any]
    requested_at: float
    delivery_seconds: float
    invocations: Mapping[str, Invocation]


def iso_time(seconds: float) -> str:
    """Return a time as AWS writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stream_text(invocation: Invocation, stream: str) -> str:
    """Return what an invocation's scripts wrote to a stream."""
    return "".join(getattr(step, stream) for step in invocation.steps)


def overall_status(command: Command) -> str:
    """Return a command's status over all of its instances."""
    statuses = {invocation.status for invocation in command.invocations.values()}
    return next(
        (one for one in ("InProgress", "Pending", "TimedOut", "Failed", "Cancelled") if one in statuses), "Success"
    )


def command_view(command: Command) -> dict[str, Any]:
    """Return a command as ListCommands shows it."""
    invocations = command.invocations.values()
    status = overall_status(command)
    return {
        "CommandId": command.id,
        "DocumentName": command.document.name,
        "DocumentVersion": command.document.version,
        "Comment": command.request.get("Comment", ""),
        "ExpiresAfter": command.requested_at + command.delivery_seconds,
        "Parameters": command.request.get("Parameters", {}),
        "InstanceIds": command.request.get("InstanceIds", []),
        "Targets": command.request.get("Targets", []),
        "RequestedDateTime": command.requested_at,
        "Status": status,
        "StatusDetails": status if invocations else "NoInstancesInTag",
        "OutputS3BucketName": command.request.get("OutputS3BucketName", ""),
        "OutputS3KeyPrefix": command.request.get("OutputS3KeyPrefix", ""),
        "TargetCount": len(invocations),
        "CompletedCount": sum(invocation.status not in RUNNING for invocation in invocations),
        "ErrorCount": sum(invocation.status == "Failed" for invocation in invocations),
        "DeliveryTimedOutCount": sum(invocation.details == "DeliveryTimedOut" for invocation in invocations),
        "TimeoutSeconds": int(command.delivery_seconds),
    }


def invocation_view(command: Command, invocation: Invocation, *, with_plugins: bool) -> dict[str, Any]:
    """Return an invocation as ListCommandInvocations shows it."""
    plugins = [
        {
            "Name": step.step,
            "Status": step.status,
            "StatusDetails": step.details,
            "ResponseCode": step.code,
            "ResponseStartDateTime": step.started,
            "ResponseFinishDateTime": step.ended,
            "Output": (step.output + step.errors)[:PLUGIN_CHARACTERS],
        }
        for step in invocation.steps
    ]
    return {
        "CommandId": command.id,
        "InstanceId": invocation.instance_id,
        "Comment": command.request.get("Comment", ""),
        "DocumentName": command.document.name,
        "DocumentVersion": command.document.version,
        "RequestedDateTime": command.requested_at,
        "Status": invocation.status,
        "StatusDetails": invocation.details,
        "StandardOutputUrl": invocation.output_url,
        "StandardErrorUrl": invocation.error_url,
        "CommandPlugins": plugins if with_plugins else [],
    }
