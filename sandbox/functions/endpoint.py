"""The HTTP endpoint of the functions' runtime: URLs of functions, for everybody, and invocations, for the AWS stand-in.

/URL-ID/...          a function's URL
/invocations/NAME    a synchronous invocation, signed with the run's credentials
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from http import HTTPStatus
from wsgiref.types import WSGIEnvironment

from botocore.exceptions import BotoCoreError, ClientError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clouds.aws.invocations import FUNCTION_ERROR
from sandbox.clouds.aws.protocol import AwsError
from sandbox.clouds.aws.signature import check_signature
from sandbox.credentials import Credentials
from sandbox.functions.http_events import FAILED, HttpRequest, HttpResponse, event_of, refusal, response_of
from sandbox.functions.invoker import Invoker, TooManyInvocations
from sandbox.functions.process import FunctionFailed

MOST_BYTES = 6 * 1024 * 1024
"""The most that a synchronous invocation may bring or answer."""
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Forbidden(Exception):
    """A URL's function does not let everybody call it."""


class UnknownUrl(Exception):
    """No function has such a URL."""


class Endpoint:
    """Answers requests. `called` returns the function of a URL's id, and raises `Forbidden` or `UnknownUrl`."""

    def __init__(self, invoker: Invoker, called: Callable[[str], str], credentials: Credentials) -> None:
        self._invoker = invoker
        self._called = called
        self._credentials = credentials

    def application(self) -> Starlette:
        """Return the application to serve."""
        return Starlette(
            routes=[
                Route("/invocations/{function}", self._invoke, methods=["POST"]),
                Route("/{url_id}", self._call, methods=METHODS),
                Route("/{url_id}/{path:path}", self._call, methods=METHODS),
            ]
        )

    async def _invoke(self, request: Request) -> Response:
        body = await request.body()
        try:
            check_signature(_environ(request, body), self._credentials)
            return await run_in_threadpool(self._invoked, request.path_params["function"], body)
        except AwsError as error:
            return JSONResponse({"code": error.code, "message": error.message}, error.status)

    def _invoked(self, function: str, body: bytes) -> Response:
        if len(body) > MOST_BYTES:
            message = f"{len(body)} byte payload is too large; allowed: {MOST_BYTES}"
            raise AwsError("RequestTooLargeException", message, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            event = json.loads(body or b"{}")
        except ValueError as error:
            raise AwsError("InvalidRequestContentException", f"Could not parse request body: {error}") from error
        try:
            answer = json.dumps(self._invoker.invoke(function, event, source="invocation")).encode()
        except FunctionFailed as error:
            return JSONResponse(
                {"errorType": error.kind, "errorMessage": str(error)}, headers={FUNCTION_ERROR: "Unhandled"}
            )
        except ClientError as error:
            said, status = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
            code, message = said.get("Code", "ServiceException"), said.get("Message", "")
            raise AwsError(code, message, status.get("HTTPStatusCode", HTTPStatus.BAD_GATEWAY)) from error
        except TooManyInvocations as error:
            raise AwsError("TooManyRequestsException", str(error), HTTPStatus.TOO_MANY_REQUESTS) from error
        if len(answer) > MOST_BYTES:
            content = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": "Response payload is too large"}
            return JSONResponse(content, headers={FUNCTION_ERROR: "Unhandled"})
        return Response(answer, media_type="application/json")

    async def _call(self, request: Request) -> Response:
        url_id: str = request.path_params["url_id"]
        path = request.scope["raw_path"].decode("latin-1").removeprefix(f"/{url_id}") or "/"
        asked = HttpRequest(
            url_id=url_id,
            method=request.method,
            path=path,
            query=request.url.query,
            headers=request.headers.items(),
            body=await request.body(),
            client=request.client.host if request.client is not None else "",
        )
        response = await run_in_threadpool(self._answer, asked)
        answer = Response(response.body, response.status)
        answer.raw_headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
        return answer

    def _answer(self, request: HttpRequest) -> HttpResponse:
        if len(request.body) > MOST_BYTES:
            return refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestTooLargeException", "Request Entity Too Large")
        try:
            function = self._called(request.url_id)
            return response_of(self._invoker.invoke(function, event_of(request), source="url"))
        except UnknownUrl:
            return refusal(HTTPStatus.NOT_FOUND, "ResourceNotFoundException", None)
        except Forbidden:
            return refusal(HTTPStatus.FORBIDDEN, "AccessDeniedException", "Forbidden")
        except TooManyInvocations:
            return refusal(HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequestsException", "Rate Exceeded.")
        except (FunctionFailed, ClientError, BotoCoreError):
            return FAILED


def _environ(request: Request, body: bytes) -> WSGIEnvironment:
    """Return what the check of a signature reads of a request."""
    query = f"?{request.url.query}" if request.url.query else ""
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()}
    return {
        **headers,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "REQUEST_METHOD": request.method,
        "RAW_URI": request.scope["raw_path"].decode("latin-1") + query,
        "PATH_INFO": request.url.path,
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
    }
