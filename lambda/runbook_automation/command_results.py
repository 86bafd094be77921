"""Reads from Systems Manager how commands ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from orion_common.aws_answers import field_of_answer
from orion_common.names import BASTION_TAG
from runbook_automation.repair import Ending, Status

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

RUNNING = frozenset({"Pending", "InProgress", "Delayed", "Cancelling"})
SAID: Mapping[str, Status] = {"nothing done:": Status.NOTHING_DONE, "gone:": Status.GONE}
"""What an action's output begins with when it found the state changed, or its target gone."""
REFUSED = "refused:"
"""What the last line of an action's errors begins with when it must not act."""
NOT_BEGUN: Mapping[str, str] = {
    "DeliveryTimedOut": "never delivered",
    "Undeliverable": "could not be delivered",
    "Terminated": "ended before its turn",
    "InvalidPlatform": "not for this instance's platform",
    "AccessDenied": "refused on this instance",
}
"""The details of a command's status with which it never ran, unless Systems Manager knows when it began: one whose
instance fell silent in the middle is called undelivered too."""
CANCELLED = "Cancelled"
"""What `orion repairs stop` makes of a command: one that had not begun does not any more."""
EXECUTION_TIMED_OUT = "ExecutionTimedOut"
TRUNCATED = "--output truncated--"
"""What the agent writes in place of the end of an output of 24,000 bytes or more."""
RESULT_CHARACTERS = 300
DECISIVE = (
    Status.SUCCEEDED,
    Status.FAILED,
    Status.TIMED_OUT,
    Status.REFUSED,
    Status.STOPPED,
    Status.GONE,
    Status.NOTHING_DONE,
)
"""Where several instances took a command, as while a bastion is replaced, the first of these that one of them ended
with is how it ended. A script that succeeds has seen the result that the repair is for, whatever became of it on
another instance; the result names every instance. Without a success, a failure comes before "nothing to do"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResults:
    """The results of commands on the instances that took them."""

    client: SSMClient

    def ending(self, command_id: str, *, heard_from: str | None = None) -> Ending | None:
        """Return how a command ended on every instance that took it, or None while it runs on one.

        `heard_from` is an instance known to have taken it, which the list may not have yet.
        """
        try:
            answer = self.client.list_command_invocations(CommandId=command_id)
            invocations = field_of_answer(answer, "CommandInvocations")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "InvalidCommandId":
                raise
            invocations = []
        instances = {str(field_of_answer(invocation, "InstanceId")) for invocation in invocations}
        instances |= {heard_from} if heard_from else set()
        if not instances:
            return Ending(
                status=Status.FAILED,
                result=f"No instance took the command: none that Systems Manager manages has the tag {BASTION_TAG}; "
                "nothing ran",
            )
        endings = {instance: self._ending_on(command_id, instance) for instance in sorted(instances)}
        ended = {instance: ending for instance, ending in endings.items() if ending is not None}
        if len(ended) < len(endings):
            return None
        instance, decisive = min(ended.items(), key=lambda item: DECISIVE.index(item[1].status))
        if len(ended) == 1:
            return decisive
        others = ", ".join(f"{name}: {ending.status}" for name, ending in ended.items() if name != instance)
        return replace(decisive, result=f"{decisive.result} (on {instance}; {others})")

    def _ending_on(self, command_id: str, instance_id: str) -> Ending | None:
        """Return how a command ended on an instance, or None while it runs."""
        answer = self.client.get_command_invocation(CommandId=command_id, InstanceId=instance_id)
        status = field_of_answer(answer, "Status")
        if status in RUNNING:
            return None
        output, errors = answer.get("StandardOutputContent", ""), answer.get("StandardErrorContent", "")
        location = answer.get("StandardOutputUrl", "")
        if status == "Success":
            said = next((said for beginning, said in SAID.items() if output.startswith(beginning)), None)
            return Ending(
                status=said or Status.SUCCEEDED,
                result=_result(output) if said is None else _first_line(output),
                output=output,
                errors=errors,
                location=location,
            )
        details = (answer.get("StatusDetails") or status).replace(" ", "")  # documented with spaces, answered without
        if details == CANCELLED and not answer.get("ExecutionStartDateTime"):
            return Ending(status=Status.STOPPED, result=f"{details} before it began: nothing ran")
        if details in NOT_BEGUN and not answer.get("ExecutionStartDateTime"):
            return Ending(status=Status.FAILED, result=f"{details}: {NOT_BEGUN[details]}, nothing ran")
        last = _last_line(errors or output)
        if status == "Failed" and errors and last.startswith(REFUSED):
            return Ending(status=Status.REFUSED, result=last, output=output, errors=errors, location=location)
        return Ending(
            status=Status.TIMED_OUT if status == "TimedOut" else Status.FAILED,
            result=f"{details}: {_meaning(details)}{last}",
            output=output,
            errors=errors,
            location=location,
        )


def _meaning(details: str) -> str:
    if details == EXECUTION_TIMED_OUT:
        return "timed out while running, and may have done a part; it wrote last: "
    if details == CANCELLED:
        return "ended while running, and may have done a part; it wrote last: "
    if details in NOT_BEGUN:
        return "had begun, and nothing is known of its end; it wrote last: "
    return ""


def _result(output: str) -> str:
    """Return the line that tells what was done: the last, or the first where the agent cut the end off."""
    if not output.endswith(TRUNCATED):
        return _last_line(output)
    return f"{_first_line(output)} (longer than is shown here; output_location has all of it)"


def _first_line(text: str) -> str:
    return text.splitlines()[0][:RESULT_CHARACTERS]


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:RESULT_CHARACTERS] if lines else "(it wrote nothing)"
