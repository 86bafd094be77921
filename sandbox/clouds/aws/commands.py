"""Systems Manager's commands: taken as AWS takes them, run for real, and told to EventBridge."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import botocore.session
from botocore.exceptions import ClientError

from sandbox.clouds.aws.clients import Clients
from sandbox.clouds.aws.command_records import (
    RUNNING,
    Command,
    Invocation,
    command_view,
    invocation_view,
    iso_time,
    overall_status,
    stream_text,
)
from sandbox.clouds.aws.protocol import Answer, AwsError, Request, json_answer
from sandbox.clouds.aws.ssm_agent import Agent, StepResult, shown
from sandbox.clouds.aws.ssm_documents import Document, parameter_values, read_document, received_values, require_valid
from sandbox.journal import Journal, Kind

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef

SOURCE = "systems manager"
TARGET_PREFIX = "AmazonSSM."
OUTPUT_BYTES = 24_000
ERROR_BYTES = 8_000
DEFAULT_DELIVERY_SECONDS = 3600
EVENT = "EC2 Command Invocation Status-change Notification"
PLUGIN = "awsrunShellScript"
JSON = "application/x-amz-json-1.1"


class SystemsManager:
    """Answers the requests that are about commands, and checks documents. It is asked from many threads."""

    def __init__(self, clients: Clients, agent_of: Callable[[str], Agent], journal: Journal) -> None:
        """`agent_of` returns an instance's agent."""
        self._clients = clients
        self._agent_of = agent_of
        self._journal = journal
        self._commands: dict[str, Command] = {}
        self._lock = threading.Lock()
        self._model = botocore.session.get_session().get_service_model("ssm")

    def answer(self, request: Request) -> Answer | None:
        """Answer a request about commands, refuse a document that AWS would refuse, or return None for any other."""
        operation = request.target.removeprefix(TARGET_PREFIX)
        match operation:
            case "CreateDocument" | "UpdateDocument":
                asked = request.json()
                require_valid(asked.get("Name", ""), asked.get("Content", ""))
                return None
            case "SendCommand":
                answer = self._send
            case "GetCommandInvocation":
                answer = self._get_invocation
            case "ListCommandInvocations":
                answer = self._list_invocations
            case "ListCommands":
                answer = self._list_commands
            case "CancelCommand":
                answer = self._cancel
            case _:
                return None
        content = request.input(self._model, operation)
        return json_answer(answer(content), kind=JSON)

    def commands(self) -> list[dict[str, Any]]:
        """Return every command, for a person to read."""
        with self._lock:
            return [
                {
                    "command": command.id,
                    "document": command.document.name,
                    "parameters": dict(command.parameters),
                    "status": overall_status(command),
                    "output": {one.instance_id: stream_text(one, "output") for one in command.invocations.values()},
                    "errors": {one.instance_id: stream_text(one, "errors") for one in command.invocations.values()},
                }
                for command in self._commands.values()
            ]

    def _send(self, content: Mapping[str, Any]) -> dict[str, Any]:
        document = self.document(content)
        parameters = parameter_values(document, content.get("Parameters", {}))
        instances = self.instances(content.get("InstanceIds", []), content.get("Targets", []))
        command = Command(
            id=str(uuid.uuid4()),
            document=document,
            parameters=parameters,
            request=content,
            requested_at=time.time(),
            delivery_seconds=content.get("TimeoutSeconds", DEFAULT_DELIVERY_SECONDS),
            invocations={instance: Invocation(instance_id=instance) for instance in instances},
        )
        with self._lock:
            self._commands[command.id] = command
            # As it was taken: AWS' answer too comes before anything runs, and finds the targets later.
            described = command_view(command)
        for invocation in command.invocations.values():
            agent = self._agent_of(invocation.instance_id)
            agent.submit(lambda agent=agent, invocation=invocation: self._run(command, invocation, agent))
        return {"Command": described}

    def document(self, content: Mapping[str, Any]) -> Document:
        """Return the document that a request names. Raises `AwsError` where there is none."""
        name = content["DocumentName"]
        wanted = {"DocumentVersion": content["DocumentVersion"]} if "DocumentVersion" in content else {}
        try:
            found = self._clients.ssm.get_document(Name=name, **wanted)
            described = self._clients.ssm.describe_document(Name=name, **wanted)["Document"]
        except ClientError as error:
            if wanted and self._is_there(name):
                raise AwsError("InvalidDocumentVersion", f"{name} has no version {wanted}.") from error
            raise AwsError("InvalidDocument", f"Document with name {name} does not exist.") from error
        given = content.get("DocumentHash")
        if given is not None and (content.get("DocumentHashType", "Sha256"), given) != (
            "Sha256",
            described.get("Hash"),
        ):
            raise AwsError("InvalidDocument", f"The hash of {name} is not the one that was given.")
        return read_document(name, found.get("DocumentVersion", "1"), found.get("Content", ""))

    def _is_there(self, document: str) -> bool:
        try:
            self._clients.ssm.get_document(Name=document)
        except ClientError:
            return False
        return True

    def instances(self, named: Sequence[str], targets: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return the instances that a request is for. Raises `AwsError` where one cannot take it."""
        if bool(named) == bool(targets):
            raise AwsError("InvalidParameters", "either InstanceIds or Targets must be given")
        if named:
            running = self._running_instances([])
            unknown = [instance for instance in named if instance not in running]
            if unknown:
                message = f"Instances not in a valid state for account: {', '.join(unknown)}"
                raise AwsError("InvalidInstanceId", message)
            return list(dict.fromkeys(named))
        for target in targets:
            if not target["Key"].startswith("tag:"):
                raise AwsError("InvalidTarget", f"the sandbox takes targets by tag only: {target['Key']}")
        return self._running_instances([{"Name": one["Key"], "Values": list(one["Values"])} for one in targets])

    def _running_instances(self, filters: Sequence[FilterTypeDef]) -> list[str]:
        state: FilterTypeDef = {"Name": "instance-state-name", "Values": ["running"]}
        pages = self._clients.ec2.get_paginator("describe_instances").paginate(Filters=[*filters, state])
        return [
            cast("Mapping[str, Any]", instance)["InstanceId"]  # always told, though the types leave it open
            for page in pages
            for reservation in page["Reservations"]
            for instance in cast("Mapping[str, Any]", reservation)["Instances"]
        ]

    def _run(self, command: Command, invocation: Invocation, agent: Agent) -> None:
        ids = {"command": command.id, "document": command.document.name}
        if time.time() > command.requested_at + command.delivery_seconds:
            self._set(command, invocation, "TimedOut", "DeliveryTimedOut")
            self._journal.append(SOURCE, Kind.COMMAND_FINISHED, {**ids, "status": "TimedOut"}, output="not delivered")
            return
        with self._lock:
            if invocation.is_cancelled:
                return
            invocation.status = "InProgress"
        self._set(command, invocation, "InProgress", "InProgress")
        self._journal.append(
            SOURCE,
            Kind.COMMAND_STARTED,
            ids,
            instance=invocation.instance_id,
            parameters=dict(command.parameters),
        )
        received = received_values(command.document, command.parameters)
        status, details = "Success", "Success"
        for step in command.document.steps:
            result = agent.run(command.id, step, received)
            with self._lock:
                invocation.steps.append(result)
            self._write_output(command, invocation, result)
            if result.status != "Success":
                status, details = result.status, result.details
            if invocation.is_cancelled:
                status, details = "Cancelled", "Cancelled"
                break
        self._set(command, invocation, status, details)
        self._journal.append(
            SOURCE,
            Kind.COMMAND_FINISHED,
            {**ids, "status": status},
            parameters=dict(command.parameters),
            status=status,
            output=shown(stream_text(invocation, "output"), OUTPUT_BYTES),
            errors=shown(stream_text(invocation, "errors"), ERROR_BYTES),
        )

    def _cancel(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """End what runs of a command, and keep from running what waits."""
        with self._lock:
            command = self._commands.get(content["CommandId"])
            if command is None:
                raise AwsError("InvalidCommandId", "")
            wanted = content.get("InstanceIds") or list(command.invocations)
            found = [command.invocations[one] for one in wanted if one in command.invocations]
            for invocation in found:
                invocation.is_cancelled |= invocation.status in RUNNING
            waiting = [invocation for invocation in found if invocation.status == "Pending"]
        ids = {"command": command.id, "document": command.document.name, "status": "Cancelled"}
        for invocation in found:
            self._agent_of(invocation.instance_id).cancel(command.id)
        for invocation in waiting:
            self._set(command, invocation, "Cancelled", "Cancelled")
            self._journal.append(SOURCE, Kind.COMMAND_FINISHED, ids, output="cancelled before it began")
        return {}

    def _set(self, command: Command, invocation: Invocation, status: str, details: str) -> None:
        with self._lock:
            invocation.status, invocation.details = status, details
        instance_arn = self._clients.arn("ec2", f"instance/{invocation.instance_id}")
        self._clients.events.put_events(
            Entries=[
                {
                    "Source": "aws.ssm",
                    "DetailType": EVENT,
                    "Time": datetime.now(UTC),
                    "Resources": [instance_arn],
                    "Detail": json.dumps(
                        {
                            "command-id": command.id,
                            "document-name": command.document.name,
                            "instance-id": invocation.instance_id,
                            "requested-date-time": iso_time(command.requested_at),
                            "status": status,
                        }
                    ),
                }
            ]
        )

    def _write_output(self, command: Command, invocation: Invocation, result: StepResult) -> None:
        bucket = command.request.get("OutputS3BucketName")
        if not bucket:
            return
        prefix = command.request.get("OutputS3KeyPrefix", "").strip("/")
        parts = [prefix, command.id, invocation.instance_id, PLUGIN, result.step]
        key = "/".join(part for part in parts if part)
        written: dict[str, str] = {}
        for stream, text in (("stdout", result.output), ("stderr", result.errors)):
            if not text:
                continue
            try:
                self._clients.s3.put_object(Bucket=bucket, Key=f"{key}/{stream}", Body=text.encode())
            except ClientError as error:
                # The agent too only logs this: the command's status is its scripts'.
                self._journal.append(SOURCE, Kind.REQUEST_REFUSED, {"command": command.id}, reason=str(error))
                continue
            written[stream] = f"https://s3.{self._clients.region}.amazonaws.com/{bucket}/{key}/{stream}"
        with self._lock:
            invocation.output_url = written.get("stdout", invocation.output_url)
            invocation.error_url = written.get("stderr", invocation.error_url)

    def _get_invocation(self, content: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            command = self._commands.get(content["CommandId"])
            invocation = None if command is None else command.invocations.get(content["InstanceId"])
            if command is None or invocation is None:
                raise AwsError("InvocationDoesNotExist", "")
            steps = invocation.steps
            ended = bool(steps) and invocation.status not in RUNNING
            return {
                "CommandId": command.id,
                "InstanceId": invocation.instance_id,
                "Comment": command.request.get("Comment", ""),
                "DocumentName": command.document.name,
                "DocumentVersion": command.document.version,
                "PluginName": steps[0].step if steps else "",
                "ResponseCode": next((step.code for step in steps if step.code), 0) if ended else -1,
                "ExecutionStartDateTime": iso_time(steps[0].started) if steps else "",
                "ExecutionEndDateTime": iso_time(steps[-1].ended) if ended else "",
                "Status": invocation.status,
                "StatusDetails": invocation.details,
                "StandardOutputContent": shown(stream_text(invocation, "output"), OUTPUT_BYTES),
                "StandardOutputUrl": invocation.output_url,
                "StandardErrorContent": shown(stream_text(invocation, "errors"), ERROR_BYTES),
                "StandardErrorUrl": invocation.error_url,
            }

    def _list_invocations(self, content: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            found = [
                invocation_view(command, invocation, with_plugins=content.get("Details", False))
                for command in self._commands.values()
                for invocation in command.invocations.values()
                if content.get("CommandId") in {None, command.id}
                and content.get("InstanceId") in {None, invocation.instance_id}
            ]
        return {"CommandInvocations": found}

    def _list_commands(self, content: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            found = [
                command_view(command)
                for command in self._commands.values()
                if content.get("CommandId") in {None, command.id}
                and (content.get("InstanceId") is None or content["InstanceId"] in command.invocations)
                and all(_matches(command, one["key"], one["value"]) for one in content.get("Filters", []))
            ]
        return {"Commands": found}


def _matches(command: Command, key: str, value: str) -> bool:
    match key:
        case "DocumentName":
            return command.document.name == value
        case "Status":
            return overall_status(command) == value
        case _:
            raise AwsError("InvalidFilterKey", f"the sandbox does not know the filter {key}")
