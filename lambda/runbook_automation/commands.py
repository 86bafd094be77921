"""Sends documents by Systems Manager.

    NotSent     Systems Manager refused the command: nothing ran
    TryLater    it did not take the command now: nothing ran (`orion_common.deadlines`)

`SendCommand` takes no client token, so nothing here ever sends twice: any other error leaves open whether it ran.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError

from orion_common.aws_answers import field_of_answer
from orion_common.deadlines import TryLater
from orion_common.names import BASTION_TAG, COMMANDS_PREFIX, NOT_AFTER
from runbook_automation.configuration import DELIVERY_SECONDS, Action, DeployedDocument
from runbook_automation.decisions import Plan

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

THROTTLED = frozenset({"Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded"})


class NotSent(RuntimeError):
    """Systems Manager refused the command; the text is its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Systems Manager, for the bastion. The client must not retry: a second try may be a second command."""

    client: SSMClient
    bastion_tag_value: str
    output_bucket: str
    documents: Mapping[str, DeployedDocument]

    def document_of(self, action: Action) -> str:
        """Return an action's document with its deployed version, or nothing where none is deployed."""
        document = self.documents.get(action.name)
        return "" if document is None else document.named(action.document)

    def cancel(self, command_id: str) -> None:
        """Cancel a command: one that has not begun does not, and one that runs is ended."""
        self.client.cancel_command(CommandId=command_id)

    def send(self, plan: Plan, comment: str, *, not_after: int) -> str:
        """Send a plan's document, not to begin after a time (Unix seconds), and return the command's id.

        Raises `NotSent`, `TryLater`, or leaves it open.
        """
        document = self.documents.get(plan.action.name)
        if document is None:
            raise NotSent(f"no document of action {plan.action.name} is deployed")
        try:
            answer = self.client.send_command(
                DocumentName=plan.action.document,
                DocumentVersion=document.version,
                DocumentHash=document.hash,
                DocumentHashType="Sha256",
                Targets=[{"Key": f"tag:{BASTION_TAG}", "Values": [self.bastion_tag_value]}],
                Parameters={name: [value] for name, value in plan.parameters.items()} | {NOT_AFTER: [str(not_after)]},
                TimeoutSeconds=DELIVERY_SECONDS,
                Comment=comment[:100],
                OutputS3BucketName=self.output_bucket,
                OutputS3KeyPrefix=f"{COMMANDS_PREFIX}{plan.action.name}",
            )
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            raise TryLater(str(error)) from error
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in THROTTLED:
                raise TryLater(str(error)) from error
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise NotSent(str(error)) from error
            raise
        return field_of_answer(field_of_answer(answer, "Command"), "CommandId")
