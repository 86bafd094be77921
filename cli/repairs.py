"""`orion repairs`: stops all automatic repairs within seconds, starts them again, and says which it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console

from alerting.build import load_catalog
from alerting.names import ACTION_STOP, REPAIR_STOP, SERVICE_STOP, STATE_TABLE
from cli.aws_account import Account, account_of

SENDING_SECONDS = 8.0
"""How long a function that claimed a repair just before the stop may take to send its command, and a second more."""
PATIENCE_SECONDS = 60.0
"""How long cancelled commands are waited for."""
LOOK_SECONDS = 1.0
KEEP_SECONDS = 90 * 24 * 60 * 60
"""How long it is kept who stopped repairs and why."""
WAITING_OR_RUNNING = ("Pending", "InProgress")
ENDED = frozenset({"Success", "Failed", "TimedOut", "Cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """Stops and starts repairs. `ssm` and `table` are boto3's; `documents` are the names of the repairs' documents.

    `actions` and `services` are those of the catalog, of which each may be stopped by itself.
    """

    table: Any
    ssm: Any
    caller: str
    documents: Sequence[str]
    actions: Sequence[str] = ()
    services: Sequence[str] = ()
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def stopped(self) -> Mapping[str, str] | None:
        """Return since when, by whom and why all repairs are stopped, or None."""
        return self._item(REPAIR_STOP)

    def stops(self) -> list[Mapping[str, Any]]:
        """Return the stops: that of all repairs, those of an action and those of a service, as set from a thread."""
        ids = [REPAIR_STOP, *(f"{ACTION_STOP}{action}" for action in self.actions)]
        ids += [f"{SERVICE_STOP}{service}" for service in self.services]
        return [item for item in map(self._item, ids) if item is not None]

    def _item(self, id_: str) -> Mapping[str, Any] | None:
        return self.table.get_item(Key={"id": id_}, ConsistentRead=True).get("Item")

    def stop(self, why: str) -> bool:
        """Write that repairs are stopped; say False if they were already. Nothing is claimed from then on."""
        item = {"id": REPAIR_STOP, "since": _text(self.now()), "by": self.caller, "why": why}
        try:
            self.table.put_item(Item=item, ConditionExpression="attribute_not_exists(id)")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def cancel(self) -> tuple[int, list[str]]:
        """Cancel every command of a repair; return how many, and the ids of those that did not end.

        A function may still send what it claimed before the stop, so it looks until that can't be any more.
        """
        began = self.now()
        cancelled: dict[str, bool] = {}
        while True:
            for command in self._open_commands():
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

    def start(self) -> list[Mapping[str, Any]]:
        """Let repairs begin again: lift every stop, keep who had set it and why, and return them."""
        now = self.now()
        ended = {"until": _text(now), "started_by": self.caller, "expires_at": int(now) + KEEP_SECONDS}
        stops = self.stops()
        for stop in stops:
            self.table.put_item(Item={**stop, "id": f"{stop['id']}#{stop['since']}", **ended})
            self.table.delete_item(Key={"id": stop["id"]})
        return stops

    def _open_commands(self) -> Iterator[str]:
        pages = self.ssm.get_paginator("list_commands")
        for document in self.documents:
            for status in WAITING_OR_RUNNING:
                filters = [{"key": "DocumentName", "value": document}, {"key": "Status", "value": status}]
                for page in pages.paginate(Filters=filters):
                    yield from (command["CommandId"] for command in page["Commands"])

    def _has_ended(self, command: str) -> bool:
        (found,) = self.ssm.list_commands(CommandId=command)["Commands"]
        return found["Status"] in ENDED


def stop_repairs(root: Path, console: Console, stack: str, why: str) -> int:
    """Stop all repairs of a stack, cancel their commands, and return the exit code: 1 if a command did not end."""
    switch = _switch(root, account_of(root, stack))
    if not switch.stop(why):
        console.print(f"{_said(switch.stopped())} already; its commands are looked after again", markup=False)
    console.print("stopped: nothing more is sent. Cancelling what was ...")
    number, open_ones = switch.cancel()
    console.print(f"cancelled {number} commands; the teams hear of each whether it had begun", markup=False)
    if not open_ones:
        return 0
    console.print(f"{len(open_ones)} did not end within {PATIENCE_SECONDS:.0f} s: {', '.join(open_ones)}", markup=False)
    console.print('docs/repairs.md, "To stop everything", says how to take the bastion\'s rights in the cluster')
    return 1


def start_repairs(root: Path, console: Console, stack: str) -> int:
    """Let the repairs of a stack begin again, for new alerts; return the exit code."""
    stops = _switch(root, account_of(root, stack)).start()
    for stop in stops:
        console.print(f"started: {_said(stop)} until now", markup=False)
    if not stops:
        console.print("repairs were not stopped")
    return 0


def show_repairs(root: Path, console: Console, stack: str) -> int:
    """Print which repairs of a stack are stopped; return the exit code."""
    stops = _switch(root, account_of(root, stack)).stops()
    for stop in stops:
        console.print(_said(stop), markup=False)
    if not stops:
        console.print("not stopped")
    return 0


def _switch(root: Path, account: Account) -> Switch:
    catalog = load_catalog(root)
    actions = catalog.actions.values()
    return Switch(
        table=account.table(STATE_TABLE),
        ssm=account.client("ssm"),
        caller=account.caller,
        documents=sorted(action.document_name for action in actions),
        actions=sorted(catalog.actions),
        services=sorted(catalog.services),
    )


def _said(stop: Mapping[str, str] | None) -> str:
    if stop is None:  # somebody started them just now
        return "stopped"
    what = stop["id"].removeprefix(ACTION_STOP).removeprefix(SERVICE_STOP)
    which = "" if stop["id"] == REPAIR_STOP else f"{what} "
    return f"{which}stopped since {stop['since']} by {stop['by']} ({stop['why']})"


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
