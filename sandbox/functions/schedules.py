"""EventBridge rules with a rate: their targets' input goes to the targets' queues when it is time, by the clock."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox.clock import Clock
from sandbox.journal import Journal, Kind

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

SOURCE = "eventbridge"
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_SECONDS: Mapping[str, int] = {"minute": 60, "hour": 3600, "day": 86400}


class UnknownSchedule(ValueError):
    """A schedule that the sandbox does not keep; the message says which it does."""


def rate_seconds(expression: str) -> int:
    """Return the seconds between two turns of a rule. Raises `UnknownSchedule`."""
    match = _RATE.fullmatch(expression)
    if match is None or int(match[1]) < 1 or (int(match[1]) == 1) == match[0].endswith("s)"):
        raise UnknownSchedule(f"{expression}: the sandbox keeps schedules such as rate(1 minute) or rate(5 hours)")
    return int(match[1]) * _SECONDS[match[2]]


@dataclass(slots=True)
class _Rule:
    name: str
    arn: str
    interval: float
    due: float


class Schedules:
    """Used by one thread, which calls `read` after a change of the rules, and `turn` again and again."""

    def __init__(self, *, events: EventBridgeClient, sqs: SQSClient, clock: Clock, journal: Journal) -> None:
        self._events = events
        self._sqs = sqs
        self._clock = clock
        self._journal = journal
        self._rules: dict[tuple[str, str], _Rule] = {}
        self._refused: set[str] = set()

    def read(self) -> None:
        """Read the rules. A rule that stays as it was keeps its next turn."""
        now = time.monotonic()
        rules: dict[tuple[str, str], _Rule] = {}
        for described in self._events.list_rules()["Rules"]:
            name, expression = described.get("Name", ""), described.get("ScheduleExpression", "")
            if not expression or described.get("State") != "ENABLED":
                continue
            try:
                interval = self._clock.real(rate_seconds(expression))
            except UnknownSchedule as error:
                self._refuse(name, str(error))
                continue
            key = (name, expression)
            rules[key] = self._rules.get(key) or _Rule(name, described.get("Arn", ""), interval, now + interval)
        self._rules = rules

    def turn(self) -> None:
        """Send what is due. The first time comes one interval after a rule was read first."""
        now = time.monotonic()
        for rule in self._rules.values():
            if now >= rule.due:
                rule.due = max(rule.due + rule.interval, now)
                self._fire(rule.name, rule.arn)

    def _fire(self, name: str, arn: str) -> None:
        for target in self._events.list_targets_by_rule(Rule=name)["Targets"]:
            queue_arn = target["Arn"]
            if not queue_arn.startswith("arn:aws:sqs:"):
                self._refuse(name, f"{queue_arn}: the sandbox's schedules reach queues only")
                continue
            url = self._sqs.get_queue_url(QueueName=queue_arn.rsplit(":", maxsplit=1)[-1])["QueueUrl"]
            self._sqs.send_message(QueueUrl=url, MessageBody=target.get("Input") or json.dumps(_event(arn)))

    def _refuse(self, rule: str, reason: str) -> None:
        if reason not in self._refused:
            self._refused.add(reason)
            self._journal.append(SOURCE, Kind.REQUEST_REFUSED, {"rule": rule}, reason=reason)


def _event(rule_arn: str) -> Mapping[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": rule_arn.split(":")[4],
        "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "region": rule_arn.split(":")[3],
        "resources": [rule_arn],
        "detail": {},
    }
