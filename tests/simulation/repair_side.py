"""The repair function and its sweep as they are deployed, with their table, queues and Systems Manager simulated.

The two functions tell each other things by the very messages. Every run of a command is held against what people
approved, and against the guardrails.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import Any, cast

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from chatops.clients import RateLimited, Unavailable
from chatops.episode import Group
from chatops.repair import Command
from chatops.repair_function import RepairFunction
from chatops.stop_items import StopItems
from orion_common.deadlines import TryLater
from orion_common.names import OUTCOME_DETAIL_TYPE, SWEEP_SOURCE, Mode
from repair_sweep.sweep import RepairSweep, SweepIncomplete
from runbook_automation.automation import Automation
from runbook_automation.chat_queue import ChatQueue
from runbook_automation.command_results import CommandResults
from runbook_automation.commands import Commands
from runbook_automation.configuration import APPROVAL_GRACE_SECONDS
from runbook_automation.outcomes import EventTooEarly
from runbook_automation.publisher import Publisher
from runbook_automation.store import RepairStore
from tests.simulation.dynamo import Item, SimulatedTable
from tests.simulation.remedies import (
    COOLDOWN_SECONDS,
    DOCUMENTS,
    PER_HOUR,
    REMEDIATIONS,
    SCALE,
    SERVICE,
    UNAPPROVED_PER_HOUR,
)
from tests.simulation.unobserved import Unobserved
from tests.simulation.world import FUNCTION_SECONDS, Violation, World

MARGIN_SECONDS = 8.0
SWEEP_SECONDS = 60.0
SENDING_SECONDS = 60.0
"""How long after its decision a function may send a command, however slow it is, in the simulation."""
INSTANCE = "i-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCommand:
    """A command that was sent: of which action, for which target, when, and whether a person had approved it."""

    id: str
    repair: str
    action: str
    target: str
    at: float
    approved: bool


@dataclass(slots=True)
class RepairSide:
    """The repair function with all that it talks to. It is chat's `chatops.clients.Commands` too.

    `names` are the alerts that are answered, by their fingerprints: the name says by what. `may_run` raises if a repair
    must not run now, `tell_chat` puts a message on chat's queue, and `heal` makes an alert resolve.
    """

    world: World
    names: Mapping[str, str]
    may_run: Callable[[str, str], None]
    tell_chat: Callable[[str], None]
    heal: Callable[[str], None]
    approvals: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """The repairs, with the commands that were shown, that a person who may has approved."""
    sent: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """The repairs that people approved, with their commands, as they ran."""
    commands: list[SentCommand] = field(default_factory=list[SentCommand])
    running: dict[str, SentCommand] = field(default_factory=dict[str, SentCommand])
    statuses: dict[str, str] = field(default_factory=dict[str, str])
    notified: set[str] = field(default_factory=set[str])
    resolved: dict[str, float] = field(default_factory=dict[str, float])
    """When each alert was last said to have resolved: Alertmanagers that lost their state say so while it fires."""
    seen: dict[str, float] = field(default_factory=dict[str, float])
    """When the alert of each repair that ran was last seen to fire."""
    table: SimulatedTable = field(init=False)
    chat_side: RepairFunction = field(init=False)

    def __post_init__(self) -> None:
        self.table = SimulatedTable(self.world, self._watch)
        self.chat_side = RepairFunction(
            sqs=cast("Any", self), queue_url="repairs", stop_items=StopItems(table=cast("Any", self.table))
        )

    def start(self) -> None:
        """Begin to sweep."""
        self.world.every(SWEEP_SECONDS, self._begin_sweep, 35.0)

    def _begin_sweep(self) -> None:
        self.world.invoke("repair sweep", self._sweep)

    # What happens.

    def notify(self, group: Group, firing: frozenset[str]) -> None:
        """Publish a notification to the repair function: which alerts of a group fire, and which have resolved."""
        known = [fingerprint for fingerprint in self.names if fingerprint in firing | self.notified]
        self.notified |= set(known)
        for fingerprint in set(known) - firing:
            self.resolved[fingerprint] = self.world.now
        if known:
            self._enqueue(self._notification(group, {fingerprint: fingerprint in firing for fingerprint in known}))

    def stop_by_hand(self, seconds: float) -> None:
        """Stop all repairs as `orion repairs stop` does, and start them again later."""
        self.table.items.setdefault("stop", {"id": "stop", "since": f"{self.world.now}", "by": "dan", "why": "a drill"})
        self.world.after(seconds, self._start_by_hand)

    def _start_by_hand(self) -> None:
        self.table.items.pop("stop", None)

    # What chat calls.

    def send(self, repair: str, command: Command, by: str) -> None:
        """Have an approved repair's command run."""
        self.chat_side.send(repair, command, by)

    def reject(self, repair: str, by: str) -> None:
        """Have a repair end."""
        self.chat_side.reject(repair, by)

    def stop(self, action: str, service: str, by: str, at: float) -> None:
        """Stop repairs."""
        self.chat_side.stop(action, service, by, at)

    def lift(self, stop: Any, by: str, at: float) -> None:
        """Lift a stop."""
        self.chat_side.lift(stop, by, at)

    def stops(self, scopes: Sequence[Any]) -> tuple[Any, ...]:
        """Return the stops of scopes."""
        return self.chat_side.stops(scopes)

    def collect(self, request: str, group: Group, by: str, at: float) -> None:
        """Take note that diagnostics were asked for."""
        del by, at
        self.world.call("sqs send", lambda: self.world.note(f"diagnostics of {group.key} for {request}"))

    # SQS and SNS.

    def send_message(self, QueueUrl: str, MessageBody: str, DelaySeconds: int = 0) -> None:  # noqa: N803 - as boto3 has it
        """Put a message on a queue."""

        def act() -> None:
            if QueueUrl == "chat":
                self.world.after(DelaySeconds, lambda: self.tell_chat(MessageBody))
            else:
                self.world.after(DelaySeconds, lambda: self._enqueue(MessageBody))

        self._aws("sqs send", act)

    def publish(self, **message: Any) -> None:
        """Publish to a topic."""
        self._aws("sns publish", lambda: self.world.note(f"sns: {message['Subject']}"))

    # Systems Manager.

    def send_command(self, **arguments: Any) -> dict[str, Any]:
        """Run a command."""

        def act() -> dict[str, Any]:
            id_ = f"command-{len(self.commands)}"
            self._run(id_, arguments)
            return {"Command": {"CommandId": id_}}

        return self._aws("ssm send", act, limited=True)

    def cancel_command(self, CommandId: str) -> None:  # noqa: N803 - as boto3 has it
        """End a command that runs."""
        self._aws("ssm cancel", lambda: self._ended(CommandId, "Cancelled", heals=False))

    def list_command_invocations(self, CommandId: str) -> dict[str, Any]:  # noqa: N803 - as boto3 has it
        """Return the instance that took a command."""
        return self._aws("ssm list", lambda: {"CommandInvocations": [{"InstanceId": INSTANCE, "CommandId": CommandId}]})

    def get_command_invocation(self, CommandId: str, InstanceId: str) -> dict[str, Any]:  # noqa: N803 - as boto3 has it
        """Return how a command ended on its instance."""
        del InstanceId
        status = self.statuses[CommandId]
        return self._aws(
            "ssm get", lambda: {"Status": status, "StandardOutputContent": "done\n", "ExecutionStartDateTime": "now"}
        )

    def _run(self, id_: str, arguments: Mapping[str, Any]) -> None:
        action = str(arguments["DocumentName"]).removeprefix("orion-")
        given = {name: values[0] for name, values in arguments["Parameters"].items()}
        fingerprint = str(arguments["Comment"]).split()[-1]
        record = self._claimed(fingerprint, action)
        chat_id = f"{record['id']}#{record.get('proposal') or record['claim']}"
        approved = bool(record.get("approved_by"))
        command = SentCommand(
            id=id_, repair=record["id"], action=action, target=given["target"], at=self.world.now, approved=approved
        )
        shown = str(Command(document=record["document"], parameters=tuple(sorted(record["parameters"].items()))))
        self.world.note(f"ssm: runs {chat_id} {shown}")
        self._require_news(record, fingerprint)
        self.may_run(record["id"], fingerprint)
        self._require_approval(record, action, chat_id, shown)
        self._require_guardrails(command)
        if approved:
            self.sent.append((chat_id, shown))
        self.commands.append(command)
        self.running[id_], self.statuses[id_] = command, "InProgress"
        chance = self.world.random
        succeeds = chance.random() < 0.7
        heals = succeeds and chance.random() < 0.7
        status = "Success" if succeeds else "Failed"
        self.world.after(chance.choice((5.0, 30.0, 200.0)), lambda: self._ended(id_, status, heals=heals))

    def _ended(self, id_: str, status: str, *, heals: bool) -> None:
        command = self.running.pop(id_, None)
        if command is None:
            return
        self.statuses[id_] = status
        if heals:
            self.heal(command.repair.split("#")[1])
        detail = {"command-id": id_, "instance-id": INSTANCE, "status": status}
        at = datetime.fromtimestamp(self.world.now, UTC).isoformat()
        self._enqueue(
            json.dumps({"source": "aws.ssm", "detail-type": OUTCOME_DETAIL_TYPE, "time": at, "detail": detail})
        )

    # Invariants.

    def _claimed(self, fingerprint: str, action: str) -> Item:
        found = [
            item
            for item in self.table.items.values()
            if item["id"].startswith(f"repair#{fingerprint}#{action}#") and item.get("status") == "claimed"
        ]
        _hold(len(found) == 1, f"a command of {action} is sent for {fingerprint}, which {len(found)} records claim")
        return found[0]

    def _require_news(self, record: Item, fingerprint: str) -> None:
        """Hold that a repair runs once until its alert was said to have resolved."""
        last = self.seen.get(record["id"])
        again = last is None or self.resolved.get(fingerprint, -inf) >= last
        _hold(again, f"{record['id']} runs twice")
        self.seen[record["id"]] = record["seen_at"] / 1000

    def _require_approval(self, record: Item, action: str, chat_id: str, shown: str) -> None:
        if not action.endswith(Mode.APPROVE) and not record.get("approved_by"):
            return
        _hold((chat_id, shown) in self.approvals, f"{shown} runs, and nobody approved it")
        latest = record["approve_by"] + APPROVAL_GRACE_SECONDS + SENDING_SECONDS
        _hold(self.world.now <= latest, f"{chat_id} runs after its approval has expired")

    def _require_guardrails(self, command: SentCommand) -> None:
        for other in self.running.values():
            apart = other.action == command.action and other.target != command.target
            _hold(apart, f"{command.repair} runs beside {other.repair}, on the same service")
        # A place is taken when a repair is claimed, which may be a little before it is sent.
        again = [sent for sent in self.commands if (sent.action, sent.target) == (command.action, command.target)]
        if command.action.startswith(SCALE) and again:
            since = command.at - again[-1].at
            _hold(since > COOLDOWN_SECONDS - SENDING_SECONDS, f"{command.repair} runs {since:.0f} s after the last one")
        _hold(len([sent for sent in self.commands if sent.action == command.action]) < PER_HOUR, "too many in an hour")
        unapproved = [sent for sent in self.commands if not sent.approved]
        over = command.approved or len(unapproved) < UNAPPROVED_PER_HOUR
        _hold(over, f"{command.repair} runs unasked after {len(unapproved)} others")

    def _watch(self, before: Item | None, after: Item | None) -> None:
        """Hold that nothing is claimed while repairs are stopped."""
        was = None if before is None else before.get("status")
        if after is not None and after.get("status") == "claimed" and was != "claimed":
            _hold("stop" not in self.table.items, f"{after['id']} is claimed while repairs are stopped")

    def check_end(self) -> None:
        """Check that every repair has ended and was told, once faults have stopped for long."""
        still = [
            item["id"] for item in self.table.items.values() if item.get("open") == "repair" and self._is_over(item)
        ]
        _hold(not still, f"{still} are open, and their time is over for long")
        _hold(self._locks_are_free(), "a lock is held by a repair that has ended long ago")

    def _is_over(self, item: Item) -> bool:
        return item["due_at"] < self.world.now - 5 * SWEEP_SECONDS

    def _locks_are_free(self) -> bool:
        locks = [item for item in self.table.items.values() if item["id"].startswith("lock#")]
        return all(holder["until"] < 1e9 for lock in locks for holder in lock["holders"].values())

    # The functions.

    def _enqueue(self, body: str) -> None:
        self.world.enqueue(f"repairs: {body[:90]}", lambda: self._handle(body))

    def _handle(self, body: str) -> None:
        try:
            self._automation().handle(body, "message")
        except (TryLater, EventTooEarly, BotoCoreError, ClientError) as error:
            raise Unavailable(f"the repair function: {error}") from error

    def _sweep(self) -> None:
        automation = self._automation()
        try:
            RepairSweep(outcomes=automation.outcomes, deadline=automation.deadline).handle(
                json.dumps({"source": SWEEP_SOURCE})
            )
        except (SweepIncomplete, BotoCoreError, ClientError) as error:
            raise Unavailable(f"the repairs' sweep: {error}") from error

    def _automation(self) -> Automation:
        own: Any = self
        return Automation(
            mode=Mode.ON,
            region="us-east-1",
            remediations=REMEDIATIONS,
            store=RepairStore(cast("Any", self.table)),
            commands=Commands(client=own, bastion_tag_value="orion", output_bucket="diagnostics", documents=DOCUMENTS),
            results=CommandResults(client=own),
            publisher=Publisher(sns=own, notification_topic_arn="results", team_topic_arns={"trading": "trading"}),
            chat=ChatQueue(sqs=own, url="chat"),
            archive=cast("Any", None),
            alertmanager=cast("Any", None),
            observer=Unobserved(),
            now=lambda: self.world.now,
            deadline=self.world.now + FUNCTION_SECONDS - MARGIN_SECONDS,
        )

    def _notification(self, group: Group, firing: Mapping[str, bool]) -> str:
        at = datetime.fromtimestamp(self.world.now, UTC).isoformat()
        notification = {
            "status": "firing" if any(firing.values()) else "resolved",
            "notification_reason": "new alerts added",
            "receiver": group.key,
            "groupLabels": dict(group.labels),
            "commonLabels": dict(group.labels),
            "alerts": [
                {
                    "status": "firing" if fires else "resolved",
                    "labels": {
                        "alertname": self.names[fingerprint],
                        "service": SERVICE,
                        "namespace": "orion",
                        "target": fingerprint,
                    },
                    "annotations": {},
                    "startsAt": "2026-11-24T10:46:03Z",
                    "fingerprint": fingerprint,
                }
                for fingerprint, fires in firing.items()
            ],
        }
        message = {"version": "1", "route": "{}", "total": len(firing), "notification": notification}
        return json.dumps(
            {
                "Type": "Notification",
                "TopicArn": "alerts",
                "MessageId": at,
                "Timestamp": at,
                "Message": json.dumps(message),
            }
        )

    def _aws(self, what: str, act: Callable[[], Any], *, limited: bool = False) -> Any:
        """Make a call of AWS, and raise what boto3 does if it fails."""
        try:
            return self.world.call(what, act, limited=limited)
        except RateLimited as error:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, what) from error
        except Unavailable as error:
            raise ReadTimeoutError(endpoint_url=what) from error


def _hold(condition: object, text: str) -> None:
    if not condition:
        raise Violation(text)
