"""The folder of a sandbox run, and the clean-up of what a killed run left."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import tenacity
from filelock import FileLock, Timeout

from alerting.errors import AlertingError
from sandbox.service import end_recorded_processes

RUNS = Path("build") / "sandbox"
"""Where in a checkout the runs are."""
ADDRESSES = "addresses.json"
RUN_VARIABLE = "ORION_RUN"
"""The environment variable with the name of a run's folder, such as run-k3x9."""
_LOCK = "alive.lock"
_ALL_LOCK = "runs.lock"
_KEPT = "kept"
"""Marks a folder that was left for a person to look at."""
_REMOVED_SECONDS = 10.0
"""How long a folder is tried to be removed, into which something that is ending still writes."""


class NoSandbox(AlertingError):
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

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End whatever is still recorded, and remove the folder unless it is worth a look: after a failure it is."""
        end_recorded_processes(self.directory)
        if kind is not None and issubclass(kind, Exception):
            self.keep()
        with FileLock(self.directory.parent / _ALL_LOCK):  # so that nobody takes it for a killed one's meanwhile
            self._lock.release()
            if not _is_kept(self.directory):
                _remove(self.directory)

    def keep(self) -> None:
        """Keep the folder with its logs and its journal when the run ends, until a later one is kept."""
        for older in self.directory.parent.glob(f"run-*/{_KEPT}"):
            if not _lives(older.parent):
                _remove(older.parent)
        (self.directory / _KEPT).touch()

    def publish(self, addresses: Mapping[str, str]) -> None:
        """Write down where everything is, for other commands."""
        path = self.directory / ADDRESSES
        path.with_suffix(".new").write_text(json.dumps(dict(addresses), indent=2))
        path.with_suffix(".new").replace(path)


@tenacity.retry(
    retry=tenacity.retry_if_result(lambda removed: not removed),
    stop=tenacity.stop_after_delay(_REMOVED_SECONDS),
    wait=tenacity.wait_fixed(0.1),
    retry_error_callback=lambda _: False,
)
def _remove(directory: Path) -> bool:
    """Remove a run's folder, and return whether it is gone. One that cannot be removed is left to the next run."""
    shutil.rmtree(directory, ignore_errors=True)
    return not directory.exists()


def _lives(directory: Path) -> bool:
    try:
        with FileLock(directory / _LOCK).acquire(blocking=False):
            return False
    except Timeout:
        return True


def _is_kept(directory: Path) -> bool:
    return (directory / _KEPT).exists()


def end_stale_runs(root: Path) -> list[str]:
    """End the processes of every run below `root` that was killed, and return their names.

    Its folder is removed too, unless it was kept for a person to look at.
    """
    root.mkdir(parents=True, exist_ok=True)
    ended: list[str] = []
    with FileLock(root / _ALL_LOCK):
        for directory in sorted(root.glob("run-*")):
            if _lives(directory):
                continue
            ended += end_recorded_processes(directory)
            if not _is_kept(directory):
                _remove(directory)
    return ended


def running_sandbox(root: Path) -> tuple[Path, Mapping[str, str]]:
    """Return the folder of the newest run that is up, and its addresses. Where several are up, $ORION_RUN names one.

    Raises `NoSandbox` if there is none.
    """
    wanted = os.environ.get(RUN_VARIABLE, "run-*")
    up = [directory for directory in root.glob(wanted) if (directory / ADDRESSES).exists() and _lives(directory)]
    if not up:
        raise NoSandbox("no sandbox is up in this checkout. Start one with `make sandbox` and wait until it is ready")
    newest = max(up, key=lambda directory: directory.stat().st_mtime)
    return newest, json.loads((newest / ADDRESSES).read_text())
