"""`orion repairs`: stops automatic repairs within seconds, starts them again, and says which it is.

All of them, those of an action, or those of a service.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from botocore.exceptions import ClientError
from rich.console import Console

from alerting.build import load_catalog
from alerting.catalog import Catalog
from alerting.names import ACTION_STOP, BY_COMMAND, COMMAND_ID, REPAIR_STOP, SERVICE_STOP, STATE_TABLE
from cli.aws_account import Account, account_of
from cli.known_names import QuestionUnclear, require_known

SENDING_SECONDS = 8.0
"""How long a function that claimed a repair just before the stop may take to send its command, and a second more."""
PATIENCE_SECONDS = 60.0
"""How long cancelled commands are waited for."""
LOOK_SECONDS = 1.0
KEEP_SECONDS = 90 * 24 * 60 * 60
"""How long it is kept who stopped repairs and why."""
WAITING_OR_RUNNING = ("Pending", "InProgress")
CONDITION_FAILED = frozenset({"ConditionalCheckFailedException", "ConditionalCheckFailed"})
"""The code of a write whose condition did not hold, and that of such a write in a transaction."""
ENDED = frozenset({"Success", "Failed", "TimedOut", "Cancelled"})


@dataclass(frozen=True, slots=True)
class Scope:
    """The repairs of an action or of a service, or all of them where both are empty."""

    action: str = ""
    service: str = ""

    @property
    def name(self) -> str:
        """Return the action or the service, or nothing where it is all repairs."""
        return self.action or self.service

    @property
    def item(self) -> str:
        """Return the id of the item that stops these repairs."""
        if self.action:
            return f"{ACTION_STOP}{self.action}"
        return f"{SERVICE_STOP}{self.service}" if self.service else REPAIR_STOP


ALL = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """Stops and starts repairs. `ssm` and `table` are boto3's; `documents` are the documents' names by action.

    `services` are those of the catalog. Each action and each service may be stopped by itself.
    """

    table: Any
    ssm: Any
    caller: str
    documents: Mapping[str, str]
    services: Sequence[str] = ()
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def stopped(self, scope: Scope = ALL) -> Mapping[str, str] | None:
        """Return since when, by whom and why the repairs of a scope are stopped, or None."""
        return self.table.get_item(Key={"id": scope.item}, ConsistentRead=True).get("Item")

    def stops(self) -> list[Mapping[str, Any]]:
        """Return the stops: that of all repairs, those of an action and those of a service, wherever they were set."""
        actions, services = map(Scope, sorted(self.documents)), (Scope(service=one) for one in self.services)
        return [item for item in map(self.stopped, (ALL, *actions, *services)) if item is not None]

    def stop(self, why: str, scope: Scope = ALL) -> bool:
        """Write that repairs are stopped; say False if they were already. Nothing is claimed from then on."""
        item = {"id": scope.item, "since": _text(self.now()), "by": self.caller, "why": why}
        return _written(lambda: self.table.put_item(Item=item, ConditionExpression="attribute_not_exists(id)"))

    def cancel(self, scope: Scope = ALL) -> tuple[int, list[str]]:
        """Cancel every command of a repair of a scope; return how many, and the ids of those that did not end.

        A function may still send what it claimed before the stop, so it looks until that can't be any more.
        """
        began = self.now()
        cancelled: dict[str, bool] = {}
        while True:
            for command in self._open_commands(scope):
                if command not in cancelled:
                    self.ssm.cancel_command(CommandId=command)
                    cancelled[command] = False
            for command in [one for one, ended in cancelled.items() if not ended]:
                cancelled[command] = self._has_ended(command)
            waited = self.now() - began
            open_ones = [command for command, ended in cancelled.items() if not ended]
            if (waited >= SENDING_SECONDS and not open_ones) or waited >= PATIENCE_SECONDS:
                return len(cancelled), open_ones
            self.sleep(LOOK_SECONDS)

    def start(self, scope: Scope | None = None) -> list[Mapping[str, Any]]:
        """Lift the stop of a scope, or every stop, keep who had set it and why, and return what was lifted.

        A newer stop, which somebody has set since it was read, stays.
        """
        now = self.now()
        ended = {"until": _text(now), "started_by": self.caller, "expires_at": int(now) + KEEP_SECONDS}
        known = self.stops() if scope is None else [self.stopped(scope)]
        return [stop for stop in known if stop is not None and self._lift(stop, ended)]

    def _lift(self, stop: Mapping[str, Any], ended: Mapping[str, Any]) -> bool:
        kept = {"TableName": self.table.name, "Item": {**stop, "id": f"{stop['id']}#{stop['since']}", **ended}}
        lifted = {
            "TableName": self.table.name,
            "Key": {"id": stop["id"]},
            "ConditionExpression": "#since = :since AND #by = :by",
            "ExpressionAttributeNames": {"#since": "since", "#by": "by"},
            "ExpressionAttributeValues": {":since": stop["since"], ":by": stop["by"]},
        }
        writes = [{"Put": kept}, {"Delete": lifted}]
        return _written(lambda: self.table.meta.client.transact_write_items(TransactItems=writes))

    def _open_commands(self, scope: Scope) -> Iterator[str]:
        pages = self.ssm.get_paginator("list_commands")
        for document in [self.documents[scope.action]] if scope.action else sorted(self.documents.values()):
            for status in WAITING_OR_RUNNING:
                filters = [{"key": "DocumentName", "value": document}, {"key": "Status", "value": status}]
                for page in pages.paginate(Filters=filters):
                    commands = (command["CommandId"] for command in page["Commands"])
                    yield from (id_ for id_ in commands if not scope.service or self._service(id_) == scope.service)

    def _service(self, command: str) -> str | None:
        """Return the service that a command's repair is for. One that is not recorded yet is found at the next look."""
        answer = self.table.query(
            IndexName=BY_COMMAND,
            KeyConditionExpression=f"{COMMAND_ID} = :command",
            ExpressionAttributeValues={":command": command},
            Limit=1,
        )
        return next((repair["labels"].get("service") for repair in answer["Items"]), None)

    def _has_ended(self, command: str) -> bool:
        (found,) = self.ssm.list_commands(CommandId=command)["Commands"]
        return found["Status"] in ENDED


def scope_of(catalog: Catalog, action: str | None, service: str | None) -> Scope:
    """Return the scope of an action or a service. Raises `QuestionUnclear`: nobody is asked about what is not there."""
    if action is not None and service is not None:
        raise QuestionUnclear("found --action and --service; allowed: one of them, or none for all repairs")
    if action is not None:
        require_known("--action", [action], sorted(catalog.actions))
    if service is not None:
        require_known("--service", [service], sorted(catalog.services))
    return Scope(action or "", service or "")


def stop_repairs(
    root: Path, console: Console, stack: str, why: str, action: str | None = None, service: str | None = None
) -> int:
    """Stop repairs of a stack, cancel their commands, and return the exit code: 1 if a command did not end.

    Raises `QuestionUnclear`.
    """
    catalog = load_catalog(root)
    scope = scope_of(catalog, action, service)
    switch = _switch(catalog, account_of(root, stack))
    if not switch.stop(why, scope):
        console.print(f"{_said(switch.stopped(scope))} already; its commands are looked after again", markup=False)
    console.print("stopped: nothing more is sent. Cancelling what was ...")
    number, open_ones = switch.cancel(scope)
    console.print(f"cancelled {number} commands; the teams hear of each whether it had begun", markup=False)
    if not open_ones:
        return 0
    console.print(f"{len(open_ones)} did not end within {PATIENCE_SECONDS:.0f} s: {', '.join(open_ones)}", markup=False)
    console.print('docs/repairs.md, "To stop everything", says how to take the bastion\'s rights in the cluster')
    return 1


def start_repairs(
    root: Path, console: Console, stack: str, action: str | None = None, service: str | None = None
) -> int:
    """Let the repairs of a stack begin again, for new alerts; return the exit code.

    With an action or a service only its own stop is lifted. What is stopped besides is told. Raises `QuestionUnclear`.
    """
    catalog = load_catalog(root)
    scope = scope_of(catalog, action, service)
    switch = _switch(catalog, account_of(root, stack))
    stops = switch.start(None if scope == ALL else scope)
    for stop in stops:
        console.print(f"started: {_said(stop)} until now", markup=False)
    if not stops:
        console.print(
            "repairs were not stopped" if scope == ALL else f"repairs of {scope.name} were not stopped", markup=False
        )
    for stop in switch.stops():
        console.print(f"still {_said(stop)}", markup=False)
    return 0


def show_repairs(root: Path, console: Console, stack: str) -> int:
    """Print which repairs of a stack are stopped; return the exit code."""
    stops = _switch(load_catalog(root), account_of(root, stack)).stops()
    for stop in stops:
        console.print(_said(stop), markup=False)
    if not stops:
        console.print("not stopped")
    return 0


def _switch(catalog: Catalog, account: Account) -> Switch:
    return Switch(
        table=account.table(STATE_TABLE),
        ssm=account.client("ssm"),
        caller=account.caller,
        documents={name: action.document_name for name, action in catalog.actions.items()},
        services=sorted(catalog.services),
    )


def _written(write: Callable[[], object]) -> bool:
    """Carry out a conditional write, or a transaction of some, and return whether the conditions held."""
    try:
        write()
    except ClientError as error:
        response = cast("Mapping[str, Any]", error.response)
        codes = {response["Error"]["Code"], *(reason.get("Code") for reason in response.get("CancellationReasons", ()))}
        if not codes & CONDITION_FAILED:
            raise
        return False
    return True


def _said(stop: Mapping[str, str] | None) -> str:
    if stop is None:  # somebody started them just now
        return "stopped"
    which = (
        stop["id"]
        .replace(ACTION_STOP, "action ", 1)
        .replace(SERVICE_STOP, "service ", 1)
        .replace(REPAIR_STOP, "all", 1)
    )
    return f"{which} stopped since {stop['since']} by {stop['by']} ({stop['why']})"


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
