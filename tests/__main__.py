"""`python -m tests`: every check of the project. `make test` runs it."""

from __future__ import annotations

import sys

from tests.checks import STATIC_CHECKS
from tests.steps import PYTHON, Step, run_steps

STEPS = (
    *STATIC_CHECKS,
    Step(name="unit tests", command=(PYTHON, "-m", "pytest", "tests/unit", "-n", "2")),
    Step(name="rules and routing", command=(PYTHON, "-m", "pytest", "tests/rules")),
    Step(name="infrastructure", command=(PYTHON, "-m", "pytest", "tests/integration")),
)

if __name__ == "__main__":
    sys.exit(run_steps(STEPS))
