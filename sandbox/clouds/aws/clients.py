"""The front's own clients of the AWS that it stands before, so that it uses nothing but AWS' public API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from botocore.config import Config

from sandbox.credentials import Credentials

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

_CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 2}, max_pool_connections=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """Clients of one account and region."""

    account_id: str
    region: str
    cloudwatch: CloudWatchClient
    ec2: EC2Client
    events: EventBridgeClient
    iam: IAMClient
    s3: S3Client
    sns: SNSClient
    sqs: SQSClient
    ssm: SSMClient

    @classmethod
    def of(cls, address: str, credentials: Credentials, *, account_id: str, region: str) -> Self:
        """Make the clients. Nothing is sent yet."""
        session = credentials.session(region)
        return cls(
            account_id=account_id,
            region=region,
            cloudwatch=session.client("cloudwatch", endpoint_url=address, config=_CONFIG),
            ec2=session.client("ec2", endpoint_url=address, config=_CONFIG),
            events=session.client("events", endpoint_url=address, config=_CONFIG),
            iam=session.client("iam", endpoint_url=address, config=_CONFIG),
            s3=session.client("s3", endpoint_url=address, config=_CONFIG),
            sns=session.client("sns", endpoint_url=address, config=_CONFIG),
            sqs=session.client("sqs", endpoint_url=address, config=_CONFIG),
            ssm=session.client("ssm", endpoint_url=address, config=_CONFIG),
        )

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a regional resource."""
        return f"arn:aws:{service}:{self.region}:{self.account_id}:{resource}"
