"""Daemons that a program leaves behind end with their starter, at whatever moment that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sandbox import process_reaper
from sandbox.service import dying_with_its_starter
from tests.waiting import until

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next run ends what a killed one left")
LEAVES_A_DAEMON = 'setsid sh -c "echo started > $0/$1; exec sleep 600.$1" >/dev/null 2>&1 & exit 3'
"""A shell's command that detaches a daemon, which writes a file and then sleeps, and ends with code 3."""
STARTER = """
import subprocess, sys
kept = subprocess.Popen([sys.executable, "-P", *sys.argv[1:]], stdin=subprocess.PIPE)
print(kept.pid, flush=True)
kept.wait()
"""


class Kept:
    """A starter with a keeper, whose program leaves a daemon."""

    def __init__(self, folder: Path, name: str) -> None:
        self.result = folder / "code"
        self.started = folder / name
        self._mark = f"600.{name}"
        program = ["sh", "-c", LEAVES_A_DAEMON, str(folder), name]
        command = [process_reaper.__file__, str(self.result), "--", *program]
        self.starter = subprocess.Popen([sys.executable, "-c", STARTER, *command], stdout=subprocess.PIPE, text=True)
        assert self.starter.stdout is not None
        self.keeper = psutil.Process(int(self.starter.stdout.readline()))

    def daemons(self) -> list[psutil.Process]:
        return [one for one in psutil.process_iter(["cmdline"]) if self._mark in " ".join(one.info["cmdline"] or [])]

    def kill_starter(self) -> None:
        self.starter.kill()
        self.starter.wait()

    def end(self) -> None:
        self.kill_starter()
        for process in self.daemons():
            process.kill()
        if self.starter.stdout is not None:
            self.starter.stdout.close()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    started = Kept(tmp_path, f"{os.getpid()}")
    yield started
    started.end()


@LINUX
def test_a_daemon_ends_when_the_starter_is_killed(kept: Kept) -> None:
    until("the daemon runs and the program has ended", lambda: kept.started.exists() and kept.result.exists())
    assert kept.result.read_text() == "3"
    assert kept.daemons()

    kept.kill_starter()
    until("the daemon is gone", lambda: kept.daemons() == [])
    until("the keeper is gone", lambda: not kept.keeper.is_running())


@LINUX
def test_what_is_still_being_started_ends_too(kept: Kept) -> None:
    """Killed at once: whatever the program was about to leave is left by nobody."""
    kept.kill_starter()

    until("the keeper is gone", lambda: not kept.keeper.is_running())
    assert kept.daemons() == []


@LINUX
def test_a_daemon_that_ends_by_itself_is_no_zombie(kept: Kept) -> None:
    until("the daemon runs", lambda: bool(kept.started.exists() and kept.daemons()))
    (daemon,) = kept.daemons()
    daemon.kill()

    until("it is gone", lambda: not psutil.pid_exists(daemon.pid))


@LINUX
def test_a_program_whose_starter_has_ended_already_does_not_begin(tmp_path: Path) -> None:
    """The kernel's signal is for a starter that ends later; this one ended before the kernel was told."""
    touched = tmp_path / "touched"
    command = dying_with_its_starter(["touch", str(touched)])
    orphaned = ["1" if part == str(os.getpid()) else part for part in command]

    assert subprocess.run(orphaned, check=False).returncode != 0
    assert not touched.exists()
    assert subprocess.run(command, check=False).returncode == 0
    assert touched.exists()


@LINUX
def test_a_program_ends_when_its_starter_is_killed() -> None:
    program = (
        "import subprocess, sys; from sandbox.service import dying_with_its_starter as dying; "
        "print(subprocess.Popen(dying(['sleep', '600'])).pid, flush=True); sys.stdin.read()"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    starter.send_signal(signal.SIGKILL)
    starter.communicate()

    until("the program is gone", lambda: not psutil.pid_exists(pid))
