"""The AWS account of a stack: a real one by the caller's own credentials, or the running sandbox's stand-in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from alerting.errors import AlertingError
from cli.stack_config import read_settings
from sandbox.credentials import Credentials
from sandbox.runs import RUNS, running_sandbox

SANDBOX = "sandbox"


class WrongAccount(AlertingError):
    """The caller's credentials are another account's; the message says which are needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The source of a stack's AWS clients, and the caller's identity (an ARN)."""

    session: boto3.Session
    endpoint: str | None
    caller: str

    def client(self, service: str) -> Any:
        """Return a client of a service."""
        return self.session.client(service, endpoint_url=self.endpoint)  # pyright: ignore[reportCallIssue, reportArgumentType]  boto3-stubs know literal names only

    def table(self, name: str) -> Any:
        """Return a DynamoDB table."""
        return self.session.resource("dynamodb", endpoint_url=self.endpoint).Table(name)


def account_of(root: Path, stack: str) -> Account:
    """Return the account of a stack. Raises `NoSandbox`, or `WrongAccount` naming the one that is needed."""
    if stack == SANDBOX:
        folder, addresses = running_sandbox(root / RUNS)
        session, endpoint = Credentials.kept_in(folder).session(), addresses["aws"]
        caller = session.client("sts", endpoint_url=endpoint).get_caller_identity()
        return Account(session=session, endpoint=endpoint, caller=caller["Arn"])
    aws = read_settings(root, stack).aws
    session = boto3.Session(region_name=aws.region)
    caller = session.client("sts").get_caller_identity()
    if caller["Account"] != aws.account_id:
        raise WrongAccount(
            f"found credentials of account {caller['Account']} ({caller['Arn']}); allowed: {aws.account_id}, the "
            f"account of stack {stack}. Choose its profile by AWS_PROFILE"
        )
    return Account(session=session, endpoint=None, caller=caller["Arn"])
