"""AWS as the provider's settings say it: the region, the account, the tags that everything gets, and the clients."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config

if TYPE_CHECKING:  # the stubs are there when the project is worked on, not where it runs
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_eks import EKSClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient

DEFAULT_REGION = "us-east-1"
PARTITION = "aws"


@dataclass(slots=True)
class _Configured:
    """A session in a region, with the clients made of it and what the account has said of itself."""

    session: boto3.Session
    region: str
    default_tags: dict[str, str]
    clients: dict[str, Any] = field(default_factory=dict[str, Any])
    account_id: str | None = None

    @classmethod
    def new(cls, region: str | None, default_tags: dict[str, str]) -> Self:
        session = boto3.Session(region_name=region)
        return cls(session, region or session.region_name or DEFAULT_REGION, default_tags)


class Aws:
    """One account in one region. Where it is (the endpoint) and who asks comes from the environment, as boto3 reads it.

    Clients may be used by many threads at once; a session may not, so each is made under a lock, and once.
    """

    def __init__(self, *, region: str | None = None, default_tags: dict[str, str] | None = None) -> None:
        """Take a region (otherwise the environment's) and the tags that everything gets."""
        self._lock = threading.RLock()
        self._configured = _Configured.new(region, default_tags or {})

    def use(self, *, region: str | None = None, default_tags: dict[str, str] | None = None) -> None:
        """Take other settings from now on, as `__init__` does."""
        with self._lock:
            self._configured = _Configured.new(region, default_tags or {})

    @property
    def region(self) -> str:
        """The region's name."""
        return self._configured.region

    @property
    def default_tags(self) -> dict[str, str]:
        """The tags that everything gets."""
        return self._configured.default_tags

    def _client(self, service: str) -> Any:
        with self._lock:
            clients = self._configured.clients
            if service not in clients:
                # A bucket's name in front of a loopback address is no host.
                config = Config(s3={"addressing_style": "path"}, retries={"mode": "standard", "max_attempts": 3})
                # A name from this file, not one of the stubs' literals.
                client: Any = self._configured.session.client(service, region_name=self.region, config=config)  # pyright: ignore[reportCallIssue, reportArgumentType]
                clients[service] = client
            return clients[service]

    @property
    def account_id(self) -> str:
        """The account's number."""
        configured = self._configured
        if configured.account_id is None:
            configured.account_id = self.sts.get_caller_identity()["Account"]
        return configured.account_id

    def arn(self, service: str, resource: str, *, region: bool = True) -> str:
        """Return the ARN of something of this account."""
        return f"arn:{PARTITION}:{service}:{self.region if region else ''}:{self.account_id}:{resource}"

    @property
    def cloudwatch(self) -> CloudWatchClient:
        """The client of CloudWatch."""
        return self._client("cloudwatch")

    @property
    def dynamodb(self) -> DynamoDBClient:
        """The client of DynamoDB."""
        return self._client("dynamodb")

    @property
    def ec2(self) -> EC2Client:
        """The client of EC2."""
        return self._client("ec2")

    @property
    def eks(self) -> EKSClient:
        """The client of EKS."""
        return self._client("eks")

    @property
    def events(self) -> EventBridgeClient:
        """The client of EventBridge."""
        return self._client("events")

    @property
    def iam(self) -> IAMClient:
        """The client of IAM."""
        return self._client("iam")

    @property
    def kms(self) -> KMSClient:
        """The client of KMS."""
        return self._client("kms")

    @property
    def lambda_(self) -> LambdaClient:
        """The client of Lambda."""
        return self._client("lambda")

    @property
    def logs(self) -> CloudWatchLogsClient:
        """The client of CloudWatch Logs."""
        return self._client("logs")

    @property
    def s3(self) -> S3Client:
        """The client of S3."""
        return self._client("s3")

    @property
    def secretsmanager(self) -> SecretsManagerClient:
        """The client of Secrets Manager."""
        return self._client("secretsmanager")

    @property
    def sns(self) -> SNSClient:
        """The client of SNS."""
        return self._client("sns")

    @property
    def sqs(self) -> SQSClient:
        """The client of SQS."""
        return self._client("sqs")

    @property
    def ssm(self) -> SSMClient:
        """The client of Systems Manager."""
        return self._client("ssm")

    @property
    def tagging(self) -> Any:
        """The client of the Resource Groups Tagging API, which the stubs that are installed do not have."""
        return self._client("resourcegroupstaggingapi")

    @property
    def sts(self) -> STSClient:
        """The client of STS."""
        return self._client("sts")
