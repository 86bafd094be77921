"""Lambda's control plane where moto keeps too little: a function's code location and logging settings."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from moto.sqs.models import sqs_backends

from sandbox.clouds.aws.protocol import Answer, AwsError, Request, json_answer

CODE_FIELDS = ("S3Bucket", "S3Key", "S3ObjectVersion")


class Functions:
    """Watches Lambda's control plane."""

    def __init__(self, *, region: str, account_id: str) -> None:
        self._region = region
        self._account_id = account_id
        self._code: dict[str, dict[str, Any]] = {}
        self._logging: dict[str, Any] = {}
        self._lock = threading.Lock()

    def check(self, request: Request) -> None:
        """Refuse code that could not be fetched again. Raises `AwsError`."""
        code = _code_of(request)
        if code is not None and not (code[1].get("S3Bucket") and code[1].get("S3Key")):
            message = "the sandbox takes a function's code from a bucket only: S3Bucket and S3Key"
            raise AwsError("InvalidParameterValueException", message)

    def watch(self, request: Request, answer: Answer) -> Answer:
        """Look at a request to Lambda and at what came of it, and return that with what moto forgot."""
        if not answer.succeeded:
            return answer
        self._remember(request)
        return self._completed(request, answer)

    def _remember(self, request: Request) -> None:
        code = _code_of(request)
        match request.method, request.path:
            case _ if code is not None:
                name, location = code
                with self._lock:
                    self._code[name] = {field: location[field] for field in CODE_FIELDS if location.get(field)}
                if request.method == "POST":
                    self._remember_logging(name, request)
            case "DELETE", (_, "functions", name):
                with self._lock:
                    self._code.pop(name, None)
                    self._logging.pop(name, None)
            case "PUT", (_, "functions", name, "configuration"):
                self._remember_logging(name, request)
            case "POST", (_, "event-source-mappings", *_):
                self._leave_queues_alone()
            case _:
                return

    def _remember_logging(self, name: str, request: Request) -> None:
        logging = request.json().get("LoggingConfig")
        if logging is not None:
            with self._lock:
                self._logging[name] = logging

    def _completed(self, request: Request, answer: Answer) -> Answer:
        match request.path:
            case (_, "functions") if request.method == "POST":
                content = answer.json()
                configuration = content
            case (_, "functions", _) if request.method == "GET":
                content = answer.json()
                configuration = content["Configuration"]
            case (_, "functions", _, "configuration" | "code") if answer.body:
                content = answer.json()
                configuration = content
            case _:
                return answer
        with self._lock:
            logging = self._logging.get(configuration.get("FunctionName", ""))
        if logging is None:
            return answer
        configuration["LoggingConfig"] = logging
        return json_answer(content, status=answer.status)

    def _leave_queues_alone(self) -> None:
        """Keep moto from invoking functions itself: it has no Docker, and would burn the messages' receive counts."""
        for queue in sqs_backends[self._account_id][self._region].queues.values():
            queue.lambda_event_source_mappings.clear()

    def code(self, name: str) -> Mapping[str, Any]:
        """Return where a function's code lies. Raises `AwsError` for an unknown one."""
        with self._lock:
            if name not in self._code:
                raise AwsError("ResourceNotFoundException", f"no function {name}", HTTPStatus.NOT_FOUND)
            return dict(self._code[name])


def _code_of(request: Request) -> tuple[str, Mapping[str, Any]] | None:
    """Return the function and the code that a request brings, if it brings any."""
    match request.method, request.path:
        case "POST", (_, "functions"):
            content = request.json()
            return content.get("FunctionName", ""), content.get("Code", {})
        case "PUT", (_, "functions", name, "code"):
            return name, request.json()
        case _:
            return None
