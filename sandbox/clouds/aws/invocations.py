"""Invocations of functions, which the runtime of functions carries out: moto would need Docker."""

from __future__ import annotations

from http import HTTPStatus

import httpx

from sandbox import loopback
from sandbox.clouds.aws.protocol import Answer, AwsError, Request
from sandbox.credentials import Credentials

INVOCATION_TYPE = "x-amz-invocation-type"
SYNCHRONOUS = "RequestResponse"
FUNCTION_ERROR = "X-Amz-Function-Error"
ANSWER_SECONDS = 930.0
"""The longest that a function may take on AWS, and half a minute for its start."""


class Invocations:
    """Passes synchronous invocations on to the runtime of functions, and its answers back."""

    def __init__(self, runtime: str | None, credentials: Credentials) -> None:
        """`runtime` is the address of the runtime, which takes what was signed with `credentials`."""
        self._runtime = runtime
        self._credentials = credentials

    def answer(self, request: Request) -> Answer | None:
        """Answer an invocation, or return None for any other request. Raises `AwsError`."""
        match request.method, request.path:
            case "POST", (_, "functions", function, "invocations"):
                return self._invoked(function.rpartition(":function:")[2], request)
            case _:
                return None

    def _invoked(self, function: str, request: Request) -> Answer:
        kind = request.headers.get(INVOCATION_TYPE, SYNCHRONOUS)
        if kind != SYNCHRONOUS:
            message = f"InvocationType: found {kind}; allowed in the sandbox: {SYNCHRONOUS}"
            raise AwsError("InvalidParameterValueException", message)
        if self._runtime is None:
            raise AwsError("ServiceException", "nothing runs functions here", HTTPStatus.INTERNAL_SERVER_ERROR)
        url = f"{self._runtime}/invocations/{function}"
        headers = self._credentials.signed(url, "POST", request.body)
        try:
            answer = loopback.post(url, content=request.body, headers=headers, timeout=ANSWER_SECONDS)
        except httpx.HTTPError as error:
            message = f"the runtime of functions does not answer: {error}"
            raise AwsError("ServiceException", message, HTTPStatus.INTERNAL_SERVER_ERROR) from error
        if not answer.is_success:
            content = answer.json()
            raise AwsError(content["code"], content["message"], answer.status_code)
        marks = [(FUNCTION_ERROR, answer.headers[FUNCTION_ERROR])] if FUNCTION_ERROR in answer.headers else []
        kept = (("Content-Type", "application/json"), ("X-Amz-Executed-Version", "$LATEST"), *marks)
        return Answer(body=answer.content, headers=kept)
