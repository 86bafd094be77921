"""A function's URL: the event that a request becomes, the response that a result becomes, and who may call it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from sandbox.functions.http_events import FAILED, HttpRequest, event_of, is_public, response_of

URL_ID = "0123456789abcdef"


def _request(body: bytes = b"", content_type: str = "application/json", **changed: Any) -> HttpRequest:
    fields: dict[str, Any] = {
        "url_id": URL_ID,
        "method": "POST",
        "path": "/slack/interactions",
        "query": "",
        "headers": [("content-type", content_type), ("user-agent", "Slackbot 1.0"), ("x-slack-signature", "v0=1")],
        "body": body,
        "client": "127.0.0.1",
    }
    return HttpRequest(**{**fields, **changed})


def test_a_request_becomes_an_event_of_payload_format_2() -> None:
    event = event_of(_request(b'{"a": 1}'))

    assert (event["version"], event["rawPath"], event["rawQueryString"]) == ("2.0", "/slack/interactions", "")
    assert event["headers"]["x-slack-signature"] == "v0=1"
    assert (event["body"], event["isBase64Encoded"]) == ('{"a": 1}', False)
    http = event["requestContext"]["http"]
    assert (http["method"], http["path"], http["userAgent"]) == ("POST", "/slack/interactions", "Slackbot 1.0")
    assert event["requestContext"]["accountId"] == "anonymous"
    assert event["requestContext"]["domainName"].startswith(f"{URL_ID}.lambda-url.")
    assert not {"cookies", "queryStringParameters"} & event.keys()


def test_what_is_sent_several_times_is_joined_and_cookies_stand_apart() -> None:
    headers = [("accept", "a"), ("accept", "b"), ("cookie", "one=1; two=2")]
    event = event_of(_request(query="x=1&y=&x=2", headers=headers))

    assert event["headers"]["accept"] == "a,b"
    assert "cookie" not in event["headers"]
    assert event["cookies"] == ["one=1", "two=2"]
    assert event["queryStringParameters"] == {"x": "1,2", "y": ""}
    assert "body" not in event


@pytest.mark.parametrize(
    ("content_type", "is_text"),
    [
        ("application/json; charset=utf-8", True),
        ("text/plain", True),
        ("application/x-www-form-urlencoded", False),
        ("application/octet-stream", False),
        ("", False),
    ],
)
def test_only_a_body_of_text_is_passed_on_as_it_is(content_type: str, *, is_text: bool) -> None:
    event = event_of(_request(b"payload=%7B%7D", content_type))

    assert event["isBase64Encoded"] is not is_text
    assert (event["body"] if is_text else base64.b64decode(event["body"]).decode()) == "payload=%7B%7D"


def test_a_compressed_body_is_encoded_whatever_it_holds() -> None:
    headers = [("content-type", "application/json"), ("content-encoding", "gzip")]
    event = event_of(_request(b"\x1f\x8b\xff", headers=headers))

    assert base64.b64decode(event["body"]) == b"\x1f\x8b\xff"


def test_a_result_with_a_status_is_the_response() -> None:
    result = {
        "statusCode": 202,
        "headers": {"Content-Type": "text/plain", "Content-Length": "999"},
        "cookies": ["a=1", "b=2"],
        "body": base64.b64encode(b"\xff\x00").decode(),
        "isBase64Encoded": True,
    }
    response = response_of(result)

    assert (response.status, response.body) == (202, b"\xff\x00")
    assert list(response.headers) == [("content-type", "text/plain"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]


@pytest.mark.parametrize(("result", "body"), [({"a": 1}, b'{"a": 1}'), ("hello", b"hello"), (None, b"null")])
def test_a_result_without_a_status_is_the_body(result: Any, body: bytes) -> None:
    response = response_of(result)

    assert (response.status, response.body, list(response.headers)) == (
        200,
        body,
        [("content-type", "application/json")],
    )


@pytest.mark.parametrize(
    "result",
    [
        {"statusCode": "fine"},
        {"statusCode": 99},
        {"statusCode": 700},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "body": "no base64!", "isBase64Encoded": True},
    ],
)
def test_a_result_that_is_no_response_is_a_failure(result: Any) -> None:
    assert response_of(result) is FAILED


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", **each} for each in statements]})


CALL = {
    "Action": "lambda:InvokeFunctionUrl",
    "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
}
INVOKE = {"Action": "lambda:InvokeFunction", "Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}}


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        (_policy(CALL, INVOKE), True),
        (_policy(CALL, {"Action": "lambda:InvokeFunction"}), True),
        (_policy(CALL), False),
        (_policy(INVOKE), False),
        (_policy(CALL, {**INVOKE, "Principal": {"Service": "events.amazonaws.com"}}), False),
        (_policy({**CALL, "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}}}, INVOKE), False),
        (_policy(CALL, {**INVOKE, "Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "false"}}}), False),
        (_policy(CALL, {**INVOKE, "Condition": {"StringEquals": {"aws:SourceAccount": "1"}}}), False),
    ],
)
def test_everybody_may_call_only_with_both_permissions(policy: str, *, allowed: bool) -> None:
    assert is_public(policy) is allowed
