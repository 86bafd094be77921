"""Episodes in the state table, beside the repairs: consistent reads, and conditional writes with a version.

An item holds its value as one text (`chatops.record_codec`), and as attributes what the table is asked by: the
version, when it is due, and when it expires. A record that is due is in the index on `open` and `due_at`; the repairs'
sweep asks the same index for another value of `open`.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from boto3.dynamodb.conditions import Key
from botocore.exceptions import BotoCoreError, ClientError

from chatops.clients import Unavailable
from chatops.episode import EpisodeId, Policy
from chatops.record import Record, RepairHolder, Stored, due_at
from chatops.record_codec import CannotRead, decode, encode
from chatops.store import Conflict, Put, Versioned
from orion_common.conditional_store import (
    RETRIED_REASONS,
    cancellation_reasons,
    is_condition,
)
from orion_common.names import BY_STATUS, DUE_AT, EXPIRES_AT, KEY, OPEN

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

OPEN_EPISODE = "episode"
"""The value of `open` of a record that is due some time."""
VALUE = "value"
VERSION = "version"
WRITER = "writer"
"""The token of the write that left an item as it is: the SDK's second try meets what its first has written."""
KEEP_SECONDS = 90 * 24 * 3600
"""How long the record of an ended episode is kept. The number of a group's newest episode is kept for ever."""
SWEPT_AT_ONCE = 50
UNCHANGED = f"{VERSION} = :version"
ABSENT = f"attribute_not_exists({KEY})"


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeStore:
    """The state table as `chatops.store.Store`."""

    table: Table
    policy: Policy
    now: Callable[[], float] = time.time

    def read(self, key: str) -> Versioned | None:
        """Return an item as the newest write left it, or None."""
        answer = _answer(lambda: self.table.get_item(Key={KEY: key}, ConsistentRead=True))
        item = answer.get("Item")
        if item is None:
            return None
        try:
            return Versioned(decode(str(item[VALUE])), int(item[VERSION]))
        except (CannotRead, KeyError) as error:  # a newer release wrote it, and will read it
            raise Unavailable(f"{key}: {error}") from error

    def write(self, *puts: Put) -> None:
        """Write all items or none. Raises `Conflict`."""
        writer = secrets.token_hex(16)
        arguments = [self._put(put, writer) for put in puts]
        if len(arguments) == 1:
            self._write_one(arguments[0], writer)
        else:
            self._write_all(arguments, writer)

    def due(self, now: float) -> Sequence[EpisodeId]:
        """Return episodes that are due, the longest due first."""
        condition = Key(OPEN).eq(OPEN_EPISODE) & Key(DUE_AT).lte(math.floor(now))
        answer = _answer(
            lambda: self.table.query(IndexName=BY_STATUS, KeyConditionExpression=condition, Limit=SWEPT_AT_ONCE)
        )
        return [EpisodeId.from_text(str(item[KEY])) for item in answer["Items"]]

    def _write_one(self, arguments: Mapping[str, Any], writer: str) -> None:
        try:
            _answer(lambda: self.table.put_item(**arguments))
        except ClientError as error:
            if not is_condition(error):
                raise
            if not _wrote(error.response, writer):
                raise Conflict(str(arguments["Item"][KEY])) from error

    def _write_all(self, arguments: Sequence[Mapping[str, Any]], writer: str) -> None:
        writes: list[Any] = [{"Put": {**one, "TableName": self.table.name}} for one in arguments]
        try:
            _answer(lambda: self.table.meta.client.transact_write_items(TransactItems=writes))
        except ClientError as error:
            reasons = cancellation_reasons(error)
            if _wrote(reasons[0], writer):
                return  # all items were written by an earlier try, whose answer was lost
            if {reason.get("Code") for reason in reasons} <= RETRIED_REASONS:
                raise Conflict(", ".join(str(one["Item"][KEY]) for one in arguments)) from error
            raise Unavailable(f"the state table: {error}") from error

    def _put(self, put: Put, writer: str) -> dict[str, Any]:
        item = {
            KEY: put.key,
            VALUE: encode(put.value),
            VERSION: put.version + 1,
            WRITER: writer,
            **self._attributes(put.value),
        }
        condition: dict[str, Any] = {"ConditionExpression": ABSENT}
        if put.version:
            condition = {
                "ConditionExpression": UNCHANGED,
                "ExpressionAttributeValues": {":version": put.version},
            }
        return {"Item": item, "ReturnValuesOnConditionCheckFailure": "ALL_OLD", **condition}

    def _attributes(self, value: Stored) -> dict[str, Any]:
        if isinstance(value, RepairHolder):
            return {EXPIRES_AT: int(self.now()) + KEEP_SECONDS}
        if not isinstance(value, Record):
            return {}
        at = due_at(value, self.policy)
        if at is not None:
            return {OPEN: OPEN_EPISODE, DUE_AT: math.ceil(at)}
        return {} if value.episode.is_open else {EXPIRES_AT: int(self.now()) + KEEP_SECONDS}


def _wrote(refusal: object, writer: str) -> bool:
    """Return whether the item in a write's way is its own; DynamoDB writes that type by type."""
    return cast("Mapping[str, Any]", refusal).get("Item", {}).get(WRITER, {}).get("S") == writer


def _answer(ask: Callable[[], Any]) -> Any:
    """Return the table's answer. Raises `Unavailable`, but not for a condition that failed or a wrong request."""
    try:
        return ask()
    except BotoCoreError as error:
        raise Unavailable(f"the state table did not answer: {error}") from error
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in {"ConditionalCheckFailedException", "TransactionCanceledException", "ValidationException"}:
            raise
        raise Unavailable(f"the state table: {code}") from error
