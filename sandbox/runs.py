"""Where a run of the sandbox keeps its state, and how what a killed run left is found and ended."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from sandbox.service import end_recorded_processes

ADDRESSES = "addresses.json"
_LOCK = "alive.lock"
_ALL_LOCK = "runs.lock"


class NoSandbox(RuntimeError):
    """No sandbox runs in this checkout; the message says how to start one."""


class Run:
    """One run: a folder of its own and a lock that is held as long as it lives. Use as a context manager."""

    def __init__(self, root: Path) -> None:
        """Make the folder below `root`."""
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / _ALL_LOCK):  # so that nobody takes the folder for one that was left
            self.directory = Path(tempfile.mkdtemp(prefix="run-", dir=root))
            self._lock = FileLock(self.directory / _LOCK)
            self._lock.acquire(blocking=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End whatever is still recorded, and remove the folder."""
        end_recorded_processes(self.directory)
        self._lock.release()
        shutil.rmtree(self.directory, ignore_errors=True)

    def publish(self, addresses: Mapping[str, str]) -> None:
        """Write down where everything is, for other commands."""
        path = self.directory / ADDRESSES
        path.with_suffix(".new").write_text(json.dumps(dict(addresses), indent=2))
        path.with_suffix(".new").replace(path)


def _lives(directory: Path) -> bool:
    try:
        with FileLock(directory / _LOCK).acquire(blocking=False):
            return False
    except Timeout:
        return True


def end_stale_runs(root: Path) -> list[str]:
    """End the processes of every run below `root` that was killed, remove its folder, and return their names."""
    root.mkdir(parents=True, exist_ok=True)
    ended: list[str] = []
    with FileLock(root / _ALL_LOCK):
        for directory in sorted(root.glob("run-*")):
            if not _lives(directory):
                ended += end_recorded_processes(directory)
                shutil.rmtree(directory, ignore_errors=True)
    return ended


def running_sandbox(root: Path) -> tuple[Path, Mapping[str, str]]:
    """Return the folder of the newest run that is up, and its addresses.

    Raises `NoSandbox` if there is none.
    """
    up = [directory for directory in root.glob("run-*") if (directory / ADDRESSES).exists() and _lives(directory)]
    if not up:
        raise NoSandbox("no sandbox is up in this checkout. Start one with `make sandbox` and wait until it is ready")
    newest = max(up, key=lambda directory: directory.stat().st_mtime)
    return newest, json.loads((newest / ADDRESSES).read_text())
