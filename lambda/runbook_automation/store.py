"""The table of repairs. Every change is conditional, so that whoever is second finds nothing left to do.

Busy   others changed the same limits at the same time, each time: nothing was claimed
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, cast

from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError

from orion_common.conditional_store import (
    CONDITION_FAILED,
    RETRIED_REASONS,
    cancellation_reasons,
    is_condition,
    read_items,
    written,
)
from orion_common.deadlines import TryLater
from orion_common.names import BY_COMMAND, BY_STATUS, DUE_AT, OPEN, STOP_ID
from runbook_automation.limits import Ledger, Limit
from runbook_automation.repair import OPEN_REPAIR, Repair, Status

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

SWEPT_AT_ONCE = 50
CLAIM_TRIES = 5
_SAME_CLAIM = "(claim = :claim OR attribute_not_exists(claim))"
"""Whoever claimed the record anew wrote another token; records of older versions have none."""
PUBLISH_SECONDS = 60
"""How long after its end a repair's result may take to be published before the sweep does it."""


class Busy(TryLater):
    """A claim met others at each try."""


class Claim(Enum):
    """The result of a claim that needs no notification."""

    MADE = auto()
    DUPLICATE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """All repairs are stopped: since when (as text), by whom and why."""

    since: str
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Full:
    """As many commands as a limit allows were sent already."""

    limit: Limit


class RepairStore:
    """The stored records of repairs."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def claim_to_send(self, repair: Repair, limits: Sequence[Limit], now: int) -> Claim | Stopped | Full:
        """Write a new repair of which a command is to be sent, and its place in each limit, all or nothing.

        All of it is on condition that repairs are not stopped: once the stop is written, nothing is claimed any more.
        Raises `Busy`.
        """
        for _ in range(CLAIM_TRIES):
            found = self.read_items(STOP_ID, *(limit.id for limit in limits))
            if found is None:
                continue
            stop = found.get(STOP_ID)
            if stop is not None:
                return Stopped(since=str(stop["since"]), by=str(stop["by"]), why=str(stop["why"]))
            ledgers: list[Ledger] = []
            for limit in limits:
                ledger = Ledger.from_item(limit, found.get(limit.id)).with_place(repair.id, limit, now)
                if ledger is None:
                    return Full(limit)
                ledgers.append(ledger)
            claim = self._write_claim(repair, ledgers, now)
            if claim is not None:
                return claim
        raise Busy(f"{repair.id}: others claimed repairs of the same limits, {CLAIM_TRIES} times")

    def read_items(self, *ids: str) -> Mapping[str, Mapping[str, Any]] | None:
        """Return items by id, as they are at this moment, or None if the table did not answer for all."""
        return read_items(self._table, *ids)

    def _write_claim(self, repair: Repair, ledgers: Sequence[Ledger], now: int) -> Claim | None:
        """Write a claim with its ledgers and return what became of it, or None if others changed one meanwhile."""
        free, values = _free_for(repair)
        table = self._table.name
        writes: list[Any] = [
            {
                "Put": {
                    "TableName": table,
                    "Item": repair.to_item(),
                    "ConditionExpression": f"attribute_not_exists(id) OR {free}",
                    "ExpressionAttributeNames": {"#status": "status"},
                    "ExpressionAttributeValues": values,
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }
            },
            *(
                {
                    "Put": {
                        "TableName": table,
                        "Item": ledger.to_item(now),
                        "ConditionExpression": "attribute_not_exists(id) OR version = :seen",
                        "ExpressionAttributeValues": {":seen": ledger.version - 1},
                    }
                }
                for ledger in ledgers
            ),
            {
                "ConditionCheck": {
                    "TableName": table,
                    "Key": {"id": STOP_ID},
                    "ConditionExpression": "attribute_not_exists(id)",
                }
            },
        ]
        try:
            # The SDK gives it a token, so that a second try of its own is no second claim.
            self._table.meta.client.transact_write_items(TransactItems=writes)
        except ClientError as error:
            reasons = cancellation_reasons(error)
            if reasons[0].get("Code") == CONDITION_FAILED:
                return Claim.MADE if _claim_in(reasons[0]) == repair.claim else Claim.DUPLICATE
            if {one.get("Code") for one in reasons} <= RETRIED_REASONS:
                return None
            raise
        return Claim.MADE

    def claim(self, repair: Repair) -> bool:
        """Write a new repair. Says False if somebody else has claimed it already.

        That an old message came too late keeps a new one from nothing; that an alert has resolved keeps only those away
        that saw it fire before. Where an answer is lost, the SDK writes again, and finds its own claim: a token says
        whose it is.
        """
        free, values = _free_for(repair)
        try:
            self._table.put_item(
                Item=repair.to_item(),
                ConditionExpression=f"attribute_not_exists(id) OR {free}",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if not is_condition(error):
                raise
            return _claim_in(error.response) == repair.claim
        return True

    def release(self, repair: Repair, due_at: int) -> None:
        """Give up a claim of which nothing was sent. It stays open: if nobody claims it by then, the team is told."""
        written(
            lambda: self._table.update_item(
                Key={"id": repair.id},
                UpdateExpression="SET #status = :released, due_at = :due",
                ConditionExpression=f"#status = :claimed AND {_SAME_CLAIM}",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":released": Status.RELEASED.value,
                    ":claimed": Status.CLAIMED.value,
                    ":claim": repair.claim,
                    ":due": due_at,
                },
            )
        )

    def record_command(self, repair: Repair, command_id: str, due_at: int) -> None:
        """Write down the command that was sent for a claimed repair, and when it must have ended."""
        self._table.update_item(
            Key={"id": repair.id},
            UpdateExpression="SET command_id = :command, #status = :sent, due_at = :due",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":command": command_id, ":sent": Status.SENT.value, ":due": due_at},
        )

    def find_by_command(self, command_id: str) -> Repair | None:
        """Return the repair that a command was sent for."""
        found = self._table.query(
            IndexName=BY_COMMAND, KeyConditionExpression=Key("command_id").eq(command_id), Limit=1
        )["Items"]
        return Repair.from_item(found[0]) if found else None

    def overdue(self, now: int) -> Iterator[Repair]:
        """Yield the open repairs whose time is over, the longest overdue first."""
        found = self._table.query(
            IndexName=BY_STATUS,
            KeyConditionExpression=Key(OPEN).eq(OPEN_REPAIR) & Key(DUE_AT).lte(now),
            Limit=SWEPT_AT_ONCE,
        )["Items"]
        yield from (Repair.from_item(item) for item in found)

    def record_ending(self, repair: Repair, *, was: Status) -> bool:
        """Write down how a repair ended; it stays open until that is published.

        Says False if it had ended before, or is not what it `was` any more: somebody has claimed it, or sent it.
        """
        if repair.finished_at is None:
            raise ValueError(f"{repair.id}: has not ended")
        due_at = repair.finished_at + PUBLISH_SECONDS
        return written(
            lambda: self._table.update_item(
                Key={"id": repair.id},
                UpdateExpression=(
                    "SET #status = :status, #result = :result, #output = :output, #errors = :errors, "
                    "#location = :location, finished_at = :finished, due_at = :due"
                ),
                ConditionExpression=f"#status = :was AND attribute_not_exists(finished_at) AND {_SAME_CLAIM}",
                ExpressionAttributeNames={
                    name: name.removeprefix("#") for name in ("#status", "#result", "#output", "#errors", "#location")
                },
                ExpressionAttributeValues={
                    ":was": was.value,
                    ":claim": repair.claim,
                    ":status": repair.status.value,
                    ":result": repair.result,
                    ":output": repair.output,
                    ":errors": repair.errors,
                    ":location": repair.location,
                    ":finished": repair.finished_at,
                    ":due": due_at,
                },
            )
        )

    def close(self, repair: Repair) -> None:
        """Take a repair whose end was published out of what the sweep looks after, unless it was claimed anew since."""
        written(
            lambda: self._table.update_item(
                Key={"id": repair.id},
                UpdateExpression="REMOVE #open",
                ConditionExpression=f"attribute_exists(finished_at) AND {_SAME_CLAIM}",
                ExpressionAttributeNames={"#open": OPEN},
                ExpressionAttributeValues={":claim": repair.claim},
            )
        )

    def postpone(self, repair: Repair, due_at: int) -> None:
        """Have the sweep look at an open repair again later, after the others."""
        written(
            lambda: self._table.update_item(
                Key={"id": repair.id},
                UpdateExpression="SET due_at = :due",
                ConditionExpression=f"attribute_exists(#open) AND {_SAME_CLAIM}",
                ExpressionAttributeNames={"#open": OPEN},
                ExpressionAttributeValues={":due": due_at, ":claim": repair.claim},
            )
        )


def _free_for(repair: Repair) -> tuple[str, dict[str, Any]]:
    """Return when a repair that is known already may be claimed all the same, as an expression and its values."""
    values: dict[str, Any] = {":resolved": Status.RESOLVED.value, ":seen": repair.seen_at}
    if repair.status is Status.RESOLVED:
        return "(#status IN (:released, :resolved) AND seen_at < :seen)", values | {":released": Status.RELEASED.value}
    free = sorted({Status.RELEASED, Status.TOO_LATE} - {repair.status})
    values |= {f":free{index}": status.value for index, status in enumerate(free)}
    listed = ", ".join(f":free{index}" for index in range(len(free)))
    return f"#status IN ({listed}) OR (#status = :resolved AND seen_at < :seen)", values


def _claim_in(refusal: object) -> str | None:
    """Return the token of the record that stands in a claim's way; DynamoDB writes it type by type."""
    return cast("Mapping[str, Any]", refusal).get("Item", {}).get("claim", {}).get("S")
