"""Interrupts while a process is started: its starter knows the process before the interrupt ends the start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

from sandbox import pulumi_command
from sandbox.interrupts import interrupts_held
from sandbox.ports import listening_socket, listens
from sandbox.pulumi_command import PulumiCommand
from sandbox.service import ProcessService

FOREVER = [sys.executable, "-c", "import time; time.sleep(600)"]


class _Started(subprocess.Popen[Any]):
    """A process whose starter is interrupted before it knows of it."""

    all: ClassVar[list[psutil.Process]] = []

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.all.append(psutil.Process(self.pid))
        os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_waits_for_the_end_of_the_block() -> None:
    done: list[str] = []
    handler = signal.getsignal(signal.SIGINT)

    def interrupted() -> None:
        with interrupts_held():
            signal.raise_signal(signal.SIGINT)
            done.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert done == ["the rest"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_service_interrupted_while_it_starts_can_be_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = ProcessService("waiting", FOREVER, directory=tmp_path, is_ready=lambda: True)
    monkeypatch.setattr(subprocess, "Popen", _Started)
    with pytest.raises(KeyboardInterrupt):
        service.start()
    monkeypatch.undo()

    assert service.pid_path.exists()
    service.stop()
    assert not _Started.all[-1].is_running()


def test_a_command_of_the_engine_interrupted_while_it_starts_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "pulumi"
    program.write_text('#!/bin/sh\n[ "$1" = version ] && exec echo v3.229.0\nexec sleep 600\n')
    program.chmod(0o755)
    monkeypatch.setattr(pulumi_command, "tool", {"pulumi": program}.__getitem__)
    command = PulumiCommand(dict(os.environ))
    monkeypatch.setattr(subprocess, "Popen", _Started)
    with pytest.raises(KeyboardInterrupt):
        command.run(["stack"], str(tmp_path), {})

    assert not _Started.all[-1].is_running()


def test_a_program_listens_only_on_its_own_port() -> None:
    with listening_socket() as listener, subprocess.Popen(FOREVER) as other:
        port = int(listener.getsockname()[1])
        found = (listens(os.getpid(), port), listens(other.pid, port))
        other.kill()
    found = (*found, listens(os.getpid(), port), listens(other.pid, port))

    assert found == (True, False, False, False)
