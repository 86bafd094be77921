"""The agent on an instance: runs scripts, ten commands at a time, in an environment that holds little."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sandbox.clouds.aws.ssm_documents import Step
from sandbox.service import dying_with_its_starter

COMMANDS_AT_ONCE = 10
"""As the bastion sets its agent; the agent's own default is 5."""
KILLED = 137
TRUNCATED = b"--output truncated--"
READ_BYTES = 1024 * 1024
"""As much of what a script writes as is kept."""

Status = Literal["Success", "Failed", "TimedOut"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """The result of one step. Times are Unix seconds."""

    step: str
    status: Status
    details: str
    code: int
    output: str
    errors: str
    started: float
    ended: float


class Agent:
    """Runs the commands of one instance. `kubeconfig` returns what the instance is to the cluster, at that moment."""

    def __init__(
        self,
        instance_id: str,
        *,
        kubectl: Path | None,
        kubeconfig: Callable[[], str],
        region: str,
        aws: Path | None = None,
    ) -> None:
        self._instance_id = instance_id
        self._programs = {"kubectl": kubectl, "aws": aws}
        self._kubeconfig = kubeconfig
        self._region = region
        self._pool = ThreadPoolExecutor(COMMANDS_AT_ONCE, thread_name_prefix=f"agent-{instance_id}")
        self._running: dict[subprocess.Popen[bytes], str] = {}
        self._cancelled: set[str] = set()
        self._lock = threading.Lock()

    def submit(self, work: Callable[[], None]) -> None:
        """Have a command's work done when one of the places is free."""
        self._pool.submit(work).add_done_callback(_show_failure)

    def stop(self) -> None:
        """Take no more work and end what runs."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for process in self._running:
                _kill(process)
        self._pool.shutdown(wait=True)

    def cancel(self, command_id: str) -> None:
        """End a command's script, or have it end as soon as it is started."""
        with self._lock:
            self._cancelled.add(command_id)
            for process, command in self._running.items():
                if command == command_id:
                    _kill(process)

    def run(self, command_id: str, step: Step, parameters: Mapping[str, str]) -> StepResult:
        """Run one script with its parameters as environment variables."""
        with tempfile.TemporaryDirectory(prefix=f"{command_id[:8]}-") as directory:
            folder = Path(directory)
            (folder / "bin").mkdir()
            for name, program in self._programs.items():
                if program is not None:
                    (folder / "bin" / name).symlink_to(program)
            kubeconfig = folder / "kubeconfig"
            kubeconfig.write_text(self._kubeconfig())
            kubeconfig.chmod(0o600)
            script = folder / "_script.sh"
            script.write_text(step.script)
            environment = {
                "PATH": f"{folder / 'bin'}:/usr/local/bin:/usr/bin:/bin",
                "HOME": directory,
                "TMPDIR": directory,
                "LANG": "C.UTF-8",
                "KUBECONFIG": str(kubeconfig),
                "AWS_SSM_INSTANCE_ID": self._instance_id,
                "AWS_SSM_REGION_NAME": self._region,
                **{f"SSM_{parameter}": value for parameter, value in parameters.items()},
            }
            return self._execute(command_id, step, script, environment)

    def _execute(self, command_id: str, step: Step, script: Path, environment: Mapping[str, str]) -> StepResult:
        started = time.time()
        with (script.parent / "stdout").open("w+b") as output, (script.parent / "stderr").open("w+b") as errors:
            process = subprocess.Popen(
                dying_with_its_starter([_shell(step.script), str(script)]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=dict(environment),
                cwd=script.parent,
                start_new_session=True,
            )
            with self._lock:
                self._running[process] = command_id
                if command_id in self._cancelled:
                    _kill(process)
            try:
                code = process.wait(step.timeout_seconds)
                status: Status = "Success" if code == 0 else "Failed"
                details = status
            except subprocess.TimeoutExpired:
                code, status, details = KILLED, "TimedOut", "ExecutionTimedOut"
            finally:
                _kill(process)  # and whatever the script left running
                process.wait()
                with self._lock:
                    self._running.pop(process, None)
            output.seek(0)
            errors.seek(0)
            return StepResult(
                step=step.name,
                status=status,
                details=details,
                code=code,
                output=output.read(READ_BYTES).decode(errors="replace"),
                errors=errors.read(READ_BYTES).decode(errors="replace"),
                started=started,
                ended=time.time(),
            )


def _shell(script: str) -> str:
    """Return the program that runs a script: the agent starts it by `sh -c`, so that its first line decides."""
    return "/bin/bash" if script.startswith("#!/bin/bash\n") else "/bin/sh"


def shown(text: str, limit: int) -> str:
    """Return what the agent tells of an output: as much as `limit` bytes have room for, and that it was cut."""
    content = text.encode()
    if len(content) < limit:
        return text
    return (content[: limit - len(TRUNCATED)] + TRUNCATED).decode(errors="replace")


def _show_failure(done: Future[None]) -> None:
    """Write a failure of the stand-in itself to its log: nobody waits for the work."""
    error = None if done.cancelled() else done.exception()
    if error is not None:
        traceback.print_exception(error)


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
