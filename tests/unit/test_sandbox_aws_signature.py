"""The stand-in for AWS takes what was signed with the run's own key, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from sandbox.clouds.aws.server import AwsServer
from sandbox.console.backends import BACK_ENDS
from sandbox.credentials import Credentials
from sandbox.journal import Journal, Kind

KNOWN_TO_ALL = Credentials(access_key_id="sandbox", secret_access_key="sandbox", pagerduty_token="sandbox")


class Account:
    """A stand-in, and clients of it."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "journal.jsonl")
        self.credentials = Credentials.new()
        self.server = AwsServer(journal=self.journal, credentials=self.credentials)
        self.server.start()

    def client(self, service: str, credentials: Credentials | None = None) -> Any:
        session: Any = (credentials or self.credentials).session()
        return session.client(service, endpoint_url=self.server.address)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    account = Account(tmp_path_factory.mktemp("aws"))
    yield account
    account.server.stop()


def test_each_protocol_of_aws_is_taken_when_it_is_signed(account: Account) -> None:
    bucket, queue = account.client("s3"), account.client("sqs")
    bucket.create_bucket(Bucket="bucket")
    bucket.put_object(Bucket="bucket", Key="a folder/ä +%20.txt", Body=b"content", Metadata={"name": "two  words"})
    stored = bucket.get_object(Bucket="bucket", Key="a folder/ä +%20.txt")["Body"].read()
    listed = bucket.list_objects_v2(Bucket="bucket", Prefix="a folder/", Delimiter="/")["KeyCount"]
    url = queue.create_queue(QueueName="q")["QueueUrl"]
    queue.send_message(QueueUrl=url, MessageBody="m")
    account.client("dynamodb").list_tables()
    account.client("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])
    account.client("lambda").list_functions()

    assert (stored, listed) == (b"content", 1)


@pytest.mark.parametrize("service", ["ec2", "ssm", "lambda", "s3", "sqs", "dynamodb", "iam", "sns"])
def test_another_key_is_refused_in_the_protocol_that_its_client_reads(account: Account, service: str) -> None:
    call = {
        "ec2": "describe_vpcs",
        "ssm": "describe_parameters",
        "lambda": "list_functions",
        "s3": "list_buckets",
        "sqs": "list_queues",
        "dynamodb": "list_tables",
        "iam": "list_roles",
        "sns": "list_topics",
    }[service]
    same_id = Credentials(
        access_key_id=account.credentials.access_key_id,
        secret_access_key="x",
        pagerduty_token="x",
    )
    for credentials, code in (
        (KNOWN_TO_ALL, "InvalidClientTokenId"),
        (same_id, "SignatureDoesNotMatch"),
    ):
        with pytest.raises(ClientError) as refused:
            getattr(account.client(service, credentials), call)()
        answer: Any = refused.value.response

        assert answer["Error"]["Code"] == code
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_no_command_runs_for_whoever_has_no_key(account: Account, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    step = {"action": "aws:runShellScript", "name": "x", "inputs": {"runCommand": [f"touch {ran}"]}}
    document = {"schemaVersion": "2.2", "description": "x", "parameters": {}, "mainSteps": [step]}
    body = {"Name": "evil", "DocumentType": "Command", "DocumentFormat": "JSON", "Content": json.dumps(document)}
    credential = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/ssm/aws4_request, SignedHeaders=host, Signature="
    for authorization in ("", "Bearer x", credential + "0", credential + "0" * 64):
        headers = {"X-Amz-Target": "AmazonSSM.CreateDocument", "Authorization": authorization}
        answer = httpx.post(account.server.address, json=body, headers=headers)

        assert answer.status_code in {400, 403}
    documents = account.client("ssm").list_documents(Filters=[{"Key": "Owner", "Values": ["Self"]}])
    # moto's state is the process': another test may have made documents of its own.
    assert "evil" not in {document["Name"] for document in documents["DocumentIdentifiers"]}
    assert not ran.exists()
    assert account.journal.find(Kind.REQUEST_REFUSED)


def test_a_signature_is_good_for_its_own_request_only(account: Account) -> None:
    page = f"{account.server.address}/sandbox/commands"
    headers = account.credentials.signed(page)

    assert httpx.get(page, headers=headers).status_code == 200
    assert httpx.get(f"{account.server.address}/sandbox/topics", headers=headers).status_code == 403
    assert httpx.post(page, headers=headers).status_code == 403
    assert httpx.get(page, params={"a": "b"}, headers=headers).status_code == 403


@pytest.mark.parametrize("path", ["/moto-api/", "/moto-api/data.json", "/sandbox/topics", "/sandbox/commands", "/"])
def test_nothing_is_read_without_a_key_but_that_it_answers(account: Account, path: str) -> None:
    assert httpx.get(f"{account.server.address}{path}").status_code == 403
    assert httpx.get(f"{account.server.address}/sandbox/health").json() == {"status": "ok"}


def test_the_console_that_asks_whether_it_answers_is_not_refused(account: Account) -> None:
    """It asks each second as long as its page is open, and shows what is refused."""
    before = len(account.journal.find(Kind.REQUEST_REFUSED))

    assert httpx.get(f"{account.server.address}{BACK_ENDS['aws']}").status_code == 200
    assert len(account.journal.find(Kind.REQUEST_REFUSED)) == before


def test_moto_is_not_reset_by_whoever_has_no_key(account: Account) -> None:
    assert httpx.post(f"{account.server.address}/moto-api/reset").status_code == 403


def test_each_run_has_other_secrets_and_says_none(account: Account) -> None:
    other = Credentials.new()

    assert other != account.credentials
    assert other.secret_access_key not in repr(other)
    assert other.pagerduty_token not in repr(other)
