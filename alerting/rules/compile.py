"""Compiles rules of all sources into one `RuleSet`: each expression is parsed once, labels are inferred once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from alerting.rules import promql
from alerting.rules.model import (
    AlertLabels,
    AnnotationQuery,
    CompiledGroup,
    CompiledRule,
    Rule,
    RuleSet,
    RuleSource,
    ScrapedSeriesFile,
)
from alerting.rules.promql.annotation_queries import queries
from alerting.rules.series import INSTANCE, JOB, UP

ADDED_BY_PROMETHEUS = frozenset({JOB, INSTANCE})
MADE_BY_PROMETHEUS: Mapping[str, frozenset[str]] = {UP: ADDED_BY_PROMETHEUS}
"""The series that Prometheus itself has of every target, and their labels."""


def compile_rules(sources: Iterable[RuleSource], scraped: ScrapedSeriesFile) -> RuleSet:
    """Return the rules of all sources, in their order. `scraped` are the series that the rules may read besides."""
    every = tuple(sources)
    groups: dict[str, tuple[CompiledGroup, ...]] = {}
    for source in every:
        groups[source.domain] = (*groups.get(source.domain, ()), *_groups(source))
    rules = tuple(rule for each in groups.values() for group in each for rule in group.rules)
    alerts: dict[str, CompiledRule] = {}
    recordings: dict[str, list[CompiledRule]] = {}
    for rule in rules:
        if rule.rule.alert is not None:
            alerts.setdefault(rule.rule.alert, rule)
        if rule.rule.record is not None:
            recordings.setdefault(rule.rule.record, []).append(rule)
    series = _series_labels(recordings, scraped)
    return RuleSet(
        sources=every,
        groups=groups,
        rules=rules,
        alerts=alerts,
        recordings={name: tuple(each) for name, each in recordings.items()},
        series=series,
        alert_labels={
            name: AlertLabels(fixed=alert.rule.labels, read=promql.labels(alert.expression.tree, series))
            for name, alert in alerts.items()
            if alert.expression.tree is not None
        },
    )


def _groups(source: RuleSource) -> Iterator[CompiledGroup]:
    for group in source.groups:
        yield CompiledGroup(
            source=group,
            rules=tuple(
                CompiledRule(
                    domain=source.domain,
                    rule=one.rule,
                    expression=promql.compiled(one.rule.expr, generated=source.generated),
                    queries=tuple(_queries(one.rule)),
                    document=source.document,
                    path=one.path,
                    generated=source.generated,
                )
                for one in group.rules
            ),
        )


def _queries(rule: Rule) -> Iterator[AnnotationQuery]:
    for query in queries(rule.annotations):
        expression = None if query.expression is None else promql.compiled(query.expression)
        yield AnnotationQuery(annotation=query.annotation, expression=expression)


def _series_labels(
    recordings: Mapping[str, list[CompiledRule]], scraped: ScrapedSeriesFile
) -> Mapping[str, frozenset[str]]:
    """Return every series that is scraped or recorded, with the labels that it is sure to carry."""
    known = {name: frozenset(one.labels) | ADDED_BY_PROMETHEUS for name, one in scraped.series.items()}
    known |= MADE_BY_PROMETHEUS
    known |= {name: frozenset[str]() for name in recordings}
    readers: dict[str, set[str]] = {}
    for name, rules in recordings.items():
        for read in {read for rule in rules for read in rule.expression.series}:
            readers.setdefault(read, set()).add(name)
    # A recording may read another, or itself: whoever reads a series that got labels is looked at again. Labels are
    # only ever added, so this ends.
    waiting = dict.fromkeys(recordings)
    while waiting:
        name = next(iter(waiting))
        del waiting[name]
        labels = _labels(name, recordings[name], known)
        if labels != known[name]:
            known[name] = labels
            waiting.update(dict.fromkeys(readers.get(name, ())))
    return known


def _labels(name: str, rules: Sequence[CompiledRule], known: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the labels that every series of a recording is sure to carry.

    One that reads itself carries what it had before: it is assumed to have all labels, and those that it would lose
    are taken away until none is.
    """
    reads_itself = any(name in rule.expression.series for rule in rules)
    assumed = frozenset[str]().union(*known.values()) if reads_itself else known[name]
    while True:
        found = frozenset[str].intersection(*(_recorded(rule, {**known, name: assumed}) for rule in rules))
        if not reads_itself or found == assumed:
            return found
        assumed = found


def _recorded(rule: CompiledRule, known: Mapping[str, frozenset[str]]) -> frozenset[str]:
    tree = rule.expression.tree
    return frozenset(rule.rule.labels) | (frozenset() if tree is None else promql.labels(tree, known))
