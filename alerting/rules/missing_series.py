"""Generates the rules that record which series of rules/scraped_series.yaml are missing, as a whole or of one part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alerting.catalog import Catalog, ScrapedSeries
from alerting.rules.time_scale import scaled_expression

MISSING_SERIES = "orion:series:missing"
MISSING_PART_SERIES = "orion:series:part_missing"
REMEMBERED = "1d"
"""How long a part that is gone counts as missing. One that was removed on purpose is forgotten after that."""


def missing_series_rules(catalog: Catalog, time_scale: float) -> list[Mapping[str, Any]]:
    """Return a recording per scraped series that is watched, and one per series that has parts."""
    rules: list[Mapping[str, Any]] = []
    for name, series in catalog.series.series.items():
        labels = {"exporter": series.exporter, "series": name}
        if series.not_watched is None:
            expression = f"absent({selector(catalog, name, series)})"
            rules.append({"record": MISSING_SERIES, "expr": expression, "labels": labels})
        expected = expected_parts(catalog, name)
        if expected is not None and series.parts is not None:
            by = ", ".join(series.parts.labels)
            missing = f"group by ({by}) ({expected}) unless on ({by}) {selector(catalog, name, series)}"
            expression = scaled_expression(_named(missing, series.parts.name, series.parts.labels), time_scale)
            rules.append({"record": MISSING_PART_SERIES, "expr": expression, "labels": labels})
    return rules


def selector(catalog: Catalog, name: str, series: ScrapedSeries) -> str:
    """Return the selector of a scraped series as the rules need it.

    A series without one of its labels is of no use to them (kube-state-metrics leaves out the labels of an object that
    are not allowed), and neither is one of another namespace than they read.
    """
    matchers = [f'{label}!=""' for label in series.labels if label != "namespace"]
    if "namespace" in series.labels:
        matchers.append(f'namespace=~"{_namespaces(catalog, series)}"')
    return f"{name}{{{', '.join(matchers)}}}" if matchers else name


def expected_parts(catalog: Catalog, name: str) -> str | None:
    """Return the PromQL of the parts that a series ought to have, or None if it has none."""
    series = catalog.series.series[name]
    if series.parts is None:
        return None
    return series.parts.expected or f"last_over_time({selector(catalog, name, series)}[{REMEMBERED}])"


def _namespaces(catalog: Catalog, series: ScrapedSeries) -> str:
    if series.namespace is not None:
        return series.namespace
    return "|".join(sorted({service.namespace for service in catalog.services.values()}))


def _named(expression: str, name: str, labels: tuple[str, ...]) -> str:
    """Return an expression whose series have the label `part`, such as `pod orion/orders-0`."""
    if not labels:
        return f'label_replace({expression}, "part", "{name}", "", "")'
    listed = ", ".join(f'"{label}"' for label in labels)
    joined = f'label_join({expression}, "part", "/", {listed})'
    return f'label_replace({joined}, "part", "{name} $1", "part", "(.*)")'
