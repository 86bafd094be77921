"""`python measured_process.py COMMAND...`: run a command and print its seconds and its most memory in KiB, as JSON.

It is a small process of its own: Linux counts the memory of the process that a command was forked from as its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time


def main(command: list[str]) -> int:
    """Run the command, print what it took, and return its exit code."""
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    seconds = time.perf_counter() - began
    size = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    kibibytes = size / 1024 if sys.platform == "darwin" else size  # macOS counts bytes
    sys.stdout.write(json.dumps({"seconds": seconds, "kibibytes": kibibytes}))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
