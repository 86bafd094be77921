"""The table of repairs. Every change is conditional, so that whoever is second finds nothing left to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from boto3.dynamodb.conditions import Attr, ConditionBase, Key
from botocore.exceptions import ClientError

from runbook_automation.repair import OPEN, Repair, Status

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

BY_COMMAND = "by-command"
BY_STATUS = "by-status"
SWEPT_AT_ONCE = 50
_SAME_CLAIM = "(claim = :claim OR attribute_not_exists(claim))"
"""Whoever claimed the record anew wrote another token; records of older versions have none."""
PUBLISH_SECONDS = 60
"""How long after its end a repair's result may take to be published before the sweep does it."""


class RepairStore:
    """What is known of repairs."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def claim(self, repair: Repair) -> bool:
        """Write a new repair. Says False if somebody else has claimed it already.

        That an old message came too late keeps a new one from nothing; that an alert has resolved keeps only those away
        that saw it fire before. Where an answer is lost, the SDK writes again, and finds its own claim: a token says
        whose it is.
        """
        condition = Attr("id").not_exists() | _free_for(repair)
        try:
            self._table.put_item(
                Item=repair.to_item(),
                ConditionExpression=condition,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if not _is_condition(error):
                raise
            found = cast("Mapping[str, Any]", error.response).get("Item", {})  # as DynamoDB writes it, type by type
            return found.get("claim") == {"S": repair.claim}
        return True

    def release(self, repair: Repair, due_at: int) -> None:
        """Give up a claim of which nothing was sent. It stays open: if nobody claims it by then, the team is told."""
        self._conditional(
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
            KeyConditionExpression=Key("open").eq(OPEN) & Key("due_at").lte(now),
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
        return self._conditional(
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
        self._conditional(
            lambda: self._table.update_item(
                Key={"id": repair.id},
                UpdateExpression="REMOVE #open",
                ConditionExpression=f"attribute_exists(finished_at) AND {_SAME_CLAIM}",
                ExpressionAttributeNames={"#open": "open"},
                ExpressionAttributeValues={":claim": repair.claim},
            )
        )

    def postpone(self, repair: Repair, due_at: int) -> None:
        """Have the sweep look at an open repair again later, after the others."""
        self._conditional(
            lambda: self._table.update_item(
                Key={"id": repair.id},
                UpdateExpression="SET due_at = :due",
                ConditionExpression=f"attribute_exists(#open) AND {_SAME_CLAIM}",
                ExpressionAttributeNames={"#open": "open"},
                ExpressionAttributeValues={":due": due_at, ":claim": repair.claim},
            )
        )

    @staticmethod
    def _conditional(change: Callable[[], object]) -> bool:
        try:
            change()
        except ClientError as error:
            if _is_condition(error):
                return False
            raise
        return True


def _free_for(repair: Repair) -> ConditionBase:
    """Return when a repair that is known already may be claimed all the same."""
    status, is_older = Attr("status"), Attr("seen_at").lt(repair.seen_at)
    if repair.status is Status.RESOLVED:
        return status.is_in([Status.RELEASED, Status.RESOLVED]) & is_older
    free = {Status.RELEASED, Status.TOO_LATE} - {repair.status}
    return status.is_in(sorted(free)) | (status.eq(Status.RESOLVED) & is_older)


def _is_condition(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException"
