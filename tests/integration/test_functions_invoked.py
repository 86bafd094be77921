"""Functions that are invoked: by one another through AWS, and by anybody at their URLs."""

from __future__ import annotations

import http.client
import io
import json
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError

from sandbox.clock import Clock
from sandbox.clouds.aws.function_urls import function_url
from sandbox.clouds.aws.server import AwsServer
from sandbox.credentials import Credentials
from sandbox.functions import FunctionRuntime
from sandbox.journal import Journal, Kind
from sandbox.ports import address_of, listening_socket
from sandbox.service import wait_until_ready
from tests.waiting import until

CODE = """
import boto3, json, os

def asked(event, context):
    if event.get("fail"):
        raise ValueError("asked to fail")
    return {"sum": sum(event["numbers"]), "process": os.getpid()}

def asking(event, context):
    payload = json.dumps({"numbers": [1, 2]}).encode()
    answer = boto3.client("lambda").invoke(FunctionName="asked", Payload=payload)
    return {"read": json.loads(answer["Payload"].read())}

def warmed(event, context):
    return os.getpid()

print("started", os.getpid())

def served(event, context):
    if event["rawPath"] == "/fail":
        raise ValueError("asked to fail")
    return {
        "statusCode": 201,
        "headers": {"Content-Type": "application/json", "X-Seen": event["requestContext"]["http"]["method"]},
        "body": json.dumps(event),
    }
"""
UNSIGNED = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class _Account:
    journal: Journal
    runtime: FunctionRuntime
    endpoint: str
    functions: Any
    cloudwatch: Any

    def url(self, function: str) -> str:
        return self.functions.create_function_url_config(FunctionName=function, AuthType="NONE")["FunctionUrl"]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Account]:
    directory = tmp_path_factory.mktemp("functions")
    journal = Journal(directory / "journal.jsonl")
    credentials = Credentials.new()
    listener = listening_socket()
    address = address_of(listener)
    server = AwsServer(journal=journal, credentials=credentials, function_runtime=address)
    server.start()
    session = credentials.session()

    def client(name: str) -> Any:
        return session.client(name, endpoint_url=server.address)  # pyright: ignore[reportCallIssue, reportArgumentType]  any service

    runtime = FunctionRuntime(server.address, credentials, Clock(60), journal, directory / "runtime", listener=listener)
    account = _Account(journal, runtime, address, client("lambda"), client("cloudwatch"))
    client("s3").create_bucket(Bucket="invoked-functions")
    role = client("iam").create_role(RoleName="invoked", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", CODE)
    client("s3").put_object(Bucket="invoked-functions", Key="f.zip", Body=buffer.getvalue())
    for name in ("asked", "asking", "served", "warmed"):
        account.functions.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=role,
            Handler=f"app.{name}",
            Timeout=20,
            Code={"S3Bucket": "invoked-functions", "S3Key": "f.zip"},
        )
    runtime.start()
    try:
        wait_until_ready(runtime, timeout_seconds=20)
        yield account
    finally:
        runtime.stop()
        server.stop()


@pytest.fixture(scope="module")
def address(account: _Account) -> str:
    """The URL of a function that everybody may call."""
    url = account.url("served")
    account.functions.add_permission(
        FunctionName="served",
        StatementId="call",
        Action="lambda:InvokeFunctionUrl",
        Principal="*",
        FunctionUrlAuthType="NONE",
    )
    without = httpx.get(url)
    account.functions.add_permission(
        FunctionName="served",
        StatementId="invoke",
        Action="lambda:InvokeFunction",
        Principal="*",
        InvokedViaFunctionUrl=True,
    )

    assert without.status_code == 403
    return url


def test_one_function_invokes_another_and_reads_its_answer(account: _Account) -> None:
    answer = account.functions.invoke(FunctionName="asking")

    assert "FunctionError" not in answer
    assert json.loads(answer["Payload"].read())["read"]["sum"] == 3
    assert account.journal.find(Kind.FUNCTION_INVOKED, function="asked", source="invocation")


def test_invocations_at_once_run_in_processes_of_their_own_which_are_kept(account: _Account) -> None:
    arn = account.functions.get_function_configuration(FunctionName="asked")["FunctionArn"]

    def process(number: int) -> int:
        payload = json.dumps({"numbers": [number]}).encode()
        answer = json.loads(account.functions.invoke(FunctionName=arn, Payload=payload)["Payload"].read())
        assert answer["sum"] == number
        return answer["process"]

    with ThreadPoolExecutor(3) as pool:
        processes = set(pool.map(process, range(6)))

    assert process(7) in processes
    assert len(processes) <= 3


def test_a_failure_is_told_to_the_caller_and_counted(account: _Account) -> None:
    answer = account.functions.invoke(FunctionName="asked", Payload=b'{"fail": true}')

    assert answer["FunctionError"] == "Unhandled"
    assert "asked to fail" in json.loads(answer["Payload"].read())["errorMessage"]
    until(
        "the metric Errors has it",
        lambda: account.cloudwatch.list_metrics(
            Namespace="AWS/Lambda", MetricName="Errors", Dimensions=[{"Name": "FunctionName", "Value": "asked"}]
        )["Metrics"],
    )


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"FunctionName": "none"}, "ResourceNotFoundException"),
        ({"FunctionName": "asked", "InvocationType": "Event"}, "InvalidParameterValueException"),
        ({"FunctionName": "asked", "Payload": b"{"}, "InvalidRequestContentException"),
    ],
)
def test_what_is_not_invoked_is_refused_by_name(account: _Account, asked: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError, match=code):
        account.functions.invoke(**asked)


def test_only_the_stand_in_for_aws_may_ask_the_runtime_to_invoke(account: _Account) -> None:
    answer = httpx.post(f"{account.endpoint}/invocations/asked", content=b'{"numbers": []}', headers=UNSIGNED)

    assert answer.status_code == 403


def test_a_url_calls_the_function_with_the_request_and_answers_with_its_response(
    account: _Account, address: str
) -> None:
    answer = httpx.post(f"{address}slack/inter%20actions?a=1", data={"payload": "{}"}, headers={"X-Mixed-Case": "yes"})

    assert (answer.status_code, answer.headers["x-seen"]) == (201, "POST")
    event = answer.json()
    assert (event["rawPath"], event["rawQueryString"]) == ("/slack/inter%20actions", "a=1")
    assert event["headers"]["x-mixed-case"] == "yes"
    assert (event["body"], event["isBase64Encoded"]) == ("cGF5bG9hZD0lN0IlN0Q=", True)
    assert account.journal.find(Kind.FUNCTION_INVOKED, function="served", source="url")


def test_a_url_is_known_before_its_function_is_made(account: _Account, address: str) -> None:
    config = account.functions.get_function_url_config(FunctionName="served")

    assert address == config["FunctionUrl"] == function_url(account.endpoint, "served")


def test_a_function_with_a_url_can_be_started_before_its_first_call(account: _Account) -> None:
    account.url("warmed")
    account.runtime.warm()
    log = Path(account.runtime.address) / "warmed.log"
    before = log.read_text()

    answer = account.functions.invoke(FunctionName="warmed")["Payload"].read().decode()

    assert before == log.read_text() == f"started {answer}\n"
    account.functions.delete_function_url_config(FunctionName="warmed")


def test_a_failed_function_is_a_bad_gateway(address: str) -> None:
    assert httpx.get(f"{address}fail").status_code == 502


def test_what_has_no_policy_or_no_url_is_not_called(account: _Account) -> None:
    assert httpx.get(account.url("asked")).status_code == 403
    account.functions.delete_function_url_config(FunctionName="asked")
    assert httpx.get(function_url(account.endpoint, "asked")).status_code == 404


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
def test_a_url_answers_no_page_elsewhere(address: str, headers: dict[str, str]) -> None:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
    connection.request("POST", parts.path, body=b"{}", headers=headers)

    assert connection.getresponse().status == 403
    connection.close()


@pytest.mark.parametrize("asked", [{"AuthType": "AWS_IAM"}, {"AuthType": "NONE", "Cors": {"AllowOrigins": ["*"]}}])
def test_a_url_that_would_be_served_otherwise_is_refused(account: _Account, asked: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="allowed in the sandbox"):
        account.functions.create_function_url_config(FunctionName="asking", **asked)
