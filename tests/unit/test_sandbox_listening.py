"""A process that listens beyond loopback is found, and no other."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from sandbox.listening import listeners_elsewhere
from sandbox.ports import listening_socket
from sandbox.service import record_process

PROGRAM = (
    "import socket, sys; s = socket.socket(); s.bind((sys.argv[1], 0)); s.listen(); print('up', flush=True); input()"
)


def _started(address: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def test_only_what_is_reachable_from_outside_is_found(tmp_path: Path) -> None:
    # An address of the loopback network that is not ours stands for one that is reachable from elsewhere.
    inside, outside = _started("127.0.0.1"), _started("127.0.0.2")
    try:
        with listening_socket() as own, socket.create_connection(own.getsockname()):
            for process in (inside, outside):
                record_process(tmp_path / f"{process.pid}.pid", process.pid)
            (tmp_path / "kwok.pid").write_text("1")  # as other programs write theirs
            found = listeners_elsewhere(tmp_path)
    finally:
        for process in (inside, outside):
            process.communicate("")

    assert [listener.address for listener in found] == ["127.0.0.2"]
