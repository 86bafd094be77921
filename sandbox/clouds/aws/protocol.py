"""HTTP as AWS speaks it: what a request asks for, and answers in the shape that its clients read."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import parse_qs, unquote
from uuid import uuid4
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from botocore.model import ServiceModel, Shape
from botocore.validate import ParamValidator

REQUEST_ID = "x-amzn-requestid"
"""The header that each answer of AWS has."""
READ_SERVICES = frozenset({"sns", "ssm", "eks", "lambda"})
"""Services whose bodies are small and read here; the others' pass through untouched."""


class AwsError(Exception):
    """An error of AWS: its code, its text and its HTTP status."""

    def __init__(self, code: str, message: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. `path` holds its parts, each decoded by itself; `service` is what it was signed for.

    Names of `headers` are in lower case.
    """

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    service: str
    target: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def json(self) -> dict[str, Any]:
        """Return the body's JSON object. Raises `AwsError` if it is none."""
        try:
            content = json.loads(self.body or b"{}")
        except ValueError as error:
            raise AwsError("SerializationException", f"not JSON: {error}") from error
        if not isinstance(content, dict):
            raise AwsError("SerializationException", "not a JSON object")
        return content

    def input(self, model: ServiceModel, operation: str) -> dict[str, Any]:
        """Return the input of an operation that has one. Raises `AwsError` where the service's model refuses it."""
        content = self.json()
        shape = cast("Shape", model.operation_model(operation).input_shape)
        report = ParamValidator().validate(content, shape)
        if report.has_errors():
            raise AwsError("ValidationException", report.generate_report())
        return content

    def form(self) -> dict[str, str]:
        """Return the fields of a form."""
        return {name: values[0] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer."""

    status: int = HTTPStatus.OK
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = field(default=())

    def json(self) -> dict[str, Any]:
        """Return the body's JSON object."""
        return json.loads(self.body)

    @property
    def succeeded(self) -> bool:
        """Say whether the request was carried out."""
        return self.status < HTTPStatus.BAD_REQUEST

    def send(self, start_response: StartResponse) -> list[bytes]:
        """Answer in the way of WSGI."""
        status = HTTPStatus(self.status)
        headers = list(self.headers)
        if REQUEST_ID not in {name.lower() for name, _ in headers}:
            headers.append((REQUEST_ID, str(uuid4())))
        start_response(f"{status.value} {status.phrase}", headers)
        return [self.body]


def json_answer(content: object, *, status: int = HTTPStatus.OK, kind: str = "application/json") -> Answer:
    """Return JSON."""
    return Answer(status=status, body=json.dumps(content).encode(), headers=(("Content-Type", kind),))


def error_answer(error: AwsError) -> Answer:
    """Return an error as both of AWS' JSON protocols have it."""
    body = json.dumps({"__type": error.code, "message": error.message, "Message": error.message}).encode()
    headers = (("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", error.code))
    return Answer(status=error.status, body=body, headers=headers)


def read_request(environ: WSGIEnvironment) -> Request:
    """Read a request; the body of a service that is read here can be read again."""
    service = _signed_service(environ.get("HTTP_AUTHORIZATION", ""))
    body = b""
    if service in READ_SERVICES:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
    raw_path, _, raw_query = str(environ.get("RAW_URI", environ["PATH_INFO"])).partition("?")
    return Request(
        method=environ["REQUEST_METHOD"],
        path=tuple(unquote(part) for part in raw_path.split("/") if part),
        query={name: values[0] for name, values in parse_qs(raw_query).items()},
        service=service,
        target=environ.get("HTTP_X_AMZ_TARGET", ""),
        body=body,
        headers={
            name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
            for name, value in environ.items()
            if name.startswith("HTTP_")
        },
    )


def _signed_service(authorization: str) -> str:
    """Return the service of `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, ...`."""
    credential = authorization.partition("Credential=")[2].partition(",")[0].split("/")
    return credential[-2].lower() if len(credential) >= 5 else ""  # noqa: PLR2004 - its five parts


def pass_on(application: WSGIApplication, environ: WSGIEnvironment) -> Answer:
    """Have another application answer, and return what it says."""
    said: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> Callable[[bytes], object]:
        said.append((status, headers))
        return lambda _: None

    parts: Iterable[bytes] = application(environ, start_response)
    body = b"".join(parts)
    status, headers = said[-1]
    return Answer(status=int(status.split()[0]), body=body, headers=tuple(headers))
