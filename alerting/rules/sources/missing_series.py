"""Generates the recordings of scraped series that are missing, as a whole or of one part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from alerting.catalog import Service
from alerting.rules.model import Rule, RuleSource, ScrapedSeries, ScrapedSeriesFile, SourceGroup, SourceRule
from alerting.rules.promql import compiled
from alerting.rules.series import EXPORTER, NAMESPACE, PART, SERIES, SERIES_MISSING, SERIES_PART_MISSING
from alerting.source.yaml_source import Document, FieldPath

DOMAIN = "series"
REMEMBERED = "1d"
"""How long a part that is gone counts as missing. One that was removed on purpose is forgotten after that."""


def missing_series_source(document: Document, file: ScrapedSeriesFile, services: Mapping[str, Service]) -> RuleSource:
    """Return a recording per scraped series that is watched, and one per series that has parts."""
    namespaces = "|".join(sorted({service.namespace for service in services.values()}))
    rules = tuple(rule for name, series in file.series.items() for rule in _rules(name, series, namespaces))
    group = SourceGroup(name="orion.series", path=("series",), rules=rules)
    return RuleSource(domain=DOMAIN, document=document, groups=(group,) if rules else (), generated=True)


def _rules(name: str, series: ScrapedSeries, namespaces: str) -> Iterator[SourceRule]:
    path: FieldPath = ("series", name)
    labels = {EXPORTER: series.exporter, SERIES: name}
    selector = _selector(name, series, namespaces)
    if series.not_watched is None:
        yield SourceRule(path=path, rule=Rule(record=SERIES_MISSING, expr=f"absent({selector})", labels=labels))
    if series.parts is None:
        return
    path = (*path, "parts")
    expected = f"last_over_time({selector}[{REMEMBERED}])"
    if series.parts.expected is not None:
        if compiled(series.parts.expected).error is not None:  # the checks report it where it is written
            return
        path, expected = (*path, "expected"), series.parts.expected
    by = ", ".join(series.parts.labels)
    missing = f"group by ({by}) ({expected}) unless on ({by}) {selector}"
    expression = _named(missing, series.parts.name, series.parts.labels)
    yield SourceRule(path=path, rule=Rule(record=SERIES_PART_MISSING, expr=expression, labels=labels))


def _selector(name: str, series: ScrapedSeries, namespaces: str) -> str:
    """Return the selector of a scraped series as the rules need it.

    A series without one of its labels is of no use to them (kube-state-metrics leaves out the labels of an object that
    are not allowed), and neither is one of another namespace than they read.
    """
    matchers = [f'{label}!=""' for label in series.labels if label != NAMESPACE]
    if NAMESPACE in series.labels:
        matchers.append(f'{NAMESPACE}=~"{series.namespace or namespaces}"')
    return f"{name}{{{', '.join(matchers)}}}" if matchers else name


def _named(expression: str, name: str, labels: tuple[str, ...]) -> str:
    """Return an expression whose series have the label `part`, such as `pod orion/orders-0`."""
    if not labels:
        return f'label_replace({expression}, "{PART}", "{name}", "", "")'
    listed = ", ".join(f'"{label}"' for label in labels)
    joined = f'label_join({expression}, "{PART}", "/", {listed})'
    return f'label_replace({joined}, "{PART}", "{name} $1", "{PART}", "(.*)")'
