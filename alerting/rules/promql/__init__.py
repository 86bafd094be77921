"""PromQL: parsing, what an expression reads, its labels, its durations at a time scale, queries in annotations."""

from alerting.rules.promql.expression import (
    Expression,
    ValueKind,
    compiled,
    operation,
    parsed,
    parts,
    reach,
    selectors,
    series_name,
    value_kind,
)
from alerting.rules.promql.labels import labels

__all__ = [
    "Expression",
    "ValueKind",
    "compiled",
    "labels",
    "operation",
    "parsed",
    "parts",
    "reach",
    "selectors",
    "series_name",
    "value_kind",
]
