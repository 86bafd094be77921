"""Reads a repair's state from items of the table, and writes of a transaction with their conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from orion_common.names import KEY
from runbook_automation.guardrails import Guardrails
from runbook_automation.item_ids import stop_scopes
from runbook_automation.lifecycle import State, Stop
from runbook_automation.limits import Ledger, Limit
from runbook_automation.repair import Repair
from runbook_automation.target_locks import TargetLock

RESOLVED_AT = "resolved_at"
"""The attribute of an item that says when an alert or a group was last seen to have resolved, in milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertKey:
    """The ids under which the table knows an alert: of its resolves, its own and its whole group's.

    `previous_id` is the id that its repair had in an earlier version.
    """

    resolve_ids: tuple[str, ...]
    previous_id: str


def state_of(
    items: Mapping[str, Mapping[str, Any]], repair: Repair, alert: AlertKey | None, guardrails: Guardrails
) -> State:
    """Return the state of a repair as the items of `Guardrails.ids`, of its alert and of the stops have it."""
    hold = guardrails.hold
    resolves = alert.resolve_ids if alert is not None else ()
    known = items.get(repair.id) or (items.get(alert.previous_id) if alert is not None else None)
    return State(
        repair=None if known is None else Repair.from_item(known),
        resolved_at=max((int(items[id_][RESOLVED_AT]) for id_ in resolves if id_ in items), default=0),
        stop=_stop_in(items, repair),
        ledgers=tuple((limit, Ledger.from_item(limit, items.get(limit.id))) for limit in guardrails.limits),
        ceilings=tuple((limit, Ledger.from_item(limit, items.get(limit.id))) for limit in guardrails.ceilings),
        lock=None if hold is None else (hold, TargetLock.from_item(hold.id, items.get(hold.id))),
    )


def _stop_in(items: Mapping[str, Mapping[str, Any]], repair: Repair) -> Stop | None:
    scope = next((scope for scope in stop_scopes(repair) if scope.stop_id in items), None)
    if scope is None:
        return None
    stop = items[scope.stop_id]
    return Stop(what=scope.repairs, since=str(stop["since"]), by=str(stop["by"]), why=str(stop["why"]))


def unchanged(repair: Repair, known: Repair | None) -> tuple[str, dict[str, Any]]:
    """Return the condition that a record is still as it was read, with its names and values."""
    if known is None or known.id != repair.id:
        return "attribute_not_exists(id)", {}
    names, values = {"#status": "status"}, {":status": known.status.value}
    if not known.claim:
        same_claim = "attribute_not_exists(claim)"
    else:
        same_claim = "claim = :claim"
        values[":claim"] = known.claim
    condition = f"#status = :status AND {same_claim}"
    return condition, {"ExpressionAttributeNames": names, "ExpressionAttributeValues": values}


def ledger_write(table: str, limit: Limit, ledger: Ledger, now: int) -> dict[str, Any]:
    """Return the write of a limit's ledger, on condition that nobody has changed it."""
    return _next_version(table, ledger.to_item(limit, now), ledger.version)


def lock_write(table: str, lock: TargetLock) -> dict[str, Any]:
    """Return the write of a target's lock, on condition that nobody has changed it."""
    return _next_version(table, lock.to_item(), lock.version)


def _next_version(table: str, item: Mapping[str, Any], version: int) -> dict[str, Any]:
    return {
        "Put": {
            "TableName": table,
            "Item": item,
            "ConditionExpression": "attribute_not_exists(id) OR version = :seen",
            "ExpressionAttributeValues": {":seen": version - 1},
        }
    }


def check(table: str, id_: str, condition: str, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the check of an item in a transaction."""
    checked: dict[str, Any] = {"TableName": table, "Key": {KEY: id_}, "ConditionExpression": condition}
    if values is not None:
        checked["ExpressionAttributeValues"] = dict(values)
    return {"ConditionCheck": checked}


def claim_in(refusal: object) -> str | None:
    """Return the token of the record that stands in a claim's way; DynamoDB writes it type by type."""
    return cast("Mapping[str, Any]", refusal).get("Item", {}).get("claim", {}).get("S")
