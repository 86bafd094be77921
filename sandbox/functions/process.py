"""One function in a process of its own: started when it is first needed, kept warm, killed when its time is up."""

from __future__ import annotations

import importlib.util
import json
import os
import select
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.credentials import Credentials
from sandbox.functions import bootstrap
from sandbox.service import dying_with_its_starter, end_process_group

RUNTIME_LIBRARIES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
"""What Lambda's Python has beside the standard library. Anything else has to be in the zip."""
START_SECONDS = 30.0
"""How long importing a function's module may take here."""
READ_BYTES = 65536


class FunctionFailed(RuntimeError):
    """An invocation failed: the function raised, ended, or took longer than it may. `kind` is Lambda's word for it."""

    def __init__(self, message: str, kind: str = "Runtime.ExitError") -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionVersion:
    """One function as it is deployed at a moment; another one means another process."""

    name: str
    arn: str
    handler: str
    runtime: str
    timeout_seconds: int
    memory_megabytes: int
    environment: tuple[tuple[str, str], ...]
    code: tuple[tuple[str, str], ...]


def runtime_libraries(directory: Path) -> Path:
    """Make the folder that holds what the runtime brings, and nothing else of this machine's packages."""
    folder = directory / "runtime-libraries"
    folder.mkdir(parents=True, exist_ok=True)
    for name in RUNTIME_LIBRARIES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise FunctionFailed(f"{name}: not installed here; a function's runtime needs it")
        source = Path(spec.origin)
        source = source.parent if source.name == "__init__.py" else source
        link = folder / source.name
        if not link.is_symlink():
            link.symlink_to(source)
    return folder


def current_process(process: FunctionProcess | None, deployed: FunctionProcess) -> FunctionProcess:
    """Return `process` if it runs the function as it is deployed now, else end it and return the new one."""
    if process is not None and process.function == deployed.function:
        return process
    if process is not None:
        process.stop()
    return deployed


class FunctionProcess:
    """Used by one thread, the one that starts it."""

    def __init__(
        self,
        function: FunctionVersion,
        *,
        task_root: Path,
        libraries: Path,
        log: Path,
        endpoint: str,
        credentials: Credentials,
    ) -> None:
        """`task_root` is the extracted zip; `log` gets what the function writes; it acts with `credentials`."""
        self.function = function
        self._task_root = task_root
        self._libraries = libraries
        self._log = log
        self._endpoint = endpoint
        self._credentials = credentials
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """Return what the handler returns. Raises `FunctionFailed`."""
        self.start()
        deadline = time.time() + self.function.timeout_seconds
        request = {"request_id": str(uuid.uuid4()), "deadline": deadline, "event": event}
        answer = self._exchange(json.dumps(request).encode() + b"\n", deadline)
        if "error" in answer:
            error = answer["error"]
            raise FunctionFailed(f"{error['errorType']}: {error['errorMessage']}", error["errorType"])
        return answer["result"]

    def start(self) -> None:
        """Start the process unless it runs. Raises `FunctionFailed`."""
        if self._process is None or self._process.poll() is not None:
            self._start()

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            end_process_group(self._process)
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
        self._process = None
        self._unread = b""

    def _start(self) -> None:
        self.stop()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                dying_with_its_starter(
                    [
                        sys.executable,
                        "-I",
                        "-S",
                        "-u",
                        bootstrap.__file__,
                        str(self._task_root),
                        str(self._libraries),
                    ]
                ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._environment(),
                start_new_session=True,
            )
        answer = self._exchange(b"", time.time() + START_SECONDS)
        if "error" in answer:
            self.stop()
            raise FunctionFailed(f"{answer['error']['errorType']}: {answer['error']['errorMessage']} (on import)")

    def _environment(self) -> dict[str, str]:
        function = self.function
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            **self._credentials.aws_environment(),
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_megabytes),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": self._log.stem,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "LAMBDA_TASK_ROOT": str(self._task_root),
            "LAMBDA_RUNTIME_DIR": str(self._libraries),
            "ORION_FUNCTION_ARN": function.arn,
            "_HANDLER": function.handler,
            **dict(function.environment),
        }

    def _exchange(self, request: bytes, deadline: float) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise FunctionFailed(f"{self.function.name}: is not running")
        try:
            process.stdin.write(request)
            process.stdin.flush()
            while b"\n" not in self._unread:
                readable, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.time()))
                if not readable:
                    self.stop()
                    raise FunctionFailed(
                        f"Task timed out after {self.function.timeout_seconds} seconds", "Sandbox.Timedout"
                    )
                part = os.read(process.stdout.fileno(), READ_BYTES)
                if not part:
                    code = process.wait()
                    self.stop()
                    raise FunctionFailed(f"Runtime exited with code {code}; see {self._log}")
                self._unread += part
        except BrokenPipeError as error:
            self.stop()
            raise FunctionFailed(f"Runtime exited; see {self._log}") from error
        line, _, self._unread = self._unread.partition(b"\n")
        return json.loads(line)
