"""Takes queries for events apart into selectors: `sum(rate(http_requests_total{code=~"5.."}[{{.window}}]))`.

Other generators put a window into such a query and run it for each window. Here events are counted once, in ticks, so
that only what is counted is read of the query: one counter, its matchers and the labels that it is summed by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import promql_parser as promql

from alerting.rules.promql.expression import compiled, operation
from alerting.rules.promql.selector import Selector, selector_of
from alerting.rules.series import BUCKET_LIMIT

PLACEHOLDER = "{{.window}}"
PLAIN = f"sum(rate(METRIC{{LABEL=VALUE}}[{PLACEHOLDER}]))"
_WINDOW = re.compile(r"\{\{-?\s*\.window\s*-?\}\}")
_STANDS_IN = timedelta(milliseconds=7_654_321)
"""The range that the placeholder becomes, for the parser: no query has it."""
_COUNTS = ("rate", "increase")
_SUM = f"a sum of one counter's rate or increase, such as {PLAIN}, is allowed"
_ON_TOTAL = "beside it, the total is the same counter or histogram"
_HIGHEST = "+Inf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """The events that a query counts, and the labels that it is summed by."""

    selector: Selector
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The good or the bad events among all."""

    count: Count
    is_good: bool


def read_count(text: str, *, counter: bool = False) -> Count:
    """Return what a query of all events counts.

    A query of a `counter` may be the counter itself or its sum, without a range. Raises `ValueError` with what is
    allowed.
    """
    return _count(_parsed(text, counter=counter), counter=counter)


def read_part(text: str, total: Count, *, is_good: bool, counter: bool = False) -> Part:
    """Return what a query of good or bad events counts. All events minus some are the others.

    Raises `ValueError` with what is allowed.
    """
    tree = _bare(_parsed(text, counter=counter))
    if isinstance(tree, promql.BinaryExpr) and str(tree.op) == "-":
        whole = _count(tree.lhs, counter=counter)
        if (whole.selector.name, _sorted(whole.selector)) != (total.selector.name, _sorted(total.selector)):
            raise ValueError(f"{_SUM}, or the total minus such a sum: what is subtracted from is not the total")
        return Part(count=_count(tree.rhs, counter=counter), is_good=not is_good)
    return Part(count=_count(tree, counter=counter), is_good=is_good)


def read_ratio(text: str, *, is_good: bool) -> tuple[Count, Part]:
    """Return what a query of a ratio divides: a part by the total, or that subtracted from 1.

    Raises `ValueError` with what is allowed.
    """
    tree = _bare(_parsed(text))
    if isinstance(tree, promql.BinaryExpr) and str(tree.op) == "-" and _is_number(tree.lhs, 1):
        tree, is_good = _bare(tree.rhs), not is_good
    if not isinstance(tree, promql.BinaryExpr) or str(tree.op) != "/":
        raise ValueError(f"one sum divided by another is allowed, each as {PLAIN}")
    total = _count(tree.rhs)
    return total, Part(count=_count(tree.lhs), is_good=is_good)


def indicator_of(total: Count, part: Part) -> Mapping[str, Mapping[str, object]]:
    """Return the indicator of an objective, as rules/objectives/ writes it.

    Raises `ValueError` with what is allowed.
    """
    if set(total.by) != set(part.count.by):
        raise ValueError("the labels that the total is summed by are allowed")
    selector = part.count.selector
    if BUCKET_LIMIT in selector.labels():
        return {"latency": _latency(total.selector, selector, is_good=part.is_good)}
    return {"ratio": {"total": str(total.selector), "good" if part.is_good else "bad": str(selector)}}


def _latency(total: Selector, bucket: Selector, *, is_good: bool) -> Mapping[str, object]:
    family = bucket.name.removesuffix("_bucket")
    seconds = bucket.value_of(BUCKET_LIMIT)
    if not is_good or family == bucket.name or seconds is None:
        raise ValueError('a histogram\'s bucket as good events is allowed, such as x_bucket{le="0.5"}')
    histogram = bucket.without_label(BUCKET_LIMIT)
    everything = {
        Selector(name=f"{family}_count", matchers=_sorted(histogram)),
        Selector(name=bucket.name, matchers=_sorted(histogram.and_label(BUCKET_LIMIT, _HIGHEST))),
    }
    if Selector(name=total.name, matchers=_sorted(total)) not in everything:
        raise ValueError(f"a bucket of the total's histogram is allowed, with the same matchers: {_ON_TOTAL}")
    try:
        return {"histogram": str(histogram), "seconds": float(seconds)}
    except ValueError:
        raise ValueError(f"a bucket with a number as its limit is allowed, not le={seconds}") from None


def _sorted(selector: Selector) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(selector.matchers))


def _parsed(text: str, *, counter: bool = False) -> promql.Expr:
    filled, windows = _WINDOW.subn(f"{_STANDS_IN // timedelta(milliseconds=1)}ms", text)
    if "{{" in filled:
        raise ValueError(f"no template but {PLACEHOLDER} is allowed")
    if not windows and not (counter and "[" not in text):
        raise ValueError(f"a query with the placeholder {PLACEHOLDER} for its window is allowed, such as {PLAIN}")
    expression = compiled(filled)
    if expression.tree is None:
        raise ValueError(f"PromQL is allowed, and this is none: {expression.error}")
    return expression.tree


def _count(tree: promql.Expr, *, counter: bool = False) -> Count:
    tree = _bare(tree)
    by: tuple[str, ...] = ()
    if isinstance(tree, promql.AggregateExpr):
        if str(tree.op) != "sum":
            raise ValueError(f"{_SUM}, and this is {tree.op}(...)")
        if tree.modifier is not None:
            if tree.modifier.type != promql.AggModifierType.By:
                raise ValueError("`sum by (...)` is allowed, and not `without`: labels that a budget is for are named")
            by = tuple(tree.modifier.labels)
        tree = _bare(tree.expr)
    elif not counter:
        raise ValueError(_SUM)
    if counter and isinstance(tree, promql.VectorSelector):
        return Count(selector=selector_of(tree), by=by)
    return Count(selector=_counted(tree), by=by)


def _counted(tree: promql.Expr) -> Selector:
    if not isinstance(tree, promql.Call) or tree.func.name not in _COUNTS:
        raise ValueError(_SUM)
    (argument,) = tree.args
    if not isinstance(argument, promql.MatrixSelector):
        raise ValueError(f"{_SUM}: a subquery counts no events")  # noqa: TRY004 - a query of a file, not an argument
    if argument.range != _STANDS_IN:
        raise ValueError(f"{PLACEHOLDER} is allowed as the range, and nothing else")
    return selector_of(argument.vector_selector)


def _bare(tree: promql.Expr) -> promql.Expr:
    """Return an expression without brackets, and without `or vector(0)`: what is not there is counted as 0 anyway."""
    while True:
        if isinstance(tree, promql.ParenExpr):
            tree = tree.expr
        elif isinstance(tree, promql.BinaryExpr) and operation(tree) == "or" and _is_zero(tree.rhs):
            tree = tree.lhs
        else:
            return tree


def _is_zero(tree: promql.Expr) -> bool:
    while isinstance(tree, promql.ParenExpr):
        tree = tree.expr
    return isinstance(tree, promql.Call) and tree.func.name == "vector" and _is_number(tree.args[0], 0)


def _is_number(tree: promql.Expr, number: float) -> bool:
    return isinstance(tree, promql.NumberLiteral) and tree.val == number
