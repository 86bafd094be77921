"""Starts a program that leaves daemons behind, and ends all of them when whoever started this has ended.

    python -m sandbox.process_reaper RESULT -- PROGRAM ARGUMENT...

The kernel's death signal (`service.dying_with_its_starter`) reaches a child, not the daemons that it detaches. This
process adopts them instead (Linux: PR_SET_CHILD_SUBREAPER) and reads its standard input, a pipe that nobody writes to
and that ends with the starter, however that ends. The program's exit code goes to the file RESULT.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import psutil

PR_SET_CHILD_SUBREAPER = 36
ROUND_SECONDS = 0.02


def _adopt_daemons() -> None:
    """Have the kernel give this process what its descendants leave behind. Elsewhere than on Linux it does nothing."""
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def _reap(program: int, result: Path) -> None:
    """Take note of every child's end until there is none left, and write down the program's exit code."""
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            return
        if pid == program:
            result.with_suffix(".new").write_text(str(os.waitstatus_to_exitcode(status)))
            result.with_suffix(".new").replace(result)


def _end_descendants(reaper: threading.Thread) -> None:
    """End everything below this process, until the kernel has no child of it left.

    A look at the processes proves nothing: a parent may end, and its child begin, while they are listed.
    """
    own = psutil.Process()
    while reaper.is_alive():
        for process in own.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        reaper.join(ROUND_SECONDS)


def main(arguments: list[str]) -> int:
    """Run the program, keep what it leaves until the standard input ends, then end all of it."""
    result, command = Path(arguments[0]), arguments[2:]
    _adopt_daemons()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the starter, which then closes the pipe
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    reaper = threading.Thread(target=_reap, args=(program.pid, result), daemon=True)
    reaper.start()
    try:
        while sys.stdin.buffer.read(1):
            pass
    finally:
        _end_descendants(reaper)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
