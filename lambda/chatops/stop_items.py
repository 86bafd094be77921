"""Reads the items that stop repairs, which the repair function and `orion repairs` write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from chatops.clients import Unavailable
from chatops.stops import Stop
from orion_common.names import KEY
from orion_common.stop_scopes import Scope

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class StopItems:
    """The stops in the state table."""

    table: Table

    def of(self, scopes: Sequence[Scope]) -> tuple[Stop, ...]:
        """Return the stops of scopes, as they are at this moment. Raises `Unavailable`."""
        return tuple(stop for stop in map(self._find, scopes) if stop is not None)

    def _find(self, scope: Scope) -> Stop | None:
        try:
            item = self.table.get_item(Key={KEY: scope.stop_id}, ConsistentRead=True).get("Item")
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(f"{scope.stop_id}: the state table: {error}") from error
        if item is None:
            return None
        return Stop(scope=scope, since=str(item["since"]), by=str(item["by"]), why=str(item["why"]))
