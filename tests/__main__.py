"""`python -m tests`: every check of the project. `make test` runs it."""

from __future__ import annotations

import sys

from tests.checks import STATIC_CHECKS
from tests.steps import PYTHON, Step, run_steps

LONGEST = tuple(
    f"tests/{name}.py"
    for name in (
        "integration/test_high_availability",
        "integration/test_providers_kubernetes",
        "e2e/test_interrupted_sandbox",
        "integration/test_pagerduty_provider",
        "integration/test_engine",
        "e2e/test_running_sandbox",
    )
)
"""They are begun first, so that no worker has one left when the others have nothing more to do."""
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
        # Most of it waits for programs that start: more of it runs at once than there are cores.
        command=(PYTHON, "-m", "pytest", *LONGEST, "tests/integration", "tests/e2e", "-n", "3", *BY_FILE),
    ),
    Step(
        name="drills without the chart",
        command=(PYTHON, "-m", "cli", "sandbox", "--once", "--chart", "none"),
    ),
)

if __name__ == "__main__":
    sys.exit(run_steps(STEPS))
