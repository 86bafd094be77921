"""The items that stop repairs while they are there. Each write of them is conditional."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from orion_common.conditional_store import CONDITION_FAILED, RETRIED_REASONS, cancellation_reasons, read_items
from orion_common.deadlines import TryLater
from orion_common.names import EXPIRES_AT, KEY
from runbook_automation.item_ids import clicked_stop_id, lifted_stop_id

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

ABSENT = "attribute_not_exists(id)"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopStore:
    """The stops in the state table. Any operation may raise `TryLater`: others wrote, or the table did not answer."""

    table: Table

    def stop(self, id_: str, *, click: str, expires_at: int, since: str, by: str, why: str) -> bool:
        """Stop repairs at a click, and return whether it did: not if they are stopped, or it has stopped them before.

        So what was lifted stays lifted when the message comes again, until `expires_at` (Unix seconds).
        """
        return self._wrote(
            id_,
            self._put({KEY: clicked_stop_id(click), EXPIRES_AT: expires_at}),
            self._put({KEY: id_, "since": since, "by": by, "why": why}),
        )

    def is_stopped(self, id_: str) -> bool:
        """Return whether the item of a stop is there at this moment."""
        return self._find(id_) is not None

    def lift(self, id_: str, *, since: str, stopped_by: str, ended: Mapping[str, str | int]) -> bool:
        """Lift the stop that somebody set at a time, and return whether it did: a newer one stays.

        It is kept as `ID#SINCE` with the attributes `ended`, as `orion repairs start` keeps it.
        """
        known = self._find(id_)
        if known is None or (known["since"], known["by"]) != (since, stopped_by):
            return False
        delete = {
            "TableName": self.table.name,
            "Key": {KEY: id_},
            "ConditionExpression": "#since = :since AND #by = :by",
            "ExpressionAttributeNames": {"#since": "since", "#by": "by"},
            "ExpressionAttributeValues": {":since": since, ":by": stopped_by},
        }
        kept = {"TableName": self.table.name, "Item": {**known, KEY: lifted_stop_id(id_, since), **ended}}
        return self._wrote(id_, {"Put": kept}, {"Delete": delete})

    def _find(self, id_: str) -> Mapping[str, Any] | None:
        items = read_items(self.table, id_)
        if items is None:
            raise TryLater(f"{id_}: the table did not answer")
        return items.get(id_)

    def _put(self, item: Mapping[str, Any]) -> dict[str, Any]:
        return {"Put": {"TableName": self.table.name, "Item": item, "ConditionExpression": ABSENT}}

    def _wrote(self, id_: str, *writes: Any) -> bool:
        try:
            self.table.meta.client.transact_write_items(TransactItems=list(writes))
        except ClientError as error:
            codes = {reason.get("Code") for reason in cancellation_reasons(error)}
            if CONDITION_FAILED in codes:
                return False
            if codes <= RETRIED_REASONS:
                raise TryLater(f"{id_}: others wrote it") from error
            raise
        return True
