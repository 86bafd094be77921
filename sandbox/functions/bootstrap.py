"""The program in a function's process: answers one event after another, a JSON object a line.

Run by `python -I -S bootstrap.py TASK_ROOT RUNTIME_LIBRARIES`: of this machine's packages it sees only what Lambda's
runtime has too. Whatever the function prints goes to its log, never among the answers.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from typing import Any


class Context:
    """The context that Lambda passes to a handler."""

    def __init__(self, request_id: str, deadline: float) -> None:
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.invoked_function_arn = os.environ["ORION_FUNCTION_ARN"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.aws_request_id = request_id
        self.identity = None
        self.client_context = None
        self._deadline = deadline

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds that the invocation may still last."""
        return max(0, int((self._deadline - time.time()) * 1000))


def main() -> None:
    """Serve until the input ends."""
    task_root, libraries = sys.argv[1:]
    sys.path[:0] = [task_root, libraries]
    os.chdir(task_root)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    try:
        handler = getattr(importlib.import_module(module.replace("/", ".")), name)
    except BaseException as error:  # whatever the function's own code raises is its failure
        _answer(answers, _failure(error))
        raise
    _answer(answers, {"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            result = handler(request["event"], Context(request["request_id"], request["deadline"]))
            answer: dict[str, Any] = {"result": json.loads(json.dumps(result))}
        except BaseException as error:  # noqa: BLE001 - likewise
            traceback.print_exc()
            answer = _failure(error)
        sys.stdout.flush()
        _answer(answers, answer)


def _failure(error: BaseException) -> dict[str, Any]:
    return {"error": {"errorType": type(error).__name__, "errorMessage": str(error)}}


def _answer(answers: Any, content: dict[str, Any]) -> None:
    answers.write(json.dumps(content) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
