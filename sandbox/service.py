"""Services that the sandbox starts: each has start, ready, address and stop, whether thread or process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Protocol

import psutil
import uvicorn
from starlette.types import ASGIApp

from alerting.errors import AlertingError
from sandbox.guard import AsgiGuard
from sandbox.interrupts import interrupts_held
from sandbox.ports import IDLE_CONNECTION_SECONDS, address_of, listening_socket

STOP_SECONDS = 10.0
READY_POLL_SECONDS = 0.05


class Service(Protocol):
    """Something that is started, becomes ready, has an address and is stopped. `stop` may be called twice."""

    name: str

    def start(self) -> None:
        """Begin; return at once."""
        ...

    def ready(self) -> bool:
        """Say whether it can be used. Raises `ServiceFailed` if it never will."""
        ...

    @property
    def address(self) -> str:
        """The address: `http://127.0.0.1:PORT`, or a file's path."""
        ...

    def stop(self) -> None:
        """End it, and return when it has ended."""
        ...


class ServiceFailed(AlertingError):
    """A service ended by itself or did not become ready; the message ends with the last lines of its log."""


def wait_until_ready(service: Service, *, timeout_seconds: float) -> None:
    """Return when `service` is ready.

    Raises `ServiceFailed` when it ends by itself or time is up.
    """
    deadline = time.monotonic() + timeout_seconds
    while not service.ready():
        if time.monotonic() >= deadline:
            message = f"{service.name}: not ready after {timeout_seconds:.0f} s"
            raise ServiceFailed(message)
        time.sleep(READY_POLL_SECONDS)


def start_all(services: Sequence[Service], undo: ExitStack, *, timeout_seconds: float) -> None:
    """Start services side by side and wait for each; `undo` will stop them, the last first.

    Raises `ServiceFailed` when one of them does not become ready.
    """
    for service in services:
        undo.callback(service.stop)
        service.start()
    for service in services:
        wait_until_ready(service, timeout_seconds=timeout_seconds)


class HttpService:
    """An ASGI application served from a thread of this process, on a free loopback port and out of web pages' reach."""

    def __init__(self, name: str, application: ASGIApp, listener: socket.socket | None = None) -> None:
        """Take a port at once, or that of `listener`, so that `address` is known before `start`."""
        self.name = name
        self._socket = listener or listening_socket()
        self._address = address_of(self._socket)
        self._server = uvicorn.Server(
            uvicorn.Config(
                AsgiGuard(application),
                log_level="warning",
                access_log=False,
                lifespan="on",
                timeout_keep_alive=IDLE_CONNECTION_SECONDS,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])

    def start(self) -> None:
        """Begin serving."""
        self._thread.start()

    def ready(self) -> bool:
        """Say whether requests are answered."""
        return self._server.started

    @property
    def address(self) -> str:
        """The base address, without a slash at its end."""
        return self._address

    def stop(self) -> None:
        """Finish what is under way and close the port."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)
        self._socket.close()


UNLESS_ORPHANED = '[ "$PPID" = "$0" ] && exec "$@"'


def dying_with_its_starter(command: Sequence[str]) -> list[str]:
    """Return the command that has the kernel end the program when its starter ends, however that happens.

    Linux only; elsewhere the command itself. The kernel looks at the thread that started the program: start it from
    a thread that lives as long as the program should. A starter that ended before the kernel was told is noticed by the
    shell: the program's parent is another one then.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return list(command)
    return [setpriv, "--pdeathsig", "KILL", "--", "/bin/sh", "-c", UNLESS_ORPHANED, str(os.getpid()), *command]


class ProcessService:
    """A program in a process of its own, with its output in a log file and its pid on record.

    It runs in a session of its own, so that Ctrl-C reaches only the process that started it, which then stops
    everything in order. The record lets a later run end what a killed one left.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        directory: Path,
        is_ready: Callable[[], bool],
        address: str = "",
        environment: Mapping[str, str] | None = None,
        working_directory: Path | None = None,
    ) -> None:
        """Describe the process. `directory` gets NAME.log and NAME.pid; `environment` is the whole environment."""
        self.name = name
        self.command = [str(part) for part in command]
        self.log_path = directory / f"{name}.log"
        self.pid_path = directory / f"{name}.pid"
        self._is_ready = is_ready
        self._address = address
        self._environment = dict(os.environ if environment is None else environment)
        self._working_directory = working_directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """The address at which the program listens."""
        return self._address

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The running process, for whoever watches it; None before `start`."""
        return self._process

    def start(self) -> None:
        """Start the program."""
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log, interrupts_held():
            self._process = subprocess.Popen(
                dying_with_its_starter(self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self._working_directory,
                start_new_session=True,
            )
            record_process(self.pid_path, self._process.pid)

    def ready(self) -> bool:
        """Ask the program itself. Raises `ServiceFailed` if it has ended."""
        if self._process is None:
            return False
        code = self._process.poll()
        if code is not None:
            message = f"{self.name}: ended with code {code}; its log ({self.log_path}) ends with:\n{self.log_tail()}"
            raise ServiceFailed(message)
        return self._is_ready()

    def log_tail(self, lines: int = 12) -> str:
        """Return the last lines of the log."""
        if not self.log_path.exists():
            return "(nothing)"
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        """Ask the program to end, and end it if it does not."""
        if self._process is not None:
            end_process_group(self._process)
        self.pid_path.unlink(missing_ok=True)


def end_process_group(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """End a process that leads its own session, and what it started; first politely."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()
    _signal_group(process.pid, signal.SIGKILL)  # whatever it left in its session


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def record_process(path: Path, pid: int) -> None:
    """Write down a process so that it can be recognised later, even if its pid was given to another one since."""
    path.write_text(json.dumps({"pid": pid, "created": psutil.Process(pid).create_time()}))


def recorded_processes(directory: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Yield the name and the process of every record below `directory` whose process still runs.

    Other programs leave files of the same ending; what is no record of ours is passed over.
    """
    for path in _records(directory):
        try:
            record = json.loads(path.read_text())
            process = psutil.Process(record["pid"])
            if process.create_time() == record["created"]:
                yield path.stem, process
        except (json.JSONDecodeError, KeyError, TypeError, FileNotFoundError, psutil.NoSuchProcess):
            continue


def with_children(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and what it started, directly or not; nothing of one that has just ended."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def end_recorded_processes(directory: Path) -> list[str]:
    """End every process recorded below `directory` that still runs, and return their names."""
    ended: list[str] = []
    for name, process in recorded_processes(directory):
        for one in with_children(process):
            with suppress(psutil.NoSuchProcess):
                one.kill()
        ended.append(name)
    for path in _records(directory):
        path.unlink(missing_ok=True)
    return ended


def _records(directory: Path) -> list[Path]:
    """Return the records below a folder in which others may still remove what is theirs."""
    return sorted(
        Path(folder, name) for folder, _, names in os.walk(directory) for name in names if name.endswith(".pid")
    )
