"""Rules and the annotations of alerts read only what somebody makes, and everything that is made is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import promql_parser

from alerting.catalog import Catalog, LocatedRule
from alerting.loader import SCRAPED_SERIES
from alerting.rules import promql
from alerting.rules.annotation_queries import Query, queries, sample_labels
from alerting.rules.missing_series import expected_parts
from alerting.source.problems import Place, Problem, listed, not_allowed, shown


def reading_problems(located: LocatedRule, known: Mapping[str, frozenset[str]]) -> Iterator[Problem]:
    """Yield what a rule reads that is not there. `known` are the series, each with the labels that it carries."""
    place = located.document.place((*located.path, "expr"))
    try:
        expression = promql.parsed(located.rule.expr)
    except ValueError as error:
        yield _not_promql(place, error)
    else:
        yield from _selector_problems(place, expression, known)
    for query in queries(located.rule.annotations):
        place = located.document.place((*located.path, "annotations", query.annotation))
        yield from _query_problems(place, query, known)
    yield from _sample_problems(located, known)


def _sample_problems(located: LocatedRule, known: Mapping[str, frozenset[str]]) -> Iterator[Problem]:
    """Yield the labels that annotations read of a query and that no series of it carries: Prometheus shows nothing."""
    for annotation, text in located.rule.annotations.items():
        wanted = sorted(set(sample_labels(text)))
        if not wanted:
            continue
        carried: frozenset[str] = frozenset()
        for query in queries({annotation: text}):
            try:
                carried |= promql.labels(promql.parsed(query.expression or ""), known)
            except ValueError:  # which is said already
                return
        place = located.document.place((*located.path, "annotations", annotation))
        for label in wanted:
            if label not in carried:
                yield not_allowed(place, f'label "{label}"', sorted(carried), "Name a label of what it queries")


def _query_problems(place: Place, query: Query, known: Mapping[str, frozenset[str]]) -> Iterator[Problem]:
    if query.expression is None:
        message = 'has a query that is not written out; allowed: `query "PROMQL"`, `query (printf "PROMQL" …)`'
        yield Problem(place, f"{message}. Write it so, or nobody knows what it reads")
        return
    try:
        expression = promql.parsed(query.expression)
    except ValueError as error:
        yield _not_promql(place, error)
        return
    yield from _selector_problems(place, expression, known)
    if promql.reach(expression):
        # A text is not scaled: in the sandbox it would look back too far.
        message = (
            f"queries the past, {shown(query.expression)}; allowed: no range, no offset. Record it, and query that"
        )
        yield Problem(place, message)


def _not_promql(place: Place, error: ValueError) -> Problem:
    return Problem(place, f"is not PromQL: {error}. Put the expression right")


def _selector_problems(
    place: Place, expression: promql_parser.Expr, known: Mapping[str, frozenset[str]]
) -> Iterator[Problem]:
    for selector in promql.selectors(expression):
        name = promql.series_name(selector)
        if name is None:
            yield Problem(place, f"{selector} reads series by a pattern; allowed: by name. Name the series")
        elif name not in known:
            advice = f"Add it to {SCRAPED_SERIES} with its exporter, or record it"
            yield Problem(place, f"series {name} is neither scraped nor recorded. {advice}")
        else:
            yield from _label_problems(place, name, selector, known[name])


def _label_problems(
    place: Place, name: str, selector: promql_parser.VectorSelector, labels: frozenset[str]
) -> Iterator[Problem]:
    for one in selector.matchers.matchers:
        if one.name != "__name__" and one.name not in labels:
            allowed = listed(sorted(labels))
            message = f"label {one.name} of {name} is not there; allowed: {allowed}. Change it, or {SCRAPED_SERIES}"
            yield Problem(place, message)


def part_problems(catalog: Catalog, known: Mapping[str, frozenset[str]]) -> Iterator[Problem]:
    """Yield what is wrong with the parts of scraped series: labels that they lack, and what `expected` reads."""
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
        try:
            expression = promql.parsed(series.parts.expected)
        except ValueError as error:
            yield _not_promql(place, error)
            continue
        yield from _selector_problems(place, expression, known)
        carried = promql.labels(expression, known)
        missing = sorted(set(series.parts.labels) - carried)
        if missing:
            message = f"has no label {listed(missing)}, by which the parts of {name} are told apart"
            yield Problem(place, f"{message}; it has {listed(sorted(carried))}. Keep the label")


def series_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yield the series that are recorded or scraped and that no rule reads, and those of no exporter."""
    read = {name for located in catalog.located_rules() for name in _read_by(located)}
    read |= {name for series in catalog.series.series for name in _read_for_parts(catalog, series)}
    for located in catalog.located_rules():
        name = located.rule.record
        if name is not None and name not in read:
            place = located.document.place((*located.path, "record"))
            yield Problem(place, f"no rule reads {name}. Read it, or remove the recording")
    document = catalog.documents[SCRAPED_SERIES]
    for name, series in catalog.series.series.items():
        if name not in read:
            yield Problem(document.place(("series", name)), f"no rule reads {name}. Remove it, or read it")
        if series.exporter not in catalog.series.exporters:
            place = document.place(("series", name, "exporter"))
            yield not_allowed(place, series.exporter, catalog.series.exporters, "Name an exporter of this file")


def _read_for_parts(catalog: Catalog, series: str) -> Iterator[str]:
    """Yield what the rule reads that is generated from the parts of a series: the series itself too."""
    expected = expected_parts(catalog, series)
    if expected is not None:
        yield series
        yield from _names_in(expected)


def _read_by(located: LocatedRule) -> Iterator[str]:
    asked = (query.expression for query in queries(located.rule.annotations) if query.expression is not None)
    for text in (located.rule.expr, *asked):
        yield from _names_in(text)


def _names_in(text: str) -> Iterator[str]:
    try:
        expression = promql.parsed(text)
    except ValueError:  # which is said already
        return
    for selector in promql.selectors(expression):
        if (name := promql.series_name(selector)) is not None:
            yield name
