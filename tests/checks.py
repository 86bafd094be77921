"""`python -m tests.checks`: format, lint, types and import rules, in that order."""

from __future__ import annotations

import sys

from tests.steps import PYTHON, Step, run_steps

STATIC_CHECKS = (
    Step(name="format", command=(PYTHON, "-m", "ruff", "format", "--check", "--quiet", ".")),
    Step(name="lint", command=(PYTHON, "-m", "ruff", "check", "--quiet", ".")),
    Step(name="types", command=(PYTHON, "-m", "pyright")),
    Step(name="import rules", command=(PYTHON, "-c", "from importlinter.cli import lint_imports_command as c; c()")),
)

if __name__ == "__main__":
    sys.exit(run_steps(STATIC_CHECKS))
