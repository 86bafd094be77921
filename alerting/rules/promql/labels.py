"""Infers the labels that every series of an expression's result is sure to carry."""

from __future__ import annotations

from collections.abc import Mapping

import promql_parser as promql

from alerting.rules.promql.expression import ValueKind, operation, selectors, series_name, value_kind
from alerting.rules.series import BUCKET_LIMIT, METRIC_NAME

_KEEPS_LABELS = {"topk", "bottomk", "limitk", "limit_ratio"}
_VECTORS = (ValueKind.VECTOR, ValueKind.MATRIX)
_WITHOUT_VECTOR = {"vector", "time", "scalar", "pi"}


def labels(expression: promql.Expr, series: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the labels that every series of the result carries, given those of the series that are read.

    A label that only some of them carry is not among them.
    """
    match expression:
        case promql.VectorSelector():
            return _selected(expression, series)
        case promql.MatrixSelector():
            return _selected(expression.vector_selector, series)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return labels(expression.expr, series)
        case promql.AggregateExpr():
            return _aggregated(expression, series)
        case promql.Call():
            return _called(expression, series)
        case promql.BinaryExpr():
            return _combined(expression, series)
        case _:
            return frozenset()


def _selected(selector: promql.VectorSelector, series: Mapping[str, frozenset[str]]) -> frozenset[str]:
    known = series.get(series_name(selector) or "", frozenset[str]())
    # `a="b"` and `a!=""` select only what has the label.
    sure = {
        one.name
        for one in selector.matchers.matchers
        if (one.op == promql.MatchOp.Equal and one.value) or (one.op == promql.MatchOp.NotEqual and not one.value)
    }
    return known | (sure - {METRIC_NAME})


def _aggregated(expression: promql.AggregateExpr, series: Mapping[str, frozenset[str]]) -> frozenset[str]:
    inner = labels(expression.expr, series)
    if str(expression.op) in _KEEPS_LABELS:
        return inner
    # `count_values` writes what it counts into a label of its own.
    written = {expression.param.val} if isinstance(expression.param, promql.StringLiteral) else frozenset[str]()
    modifier = expression.modifier
    if modifier is None:
        return frozenset(written)
    named = frozenset(modifier.labels)
    return (inner & named if modifier.type == promql.AggModifierType.By else inner - named) | written


def _called(expression: promql.Call, series: Mapping[str, frozenset[str]]) -> frozenset[str]:
    name, arguments = expression.func.name, expression.args
    if name in _WITHOUT_VECTOR:
        return frozenset()
    vector: frozenset[str] = frozenset().union(*(labels(argument, series) for argument in arguments))
    if name in {"absent", "absent_over_time"}:
        return frozenset().union(
            *(
                {one.name for one in selector.matchers.matchers if one.op == promql.MatchOp.Equal and one.value}
                for argument in arguments
                for selector in selectors(argument)
            )
        )
    if name in {"histogram_quantile", "histogram_fraction"}:
        return vector - {BUCKET_LIMIT}
    if name in {"label_replace", "label_join"}:
        destination = arguments[1]
        return vector | {destination.val} if isinstance(destination, promql.StringLiteral) else vector
    return vector


def _combined(expression: promql.BinaryExpr, series: Mapping[str, frozenset[str]]) -> frozenset[str]:
    left, right = labels(expression.lhs, series), labels(expression.rhs, series)
    operator = operation(expression)
    if operator in {"and", "unless"}:
        return left
    if operator == "or":
        return left & right
    if value_kind(expression.rhs) not in _VECTORS:
        return left
    if value_kind(expression.lhs) not in _VECTORS:
        return right
    modifier = expression.modifier
    if modifier is None:
        return left
    cardinality = modifier.card
    if cardinality == promql.VectorMatchCardinality.ManyToOne:
        return _grouped(left, right, modifier)
    if cardinality == promql.VectorMatchCardinality.OneToMany:
        return _grouped(right, left, modifier)
    matching = modifier.matching
    if matching is None:
        return left
    named = frozenset(matching.labels)
    return left & named if matching.type == promql.LabelModifierType.Include else left - named


def _grouped(many: frozenset[str], one: frozenset[str], modifier: promql.BinModifier) -> frozenset[str]:
    copied = frozenset(modifier.group_labels or ())
    return (many - copied) | (copied & one)
