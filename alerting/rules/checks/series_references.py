"""Rules and the annotations of alerts read only what somebody makes, and everything that is made is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import promql_parser

from alerting.catalog import Catalog
from alerting.rules import promql
from alerting.rules.checks.pages import page_series
from alerting.rules.dashboards import DRAWN
from alerting.rules.model import SCRAPED_SERIES, AnnotationQuery, CompiledRule
from alerting.rules.overviews import read_series
from alerting.rules.promql import Expression
from alerting.rules.promql.annotation_queries import sample_labels
from alerting.rules.series import METRIC_NAME, OPTIONAL_LABELS, SERIES_MISSING
from alerting.source.problems import Problem, listed, not_allowed, shown


def reading_problems(located: CompiledRule, known: Mapping[str, frozenset[str]]) -> Iterator[Problem]:
    """Yield what a rule reads that is not there. `known` are the series, each with the labels that it carries."""
    for message in _expression_messages(located.expression, known):
        yield Problem(located.place("expr"), message)
    for query in located.queries:
        for message in _query_messages(query, known):
            yield Problem(located.place("annotations", query.annotation), message)
    yield from _sample_problems(located, known)


def _expression_messages(expression: Expression, known: Mapping[str, frozenset[str]]) -> Iterator[str]:
    if expression.error is not None:
        yield _not_promql(expression.error)
    for selector in expression.selectors:
        yield from _selector_messages(selector, known)


def _sample_problems(located: CompiledRule, known: Mapping[str, frozenset[str]]) -> Iterator[Problem]:
    """Yield the labels that annotations read of a query and that no series of it carries: Prometheus shows nothing."""
    for annotation, text in located.rule.annotations.items():
        wanted = sorted(set(sample_labels(text)))
        if not wanted:
            continue
        trees = [
            None if query.expression is None else query.expression.tree
            for query in located.queries
            if query.annotation == annotation
        ]
        carried = frozenset[str]().union(*(promql.labels(tree, known) for tree in trees if tree is not None))
        if None in trees:  # which is said already
            return
        place = located.place("annotations", annotation)
        for label in wanted:
            if label not in carried:
                yield not_allowed(place, f'label "{label}"', sorted(carried), "Name a label of what it queries")


def _query_messages(query: AnnotationQuery, known: Mapping[str, frozenset[str]]) -> Iterator[str]:
    expression = query.expression
    if expression is None:
        message = 'has a query that is not written out; allowed: `query "PROMQL"`, `query (printf "PROMQL" …)`'
        yield f"{message}. Write it so, or nobody knows what it reads"
        return
    yield from _expression_messages(expression, known)
    if expression.tree is not None and promql.reach(expression.tree):
        # A text is not scaled: in the sandbox it would look back too far.
        message = f"queries the past, {shown(expression.text)}; allowed: no range, no offset. Record it, and query that"
        yield message


def _not_promql(error: str) -> str:
    return f"is not PromQL: {error}. Put the expression right"


def _selector_messages(selector: promql_parser.VectorSelector, known: Mapping[str, frozenset[str]]) -> Iterator[str]:
    name = promql.series_name(selector)
    if name is None:
        yield f"{selector} reads series by a pattern; allowed: by name. Name the series"
    elif name not in known:
        advice = f"Add it to {SCRAPED_SERIES} with its exporter, or record it"
        yield f"series {name} is neither scraped nor recorded. {advice}"
    else:
        yield from _label_messages(name, selector, known[name])


def _label_messages(name: str, selector: promql_parser.VectorSelector, labels: frozenset[str]) -> Iterator[str]:
    matched = labels | OPTIONAL_LABELS.get(name, frozenset[str]()) | {METRIC_NAME}
    for one in selector.matchers.matchers:
        if one.name not in matched:
            allowed = listed(sorted(labels))
            message = f"label {one.name} of {name} is not there; allowed: {allowed}. Change it, or {SCRAPED_SERIES}"
            yield message


def part_problems(catalog: Catalog, known: Mapping[str, frozenset[str]]) -> Iterator[Problem]:
    """Yield what is wrong with the parts of scraped series: labels that they lack.

    What `expected` reads is checked with the rule that is generated from it.
    """
    document = catalog.documents[SCRAPED_SERIES]
    for name, series in catalog.series.series.items():
        if series.parts is None:
            continue
        path = ("series", name, "parts")
        for label in series.parts.labels:
            if label not in known[name]:
                yield not_allowed(document.place((*path, "labels")), label, sorted(known[name]), "Change it")
        if series.parts.expected is None:
            continue
        place = document.place((*path, "expected"))
        expression = promql.compiled(series.parts.expected)
        if expression.tree is None:
            yield Problem(place, _not_promql(str(expression.error)))
            continue
        carried = promql.labels(expression.tree, known)
        missing = sorted(set(series.parts.labels) - carried)
        if missing:
            message = f"has no label {listed(missing)}, by which the parts of {name} are told apart"
            yield Problem(place, f"{message}; it has {listed(sorted(carried))}. Keep the label")


def series_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yield the series that are recorded or scraped and that no rule reads, and those of no exporter.

    A rule that says that a series is missing is no reader of it.
    """
    rules = [rule for rule in catalog.rules.rules if rule.rule.record != SERIES_MISSING]
    read = {name for rule in rules for name in rule.series_read()}
    read.update(name for drawn in DRAWN.values() for name in drawn)
    read.update(page_series(catalog), read_series())
    for located in catalog.rules.rules:
        name = located.rule.record
        if name is not None and name not in read and not located.generated:
            yield Problem(located.place("record"), f"no rule reads {name}. Read it, or remove the recording")
    document = catalog.documents[SCRAPED_SERIES]
    for name, series in catalog.series.series.items():
        if name not in read:
            yield Problem(document.place(("series", name)), f"no rule reads {name}. Remove it, or read it")
        if series.exporter not in catalog.series.exporters:
            place = document.place(("series", name, "exporter"))
            yield not_allowed(place, series.exporter, catalog.series.exporters, "Name an exporter of this file")
