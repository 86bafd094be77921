"""Example resources of AWS types, and the policies that they use."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.providers.provider_values import Properties
from tests.aws_account import Made

Everything = dict[str, Made]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One resource: what it is made with, what is changed without replacing it, and what would replace it."""

    name: str
    token: str
    inputs: Callable[[Everything], Properties]
    update: Callable[[Everything], Properties] | None = None
    replace: Properties = field(default_factory=dict[str, Any])
    outputs: Properties = field(default_factory=dict[str, Any])
    identity: str | None = None


def policy(*statements: Properties) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(service: str) -> str:
    return policy({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})


def command_document(script: str) -> str:
    step = {"action": "aws:runShellScript", "name": "run", "inputs": {"runCommand": [script]}}
    return json.dumps({"schemaVersion": "2.2", "description": "Restart", "parameters": {}, "mainSteps": [step]})


def tls_only(bucket: str) -> str:
    arn = f"arn:aws:s3:::{bucket}"
    return policy(
        {
            "Sid": "RefusePlainHttp",
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["s3:*"],
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    )
