"""IAM policy documents: statements as typed values, written as JSON in one way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pulumi

STS_AUDIENCE = "sts.amazonaws.com"
"""Whom EKS has a service account's token made out to."""

Conditions = Mapping[str, Mapping[str, pulumi.Input[str] | Sequence[pulumi.Input[str]]]]
"""By operator and key, what a request is held to: a value, or several of which one is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement. `services` and `accounts` are principals, for policies that are attached to a resource."""

    sid: str
    actions: Sequence[str]
    resources: Sequence[pulumi.Input[str]]
    effect: Literal["Allow", "Deny"] = "Allow"
    services: Sequence[str] = ()
    accounts: Sequence[str] = ()
    everyone: bool = False
    conditions: Conditions = field(default_factory=dict[str, Any])

    def as_json(self) -> dict[str, Any]:
        """Return the statement in IAM's own shape; lists are always lists."""
        statement: dict[str, Any] = {
            "Sid": self.sid,
            "Effect": self.effect,
            "Action": list(self.actions),
            "Resource": list(self.resources),
        }
        if self.everyone:
            statement["Principal"] = "*"
        elif self.services:
            statement["Principal"] = {"Service": list(self.services)}
        elif self.accounts:
            statement["Principal"] = {"AWS": [f"arn:aws:iam::{account}:root" for account in self.accounts]}
        if self.conditions:
            statement["Condition"] = {operator: dict(values) for operator, values in self.conditions.items()}
        return statement


def policy_document(*statements: Statement) -> pulumi.Output[str]:
    """Return the JSON of a policy."""
    return pulumi.Output.json_dumps(
        {"Version": "2012-10-17", "Statement": [statement.as_json() for statement in statements]}
    )


def trust_policy(service: str, *, actions: Sequence[str] = ("sts:AssumeRole",)) -> str:
    """Return the JSON that lets an AWS service take a role."""
    statement = {"Effect": "Allow", "Principal": {"Service": [service]}, "Action": list(actions)}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def service_account_trust_policy(issuer: str, *, account_id: str, namespace: str, service_account: str) -> str:
    """Return the JSON that lets one service account of a cluster take a role, by the tokens of the cluster's issuer.

    `issuer` is its address, https://..., which IAM names without the scheme.
    """
    host = issuer.removeprefix("https://")
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": [f"arn:aws:iam::{account_id}:oidc-provider/{host}"]},
        "Action": ["sts:AssumeRoleWithWebIdentity"],
        "Condition": {
            "StringEquals": {
                f"{host}:sub": f"system:serviceaccount:{namespace}:{service_account}",
                f"{host}:aud": STS_AUDIENCE,
            }
        },
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def refuse_plain_http(actions: str, *resources: pulumi.Input[str]) -> Statement:
    """Return the statement that refuses whoever comes without TLS."""
    return Statement(
        sid="RefusePlainHttp",
        effect="Deny",
        everyone=True,
        actions=[actions],
        resources=resources,
        conditions={"Bool": {"aws:SecureTransport": "false"}},
    )
