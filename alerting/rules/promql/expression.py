"""Parses PromQL once and keeps what every reader asks for: the tree, the selectors, how far back it looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any

import promql_parser as promql

from alerting.rules.series import METRIC_NAME
from alerting.source.durations import LONGEST_MILLISECONDS, TOO_LONG, scaled_milliseconds

MOST_CHARACTERS = 3_000
"""How long an expression may be: a parser that calls itself ends the process where its stack does."""
MOST_NESTED = 200
"""How deep an expression may be nested: a condition in brackets, or one more `or`, is a level."""
GENERATED_CHARACTERS = 100_000
GENERATED_NESTED = 500
"""The same limits for what this program generates: all holidays of many years are one sum."""
KEPT_EXPRESSIONS = 8_192
"""How many parsed expressions are kept, for who compares a catalog with another one: most are in both."""
_LONGEST = timedelta(milliseconds=LONGEST_MILLISECONDS)
_NONE: tuple[promql.Expr, ...] = ()
_WITHOUT_DURATION = (promql.BinaryExpr, promql.NumberLiteral)
_PARTS: dict[type[Any], Callable[[Any], tuple[promql.Expr, ...]]] = {
    promql.BinaryExpr: lambda expression: (expression.lhs, expression.rhs),
    promql.Call: lambda expression: tuple(expression.args),
    promql.AggregateExpr: lambda expression: (expression.expr,),
    promql.ParenExpr: lambda expression: (expression.expr,),
    promql.UnaryExpr: lambda expression: (expression.expr,),
    promql.SubqueryExpr: lambda expression: (expression.expr,),
}


class ValueKind(StrEnum):
    """The type of an expression's result, as Prometheus names it."""

    VECTOR = "an instant vector"
    SCALAR = "a scalar"
    MATRIX = "a range vector"
    STRING = "a string"


@dataclass(frozen=True, eq=False)
class Expression:
    """PromQL, parsed once. `tree` is None where `text` is not PromQL, and `error` says why."""

    text: str
    tree: promql.Expr | None
    error: str | None = None
    selectors: tuple[promql.VectorSelector, ...] = ()

    @cached_property
    def series(self) -> tuple[str, ...]:
        """The names of the series that are read, each once."""
        return tuple(dict.fromkeys(name for one in self.selectors if (name := series_name(one)) is not None))


def compiled(text: str, *, generated: bool = False) -> Expression:
    """Parse PromQL that may be wrong: the result says what it reads, or what is wrong with it."""
    limits = (GENERATED_CHARACTERS, GENERATED_NESTED) if generated else (MOST_CHARACTERS, MOST_NESTED)
    try:
        tree, found = _read(text, *limits)
    except ValueError as error:
        return Expression(text=text, tree=None, error=str(error))
    return Expression(text=text, tree=tree, selectors=found)


def parsed(text: str) -> promql.Expr:
    """Parse PromQL.

    Raises `ValueError` with what is wrong if it does not parse, or is too long, too deep or of too long a duration.
    """
    return _read(text, MOST_CHARACTERS, MOST_NESTED)[0]


@lru_cache(maxsize=KEPT_EXPRESSIONS)
def _read(text: str, most_characters: int, most_nested: int) -> tuple[promql.Expr, tuple[promql.VectorSelector, ...]]:
    if len(text) > most_characters:
        raise ValueError(f"found {len(text)} characters; at most {most_characters} are allowed")
    tree = promql.parse(text)
    found: list[promql.VectorSelector] = []
    waiting: list[tuple[promql.Expr, int]] = [(tree, 1)]
    while waiting:
        part, depth = waiting.pop()
        if depth > most_nested:
            raise ValueError(f"it is nested deeper than {most_nested} levels, which is what is allowed")
        inner = parts(part)
        waiting += [(further, depth + 1) for further in reversed(inner)]
        if isinstance(part, _WITHOUT_DURATION):
            continue
        for duration in _looks_back(part):
            if abs(duration) > _LONGEST:
                raise ValueError(TOO_LONG)
        if isinstance(part, promql.VectorSelector):
            found.append(part)
        elif isinstance(part, promql.MatrixSelector):
            found.append(part.vector_selector)
    return tree, tuple(found)


def parts(expression: promql.Expr) -> tuple[promql.Expr, ...]:
    """Return the expressions that an expression combines; none for a selector or a literal."""
    inner = _PARTS.get(type(expression))
    return _NONE if inner is None else inner(expression)


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


def series_name(selector: promql.VectorSelector) -> str | None:
    """Return the name of the series that a selector reads, or None if it reads several by a pattern."""
    if selector.name is not None:
        return selector.name
    return next((one.value for one in selector.matchers.matchers if _is_name(one)), None)


def _is_name(one: promql.Matcher) -> bool:
    return one.name == METRIC_NAME and one.op == promql.MatchOp.Equal


def operation(expression: promql.BinaryExpr) -> str:
    """Return the operator without what the library writes behind it, such as `bool`."""
    return str(expression.op).split()[0]


def reach(expression: promql.Expr, scale: float = 1) -> timedelta:
    """Return how far back an expression looks, with its durations divided by `scale`.

    Of each way through it the ranges and offsets are added, and of these sums the longest counts.
    """
    further = max((reach(part, scale) for part in parts(expression)), default=timedelta())
    return sum((_scaled(one, scale) for one in _looks_back(expression)), further)


def _scaled(duration: timedelta, scale: float) -> timedelta:
    if scale == 1:
        return duration
    size = timedelta(milliseconds=scaled_milliseconds(abs(duration) / timedelta(milliseconds=1), scale))
    return size if duration >= timedelta() else -size


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
            return ()
    return tuple(one for one in own if one is not None)


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
            sides = (expression.lhs, expression.rhs)
            return ValueKind.SCALAR if all(value_kind(side) is ValueKind.SCALAR for side in sides) else ValueKind.VECTOR
        case _:
            return ValueKind.VECTOR
