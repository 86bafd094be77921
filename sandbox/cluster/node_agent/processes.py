"""One container as a process: started, ended, and started again with a kubelet's back-off."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.clock import Clock
from sandbox.cluster.node_agent.node_manifests import timestamp
from sandbox.service import dying_with_its_starter, end_process_group, record_process

BACK_OFF_SECONDS = 10.0
LONGEST_BACK_OFF_SECONDS = 300.0
BACK_OFF_FORGOTTEN_SECONDS = 600.0
"""A kubelet's own figures, in story seconds. The first restart comes at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The exit of a process. `code` is 128 + the signal's number for one that was killed, as in Kubernetes."""

    code: int
    started: str
    finished: str


class ContainerProcess:
    """The process of one container. To be used from one thread that lives as long as the process should."""

    def __init__(self, name: str, *, log_path: Path, pid_path: Path, clock: Clock) -> None:
        self.name = name
        self.log_path = log_path
        self._pid_path = pid_path
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._back_off = 0.0
        self._ended_at = 0.0
        self._started_at = 0.0
        self._restart_at = 0.0
        self.restarts = 0
        self.started = ""
        self.last: Ending | None = None

    @property
    def is_running(self) -> bool:
        """True if the process runs, as last seen."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The process' id, or None when there is none."""
        return None if self._process is None else self._process.pid

    @property
    def waits(self) -> float:
        """The back-off that a restart has to wait for, in real seconds; 0 when there is none."""
        return max(self._restart_at - self._ended_at, 0.0)

    def may_start(self, now: float) -> bool:
        """Say whether the back-off is over, in monotonic seconds."""
        return now >= self._restart_at

    def start(self, command: Sequence[str], environment: Mapping[str, str], *, folder: Path, now: float) -> None:
        """Start the program."""
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        if self.last is not None:
            self.restarts += 1
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                dying_with_its_starter(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
            )
        record_process(self._pid_path, self._process.pid)
        self.started = timestamp()
        self._started_at = now

    def ended(self, *, now: float) -> Ending | None:
        """Return how the process ended, once, when it has; the next start then has its back-off."""
        if self._process is None:
            return None
        code = self._process.poll()
        if code is None:
            return None
        end_process_group(self._process)
        self._process = None
        self._pid_path.unlink(missing_ok=True)
        self.last = Ending(code=code if code >= 0 else 128 - code, started=self.started, finished=timestamp())
        self._set_back_off(now)
        return self.last

    def terminate(self) -> None:
        """Ask the program to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the program without asking."""
        self._signal(signal.SIGKILL)

    def log_tail(self, lines: int = 5) -> str:
        """Return the last lines of the log."""
        if not self.log_path.exists():
            return ""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _set_back_off(self, now: float) -> None:
        if now - self._started_at > self._clock.real(BACK_OFF_FORGOTTEN_SECONDS):
            self._back_off = 0.0
        self._ended_at = now
        self._restart_at = now + self._clock.real(self._back_off)
        self._back_off = min(max(self._back_off * 2, BACK_OFF_SECONDS), LONGEST_BACK_OFF_SECONDS)
