"""The whole provider as the core takes it."""

from __future__ import annotations

from importlib.metadata import version
from itertools import chain
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.providers.aws import (
    cloudwatch,
    dynamodb,
    ec2,
    eks,
    events,
    iam,
    kms,
    lambda_,
    lambda_access,
    s3,
    s3_objects,
    secrets,
    security_groups,
    sns,
    sqs,
    ssm,
)
from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.invokes import invokes
from sandbox.providers.aws.resource import AwsType, described
from sandbox.providers.provider_table import ProviderFailed, Setting, Table, by_token
from sandbox.providers.provider_values import Properties

_MODULES = (
    cloudwatch,
    dynamodb,
    ec2,
    eks,
    events,
    iam,
    kms,
    lambda_,
    lambda_access,
    s3,
    s3_objects,
    secrets,
    security_groups,
    sns,
    sqs,
    ssm,
)
TYPES: Final[tuple[AwsType, ...]] = tuple(chain.from_iterable(module.TYPES for module in _MODULES))
SETTINGS: Final = {
    "allowedAccountIds": Setting(is_json=True),
    "defaultTags": Setting(is_json=True),
    "region": Setting(),
    # What tells pulumi-aws not to look for credentials and metadata; there is nothing to look for here.
    "skipCredentialsValidation": Setting(is_json=True),
    "skipMetadataApiCheck": Setting(is_json=True),
    "skipRegionValidation": Setting(is_json=True),
    "skipRequestingAccountId": Setting(is_json=True),
}


def configure(aws: Aws, settings: Properties) -> None:
    """Take the provider's settings. Raises `ProviderFailed` if the account is not one that is allowed."""
    aws.use(region=settings.get("region"), default_tags=_tags(settings.get("defaultTags")))
    allowed: list[str] = settings.get("allowedAccountIds") or []
    if allowed and aws.account_id not in allowed:
        raise ProviderFailed(f"allowedAccountIds: found account {aws.account_id}; allowed: {', '.join(allowed)}")


def _tags(setting: Any) -> dict[str, str]:
    return dict((setting or {}).get("tags") or {})


def table(aws: Aws | None = None) -> Table:
    """Return the provider, for an account (otherwise the one of the environment)."""
    account = aws or Aws()
    return Table(
        name="aws",
        version=version("pulumi-aws"),
        resources=by_token(*(described(account, one) for one in TYPES)),
        invokes=by_token(*invokes(account)),
        settings=SETTINGS,
        configure=lambda settings: configure(account, settings),
        expected_errors=(ClientError, BotoCoreError),
    )
