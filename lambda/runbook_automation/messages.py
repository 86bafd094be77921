"""Reads what arrives in the repair function's queue, strictly: a notification, a command's event, or a decision.

`Unreadable` and `NotOurs` of `orion_common.envelope` are raised for what can't be read. Such messages are kept
as they came and never tried again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orion_common.envelope import (
    Notification,
    NotOurs,
    field_of,
    is_notification,
    read_notification,
    read_object,
    time_of,
)
from orion_common.names import (
    DIAGNOSTICS_SOURCE,
    OUTCOME_DETAIL_TYPE,
    REPAIR_DECIDED_SOURCE,
    REPAIRS_STOPPED_SOURCE,
    STOP_LIFTED_SOURCE,
)
from orion_common.repair_messages import (
    DiagnosticsRequest,
    RepairDecision,
    RepairStop,
    StopLift,
    read_decision,
    read_diagnostics_request,
    read_lift,
    read_stop,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEvent:
    """A command's change of status on one instance. `time` is when Systems Manager said so."""

    command_id: str
    instance_id: str
    status: str
    time: datetime


Message = Notification | CommandEvent | RepairDecision | RepairStop | StopLift | DiagnosticsRequest


def read_message(body: str) -> Message:
    """Return what a queue's message says. Raises `Unreadable` or `NotOurs`."""
    content = read_object(body)
    if is_notification(content):
        return read_notification(content)
    source = content.get("source")
    if source == "aws.ssm" and content.get("detail-type") == OUTCOME_DETAIL_TYPE:
        return _command_event(content)
    if source == REPAIR_DECIDED_SOURCE:
        return read_decision(content)
    if source == REPAIRS_STOPPED_SOURCE:
        return read_stop(content)
    if source == STOP_LIFTED_SOURCE:
        return read_lift(content)
    if source == DIAGNOSTICS_SOURCE:
        return read_diagnostics_request(content)
    raise NotOurs(f"neither a notification, nor a command's event, nor chat's: source {source!r:.100}")


def _command_event(event: Mapping[str, Any]) -> CommandEvent:
    detail = field_of(event, "detail", dict, "event")
    return CommandEvent(
        command_id=field_of(detail, "command-id", str, "detail"),
        instance_id=field_of(detail, "instance-id", str, "detail"),
        status=field_of(detail, "status", str, "detail"),
        time=time_of(field_of(event, "time", str, "event"), "event.time"),
    )
