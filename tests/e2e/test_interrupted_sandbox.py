"""However `orion sandbox` ends, at once or with the next run, nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import psutil
import pytest

from tests.alerting_data import ROOT
from tests.waiting import until

pytestmark = pytest.mark.sandbox

PATIENCE_SECONDS = 120.0
INTERRUPTED = 130
HEARING_CTRL_C = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("cli", run_name="__main__")
"""
# A shell that starts the tests in the background has whatever they start ignore Ctrl-C.
RUNS = ROOT / "build" / "sandbox"


class Terminal:
    """A person's terminal in which one sandbox runs."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._written: IO[bytes] = output.open("wb")
        before = set(RUNS.glob("run-*"))
        self.process = subprocess.Popen(
            [sys.executable, "-c", HEARING_CTRL_C, "sandbox", "--chart", "none"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.until("is deploying", lambda: "deploying the program" in self.said())
        # Another run may begin in this folder at the same time: ours holds what our process has started.
        (self.folder,) = (one for one in set(RUNS.glob("run-*")) - before if self._is_mine(one))

    def _is_mine(self, folder: Path) -> bool:
        return any(str(folder) in _told(child) for child in psutil.Process(self.process.pid).children())

    def said(self) -> str:
        return self._output.read_text(errors="replace")

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        until(what, holds, seconds=PATIENCE_SECONDS, otherwise=self.said)

    def engine_is_running(self) -> bool:
        return any("pulumi" in process for process in self.left_running())

    def left_running(self) -> list[str]:
        """Return whatever runs and belongs to this sandbox: it works in its folder, or names it or its cluster."""
        marks = (str(self.folder), f"orion-{self.folder.name.removeprefix('run-')}")
        found = (_told(process) for process in psutil.process_iter())
        return [told for told in found if any(mark in told for mark in marks)]

    def end(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._written.close()


def _told(process: psutil.Process) -> str:
    """Return a process' folder and command; nothing of one that has just ended."""
    try:
        return f"{process.cwd()}: {' '.join(process.cmdline())}"
    except psutil.Error:
        return ""


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[[], Terminal]]:
    opened: list[Terminal] = []

    def open_one() -> Terminal:
        opened.append(Terminal(tmp_path / f"output-{len(opened)}"))
        return opened[-1]

    yield open_one
    for one in opened:
        one.end()


def test_ctrl_c_while_it_deploys_leaves_nothing(terminal: Callable[[], Terminal]) -> None:
    sandbox = terminal()
    sandbox.until("the engine runs", sandbox.engine_is_running)

    sandbox.process.send_signal(signal.SIGINT)
    code = sandbox.process.wait(PATIENCE_SECONDS)

    assert (code, sandbox.said().splitlines()[-1]) == (INTERRUPTED, "stopped; nothing is left running")
    assert sandbox.left_running() == []
    assert not sandbox.folder.exists()


def test_what_a_killed_run_started_ends_with_it_and_its_folder_with_the_next_one(
    terminal: Callable[[], Terminal],
) -> None:
    killed = terminal()
    killed.process.kill()
    killed.process.wait(PATIENCE_SECONDS)
    if sys.platform == "linux":
        killed.until("nothing of it runs", lambda: killed.left_running() == [])

    following = terminal()
    assert killed.left_running() == []
    assert not killed.folder.exists()

    following.process.send_signal(signal.SIGTERM)
    assert following.process.wait(PATIENCE_SECONDS) == INTERRUPTED
    assert following.left_running() == []
    assert not following.folder.exists()
