"""`python -m tests`: every check of the project. `make test` runs it."""

from __future__ import annotations

import sys

from tests.checks import STATIC_CHECKS
from tests.steps import PYTHON, Step, run_steps

LONGEST = "tests/integration/test_high_availability.py"
"""It waits most of its three minutes, and is begun first, so that the others fill them."""
BY_FILE = ("--dist", "loadfile", "--no-loadscope-reorder")

STEPS = (
    # The story's own timings take a quarter of an hour, most of it waiting: the other steps run meanwhile.
    Step(
        name="drills in real time",
        command=(PYTHON, "-m", "cli", "sandbox", "--once", "--realtime"),
        background=True,
    ),
    *STATIC_CHECKS,
    Step(name="unit tests", command=(PYTHON, "-m", "pytest", "tests/unit", "-n", "2")),
    Step(name="rules and routing", command=(PYTHON, "-m", "pytest", "tests/rules", "-n", "3")),
    Step(
        name="infrastructure",
        command=(PYTHON, "-m", "pytest", LONGEST, "tests/integration", "tests/e2e", "-n", "2", *BY_FILE),
    ),
    Step(
        name="drills without the chart",
        command=(PYTHON, "-m", "cli", "sandbox", "--once", "--chart", "none"),
    ),
)

if __name__ == "__main__":
    sys.exit(run_steps(STEPS))
