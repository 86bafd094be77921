"""The table of repairs. Every change is conditional, so that whoever is second finds nothing left to do.

Busy   others changed the same limits at the same time, each time: nothing was claimed
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError

from orion_common.conditional_store import (
    CONDITION_FAILED,
    RETRIED_REASONS,
    cancellation_reasons,
    read_items,
    written,
)
from orion_common.deadlines import TryLater
from orion_common.names import BY_COMMAND, BY_STATUS, DUE_AT, EXPIRES_AT, KEY, OPEN
from runbook_automation.guardrails import Guardrails
from runbook_automation.item_ids import earlier_id, resolve_id, stop_ids
from runbook_automation.lifecycle import Decided, Effect, Fired, Record, State, step
from runbook_automation.repair import KEEP_SECONDS, OPEN_REPAIR, Repair, Status
from runbook_automation.repair_items import (
    RESOLVED_AT,
    AlertKey,
    check,
    claim_in,
    ledger_write,
    lock_write,
    state_of,
    unchanged,
)
from runbook_automation.stop_store import StopStore

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


class RepairStore:
    """The stored records of repairs. `stops` are the items that stop them."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.stops = StopStore(table=table)

    def claim(
        self,
        repair: Repair,
        alert: AlertKey | None,
        guardrails: Guardrails,
        now: int,
        *,
        otherwise: Repair | None = None,
    ) -> tuple[Effect, ...]:
        """Record a repair that answers a firing alert, if nothing has answered it, and return what is to be done then.

        `otherwise` is recorded in its place where too many have begun without an approval.

        `alert` is None for a notice that answers no alert. The record, its guardrails, and the conditions
        that repairs are not stopped and the alert has not resolved meanwhile are one transaction. Raises `Busy`.
        """
        for _ in range(CLAIM_TRIES):
            items = self._state_items(repair, alert, guardrails)
            if items is None:
                continue
            state = state_of(items, repair, alert, guardrails)
            after, effects = step(state, Fired(repair, otherwise))
            if Record() not in effects or self._write(state, after, alert, now, replaced=items.get(repair.id)):
                return effects
        raise Busy(f"{repair.id}: others claimed it or repairs of the same limits, {CLAIM_TRIES} times")

    def find(self, id_: str) -> Repair | None:
        """Return the record of a repair as it is at this moment, or None. Raises `Busy`."""
        items = self.read_items(id_)
        if items is None:
            raise Busy(f"{id_}: the table did not answer")
        return Repair.from_item(items[id_]) if "status" in items.get(id_, {}) else None

    def decide(self, repair: Repair, decided: Decided, guardrails: Guardrails) -> tuple[Effect, ...]:
        """Record what a decision makes of a repair that waits for it, and return what is to be done then.

        It is one transaction on the conditions of `claim`. Raises `Busy`.
        """
        origin = repair.origin
        if origin is None:
            raise ValueError(f"{repair.id}: waits for an approval, and does not say of which alert")
        alert = AlertKey(resolve_ids=(resolve_id(origin.fingerprint), resolve_id(origin.group)), previous_id=repair.id)
        for _ in range(CLAIM_TRIES):
            items = self._state_items(repair, alert, guardrails)
            if items is None:
                continue
            state = state_of(items, repair, alert, guardrails)
            after, effects = step(state, decided)
            if Record() not in effects or self._write(state, after, alert, decided.now, replaced=None):
                return effects
        raise Busy(f"{repair.id}: others wrote it or repairs of the same limits, {CLAIM_TRIES} times")

    def read_state(self, repair: Repair, alert: AlertKey | None, guardrails: Guardrails) -> State | None:
        """Return the state of a repair at this moment, or None if the table did not answer for all of it."""
        items = self._state_items(repair, alert, guardrails)
        return None if items is None else state_of(items, repair, alert, guardrails)

    def _state_items(
        self, repair: Repair, alert: AlertKey | None, guardrails: Guardrails
    ) -> Mapping[str, Mapping[str, Any]] | None:
        of_alert = () if alert is None else (*alert.resolve_ids, alert.previous_id)
        stops = stop_ids(repair) if repair.status in {Status.CLAIMED, Status.WAITING} else ()
        return self.read_items(repair.id, *of_alert, *stops, *guardrails.ids)

    def resolve(self, id_: str, seen_at: int, now: int) -> bool:
        """Record that an alert, or a whole group, had resolved at a time (milliseconds). Return whether it is news."""
        return written(
            lambda: self._table.put_item(
                Item={KEY: id_, RESOLVED_AT: seen_at, EXPIRES_AT: now + KEEP_SECONDS},
                ConditionExpression="attribute_not_exists(id) OR resolved_at < :seen",
                ExpressionAttributeValues={":seen": seen_at},
            )
        )

    def rule_out(self, repair: Repair, seen_at: int) -> None:
        """End a repair of which nothing was sent, and is told to nobody, since its alert has resolved."""
        written(
            lambda: self._table.update_item(
                Key={KEY: repair.id},
                UpdateExpression="SET #status = :resolved REMOVE #open",
                ConditionExpression="#status = :known AND seen_at < :seen",
                ExpressionAttributeNames={"#status": "status", "#open": OPEN},
                ExpressionAttributeValues={
                    ":known": repair.status.value,
                    ":resolved": Status.RESOLVED.value,
                    ":seen": seen_at,
                },
            )
        )

    def read_items(self, *ids: str) -> Mapping[str, Mapping[str, Any]] | None:
        """Return items by id, as they are at this moment, or None if the table did not answer for all."""
        return read_items(self._table, *ids)

    def _write(
        self,
        state: State,
        after: State,
        alert: AlertKey | None,
        now: int,
        *,
        replaced: Mapping[str, Any] | None,
    ) -> bool:
        """Write a state on condition that the one it came from is still the newest. Return whether it was.

        `replaced` is the item whose place the repair takes. One that had ended is kept under another id: it is the
        record of what was done, and if its end was not published yet, the sweep publishes it.
        """
        repair = after.repair
        if repair is None:
            raise ValueError("a state without a repair is not written")
        table = self._table.name
        condition, values = unchanged(repair, state.repair)
        writes: list[Any] = [
            {
                "Put": {
                    "TableName": table,
                    "Item": repair.to_item(),
                    "ConditionExpression": condition,
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                    **values,
                }
            },
        ]
        if replaced is not None and "finished_at" in replaced:
            earlier = earlier_id(repair.id, replaced["claim"])
            writes.append({"Put": {"TableName": table, "Item": {**replaced, KEY: earlier}}})
        if repair.status is Status.CLAIMED:
            writes += [ledger_write(table, limit, ledger, now) for limit, ledger in after.ledgers]
            writes += [] if after.lock is None else [lock_write(table, after.lock[1])]
        if repair.status in {Status.CLAIMED, Status.WAITING}:
            writes += [check(table, id_, "attribute_not_exists(id)") for id_ in stop_ids(repair)]
        for id_ in alert.resolve_ids if alert is not None else ():
            unresolved = "attribute_not_exists(id) OR resolved_at <= :known"
            writes.append(check(table, id_, unresolved, {":known": state.resolved_at}))
        try:
            # The SDK gives it a token, so that a second try of its own is no second claim.
            self._table.meta.client.transact_write_items(TransactItems=writes)
        except ClientError as error:
            reasons = cancellation_reasons(error)
            if reasons[0].get("Code") == CONDITION_FAILED and claim_in(reasons[0]) == repair.claim:
                return True  # the answer of an earlier try was lost
            if {reason.get("Code") for reason in reasons} <= RETRIED_REASONS:
                return False
            raise
        return True

    def release(self, repair: Repair, due_at: int) -> None:
        """Give up a claim of which nothing was sent, and its lock.

        It stays open: if nobody claims it by then, the team is told.
        """
        self.unlock(repair)
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

    def unlock(self, repair: Repair) -> None:
        """Give up the lock of a repair, if it holds one. A lock that nobody gives up ends by itself."""
        if not repair.lock:
            return
        written(
            lambda: self._table.update_item(
                Key={KEY: repair.lock},
                UpdateExpression="SET version = version + :one REMOVE holders.#claim",
                ConditionExpression="attribute_exists(holders.#claim)",
                ExpressionAttributeNames={"#claim": repair.claim},
                ExpressionAttributeValues={":one": 1},
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
        items = self._table.query(
            IndexName=BY_COMMAND, KeyConditionExpression=Key("command_id").eq(command_id), Limit=1
        )["Items"]
        return Repair.from_item(items[0]) if items else None

    def overdue(self, now: int) -> Iterator[Repair]:
        """Yield the open repairs whose time is over, the longest overdue first."""
        items = self._table.query(
            IndexName=BY_STATUS,
            KeyConditionExpression=Key(OPEN).eq(OPEN_REPAIR) & Key(DUE_AT).lte(now),
            Limit=SWEPT_AT_ONCE,
        )["Items"]
        yield from (Repair.from_item(item) for item in items)

    def open_repairs(self) -> Iterator[Repair]:
        """Yield the open repairs, those that are due first before the others."""
        arguments: dict[str, Any] = {
            "IndexName": BY_STATUS,
            "KeyConditionExpression": Key(OPEN).eq(OPEN_REPAIR),
        }
        while True:
            answer = self._table.query(**arguments)
            yield from (Repair.from_item(item) for item in answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

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
        """Take a repair whose end was published out of what the sweep looks after, wherever its record is by now."""
        if not self._close(repair.id, repair):
            self._close(earlier_id(repair.id, repair.claim), repair)

    def _close(self, id_: str, repair: Repair) -> bool:
        return written(
            lambda: self._table.update_item(
                Key={KEY: id_},
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
