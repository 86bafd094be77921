"""Cuts promtool's test files down to what one rule can change: promtool then evaluates a few rules instead of a domain.

What is kept are the expectations that read the rule, directly or through other rules, every rule that those read, and
the series that these rules read. So a mutant passes a reduced file exactly if it passes those expectations of the whole
one. That a reduced file that fails holds without the mutation is tried too (`rule_trials`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import promql_parser as promql
import yaml

from alerting.catalog import Catalog
from alerting.rules.model import CompiledRule
from alerting.rules.promql import compiled
from alerting.rules.series import ALERTNAME
from alerting.source.durations import milliseconds
from tests.mutants.rule_mutations import rule_key

_OF_ALERTS = {"ALERTS", "ALERTS_FOR_STATE"}
_NAME = "__name__"


@dataclass(frozen=True, slots=True)
class Reads:
    """The rules that an expression reads: by name, or by patterns of names. `everything` is what nobody can say of."""

    names: frozenset[str]
    patterns: tuple[re.Pattern[str], ...] = ()
    everything: bool = False

    def __contains__(self, key: object) -> bool:
        return (
            self.everything
            or key in self.names
            or any(pattern.fullmatch(str(key)) is not None for pattern in self.patterns)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TestFile:
    """A file of promtool's tests: what it holds, and the domains whose rules it loads."""

    __test__ = False  # for pytest, which would take it for tests

    path: Path
    content: Mapping[str, Any]
    domains: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReducedTest:
    """One test of a file without what a rule cannot change, and the names of the rules that it needs."""

    file: TestFile
    content: Mapping[str, Any]
    rules: frozenset[str]

    @property
    def cost(self) -> float:
        """Returns about how many rules promtool evaluates."""
        (test,) = self.content["tests"]
        last = max(milliseconds(one.get("eval_time", "0s")) for field in _EXPECTATIONS for one in test.get(field, ()))
        return len(self.rules) * (1 + last / milliseconds(self.content.get("evaluation_interval", "1m")))

    def names(self, key: str) -> bool:
        """Say whether an expectation names a rule."""
        return any(key in str(one) for field in _EXPECTATIONS for one in self.content["tests"][0].get(field, ()))


def read_tests(folder: Path) -> list[TestFile]:
    """Return the test files of a folder."""
    files: list[TestFile] = []
    for path in sorted(folder.glob("*_test.yaml")):
        text = path.read_text(encoding="utf-8")
        content = _with_numbers(yaml.load(text, Loader=yaml.CBaseLoader))  # noqa: S506 - makes nothing but texts
        domains = tuple(Path(file).stem for file in content["rule_files"])
        files.append(TestFile(path=path, content=content, domains=domains))
    return files


def _with_numbers(content: Any) -> Any:
    """Return a file's content with the expected values as numbers: all else is text, `0x30` too (0, thirty times)."""
    match content:
        case list():
            return [_with_numbers(one) for one in cast("list[Any]", content)]
        case dict():
            fields = cast("dict[str, Any]", content)
            return {name: float(one) if name == "value" else _with_numbers(one) for name, one in fields.items()}
        case _:
            return content


class TestReducer:
    """Reduces test files by the rules of a catalog."""

    __test__ = False

    def __init__(self, catalog: Catalog) -> None:
        """Read what each rule reads."""
        self._rules: dict[str, list[tuple[str, Reads]]] = {}
        for rule in catalog.rules.rules:
            self._rules.setdefault(rule.domain, []).append((rule_key(rule.rule), _read_by(rule)))

    def reduced(self, file: TestFile, key: str) -> Iterator[ReducedTest]:
        """Yield the parts of a file's tests that a rule can change."""
        rules = [rule for domain in file.domains for rule in self._rules.get(domain, ())]
        changed = _readers(key, rules)
        for test in file.content["tests"]:
            kept, reads = _expectations(test, changed)
            if not kept:
                continue
            needed = _sources(reads, rules)
            series = [*reads, *(each for name, each in rules if name in needed)]
            inputs = [one for one in test.get("input_series", ()) if _is_read(one["series"], series)]
            rest = {name: value for name, value in test.items() if name not in _EXPECTATIONS}
            content = {**file.content, "tests": [{**rest, "input_series": inputs, **kept}]}
            yield ReducedTest(file=file, content=content, rules=frozenset(needed))


_EXPECTATIONS = ("alert_rule_test", "promql_expr_test")


def _expectations(test: Mapping[str, Any], changed: set[str]) -> tuple[dict[str, Any], list[Reads]]:
    """Return a test's expectations that read what is changed, and everything that these read."""
    kept: dict[str, Any] = {}
    found: list[Reads] = []
    for field in _EXPECTATIONS:
        for one in test.get(field, ()):
            reads = _read(one["expr"]) if "expr" in one else Reads(frozenset({one["alertname"]}))
            if any(key in reads for key in changed):
                kept.setdefault(field, []).append(one)
                found.append(reads)
    return kept, found


def _readers(key: str, rules: Iterable[tuple[str, Reads]]) -> set[str]:
    """Return a rule and all that read it, directly or not."""
    found, grown = {key}, True
    while grown:
        more = {name for name, reads in rules if name not in found and any(one in reads for one in found)}
        grown, found = bool(more), found | more
    return found


def _sources(reads: Iterable[Reads], rules: Iterable[tuple[str, Reads]]) -> set[str]:
    """Return the rules that are read, directly or not."""
    found: set[str] = set()
    waiting = list(reads)
    while waiting:
        one = waiting.pop()
        for name in {name for name, _ in rules if name not in found and name in one}:
            found.add(name)
            waiting += [each for other, each in rules if other == name]
    return found


def _is_read(series: str, reads: Iterable[Reads]) -> bool:
    name = re.match(r"[\w:]+", series)
    return name is None or any(name.group() in one for one in reads)


def _read_by(rule: CompiledRule) -> Reads:
    expressions = [rule.expression, *(query.expression for query in rule.queries)]
    if any(one is None or one.tree is None for one in expressions):
        return Reads(frozenset(), everything=True)
    return _combined(one.selectors for one in expressions if one is not None)


def _read(text: str) -> Reads:
    expression = compiled(text, generated=True)
    return Reads(frozenset(), everything=True) if expression.tree is None else _combined([expression.selectors])


def _combined(selectors: Iterable[Iterable[promql.VectorSelector]]) -> Reads:
    names: set[str] = set()
    patterns: list[re.Pattern[str]] = []
    everything = False
    for selector in (one for each in selectors for one in each):
        of_alerts = selector.name in _OF_ALERTS
        matchers = [one for one in selector.matchers.matchers if one.name == (ALERTNAME if of_alerts else _NAME)]
        if selector.name is not None:
            names.add(selector.name)
        if selector.name is not None and not of_alerts:
            continue
        everything |= not matchers
        patterns += _patterns(matchers)
    return Reads(frozenset(names), tuple(patterns), everything)


def _patterns(matchers: Iterable[promql.Matcher]) -> Iterator[re.Pattern[str]]:
    for one in matchers:
        if one.op == promql.MatchOp.Equal:
            yield re.compile(re.escape(one.value))
        elif one.op == promql.MatchOp.Re:
            yield re.compile(one.value)
        else:  # all but some: it may be read
            yield re.compile(".*")
