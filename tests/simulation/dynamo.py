"""A DynamoDB table as the repair function uses it: its condition and update expressions, transactions and two indexes.

A call fails or is lost as the world has it, and then raises what boto3 would.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import CodeType, SimpleNamespace
from typing import Any, TypeVar

from boto3.dynamodb.conditions import ConditionBase
from botocore.exceptions import ClientError, ReadTimeoutError

from chatops.clients import Unavailable
from tests.simulation.world import World

Item = Mapping[str, Any]
_Value = TypeVar("_Value")
_FUNCTION = re.compile(r"attribute_(not_)?exists\(([^)]+)\)")
_COMPARISON = re.compile(r"([#\w.]+) (=|<=|<) (:\w+)")
_ASSIGNMENT = re.compile(r"([#\w.]+) = (?:([#\w.]+) \+ )?(:\w+)")


@dataclass(slots=True)
class SimulatedTable:
    """Items by id. `watch` is given the items that each write changes, before and after."""

    world: World
    watch: Callable[[Item | None, Item | None], None]
    items: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    name: str = "orion-state"

    @property
    def meta(self) -> SimpleNamespace:
        """Return what holds the client."""
        return SimpleNamespace(client=self)

    def batch_get_item(self, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803 - as boto3 has it
        """Return items as they are."""
        keys = [key["id"] for key in RequestItems[self.name]["Keys"]]
        return self._call(
            "table get", lambda: {"Responses": {self.name: [dict(i) for i in map(self.items.get, keys) if i]}}
        )

    def get_item(self, Key: Mapping[str, str], **_: object) -> dict[str, Any]:  # noqa: N803 - as boto3 has it
        """Return an item as it is."""
        return self._call("table get", lambda: {"Item": dict(item)} if (item := self.items.get(Key["id"])) else {})

    def query(self, KeyConditionExpression: ConditionBase, **_: object) -> dict[str, Any]:  # noqa: N803 - as boto3 has it
        """Return the items of an index that a condition names, those that are due first before the others."""

        def act() -> dict[str, Any]:
            found = [dict(item) for item in self.items.values() if _matches(KeyConditionExpression, item)]
            return {"Items": sorted(found, key=lambda item: item.get("due_at", 0))}

        return self._call("table query", act)

    def put_item(self, Item: Item, **condition: Any) -> None:  # noqa: N803 - as boto3 has it
        """Write an item on a condition."""
        self._write([{"Put": {"Item": Item, **condition}}], in_transaction=False)

    def update_item(self, Key: Mapping[str, str], **arguments: Any) -> None:  # noqa: N803 - as boto3 has it
        """Change an item on a condition."""
        self._write([{"Update": {"Key": Key, **arguments}}], in_transaction=False)

    def transact_write_items(self, TransactItems: Sequence[Mapping[str, Any]]) -> None:  # noqa: N803 - as boto3 has it
        """Carry out all writes or none."""
        self._write(TransactItems, in_transaction=True)

    def _write(self, writes: Sequence[Mapping[str, Any]], *, in_transaction: bool) -> None:
        def act() -> None:
            changes = [next(iter(write.items())) for write in writes]
            held = [holds(arguments, self.items.get(_id(arguments))) for _, arguments in changes]
            if not all(held):
                raise _refusal(self, changes, held, in_transaction=in_transaction)
            for operation, arguments in changes:
                self._apply(operation, arguments)

        self._call("write table", act)

    def _apply(self, operation: str, arguments: Mapping[str, Any]) -> None:
        id_ = _id(arguments)
        before = self.items.get(id_)
        match operation:
            case "Put":
                after: dict[str, Any] | None = dict(arguments["Item"])
            case "Update":
                after = _updated(before or dict(arguments["Key"]), arguments)
            case "Delete":
                after = None
            case _:
                return
        if after is None:
            self.items.pop(id_, None)
        else:
            self.items[id_] = after
        self.watch(before, after)

    def _call(self, what: str, act: Callable[[], _Value]) -> _Value:
        try:
            return self.world.call(what, act)
        except Unavailable as error:
            raise ReadTimeoutError(endpoint_url=what) from error


def _id(arguments: Mapping[str, Any]) -> str:
    return arguments["Item"]["id"] if "Item" in arguments else arguments["Key"]["id"]


def holds(arguments: Mapping[str, Any], item: Item | None) -> bool:
    """Return whether the condition of a write holds for the item that is there."""
    condition = arguments.get("ConditionExpression")
    if condition is None:
        return True
    names, values = arguments.get("ExpressionAttributeNames", {}), arguments.get("ExpressionAttributeValues", {})

    def has(path: str) -> bool:
        return _at(item, path, names) is not None

    def compare(path: str, operator: str, value: str) -> bool:
        found, wanted = _at(item, path, names), values[value]
        if found is None:
            return False
        return found == wanted if operator == "=" else found < wanted or (operator == "<=" and found == wanted)

    return bool(eval(_compiled(condition), {"has": has, "compare": compare}))  # noqa: S307 - the functions' own texts


@cache
def _compiled(condition: str) -> CodeType:
    text = _FUNCTION.sub(lambda found: f"({'not ' if found[1] else ''}has({found[2]!r}))", condition)
    text = _COMPARISON.sub(lambda found: f"compare({found[1]!r}, {found[2]!r}, {found[3]!r})", text)
    return compile(text.replace(" AND ", " and ").replace(" OR ", " or "), condition, "eval")


def _at(item: Item | None, path: str, names: Mapping[str, str]) -> Any:
    value: Any = item
    for part in path.split("."):
        value = value.get(names.get(part, part)) if isinstance(value, Mapping) else None
    return value


def _updated(item: Item, arguments: Mapping[str, Any]) -> dict[str, Any]:
    names, values = arguments.get("ExpressionAttributeNames", {}), arguments.get("ExpressionAttributeValues", {})
    assigned, _, removed = arguments["UpdateExpression"].partition("REMOVE")
    after = dict(item)
    for path, addend, value in _ASSIGNMENT.findall(assigned):
        known = after[names.get(addend, addend)] if addend else None
        after[names.get(path, path)] = values[value] if known is None else known + values[value]
    for path in filter(None, map(str.strip, removed.split(","))):
        *above, last = (names.get(part, part) for part in path.split("."))
        for name in above:  # one level at most
            after[name] = dict(after[name])
            after[name].pop(last, None)
        if not above:
            after.pop(last, None)
    return after


def _matches(condition: ConditionBase, item: Item) -> bool:
    expression = condition.get_expression()
    first, second = expression["values"]
    match expression["operator"]:
        case "AND":
            return _matches(first, item) and _matches(second, item)
        case "=":
            return item.get(first.name) == second
        case "<=":
            return first.name in item and item[first.name] <= second
        case operator:
            raise ValueError(f"the operator {operator} is not simulated")


def _refusal(
    table: SimulatedTable,
    changes: Sequence[tuple[str, Mapping[str, Any]]],
    held: Sequence[bool],
    *,
    in_transaction: bool,
) -> ClientError:
    if not in_transaction:
        return ClientError({"Error": {"Code": "ConditionalCheckFailedException", "Message": ""}}, "PutItem")
    reasons: list[dict[str, Any]] = []
    for (_, arguments), is_held in zip(changes, held, strict=True):
        claim = table.items.get(_id(arguments), {}).get("claim", "")
        reasons.append(
            {"Code": "None"} if is_held else {"Code": "ConditionalCheckFailed", "Item": {"claim": {"S": claim}}}
        )
    answer: Any = {"Error": {"Code": "TransactionCanceledException", "Message": ""}, "CancellationReasons": reasons}
    return ClientError(answer, "TransactWriteItems")
