"""Tries mutants of routes and inhibitions: `orion check` may refuse one, else the routing tests have to fail.

They run on the fixture, whose routes are the project's own. The golden file is left out: it holds every letter, and
would catch each mutant without saying whether anybody is told of an alert.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from functools import cached_property, partial
from pathlib import Path

import yaml

from alerting.build import build_platform, load_catalog
from alerting.settings import Settings
from alerting.source.problems import CatalogError
from tests import alerting_data
from tests.alerting_data import ROOT, copied_root
from tests.mutants.mutant import Kind, Result, Verdict
from tests.mutants.pytest_trials import first_failure
from tests.mutants.routing_mutations import RoutingMutant
from tests.mutants.rule_trials import HOLDS, Answers

FILE = "catalog/routing.yaml"
TESTS = ("tests/rules/test_routing_waits.py", "tests/rules/test_routing_product.py", "tests/rules/test_routing.py")
INHIBITION_TESTS = ("tests/rules/test_inhibitions.py",)
WITHOUT_GOLDEN = ("--deselect", "tests/rules/test_routing.py::test_what_is_rendered_is_what_was_reviewed")


class RoutingTrials:
    """The tests of routes and inhibitions."""

    def __init__(self, settings: Settings, answers: Answers) -> None:
        """Keep `answers`, which are used and added to."""
        self._settings = settings
        self._answers = answers

    def result(self, mutant: RoutingMutant) -> Result:
        """Return what becomes of a mutant. Raises `TrialBroken` if tests cannot be run."""
        self._answers.new.clear()
        with tempfile.TemporaryDirectory(prefix="orion-mutant-") as name:
            root = copied_root(Path(name) / "root")
            (root / FILE).write_text(yaml.safe_dump(dict(mutant.routing), sort_keys=False), encoding="utf-8")
            verdict, by = self._verdict(root, INHIBITION_TESTS if mutant.kind is Kind.INHIBITION else TESTS)
        return Result(mutant=mutant, verdict=verdict, by=by, answers=tuple(self._answers.new.items()))

    @cached_property
    def _tests_hash(self) -> str:
        return hashlib.sha256(
            b"".join((ROOT / test.partition("::")[0]).read_bytes() for test in (*TESTS, *INHIBITION_TESTS))
        ).hexdigest()

    @cached_property
    def _rendered(self) -> str:
        return self._render(alerting_data.DATA)

    def _render(self, root: Path) -> str:
        return json.dumps(build_platform(load_catalog(root), self._settings).alertmanager.configuration)

    def _verdict(self, root: Path, tests: tuple[str, ...]) -> tuple[Verdict, str]:
        try:
            rendered = self._render(root)
        except CatalogError as refused:
            return Verdict.REFUSED, str(refused.problems[0])
        if rendered == self._rendered:
            return Verdict.EQUIVALENT, "the rendered configuration is the same"
        key = hashlib.sha256(f"{self._tests_hash} {rendered}".encode()).hexdigest()
        failed = self._answers.get(key)
        if failed is None:
            log = root.parent / "pytest.log"
            failed = first_failure([*tests, *WITHOUT_GOLDEN], partial(_read_fixture_of, root), log) or HOLDS
            self._answers.new[key] = failed
        return (Verdict.SURVIVED, "") if failed == HOLDS else (Verdict.CAUGHT, failed)


def _read_fixture_of(root: Path) -> None:
    """Have tests read another fixture, in a process that has imported none of them."""
    alerting_data.DATA = root
    alerting_data.fixture_catalog.cache_clear()
