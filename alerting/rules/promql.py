"""Parses PromQL, and returns the series that an expression reads and the labels that its result carries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import StrEnum

import promql_parser as promql

from alerting.source.durations import LONGEST_MILLISECONDS, TOO_LONG

_KEEPS_LABELS = {"topk", "bottomk", "limitk", "limit_ratio"}
_WITHOUT_VECTOR = {"vector", "time", "scalar", "pi"}


MOST_CHARACTERS = 3_000
"""How long an expression may be: a parser that calls itself ends the process where its stack does."""
MOST_NESTED = 200
"""How deep an expression may be nested: a condition in brackets, or one more `or`, is a level."""
_LONGEST = timedelta(milliseconds=LONGEST_MILLISECONDS)


def parsed(expression: str) -> promql.Expr:
    """Parse PromQL.

    Raises `ValueError` with what is wrong if it does not parse, or is too long, too deep or of too long a duration.
    """
    if len(expression) > MOST_CHARACTERS:
        raise ValueError(f"found {len(expression)} characters; at most {MOST_CHARACTERS} are allowed")
    found = promql.parse(expression)
    level = [found]
    for _ in range(MOST_NESTED):
        if not level:
            return found
        if any(abs(one) > _LONGEST for part in level for one in _looks_back(part)):
            raise ValueError(TOO_LONG)
        level = [further for part in level for further in parts(part)]
    raise ValueError(f"it is nested deeper than {MOST_NESTED} levels, which is what is allowed")


class ValueKind(StrEnum):
    """The type of an expression's result, as Prometheus names it."""

    VECTOR = "an instant vector"
    SCALAR = "a scalar"
    MATRIX = "a range vector"
    STRING = "a string"


def value_kind(expression: promql.Expr) -> ValueKind:
    """Return what a parsed expression gives. The parser has checked the parts: a sum of scalars is a scalar."""
    match expression:
        case promql.NumberLiteral():
            return ValueKind.SCALAR
        case promql.StringLiteral():
            return ValueKind.STRING
        case promql.MatrixSelector() | promql.SubqueryExpr():
            return ValueKind.MATRIX
        case promql.Call():
            return ValueKind.SCALAR if expression.func.return_type == promql.ValueType.Scalar else ValueKind.VECTOR
        case promql.ParenExpr() | promql.UnaryExpr():
            return value_kind(expression.expr)
        case promql.BinaryExpr():
            kinds = {value_kind(expression.lhs), value_kind(expression.rhs)}
            return ValueKind.SCALAR if kinds == {ValueKind.SCALAR} else ValueKind.VECTOR
        case _:
            return ValueKind.VECTOR


def selectors(expression: promql.Expr) -> Iterator[promql.VectorSelector]:
    """Yield every selector in an expression."""
    match expression:
        case promql.VectorSelector():
            yield expression
        case promql.MatrixSelector():
            yield expression.vector_selector
        case _:
            for part in parts(expression):
                yield from selectors(part)


def reach(expression: promql.Expr) -> timedelta:
    """Return how far back an expression looks: of each way through it the ranges and offsets, and of these the most."""
    further = max((reach(part) for part in parts(expression)), default=timedelta())
    return sum(_looks_back(expression), further)


def _looks_back(expression: promql.Expr) -> tuple[timedelta, ...]:
    """Return an expression's own range and offset, those that it has."""
    match expression:
        case promql.VectorSelector():
            own = (expression.offset,)
        case promql.MatrixSelector():
            own = (expression.range, expression.vector_selector.offset)
        case promql.SubqueryExpr():
            own = (expression.range, expression.offset)
        case _:
            own = ()
    return tuple(one for one in own if one is not None)


def parts(expression: promql.Expr) -> tuple[promql.Expr, ...]:
    """Return the expressions that an expression combines; none for a selector or a literal."""
    match expression:
        case promql.BinaryExpr():
            return (expression.lhs, expression.rhs)
        case promql.Call():
            return tuple(expression.args)
        case promql.AggregateExpr() | promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return (expression.expr,)
        case _:
            return ()


def series_name(selector: promql.VectorSelector) -> str | None:
    """Return the name of the series that a selector reads, or None if it reads several by a pattern."""
    if selector.name is not None:
        return selector.name
    return next((one.value for one in selector.matchers.matchers if _is_name(one)), None)


def _is_name(one: promql.Matcher) -> bool:
    return one.name == "__name__" and one.op == promql.MatchOp.Equal


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
    equal = {one.name for one in selector.matchers.matchers if one.op == promql.MatchOp.Equal and one.value}
    return known | (equal - {"__name__"})


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
        return vector - {"le"}
    if name in {"label_replace", "label_join"}:
        destination = arguments[1]
        return vector | {destination.val} if isinstance(destination, promql.StringLiteral) else vector
    return vector


def _combined(expression: promql.BinaryExpr, series: Mapping[str, frozenset[str]]) -> frozenset[str]:
    left, right = labels(expression.lhs, series), labels(expression.rhs, series)
    operation = str(expression.op).split()[0]
    if operation in {"and", "unless"}:
        return left
    if operation == "or":
        return left & right
    if not any(True for _ in _vectors(expression.rhs)):
        return left
    if not any(True for _ in _vectors(expression.lhs)):
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


def _vectors(expression: promql.Expr) -> Iterator[promql.Expr]:
    """Yield whatever makes an expression a vector and not a scalar."""
    match expression:
        case promql.VectorSelector() | promql.MatrixSelector() | promql.AggregateExpr() | promql.SubqueryExpr():
            yield expression
        case promql.Call():
            if expression.func.return_type == promql.ValueType.Vector:
                yield expression
        case promql.BinaryExpr():
            yield from _vectors(expression.lhs)
            yield from _vectors(expression.rhs)
        case promql.ParenExpr() | promql.UnaryExpr():
            yield from _vectors(expression.expr)
        case _:
            return
