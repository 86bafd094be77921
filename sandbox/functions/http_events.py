"""HTTP as a function's URL has it: requests as events of payload format 2.0, answers as responses, and who may call."""

from __future__ import annotations

import base64
import binascii
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import parse_qsl

from sandbox.credentials import REGION

CALLS = ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction")
"""The actions that a policy has to allow since October 2025, both of them."""
_CONDITIONS = {("StringEquals", "lambda:FunctionUrlAuthType"): "NONE", ("Bool", "lambda:InvokedViaFunctionUrl"): "true"}
"""The conditions that a call of a URL without authorization fulfils."""
_EVERYBODY = ("*", {"AWS": "*"})
_SERVERS_OWN = frozenset({"connection", "content-length", "date", "server", "transfer-encoding"})
_TEXTS = ("application/json", "application/javascript", "application/xml")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request to a function's URL. `path` is that below the URL, as it was sent; `headers` may repeat a name."""

    url_id: str
    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    client: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """The answer to the caller of a URL."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


def is_public(policy: str) -> bool:
    """Return whether a function's resource policy lets everybody call the function's URL."""
    statements: list[Mapping[str, Any]] = json.loads(policy)["Statement"]
    return all(any(_allows(statement, action) for statement in statements) for action in CALLS)


def _allows(statement: Mapping[str, Any], action: str) -> bool:
    conditions = [
        (kind, key, value) for kind, each in statement.get("Condition", {}).items() for key, value in each.items()
    ]
    return (
        statement.get("Effect") == "Allow"
        and statement.get("Action") == action
        and statement.get("Principal") in _EVERYBODY
        and all(_CONDITIONS.get((kind, key)) == value for kind, key, value in conditions)
    )


def event_of(request: HttpRequest) -> dict[str, Any]:
    """Return the event that Lambda makes of a request."""
    headers = _joined((name, value) for name, value in request.headers if name != "cookie")
    cookies = [part.strip() for name, value in request.headers if name == "cookie" for part in value.split(";")]
    query = _joined(parse_qsl(request.query, keep_blank_values=True))
    domain = f"{request.url_id}.lambda-url.{REGION}.on.aws"
    now = time.time()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": {
            **headers,
            "x-forwarded-for": request.client,
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "anonymous",
            "apiId": request.url_id,
            "domainName": domain,
            "domainPrefix": request.url_id,
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.client,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": "$default",
            "stage": "$default",
            "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = query
    if request.body:
        is_text = _is_text(headers)
        event["body"] = request.body.decode() if is_text else base64.b64encode(request.body).decode()
        event["isBase64Encoded"] = not is_text
    return event


def _joined(pairs: Any) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _is_text(headers: Mapping[str, str]) -> bool:
    """Return whether a body is passed on as text. A form is not: Lambda encodes it."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return "content-encoding" not in headers and (kind.startswith("text/") or kind in _TEXTS)


def response_of(result: Any) -> HttpResponse:
    """Return the response that Lambda makes of a function's result."""
    if not isinstance(result, dict) or "statusCode" not in result:
        text = result if isinstance(result, str) else json.dumps(result)
        return HttpResponse(
            status=HTTPStatus.OK, headers=[("content-type", "application/json")], body=text.encode("utf-8")
        )
    answer = cast("Mapping[str, Any]", result)
    try:
        status = int(answer["statusCode"])
        text = answer.get("body") or ""
        text = text if isinstance(text, str) else json.dumps(text)
        body = base64.b64decode(text, validate=True) if answer.get("isBase64Encoded") else text.encode()
        given = {name.lower(): str(value) for name, value in (answer.get("headers") or {}).items()}
        headers = {name: value for name, value in given.items() if name not in _SERVERS_OWN}
        cookies = [("set-cookie", str(cookie)) for cookie in answer.get("cookies") or ()]
        is_status = HTTPStatus.OK <= status < 600  # noqa: PLR2004 - the last of HTTP's
    except (TypeError, ValueError, AttributeError, binascii.Error):
        return FAILED
    if not is_status:
        return FAILED
    return HttpResponse(
        status=status, headers=[*({"content-type": "application/json"} | headers).items(), *cookies], body=body
    )


def refusal(status: HTTPStatus, error: str, message: str | None) -> HttpResponse:
    """Return what Lambda answers in place of the function."""
    return HttpResponse(
        status=status,
        headers=[("content-type", "application/json"), ("x-amzn-errortype", error)],
        body=json.dumps({"Message": message}).encode(),
    )


FAILED = HttpResponse(
    status=HTTPStatus.BAD_GATEWAY, headers=[("content-type", "application/json")], body=b"Internal Server Error"
)
"""The answer where the function failed or answered with what is no response."""
