"""Alerts say everything that a person needs, and read nothing that nobody makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import promql_parser as promql

from alerting.catalog import Catalog, LocatedRule
from alerting.checks import expressions
from alerting.fields import Severity
from alerting.loader import SCRAPED_SERIES
from alerting.on_call import paged_services
from alerting.problems import Place, Problem, listed, not_allowed, shown
from alerting.rules import GENERATED_SERIES

PAGE_HEADINGS = ("Meaning", "Impact", "Diagnosis", "Mitigation", "Escalation", "After the incident")
ADDED_BY_PROMETHEUS = frozenset({"job", "instance"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLabels:
    """The labels that an alert is sure to carry: those that its rule sets, and those of its expression."""

    fixed: Mapping[str, str]
    read: frozenset[str]

    def __contains__(self, label: object) -> bool:
        return label == "alertname" or label in self.fixed or label in self.read

    def names(self) -> list[str]:
        """Return their names, sorted."""
        return sorted({"alertname", *self.fixed, *self.read})


def series_labels(catalog: Catalog) -> dict[str, frozenset[str]]:
    """Return every series that is scraped, recorded or generated, with the labels that it is sure to carry."""
    known = {name: frozenset(one.labels) | ADDED_BY_PROMETHEUS for name, one in catalog.series.series.items()}
    known |= GENERATED_SERIES
    recordings: dict[str, list[LocatedRule]] = {}
    for located in catalog.located_rules():
        if located.rule.record is not None:
            recordings.setdefault(located.rule.record, []).append(located)
    known |= {name: frozenset() for name in recordings}
    # A recording may read another: as many rounds as there are recordings reach every one of them.
    for _ in recordings:
        before = dict(known)
        for name, rules in recordings.items():
            each = [_recorded(located, known) for located in rules]
            known[name] = frozenset.intersection(*each)
        if known == before:
            break
    return known


def _recorded(located: LocatedRule, known: Mapping[str, frozenset[str]]) -> frozenset[str]:
    try:
        expression = expressions.parsed(located.rule.expr)
    except ValueError:
        return frozenset(located.rule.labels)
    return expressions.labels(expression, known) | frozenset(located.rule.labels)


def alert_labels(catalog: Catalog) -> dict[str, AlertLabels]:
    """Return the labels of every alert whose expression parses, by the alert's name."""
    known = series_labels(catalog)
    result: dict[str, AlertLabels] = {}
    for name, located in catalog.alerts().items():
        try:
            expression = expressions.parsed(located.rule.expr)
        except ValueError:
            continue
        result[name] = AlertLabels(fixed=located.rule.labels, read=expressions.labels(expression, known))
    return result


def rule_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yield what is wrong with rules and runbook pages."""
    known = series_labels(catalog)
    labels = alert_labels(catalog)
    seen: dict[str, LocatedRule] = {}
    for located in catalog.located_rules():
        rule = located.rule
        place = located.document.place(located.path)
        if (rule.alert is None) == (rule.record is None):
            yield Problem(place, "found neither or both of `alert` and `record`; allowed: one of them. Keep one")
            continue
        yield from _expression_problems(located, known)
        if rule.alert is None:
            continue
        if rule.alert in seen:
            first = seen[rule.alert]
            where = first.document.place((*first.path, "alert"))
            message = f"alert {rule.alert} is there already ({where.file}:{where.line}); allowed: once. Rename one"
            yield Problem(located.document.place((*located.path, "alert")), message, comes_first=True)
            continue
        seen[rule.alert] = located
        yield from _alert_problems(catalog, located, rule.alert, labels.get(rule.alert))
    yield from _orphan_pages(catalog, seen)
    yield from _unread_problems(catalog)
    yield from _series_problems(catalog)


def _expression_problems(located: LocatedRule, known: Mapping[str, frozenset[str]]) -> Iterator[Problem]:
    place = located.document.place((*located.path, "expr"))
    try:
        expression = expressions.parsed(located.rule.expr)
    except ValueError as error:
        yield Problem(place, f"is not PromQL: {error}. Put the expression right")
        return
    for selector in expressions.selectors(expression):
        yield from _selector_problems(located, selector, known)


def _selector_problems(
    located: LocatedRule, selector: promql.VectorSelector, known: Mapping[str, frozenset[str]]
) -> Iterator[Problem]:
    place = located.document.place((*located.path, "expr"))
    name = expressions.series_name(selector)
    if name is None:
        yield Problem(place, f"{selector} reads series by a pattern; allowed: by name. Name the series")
    elif name not in known:
        advice = f"Add it to {SCRAPED_SERIES} with its exporter, or record it"
        yield Problem(place, f"series {name} is neither scraped nor recorded. {advice}")
    else:
        for one in selector.matchers.matchers:
            if one.name != "__name__" and one.name not in known[name]:
                allowed = listed(sorted(known[name]))
                message = f"label {one.name} of {name} is not there; allowed: {allowed}. Change it, or {SCRAPED_SERIES}"
                yield Problem(place, message)


def _alert_problems(
    catalog: Catalog, located: LocatedRule, alert: str, labels: AlertLabels | None
) -> Iterator[Problem]:
    rule, document = located.rule, located.document
    severity = rule.labels.get("severity")
    if severity is None:
        place = document.place((*located.path, "labels"))
        yield Problem(place, f"alert {alert} has no severity; allowed: {listed(Severity)}. Add `severity:`")
    elif severity not in set(Severity):
        yield not_allowed(document.place((*located.path, "labels", "severity")), severity, Severity, "Change it")
    for annotation in ("summary", "description"):
        if not rule.annotations.get(annotation, "").strip():
            place = document.place((*located.path, "annotations", annotation))
            yield Problem(place, f"alert {alert} has no {annotation}. Add `{annotation}:`")
    yield from _owner_problems(catalog, located, alert, labels)
    yield from _page_problems(catalog, document.place((*located.path, "alert")), alert)


def _page_problems(catalog: Catalog, place: Place, alert: str) -> Iterator[Problem]:
    page = catalog.pages.get(alert)
    file = f"runbooks/{alert}.md"
    if page is None:
        yield Problem(place, f"alert {alert} has no runbook page. Write {file}")
        return
    missing = [heading for heading in PAGE_HEADINGS if heading not in page.sections]
    if missing:
        yield Problem(place, f"{file} lacks {listed(missing)}. Add each as a `## ` heading")
        return
    if page.title != alert:
        yield Problem(place, f'{file} begins with {shown(page.title)}; allowed: "# {alert}". Change its first line')
    empty = [heading for heading in PAGE_HEADINGS if not page.sections[heading]]
    if empty:
        yield Problem(place, f"{file} says nothing under {listed(empty)}. Write what a person needs at night")
    if "`" not in page.sections["Diagnosis"]:
        yield Problem(place, f"{file} has nothing to paste under Diagnosis. Add a command or a query, in backticks")
    action = catalog.remediations[alert].action if alert in catalog.remediations else None
    if action is not None and f"`{action}`" not in page.sections["Mitigation"]:
        message = f"{file} does not say under Mitigation what the action `{action}` will and will not do. Say it"
        yield Problem(place, message)


def _owner_problems(
    catalog: Catalog, located: LocatedRule, alert: str, labels: AlertLabels | None
) -> Iterator[Problem]:
    if labels is None:  # the expression does not parse, which is said already
        return
    allowed = {"team": tuple(catalog.teams), "service": paged_services(catalog)}
    for label, names in allowed.items():
        place = located.document.place((*located.path, "labels", label))
        value = labels.fixed.get(label)
        if value is not None and value not in names:
            yield not_allowed(place, value, names, "Change it")
        if label not in labels:
            carried = f"the alert carries {listed(labels.names())}"
            message = f"alert {alert} has no label {label}; {carried}. Join it in `expr:` or set it in `labels:`"
            yield Problem(place, message)


def _orphan_pages(catalog: Catalog, alerts: Mapping[str, LocatedRule]) -> Iterator[Problem]:
    for name in sorted(set(catalog.pages) - set(alerts)):
        message = f"there is no alert {shown(name)}; allowed: {listed(sorted(alerts))}. Rename or remove the page"
        yield Problem(Place(file=f"runbooks/{name}.md"), message)


def _unread_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yield the series that are recorded or scraped and that no rule reads."""
    read = {name for located in catalog.located_rules() for name in _read_by(located)}
    for located in catalog.located_rules():
        name = located.rule.record
        if name is not None and name not in read:
            place = located.document.place((*located.path, "record"))
            yield Problem(place, f"no rule reads {name}. Read it, or remove the recording")
    document = catalog.documents[SCRAPED_SERIES]
    for name in catalog.series.series:
        if name not in read:
            place = document.place(("series", name))
            yield Problem(place, f"no rule reads {name}. Remove it, or read it")


def _read_by(located: LocatedRule) -> Iterator[str]:
    try:
        expression = expressions.parsed(located.rule.expr)
    except ValueError:  # which is said already
        return
    for selector in expressions.selectors(expression):
        if (name := expressions.series_name(selector)) is not None:
            yield name


def _series_problems(catalog: Catalog) -> Iterator[Problem]:
    document = catalog.documents[SCRAPED_SERIES]
    for name, series in catalog.series.series.items():
        if series.exporter not in catalog.series.exporters:
            place = document.place(("series", name, "exporter"))
            yield not_allowed(place, series.exporter, catalog.series.exporters, "Name an exporter of this file")
