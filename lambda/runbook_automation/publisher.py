"""Publishes the ends of repairs, to programs as JSON and to people as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook_automation.repair import RESULTS, Repair, Status

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

MAXIMUM_BYTES = 255 * 1024
"""SNS takes 256 KiB, of which the message's attributes are a part."""
OUTPUT_CHARACTERS = (24_000, 12_000, 6_000, 3_000, 1_000)
"""As much of a command's output as Systems Manager answers with, and less while the message is too long."""
WRITTEN = ("output", "errors")
"""What a command wrote."""
OTHER_CHARACTERS = (500, 100, 20)
"""To what every text of a message is cut that is too long for other reasons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """The topics that repairs are reported to."""

    sns: SNSClient
    notification_topic_arn: str
    team_topic_arns: Mapping[str, str]

    def publish(self, repair: Repair) -> None:
        """Publish how a repair ended: a result to the notification topic, anything else to its team's."""
        topic = self.notification_topic_arn if repair.status in RESULTS else self._team_topic(repair.team)
        self.sns.publish(
            TopicArn=topic,
            Subject=f"{_said(repair.status)}: {repair.action}",
            MessageStructure="json",
            Message=fitting(repair),
            MessageAttributes={
                "action": {"DataType": "String", "StringValue": repair.action},
                "status": {"DataType": "String", "StringValue": repair.status.value},
            },
        )

    def _team_topic(self, team: str) -> str:
        # A team that lost its topic since must not swallow a failure.
        return self.team_topic_arns.get(team, self.notification_topic_arn)


def _said(status: Status) -> str:
    match status:
        case Status.SUCCEEDED | Status.HANDED_OVER:
            return "Runbook Action Executed"
        case Status.NOTHING_DONE | Status.GONE:
            return "Runbook Action Not Needed"
        case Status.DRY_RUN:
            return "Runbook Action Dry Run"
        case Status.REJECTED:
            return "Runbook Action Rejected"
        case Status.TOO_LATE | Status.EXPIRED:
            return "Runbook Action Not Taken"
        case Status.LEFT_OUT:
            return "Runbook Actions Left Out"
        case Status.STOPPED:
            return "Runbook Action Stopped"
        case Status.REFUSED | Status.LIMITED:
            return "Runbook Action Refused"
        case _:
            return "Runbook Action Failed"


def fitting(repair: Repair) -> str:
    """Return the message for every kind of reader, cut where SNS would not take it.

    What the command wrote is cut first, then every other text.
    """
    message = repair.as_message()
    for limit in OUTPUT_CHARACTERS:
        for name in WRITTEN:
            message[name] = message[name][:limit]
        if _fits(body := _by_reader(message)):
            return body
    for limit in OTHER_CHARACTERS:
        message = {name: _cut(value, limit) for name, value in message.items()}
        if _fits(body := _by_reader(message)):
            return body
    return _by_reader(message | {"labels": {}, "parameters": {}})


def _fits(body: str) -> bool:
    return len(body.encode()) <= MAXIMUM_BYTES


def _by_reader(message: Mapping[str, Any]) -> str:
    """Return what SNS picks each subscriber's message from (`MessageStructure="json"`): by mail, text; else JSON."""
    return _text({"default": _text(message), "email": as_mail(message)})


def as_mail(message: Mapping[str, Any]) -> str:
    """Return a message as a person reads it: what happened first, then the rest by name, and output last as it was."""
    said = [name for name, value in message.items() if value]
    short = sorted(set(said) - {"version", "result", *WRITTEN}, key=lambda name: (name == "id", said.index(name)))
    lines = [message["result"], "", *(f"{_heading(name)}: {_said_of(message[name])}" for name in short)]
    for name in WRITTEN:
        if name in said:
            lines += ["", f"{_heading(name)}:", message[name]]
    return "\n".join(lines)


def _heading(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _said_of(value: Any) -> str:
    return ", ".join(f"{name}={text}" for name, text in value.items()) if isinstance(value, dict) else str(value)


def _text(message: Mapping[str, Any]) -> str:
    """Return a message as JSON. Half of a surrogate pair, which no topic takes, becomes a question mark."""
    return json.dumps(message, ensure_ascii=False).encode(errors="replace").decode()


def _cut(value: Any, limit: int) -> Any:
    match value:
        case str():
            return value if len(value) <= limit else f"{value[:limit]}… ({len(value)} characters)"
        case dict():
            return {_cut(name, limit): _cut(part, limit) for name, part in value.items()}
        case _:
            return value
