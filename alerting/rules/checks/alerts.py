"""Alerts say everything that a person needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from alerting.catalog import Catalog
from alerting.oncall.pagerduty import paged_services
from alerting.rules.checks.annotation_addresses import address_problems
from alerting.rules.checks.operator_promql import operator_problems
from alerting.rules.checks.pages import missing_page_messages, page_problems
from alerting.rules.checks.series_references import part_problems, reading_problems, series_problems
from alerting.rules.compile import MADE_BY_PROMETHEUS
from alerting.rules.model import SCRAPED_SERIES, AlertLabels, CompiledRule
from alerting.rules.promql import ValueKind, value_kind
from alerting.rules.series import METRIC_NAME, SERVICE, SEVERITY, TEAM
from alerting.source.fields import Severity
from alerting.source.problems import Problem, listed, not_allowed, shown

_LABEL_OF_TEXT = re.compile(r"\$labels\.([A-Za-z_][A-Za-z0-9_]*)")


def rule_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yield what is wrong with rules, written or generated, and with runbook pages."""
    known = catalog.rules.series
    labels = catalog.rules.alert_labels
    seen: dict[str, CompiledRule] = {}
    recorded: dict[str, CompiledRule] = {}
    for located in catalog.rules.rules:
        rule = located.rule
        if (rule.alert is None) == (rule.record is None):
            yield Problem(
                located.place(), "found neither or both of `alert` and `record`; allowed: one of them. Keep one"
            )
            continue
        yield from _recording_problems(catalog, located, recorded)
        reading = list(reading_problems(located, known))
        yield from reading
        yield from _kind_problems(located)
        yield from _prometheus_problems(located)
        yield from operator_problems(located)
        if rule.alert is None:
            continue
        if rule.alert in seen:
            first = seen[rule.alert]
            where = first.place("alert")
            message = f"alert {rule.alert} is there already ({where.file}:{where.line}); allowed: once. Rename one"
            yield Problem(located.place("alert"), message, comes_first=True)
            continue
        seen[rule.alert] = located
        yield from _alert_problems(catalog, located, rule.alert, labels.get(rule.alert))
        if not reading and rule.alert in labels:
            yield from _text_problems(located, labels[rule.alert])
    yield from _group_problems(catalog)
    yield from page_problems(catalog, seen)
    yield from series_problems(catalog)
    yield from part_problems(catalog, known)


def _recording_problems(
    catalog: Catalog, located: CompiledRule, recorded: dict[str, CompiledRule]
) -> Iterator[Problem]:
    """Yield that a recording adds to a series that is another's: who approves the one does not approve the other.

    `recorded` are the first recordings so far, by name; the rule's is added.
    """
    name = located.rule.record
    if name is None or located.generated:
        return
    if (scraped := catalog.series.series.get(name)) is not None:
        where = catalog.documents[SCRAPED_SERIES].place(("series", name))
        message = (
            f"{name} is scraped from {scraped.exporter} ({where.file}:{where.line}); allowed: names that nobody serves"
        )
        yield Problem(located.place("record"), f"{message}. Record it under another name")
    elif catalog.rules.is_generated(name) or name in MADE_BY_PROMETHEUS:
        yield Problem(
            located.place("record"),
            f"{name} is made by the program; allowed: other names. Record it under another name",
        )
    first = recorded.setdefault(name, located)
    if first.domain != located.domain:
        where = first.place("record")
        message = (
            f"{name} is recorded in another file too ({where.file}:{where.line}); allowed: one file for each series"
        )
        yield Problem(
            located.place("record"), f"{message}. Record one of them under another name, or move it to the other's file"
        )


def _kind_problems(located: CompiledRule) -> Iterator[Problem]:
    """Yield that an expression gives what Prometheus makes nothing of, or an alert that fires whatever the number is.

    A rule's evaluation takes vectors and scalars (`rules/manager.go`, `EngineQueryFunc`); a scalar is one sample more,
    so that an alert on `1 > bool 2` fires for ever.
    """
    if located.expression.tree is None:  # which is said already
        return
    kind = value_kind(located.expression.tree)
    allowed = [ValueKind.VECTOR] if located.rule.alert is not None else [ValueKind.VECTOR, ValueKind.SCALAR]
    if kind not in allowed:
        place = located.place("expr")
        what = "an alert" if located.rule.alert is not None else "a recording"
        message = f"gives {kind}; allowed for {what}: {' or '.join(allowed)}. Put the expression right"
        yield Problem(place, message)


def _prometheus_problems(located: CompiledRule) -> Iterator[Problem]:
    """Yield what else Prometheus refuses of a rule (`rulefmt.go`, `RuleNode.Validate`)."""
    rule = located.rule
    if METRIC_NAME in rule.labels:
        message = "is the series' own name, which no rule may set. Remove the label"
        yield Problem(located.place("labels", METRIC_NAME), message)
    if rule.record is not None:
        given = {"for": rule.for_, "keep_firing_for": rule.keep_firing_for, "annotations": rule.annotations}
        for field, value in given.items():
            if value:
                message = "belongs to an alert, and this is a recording. Remove it"
                yield Problem(located.place(field), message)


def _group_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yield the groups that have the name of another one of their file, which Prometheus refuses."""
    for source in catalog.rules.sources:
        first: dict[str, int] = {}
        for group in source.groups:
            place = source.document.place(group.path if source.generated else (*group.path, "name"))
            if group.name in first:
                message = f"found {shown(group.name)} again, first in line {first[group.name]}; allowed: once a file"
                yield Problem(place, f"{message}. Rename one")
            first.setdefault(group.name, place.line)


def _alert_problems(
    catalog: Catalog, located: CompiledRule, alert: str, labels: AlertLabels | None
) -> Iterator[Problem]:
    rule = located.rule
    severity = rule.labels.get(SEVERITY)
    if severity is None:
        place = located.place("labels")
        yield Problem(place, f"alert {alert} has no severity; allowed: {listed(Severity)}. Add `severity:`")
    elif severity not in set(Severity):
        yield not_allowed(located.place("labels", SEVERITY), severity, Severity, "Change it")
    for annotation in ("summary", "description"):
        if not rule.annotations.get(annotation, "").strip():
            place = located.place("annotations", annotation)
            yield Problem(place, f"alert {alert} has no {annotation}. Add `{annotation}:`")
    yield from address_problems(located)
    yield from _owner_problems(catalog, located, alert, labels)
    for message in missing_page_messages(catalog, alert):
        yield Problem(located.place("alert"), message)


def _text_problems(located: CompiledRule, labels: AlertLabels) -> Iterator[Problem]:
    """Yield the labels that an alert's texts show and that it does not carry: Prometheus shows nothing there."""
    for annotation, text in located.rule.annotations.items():
        for label in sorted(set(_LABEL_OF_TEXT.findall(text))):
            if label not in labels:
                allowed = listed(labels.names())
                message = f"found {shown(f'$labels.{label}')}; allowed: {allowed}. Name a label that the alert carries"
                yield Problem(located.place("annotations", annotation), message)


def _owner_problems(
    catalog: Catalog, located: CompiledRule, alert: str, labels: AlertLabels | None
) -> Iterator[Problem]:
    if labels is None:  # the expression does not parse, which is said already
        return
    allowed = {TEAM: tuple(catalog.teams), SERVICE: paged_services(catalog)}
    for label, names in allowed.items():
        value = labels.fixed.get(label)
        if value is not None and value not in names:
            yield not_allowed(located.place("labels", label), value, names, "Change it")
        if label not in labels:
            carried = f"the alert carries {listed(labels.names())}"
            message = f"alert {alert} has no label {label}; {carried}. Join it in `expr:` or set it in `labels:`"
            yield Problem(located.place("labels", label), message)
