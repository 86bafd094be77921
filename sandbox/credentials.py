"""The secrets of one run: whoever does not have them can do nothing to its account at AWS, at PagerDuty or in Slack.

They are made anew for each run and handed from process to process by the environment, which other people of the
machine cannot read, and are kept in the run's folder, which only its owner can open.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

ACCOUNT_ID = "123456789012"
ACCOUNT_VARIABLE = "MOTO_ACCOUNT_ID"
"""Where moto reads which account it is."""
REGION = "us-east-1"
ACCESS_KEY_VARIABLE = "AWS_ACCESS_KEY_ID"
SECRET_KEY_VARIABLE = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - a variable's name
TOKEN_VARIABLE = "ORION_SANDBOX_PAGERDUTY_TOKEN"  # noqa: S105 - a variable's name
SLACK_TOKEN_VARIABLE = "ORION_SANDBOX_SLACK_TOKEN"  # noqa: S105 - a variable's name
SIGNING_SECRET_VARIABLE = "ORION_SANDBOX_SLACK_SIGNING_SECRET"  # noqa: S105 - a variable's name
FILE = "credentials.json"
OWN_SERVICE = "sandbox"
"""What requests for the stand-in's own pages are signed for."""
_ID_BYTES = 8
_SECRET_BYTES = 30
_SIGNING_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A key pair of AWS, a token of PagerDuty and an app's of Slack, which the stand-ins of one run take and no others.

    `slack_signing_secret` is what Slack's own requests are signed with.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    pagerduty_token: str = field(repr=False)
    slack_bot_token: str = field(default_factory=lambda: f"xoxb-{secrets.token_urlsafe(_SECRET_BYTES)}", repr=False)
    slack_signing_secret: str = field(default_factory=lambda: secrets.token_hex(_SIGNING_BYTES), repr=False)

    @classmethod
    def new(cls) -> Self:
        """Make a run's."""
        return cls(
            access_key_id=f"AKIA{secrets.token_hex(_ID_BYTES).upper()}",
            secret_access_key=secrets.token_urlsafe(_SECRET_BYTES),
            pagerduty_token=secrets.token_urlsafe(_SECRET_BYTES),
        )

    @classmethod
    def from_environment(cls) -> Self:
        """Return those that the sandbox gave to this process, or such as nobody has.

        A stand-in that is started by hand without any refuses everything that needs one.
        """
        spare = cls.new()
        return cls(
            access_key_id=os.environ.get(ACCESS_KEY_VARIABLE, spare.access_key_id),
            secret_access_key=os.environ.get(SECRET_KEY_VARIABLE, spare.secret_access_key),
            pagerduty_token=os.environ.get(TOKEN_VARIABLE, spare.pagerduty_token),
            slack_bot_token=os.environ.get(SLACK_TOKEN_VARIABLE, spare.slack_bot_token),
            slack_signing_secret=os.environ.get(SIGNING_SECRET_VARIABLE, spare.slack_signing_secret),
        )

    def aws_environment(self, region: str = REGION) -> Mapping[str, str]:
        """Return the variables that AWS' SDKs read."""
        return {
            ACCESS_KEY_VARIABLE: self.access_key_id,
            SECRET_KEY_VARIABLE: self.secret_access_key,
            "AWS_DEFAULT_REGION": region,
            "AWS_REGION": region,
        }

    def environment(self) -> Mapping[str, str]:
        """Return the variables from which `from_environment` makes the same credentials."""
        return {
            **self.aws_environment(),
            TOKEN_VARIABLE: self.pagerduty_token,
            SLACK_TOKEN_VARIABLE: self.slack_bot_token,
            SIGNING_SECRET_VARIABLE: self.slack_signing_secret,
        }

    def keep(self, folder: Path) -> None:
        """Write them to a folder, readable for its owner only, for other commands of the same user."""
        path = folder / FILE
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(self), file)

    @classmethod
    def kept_in(cls, folder: Path) -> Self:
        """Return those that a run has kept in its folder."""
        return cls(**json.loads((folder / FILE).read_text(encoding="utf-8")))

    def session(self, region: str = REGION) -> boto3.Session:
        """Return a session of AWS. Its clients have to be given the stand-in's address."""
        return boto3.Session(
            aws_access_key_id=self.access_key_id, aws_secret_access_key=self.secret_access_key, region_name=region
        )

    def signed(self, url: str, method: str = "GET", body: bytes = b"") -> Mapping[str, str]:
        """Return the headers with which the sandbox's own parts take requests from one another."""
        request = AWSRequest(method, url, data=body)
        SigV4Auth(BotoCredentials(self.access_key_id, self.secret_access_key), OWN_SERVICE, REGION).add_auth(request)
        return dict(request.headers.items())

    def slack_headers(self) -> Mapping[str, str]:
        """Return the header that Slack's Web API wants."""
        return {"Authorization": f"Bearer {self.slack_bot_token}"}

    def pagerduty_headers(self) -> Mapping[str, str]:
        """Return the header that PagerDuty's REST API wants."""
        return {"Authorization": f"Token token={self.pagerduty_token}"}
