"""Lambda's function URLs and permissions where moto keeps too little: URLs are served, policies are as AWS has them.

A URL's id depends on nothing but the function, as AWS' does on function and account: whoever has to be told the URL
(Slack, PagerDuty) can be told before the function is made.
"""

from __future__ import annotations

import json
import threading
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from sandbox.clouds.aws.protocol import Answer, AwsError, Request, json_answer

BUFFERED = "BUFFERED"
ID_CHARACTERS = 32
NO_BASE = "http://no-function-runtime.invalid"
"""The base of URLs where nothing serves functions."""


def function_url(base: str, function: str) -> str:
    """Return the URL of a function, served at `base`."""
    return f"{base}/{url_id(function)}/"


def url_id(function: str) -> str:
    """Return the id of a function's URL."""
    return sha256(function.encode()).hexdigest()[:ID_CHARACTERS]


class FunctionUrls:
    """Watches the URLs of functions and their permissions."""

    def __init__(self, base: str | None) -> None:
        """`base` is the address of what serves the URLs."""
        self._base = base or NO_BASE
        self._functions: dict[str, str] = {}
        self._lock = threading.Lock()

    def functions(self) -> list[str]:
        """Return the names of all functions that have a URL."""
        with self._lock:
            return sorted(self._functions.values())

    def function(self, id_: str) -> str:
        """Return the name of the function that has a URL. Raises `AwsError` for an unknown one."""
        with self._lock:
            if id_ not in self._functions:
                raise AwsError("ResourceNotFoundException", f"no function URL {id_}", HTTPStatus.NOT_FOUND)
            return self._functions[id_]

    def check(self, request: Request) -> None:
        """Refuse a URL that would be served otherwise than it says. Raises `AwsError`."""
        match request.method, request.path:
            case "POST" | "PUT", (_, "functions", _, "url"):
                content = request.json()
            case _:
                return
        for field, allowed in (("AuthType", "NONE"), ("InvokeMode", BUFFERED), ("Cors", None), ("Qualifier", None)):
            value = content.get(field, request.query.get(field, allowed))
            if value != allowed:
                message = f"{field}: found {value}; allowed in the sandbox: {allowed or 'nothing'}"
                raise AwsError("InvalidParameterValueException", message)

    def watch(self, request: Request, answer: Answer) -> Answer:
        """Look at a request to Lambda and at its answer, and return the answer as AWS gives it."""
        if not answer.succeeded:
            return answer
        match request.method, request.path:
            case "DELETE", (_, "functions", name) | (_, "functions", name, "url"):
                with self._lock:
                    self._functions.pop(url_id(_name(name)), None)
            case _, (_, "functions", name, "url"):
                return self._served(_name(name), answer)
            case "GET", (_, "functions", _, "policy"):
                content = answer.json()
                return json_answer({**content, "Policy": _as_aws_has_it(content["Policy"])}, status=answer.status)
            case _:
                pass
        return answer

    def _served(self, function: str, answer: Answer) -> Answer:
        with self._lock:
            self._functions[url_id(function)] = function
        url = {"FunctionUrl": function_url(self._base, function)}
        return json_answer({**answer.json(), **url}, status=answer.status)


def _name(function: str) -> str:
    """Return the name of a function that is given by its name or its ARN."""
    return function.rpartition(":function:")[2]


def _as_aws_has_it(policy: str) -> str:
    """Return a policy whose statements have as conditions what moto leaves beside them."""
    content = json.loads(policy)
    return json.dumps({**content, "Statement": [_statement(each) for each in content["Statement"]]})


def _statement(statement: dict[str, Any]) -> dict[str, Any]:
    whole = dict(statement)
    auth_type, is_via_url = (whole.pop(name, None) for name in ("FunctionUrlAuthType", "InvokedViaFunctionUrl"))
    condition: dict[str, dict[str, str]] = {name: dict(each) for name, each in whole.pop("Condition", {}).items()}
    if auth_type is not None:
        condition.setdefault("StringEquals", {})["lambda:FunctionUrlAuthType"] = auth_type
    if is_via_url is not None:
        condition.setdefault("Bool", {})["lambda:InvokedViaFunctionUrl"] = str(is_via_url).lower()
    return {**whole, "Condition": condition} if condition else whole
