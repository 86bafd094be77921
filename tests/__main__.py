"""`python -m tests`: every check of the project. `make test` runs it."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.checks import STATIC_CHECKS
from tests.steps import PYTHON, Step, run_steps

TESTS = Path(__file__).parent
LONGEST_FIRST = (
    "integration/test_high_availability.py",
    "integration/test_preview.py",
    "integration/test_engine.py",
    "integration/test_cluster_node_agent.py",
    "integration/test_pagerduty_provider.py",
    "integration/test_providers_aws.py",
    "e2e/test_running_sandbox.py",
    "e2e/test_interrupted_sandbox.py",
    "integration/test_bench_cluster.py",
    "integration/test_faults_fire_alerts.py",
    "integration/test_providers_kubernetes.py",
    "integration/test_pagerduty_orchestration.py",
    "integration/test_cluster_control_plane.py",
)
"""So that no worker has one of them left when the others have nothing more to do."""
FOLDERS = ("integration", "e2e")
INFRASTRUCTURE = sorted(
    (str(path.relative_to(TESTS)) for folder in FOLDERS for path in (TESTS / folder).glob("test_*.py")),
    key=lambda file: (LONGEST_FIRST.index(file) if file in LONGEST_FIRST else len(LONGEST_FIRST), file),
)
BY_FILE = ("--dist", "loadfile", "--no-loadscope-reorder")

STEPS = (
    # The story's own timings take a quarter of an hour, most of it waiting: the other steps run meanwhile.
    Step(
        name="drills in real time",
        command=(PYTHON, "-m", "cli", "sandbox", "--once", "--realtime"),
        background=True,
    ),
    # These wait too, and end while the unit tests run.
    Step(
        name="drills without the chart",
        command=(PYTHON, "-m", "cli", "sandbox", "--once", "--chart", "none"),
        background=True,
    ),
    *STATIC_CHECKS,
    # A part of the files for each worker, so that none makes what another has made for all tests of a file.
    Step(name="unit tests", command=(PYTHON, "-m", "pytest", "tests/unit", "-n", "3", "--dist", "worksteal")),
    Step(name="simulation", command=(PYTHON, "-m", "tests.simulation_check")),
    Step(name="rules and routing", command=(PYTHON, "-m", "pytest", "tests/rules", "-n", "3")),
    Step(
        name="infrastructure",
        # Most of it waits for programs that start: more of it runs at once than there are cores.
        command=(
            PYTHON,
            "-m",
            "pytest",
            *(f"tests/{file}" for file in INFRASTRUCTURE),
            "-n",
            "4",
            "--durations=25",
            *BY_FILE,
        ),
    ),
)

if __name__ == "__main__":
    sys.exit(run_steps(STEPS))
