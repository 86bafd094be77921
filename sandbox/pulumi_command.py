"""The `pulumi` binary, run in an environment of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from pulumi import automation
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from sandbox.interrupts import interrupts_held
from sandbox.service import dying_with_its_starter
from tools.paths import tool

INTERRUPT_SECONDS = 30.0
"""How long what is under way may take after Ctrl-C, before it is cut off."""


@cache
def _version(command: str) -> VersionInfo:
    """Return the version of a binary. It gets no environment, so that it finds no home to write to."""
    answer = subprocess.run([command, "version"], env={}, capture_output=True, text=True, check=True)
    return VersionInfo.parse(answer.stdout.strip().removeprefix("v"))


class PulumiCommand(automation.PulumiCommand):
    """Runs the `pulumi` binary from the tools folder in an environment of its own, out of Ctrl-C's direct reach."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.command = str(tool("pulumi"))
        self.environment = dict(environment)
        self.interrupted = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self.version = _version(self.command)

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], Any] | None = None,
        on_error: Callable[[str], Any] | None = None,
    ) -> automation.CommandResult:
        """Run one command. Raises `CommandError` if it fails, `KeyboardInterrupt` once it has stopped for Ctrl-C."""
        process: subprocess.Popen[str] | None = None
        try:
            with interrupts_held():
                process = self._process = subprocess.Popen(
                    dying_with_its_starter([self.command, "--non-interactive", *args]),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd=cwd,
                    env={**self.environment, **additional_env, "PULUMI_AUTOMATION_API": "true"},
                    text=True,
                    encoding="utf-8",
                    start_new_session=True,
                )
            output, errors = process.communicate()
            code = process.returncode
        except KeyboardInterrupt:
            if process is not None:
                self.interrupt()
                self._wait_after_interrupt(process)
            raise
        finally:
            self._process = None
            if process is not None:
                _kill_rest(process.pid)
        for lines, callback in ((output, on_output), (errors, on_error)):
            if callback is not None:
                for line in lines.splitlines():
                    callback(line)
        result = automation.CommandResult(stdout=output.rstrip(), stderr=errors.rstrip(), code=code)
        if result.code != 0:
            raise create_command_error(result)
        return result

    def interrupt(self) -> None:
        """Ask the command that runs, if one does, to finish what is under way and end."""
        process = self._process
        if process is not None and process.poll() is None:
            self.interrupted.set()
            process.send_signal(signal.SIGINT)

    def _wait_after_interrupt(self, process: subprocess.Popen[str]) -> None:
        try:
            process.communicate(timeout=INTERRUPT_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.kill()
            process.communicate()


def _kill_rest(group: int) -> None:
    """End what a command left in its session: providers that still wait for their own end."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
