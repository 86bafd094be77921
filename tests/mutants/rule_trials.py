"""Tries mutants of rules: `orion check` may refuse one, else promtool's tests have to fail."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from alerting import checks
from alerting.catalog import Catalog
from alerting.platform import RuleFile
from alerting.rules.render import rule_files
from alerting.settings import Settings
from cli.check import linter_environment
from tests.mutants.mutant import Result, Verdict
from tests.mutants.reduced_tests import ReducedTest, TestReducer, read_tests
from tests.mutants.rule_mutations import RuleMutant
from tools.paths import tool

HOLDS, FAILS, REFUSES = "holds", "fails", "refuses"
_PREFIX = "orion-"


class TestsDoNotHold(Exception):
    """A test fails without any mutation, whole or reduced to what one rule can change."""

    __test__ = False


@dataclass(slots=True, kw_only=True)
class Answers:
    """Answers of earlier trials, by the hash of all that the answer depends on. `new` are those of this process."""

    known: Mapping[str, str]
    new: dict[str, str] = field(default_factory=dict[str, str])

    def get(self, key: str) -> str | None:
        """Return an answer, or None."""
        return self.new.get(key) or self.known.get(key)


class RuleTrials:
    """The tests of a folder's rules."""

    def __init__(self, root: Path, catalog: Catalog, settings: Settings, answers: Answers) -> None:
        """Read the tests of `root`, whose catalog is given, and of what its alerts say. `answers` are added to."""
        self._catalog = catalog
        self._settings = settings
        self._answers = answers
        self._tests = [*read_tests(root / "rules" / "tests"), *read_tests(root / "tests" / "rules")]
        self._reducer = TestReducer(catalog)
        self._reduced: dict[tuple[str, str], list[ReducedTest]] = {}

    @cached_property
    def _rendered(self) -> Mapping[str, RuleFile]:
        return _by_domain(self._catalog, self._settings)

    def result(self, mutant: RuleMutant) -> Result:
        """Return what becomes of a mutant. Raises `TestsDoNotHold` if its tests fail without it."""
        self._answers.new.clear()
        verdict, by = self._verdict(mutant)
        return Result(mutant=mutant, verdict=verdict, by=by, answers=tuple(self._answers.new.items()))

    def _verdict(self, mutant: RuleMutant) -> tuple[Verdict, str]:
        catalog = mutant.applied(self._catalog)
        if found := checks.problems(catalog):
            return Verdict.REFUSED, str(found[0])
        rendered = _by_domain(catalog, self._settings)
        if rendered == self._rendered:
            return Verdict.EQUIVALENT, "the rendered rules are the same"
        for test in self._tests_of(mutant.domain, mutant.key):
            match self._asked(test, rendered):
                case "fails":
                    by = f"{test.file.path.name}: {test.content['tests'][0].get('name', '')}"
                    if self._asked(test, self._rendered) != HOLDS:
                        raise TestsDoNotHold(by)
                    return Verdict.CAUGHT, by
                case "refuses":
                    return Verdict.REFUSED, "promtool"
                case _:
                    pass
        return Verdict.SURVIVED, ""

    def _tests_of(self, domain: str, key: str) -> list[ReducedTest]:
        """Return the parts of tests that a rule can change: first those that name it, and what takes little time."""
        if (domain, key) not in self._reduced:
            files = [file for file in self._tests if domain in file.domains]
            tests = [test for file in files for test in self._reducer.reduced(file, key)]
            self._reduced[domain, key] = sorted(tests, key=lambda test: (not test.names(key), test.cost))
        return self._reduced[domain, key]

    def _asked(self, test: ReducedTest, rendered: Mapping[str, RuleFile]) -> str:
        """Return what promtool says of a test."""
        rules = {domain: _only(rendered[domain], test.rules) for domain in test.file.domains if domain in rendered}
        groups = [group["name"] for one in rules.values() for group in one]
        content = {**test.content, "rule_files": [f"{domain}.yaml" for domain in rules]}
        if "group_eval_order" in content:
            content["group_eval_order"] = [name for name in content["group_eval_order"] if name in groups]
        asked = json.dumps([content, rules, str(tool("promtool").resolve())])
        key = hashlib.sha256(asked.encode()).hexdigest()
        if (known := self._answers.get(key)) is not None:
            return known
        self._answers.new[key] = answer = _promtool(content, rules)
        return answer


def _promtool(content: Mapping[str, Any], rules: Mapping[str, Any]) -> str:
    with tempfile.TemporaryDirectory(prefix="orion-mutant-") as name:
        folder = Path(name)
        for domain, groups in rules.items():
            (folder / f"{domain}.yaml").write_text(json.dumps({"groups": groups}), encoding="utf-8")
        (folder / "test.yaml").write_text(json.dumps(content), encoding="utf-8")
        done = subprocess.run(
            [tool("promtool"), "test", "rules", "test.yaml"],
            cwd=folder,
            env=linter_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode == 0:
        return HOLDS
    return REFUSES if "could not parse expression" in done.stdout + done.stderr else FAILS


def _by_domain(catalog: Catalog, settings: Settings) -> dict[str, RuleFile]:
    return {file.name.removeprefix(_PREFIX): file for file in rule_files(catalog, settings)}


def _only(file: RuleFile, names: frozenset[str]) -> list[Mapping[str, Any]]:
    """Return a file's groups with the rules of some names only."""
    groups = [
        {**group, "rules": [rule for rule in group["rules"] if rule.get("alert", rule.get("record")) in names]}
        for group in file.groups
    ]
    return [group for group in groups if group["rules"]]
