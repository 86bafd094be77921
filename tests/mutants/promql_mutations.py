"""Mutates PromQL: each mutation changes one node of the parsed expression, and is printed from the changed tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import promql_parser as promql

from alerting.rules.promql.expression import parsed

_COMPARISONS = {">": (">=", "<"), ">=": (">", "<"), "<": ("<=", ">"), "<=": ("<", ">"), "==": ("!=",), "!=": ("==",)}
_ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*"}
_SETS = {"and": "unless", "or": "and", "unless": "and"}
_AGGREGATIONS = {"sum": "avg", "avg": "sum", "max": "min", "min": "max", "topk": "bottomk", "bottomk": "topk"}
_FUNCTIONS = {
    "rate": "increase",
    "increase": "rate",
    "max_over_time": "min_over_time",
    "min_over_time": "max_over_time",
    "avg_over_time": "max_over_time",
    "sum_over_time": "avg_over_time",
    "present_over_time": "absent_over_time",
    "absent_over_time": "present_over_time",
    "floor": "ceil",
    "ceil": "floor",
    "clamp_min": "clamp_max",
    "clamp_max": "clamp_min",
}
_OPPOSITES = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}
_SHARE = 0.05
"""How far a threshold is moved: a test that holds it has a value nearer to it than this."""
_FEW = 10
"""A whole number up to this one, or one and a half, is moved by 1 instead: it counts something."""
_SHOWN = 60
"""How many characters of PromQL a change quotes."""


@dataclass(frozen=True, slots=True)
class MutatedExpression:
    """PromQL with one change, and the change in words."""

    change: str
    text: str


def mutated_expressions(text: str) -> Iterator[MutatedExpression]:
    """Yield every mutation of an expression, each text once. Raises `ValueError` if it does not parse."""
    tree = parsed(text)
    nodes: list[promql.Expr] = []
    promql.walk(tree, post_visit=nodes.append)  # None goes on
    told = {str(tree)}
    for position, node in enumerate(nodes):
        for change, replacement in _replacements(node):
            try:
                changed = str(_replaced(tree, position, promql.parse(replacement)))
                promql.parse(changed)
            except ValueError:  # of another type than its place takes: no program would write it
                continue
            if changed not in told:
                told.add(changed)
                yield MutatedExpression(change, changed)


def _replaced(tree: promql.Expr, position: int, replacement: promql.Expr) -> promql.Expr:
    seen = -1

    def visit(_: promql.Expr) -> promql.Expr | None:
        nonlocal seen
        seen += 1
        return replacement if seen == position else None

    return promql.transform(tree, post_visit=visit)


def _replacements(node: promql.Expr) -> Iterator[tuple[str, str]]:
    """Yield changes of one node, in words and as PromQL that takes its place."""
    match node:
        case promql.BinaryExpr():
            yield from _binary(node)
        case promql.AggregateExpr():
            yield from _aggregate(node)
        case promql.Call():
            yield from _call(node)
        case promql.NumberLiteral():
            for number in moved(node.val):
                yield f"`{node}` becomes `{number}`", number
        case promql.VectorSelector():
            yield from _selector(node, node)
        case promql.MatrixSelector():
            yield from _matrix(node)
        case promql.SubqueryExpr():
            yield from _subquery(node)
        case _:
            pass


def moved(number: float) -> tuple[str, ...]:
    """Return the numbers beside a threshold."""
    if (number * 2).is_integer() and abs(number) <= _FEW:
        return f"{number - 1:g}", f"{number + 1:g}"
    return f"{number * (1 - _SHARE):.10g}", f"{number * (1 + _SHARE):.10g}"


def _binary(node: promql.BinaryExpr) -> Iterator[tuple[str, str]]:
    left, right = str(node.lhs), str(node.rhs)
    middle = str(node)[len(left) : -len(right)]
    operator, _, modifier = middle.strip().partition(" ")
    written = f"{operator} {_short(right)}"
    others = [*_COMPARISONS.get(operator, ()), *filter(None, (_ARITHMETIC.get(operator), _SETS.get(operator)))]
    if operator == "*" and ("group_" in modifier or "0" in (left, right)):
        others = []  # a join with a series of ones, and zeros for the series of another: `/` would be the same
    for other in others:
        yield f"`{written}`: `{operator}` becomes `{other}`", f"({left} {other} {modifier} {right})"
    if operator in _SETS:
        yield f"`{written}` is dropped", f"({left})"
        if operator == "or":
            yield f"`{_short(left)} or` is dropped", f"({right})"
    for change, labels in _fewer_labels(modifier):
        yield f"`{written}`: {change}", f"({left} {operator} {labels} {right})"


def _aggregate(node: promql.AggregateExpr) -> Iterator[tuple[str, str]]:
    text, name = str(node).strip(), str(node.op)
    one_of_equals = (
        name in ("topk", "bottomk") and isinstance(node.expr, promql.AggregateExpr) and str(node.expr.op) == "group"
    )
    if name in _AGGREGATIONS and not one_of_equals:
        yield f"`{_short(text)}`: `{name}` becomes `{_AGGREGATIONS[name]}`", _AGGREGATIONS[name] + text[len(name) :]
    if node.modifier is None:
        return
    kind = "by" if node.modifier.type == promql.AggModifierType.By else "without"
    head = f"{name} {kind} ({', '.join(node.modifier.labels)})"
    for change, fewer in _fewer_labels(head):
        yield f"`{_short(text)}`: {change}", fewer + text[len(head) :]


def _call(node: promql.Call) -> Iterator[tuple[str, str]]:
    text, name = str(node), node.func.name
    if name in _FUNCTIONS:
        yield f"`{_short(text)}`: `{name}` becomes `{_FUNCTIONS[name]}`", _FUNCTIONS[name] + text[len(name) :]
    if name == "last_over_time" and isinstance(node.args[0], promql.MatrixSelector):
        yield f"`{_short(text)}` becomes the instant value", str(node.args[0].vector_selector)


def _selector(node: promql.VectorSelector, whole: promql.Expr) -> Iterator[tuple[str, str]]:
    """Yield changes of a selector's matchers and offset within a selector of an instant or of a range."""
    written = str(whole)
    matchers = list(map(str, node.matchers.matchers))
    head = f"{node.name or ''}{{{','.join(matchers)}}}"
    for one, matcher in zip(node.matchers.matchers, matchers, strict=True):
        sign = matcher[len(one.name) :].partition('"')[0]
        without = [other for other in matchers if other != matcher]
        opposite = f"{one.name}{_OPPOSITES[sign]}{matcher[len(one.name) + len(sign) :]}"
        for change, changed in (("is dropped", without), ("is negated", [*without, opposite])):
            replacement = f"{node.name or ''}{{{','.join(changed)}}}{written[len(head) :]}"
            yield f"`{node.name or ''}`: `{matcher}` {change}", replacement
    if node.offset is not None:
        yield f"`{_short(written)}`: the offset is dropped", _without_offset(written, node.offset)
        doubled = f"{_without_offset(written, node.offset)} offset {_written(node.offset * 2)}"
        yield f"`{_short(written)}`: the offset is doubled", doubled


def _matrix(node: promql.MatrixSelector) -> Iterator[tuple[str, str]]:
    text = str(node)
    yield from _selector(node.vector_selector, node)
    for change, window in _windows(node.range):
        yield f"`{_short(text)}`: the range is {change}", text.replace(f"[{_written(node.range)}]", f"[{window}]", 1)


def _subquery(node: promql.SubqueryExpr) -> Iterator[tuple[str, str]]:
    text, inner = str(node), str(node.expr)
    own = node.range
    for change, window in _windows(own) if own is not None else ():
        tail = f"[{window}:{text[len(inner) :].partition(':')[2]}"
        yield f"`{_short(text)}`: the range is {change}", inner + tail


def _windows(window: timedelta) -> Iterable[tuple[str, str]]:
    return ("doubled", _written(window * 2)), ("halved", _written(window / 2))


def _written(duration: timedelta) -> str:
    return promql.display_duration(duration)


def _without_offset(text: str, offset: timedelta) -> str:
    sign = "-" if offset < timedelta() else ""
    return text.replace(f" offset {sign}{_written(abs(offset))}", "", 1)


def _fewer_labels(text: str) -> Iterator[tuple[str, str]]:
    """Yield a modifier such as `on (a, b) group_left (c)` with each of its labels left out."""
    at = 0
    while (begin := text.find("(", at)) != -1:
        at = text.index(")", begin)
        labels = [label for label in text[begin + 1 : at].split(", ") if label]
        name = text[:begin].rsplit(maxsplit=1)[-1]
        for label in labels:
            fewer = ", ".join(other for other in labels if other != label)
            yield f"`{label}` is dropped of `{name}`", f"{text[: begin + 1]}{fewer}{text[at:]}"


def _short(text: str) -> str:
    shown = " ".join(text.replace("{}", "").split())
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN // 2]} … {shown[-_SHOWN // 2 :]}"
