"""`python -m tests.simulation_check`: run the tests of the simulation, unless the same code has passed them before.

A seed gives the same run in every process, so that nothing new can come of code that has not changed. A hash of every
module that is run, of the locked packages and of Python is kept in the cache folder once all tests have passed.
`python -m pytest tests/simulation` runs them whatever has passed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.passed_checks import PassedChecks
from tests.steps import PYTHON, ROOT
from tests.types_check import digests

TESTS = "tests/simulation/"
READ_BESIDE = ("docs/reliability.md",)
"""Files that a test of the simulation reads, and that are no modules."""
COMMAND = (PYTHON, "-m", "pytest", TESTS, "-n", "2")


def digest(root: Path) -> str:
    """Return a hash of all that the outcome of the tests depends on."""
    modules = {path: one for path, one in digests(root).items() if path.startswith((TESTS, "tests/conftest.py"))}
    whole = hashlib.sha256(repr(sorted(modules.items())).encode())
    for name in READ_BESIDE:
        whole.update((root / name).read_bytes())
    return whole.hexdigest()


def main() -> int:
    """Run the tests if anything has changed since they passed, and return the exit code."""
    now = digest(ROOT)
    checks = PassedChecks("simulation")
    if now in checks.read():
        print("unchanged: the same code has passed before")
        return 0
    code = subprocess.run(COMMAND, cwd=ROOT, check=False).returncode
    if code == 0:
        checks.add([now])
    return code


if __name__ == "__main__":
    sys.exit(main())
