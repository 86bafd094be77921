"""Tries mutants of the generator's Python: its unit tests, promtool's tests of objectives, and the exact counting."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType

from tests.alerting_data import ROOT
from tests.mutants.mutant import Result, Verdict
from tests.mutants.pytest_trials import first_failure
from tests.mutants.python_mutations import PythonMutant
from tests.mutants.rule_trials import HOLDS, Answers

TESTS = (
    "tests/unit/test_alerting_objective_rules.py",
    "tests/unit/test_alerting_objectives.py",
    "tests/unit/test_alerting_rule_set.py::test_the_least_objective_is_the_least_that_the_fastest_burn_can_reach",
    "tests/rules/test_composites.py",
    "tests/rules/test_objective_kinds.py",
    "tests/rules/test_objective_months.py",
)
"""Those that take seconds. What they let pass is held to promtool's tests, then to those that count events of days."""
PROMTOOL = "tests/rules/test_rules.py::test_alerts_fire_at_their_boundary_and_resolve"
COUNTING = (
    "tests/rules/test_objectives.py",
    "tests/rules/test_corrections.py",
    "tests/rules/test_generated_objective_tests.py",
)
READ = ("alerting/rules", "rules", "catalog", "tests/fixture/rules", "tests/fixture/catalog")
"""The folders that the answers depend on, beside the tests themselves."""


class _MutatedModule(MetaPathFinder, Loader):
    """Imports one module from its mutated source."""

    def __init__(self, name: str, source: str) -> None:
        self._name, self._source = name, source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of the module."""
        del path, target
        return spec_from_loader(fullname, self) if fullname == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the source."""
        exec(compile(self._source, f"mutant of {self._name}", "exec"), module.__dict__)  # noqa: S102 - our own source


class PythonTrials:
    """The tests of the generator."""

    def __init__(self, answers: Answers) -> None:
        """Keep `answers`, which are used and added to."""
        self._answers = answers
        files = sorted((ROOT / "rules" / "tests").glob("slo*_test.yaml"), key=lambda path: path.stat().st_size)
        promtool = [f"{PROMTOOL}[{path.name.removesuffix('_test.yaml')}]" for path in files]
        self._tests = (*TESTS, *promtool, *COUNTING)
        read = [
            path for folder in READ for path in sorted((ROOT / folder).rglob("*")) if path.suffix in {".py", ".yaml"}
        ]
        tests = [ROOT / test.partition("::")[0] for test in (*TESTS, PROMTOOL, *COUNTING)]
        self._read = hashlib.sha256(b"\0".join(path.read_bytes() for path in (*read, *tests))).hexdigest()

    def result(self, mutant: PythonMutant) -> Result:
        """Return what becomes of a mutant. Raises `TrialBroken` if tests cannot be run."""
        self._answers.new.clear()
        key = hashlib.sha256(f"{self._read} {mutant.source}".encode()).hexdigest()
        failed = self._answers.get(key)
        if failed is None:
            with tempfile.TemporaryDirectory(prefix="orion-mutant-") as name:
                prepare = partial(import_mutated, mutant.module, mutant.source)
                failed = first_failure(self._tests, prepare, Path(name) / "pytest.log") or HOLDS
            self._answers.new[key] = failed
        verdict, by = (Verdict.SURVIVED, "") if failed == HOLDS else (Verdict.CAUGHT, failed)
        return Result(mutant=mutant, verdict=verdict, by=by, answers=tuple(self._answers.new.items()))


def import_mutated(module: str, source: str) -> None:
    """Have everything imported anew, and one module from its mutated source."""
    for name in [
        name for name in sys.modules if name.startswith(("alerting.", "tests.", "cli.")) or name == "alerting"
    ]:
        del sys.modules[name]
    sys.meta_path.insert(0, _MutatedModule(module, source))
