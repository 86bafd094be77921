"""`python -m tests.checks`: format, lint, types, import rules, workflows, spelling and prose."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.steps import PYTHON, ROOT, Step, run_steps
from tools.paths import tools_folder

WORKFLOWS = tuple(str(path.relative_to(ROOT)) for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")))

STATIC_CHECKS = (
    # The longest: the others run meanwhile.
    Step(name="types", command=(PYTHON, "-m", "tests.types_check"), background=True),
    Step(name="format", command=(PYTHON, "-m", "ruff", "format", "--check", "--quiet", ".")),
    Step(name="lint", command=(PYTHON, "-m", "ruff", "check", "--quiet", ".")),
    Step(name="import rules", command=(PYTHON, "-c", "from importlinter.cli import lint_imports_command as c; c()")),
    Step(
        name="workflows",
        # Without shellcheck and pyflakes, which some machines have and others do not.
        command=(str(tools_folder() / "actionlint"), "-shellcheck=", "-pyflakes=", *WORKFLOWS),
    ),
    Step(
        name="workflow security",
        # Offline: what it would ask GitHub about the actions changes without a change here.
        command=(str(Path(PYTHON).parent / "zizmor"), "--offline", "--no-progress", "--quiet", ".github"),
    ),
    Step(name="spelling", command=(PYTHON, "-m", "codespell_lib")),
    Step(name="prose", command=(PYTHON, "-m", "tests.prose")),
)

if __name__ == "__main__":
    sys.exit(run_steps(STATIC_CHECKS))
