"""Ids of the state table's items that stand beside the records of repairs."""

from __future__ import annotations

from orion_common.stop_scopes import Scope
from runbook_automation.repair import Repair


def stop_scopes(repair: Repair) -> tuple[Scope, ...]:
    """Return the scopes whose stop holds a repair: all repairs, those of its action, and those of its service."""
    service = repair.labels.get("service", "")
    of_service = (Scope(service=service),) if service else ()
    return (Scope(), Scope(action=repair.action), *of_service)


def stop_ids(repair: Repair) -> tuple[str, ...]:
    """Return the ids of the items that stop a repair."""
    return tuple(scope.stop_id for scope in stop_scopes(repair))


def clicked_stop_id(click: str) -> str:
    """Return the id of the item that says that a click has stopped repairs."""
    return f"clicked#{click}"


def lifted_stop_id(id_: str, since: str) -> str:
    """Return the id under which a stop is kept that was lifted."""
    return f"{id_}#{since}"


def resolve_id(key: str) -> str:
    """Return the id of the item that says when an alert (its fingerprint) or a group (its key) was seen resolved."""
    return f"resolved#{key}"


def earlier_id(id_: str, claim: str) -> str:
    """Return the id under which a record is kept that a newer repair of the same alert and target has replaced."""
    return f"{id_}#{claim}"


def first_id(repair: Repair) -> str:
    """Return the id by which chat knows a repair: that of its record, before a newer repair took its place."""
    return repair.id.removesuffix(earlier_id("", repair.claim))
