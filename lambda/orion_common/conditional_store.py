"""Reads of a DynamoDB table that are consistent, and writes that happen only if nobody else was first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from orion_common.aws_answers import field_of_answer

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

CONDITION_FAILED = "ConditionalCheckFailed"
RETRIED_REASONS = frozenset({None, "None", CONDITION_FAILED, "TransactionConflict"})
"""Reasons for which a cancelled transaction is worth another read: others wrote one of its items meanwhile."""


def read_items(table: Table, *ids: str) -> Mapping[str, Mapping[str, Any]] | None:
    """Return items by id, as they are at this moment, or None if the table did not answer for all."""
    keys = [{"id": id_} for id_ in dict.fromkeys(ids)]
    wanted: Any = {table.name: {"Keys": keys, "ConsistentRead": True}}
    answer = table.meta.client.batch_get_item(RequestItems=wanted)
    if answer.get("UnprocessedKeys"):
        return None
    return {str(item["id"]): item for item in field_of_answer(answer, "Responses").get(table.name, [])}


def written(change: Callable[[], object]) -> bool:
    """Carry out a conditional write and return whether its condition held."""
    try:
        change()
    except ClientError as error:
        if is_condition(error):
            return False
        raise
    return True


def is_condition(error: ClientError) -> bool:
    """Return whether a write was refused because its condition did not hold."""
    return error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException"


def cancellation_reasons(error: ClientError) -> Sequence[Mapping[str, Any]]:
    """Return why each write of a transaction was refused. Raises the error if it says nothing of that."""
    reasons = cast("Mapping[str, Any]", error.response).get("CancellationReasons")
    if not reasons:
        raise error
    return reasons
