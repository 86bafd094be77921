"""Answers that AWS has not written: no function takes a proxy's page for a write that succeeded."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ClientError

from orion_common.aws_answers import WrongAnswer, aws_session, field_of_answer

OPERATIONS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "dynamodb": ("put_item", {"TableName": "t", "Item": {"id": {"S": "a"}}}),
    "s3": ("put_object", {"Bucket": "bucket", "Key": "k", "Body": b""}),
    "sns": ("publish", {"TopicArn": "a", "Message": "m"}),
    "sqs": ("send_message", {"QueueUrl": "https://q/1/q", "MessageBody": "m"}),
    "ssm": ("send_command", {"DocumentName": "d"}),
}
PAGE = b"<html>Sign in</html>"
HAS_ID = {"x-amzn-RequestId": "1"}


class _Body(io.BytesIO):
    """The body of an answer, as urllib3 has it."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


def _ask(service: str, status: int, headers: dict[str, str], body: bytes) -> Any:
    session = aws_session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")
    client: Any = session.client(service, config=Config(retries={"total_max_attempts": 1}))  # pyright: ignore[reportCallIssue, reportArgumentType]  any of them

    def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        return AWSResponse(request.url, status, HTTPHeaders.from_dict(headers), _Body(body))

    client.meta.events.register_first("before-send", answer)
    operation, arguments = OPERATIONS[service]
    return getattr(client, operation)(**arguments)


@pytest.mark.parametrize("service", OPERATIONS)
@pytest.mark.parametrize("status", [200, 404])
def test_a_proxys_page_is_no_answer(service: str, status: int) -> None:
    with pytest.raises(WrongAnswer, match="without the id of a request; allowed: an answer of AWS"):
        _ask(service, status, {"Content-Type": "text/html"}, PAGE)


@pytest.mark.parametrize("service", ["dynamodb", "sqs", "ssm"])
@pytest.mark.parametrize("body", [b"", b"[1]", PAGE])
def test_what_is_no_json_object_is_no_answer(service: str, body: bytes) -> None:
    with pytest.raises(WrongAnswer, match="no JSON object"):
        _ask(service, 200, HAS_ID, body)


def test_answers_and_errors_of_aws_are_taken() -> None:
    assert _ask("sqs", 200, HAS_ID, b'{"MessageId": "1"}')["MessageId"] == "1"
    assert _ask("s3", 200, {"x-amz-request-id": "1"}, b"")["ResponseMetadata"]["HTTPStatusCode"] == 200
    with pytest.raises(ClientError, match="ThrottlingException"):
        _ask("ssm", 400, HAS_ID, b'{"__type": "ThrottlingException"}')
    with pytest.raises(ClientError, match="503"):
        _ask("ssm", 503, {}, PAGE)


@pytest.mark.parametrize("answer", [{}, [], None])
def test_an_answer_without_a_field_that_aws_always_writes_is_none(answer: object) -> None:
    with pytest.raises(WrongAnswer, match="CommandId"):
        field_of_answer(answer, "CommandId")
