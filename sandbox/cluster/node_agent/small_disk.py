"""A small disk of its own for a program's data: a real file system that can be full, and ends with the process.

It is a tmpfs in a mount namespace of this process alone, so that nothing has to be unmounted. Linux lets root do that,
and others where it lets them have user namespaces.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sandbox.service import dying_with_its_starter

SIZE_BYTES = 16 * 2**20
STORAGE_ARGUMENT = "--storage.tsdb.path="
FILLER = "filler"
DEVICE = "small-disk"
_MOUNT = f'mount -t tmpfs -o size={SIZE_BYTES} {DEVICE} "$0" && exec "$@"'
_TRY_SECONDS = 10


def on_small_disk(command: Sequence[str]) -> list[str]:
    """Return the command that runs Prometheus with its storage on a small disk, which is empty at first."""
    folder = next(argument.removeprefix(STORAGE_ARGUMENT) for argument in command if STORAGE_ARGUMENT in argument)
    return [*_unshare(), "sh", "-c", _MOUNT, folder, *dying_with_its_starter(command)]


def why_no_small_disk() -> str | None:
    """Return why nothing can have a small disk on this machine, or None if it can."""
    if shutil.which("unshare") is None:
        return "there is no program unshare (of util-linux): only Linux has it"
    mount = f'mount -t tmpfs -o size=65536 {DEVICE} "$0"'
    command = [*_unshare(), "sh", "-c", mount, str(Path("/tmp").resolve())]  # noqa: S108  (of that namespace only)
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TRY_SECONDS, check=False)
    return None if done.returncode == 0 else f"this user may mount nothing: {done.stderr.strip()}"


def small_disk_of(process: int) -> Path | None:
    """Return where the small disk of a process can be written to from outside, or None if it has none (yet).

    The path is that of the mount itself: on the way to it, a link would lead back to this process' own files.
    """
    try:
        mounts = Path(f"/proc/{process}/mounts").read_text(encoding="utf-8")
    except OSError:  # it has just ended
        return None
    for line in mounts.splitlines():
        device, folder, *_ = line.split()
        if device == DEVICE:
            return Path(f"/proc/{process}/root{folder}")
    return None


def fill(disk: Path) -> Path:
    """Fill a small disk to its last byte, and return the file that does: removing it makes room.

    Raises `ValueError` for what is larger than a small disk.
    """
    status = os.statvfs(disk)
    if status.f_blocks * status.f_frsize > SIZE_BYTES:
        raise ValueError(f"{disk}: found {status.f_blocks * status.f_frsize} bytes; allowed: a disk of {SIZE_BYTES}")
    filler = disk / FILLER
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(2**12))
        except OSError as problem:
            if problem.errno != errno.ENOSPC:
                raise
    return filler


def _unshare() -> list[str]:
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *as_root, "--mount"]
