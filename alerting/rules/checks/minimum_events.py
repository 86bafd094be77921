"""Alerts on shares and percentiles state how many events it takes: one failed request of two is no incident."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import promql_parser

from alerting.catalog import Catalog
from alerting.rules import promql
from alerting.source.problems import Problem

_COUNTS_EVENTS = frozenset({"rate", "irate", "increase", "delta", "idelta"})
_SHARES = frozenset({"histogram_quantile", "histogram_fraction"})


def minimum_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yield the alerts on a share of events, or on a percentile, that fire however few events there are.

    A share is a quotient of two counts of events (`rate`, `increase`). A minimum is a count of events, compared with a
    number of at least 1 and joined by `and` to what it limits. Each side of an `or` needs one of its own.
    """
    shares = _Shares(catalog)
    for name, located in catalog.alerts().items():
        try:
            expression = promql.parsed(located.rule.expr)
        except ValueError:  # reported by the check of what a rule reads
            continue
        if not shares.has_minimum(expression):
            message = (
                f"alert {name} reads a share of events or a percentile: where there are few events, one sets it off; "
                "allowed: with a minimum, such as `and on (service) orion:http_failures:increase1h > 4.5`. Add one"
            )
            yield Problem(located.document.place((*located.path, "expr")), message)


class _Shares:
    """Follows expressions into the recordings that they read."""

    def __init__(self, catalog: Catalog) -> None:
        self._following: set[str] = set()
        self._recordings: dict[str, list[promql_parser.Expr]] = {}
        for located in catalog.located_rules():
            if located.rule.record is not None:
                try:
                    expression = promql.parsed(located.rule.expr)
                except ValueError:
                    continue
                self._recordings.setdefault(located.rule.record, []).append(expression)

    def has_minimum(self, expression: promql_parser.Expr) -> bool:
        """Say whether an expression reads no share, or each of its alternatives also has a minimum of events."""
        if not self._reads_share(expression):
            return True
        match expression:
            case promql_parser.BinaryExpr():
                left, right = expression.lhs, expression.rhs
                match _operation(expression):
                    case "and":
                        return any(self._is_minimum(side) or self._limits_share(side) for side in (left, right))
                    case "unless":
                        return self.has_minimum(left)
                    case "/" if self._counts(left) and self._counts(right):
                        return False
                    case _:
                        return self.has_minimum(left) and self.has_minimum(right)
            case promql_parser.VectorSelector() | promql_parser.MatrixSelector():
                return not self._any_recording(expression, lambda recorded: not self.has_minimum(recorded))
            case promql_parser.Call() if expression.func.name in _SHARES:
                return False
            case _:
                return all(self.has_minimum(part) for part in promql.parts(expression))

    def _limits_share(self, expression: promql_parser.Expr) -> bool:
        return self._reads_share(expression) and self.has_minimum(expression)

    def _is_minimum(self, expression: promql_parser.Expr) -> bool:
        match expression:
            case promql_parser.ParenExpr():
                return self._is_minimum(expression.expr)
            case promql_parser.BinaryExpr() if _operation(expression) in {">", ">="}:
                least = expression.rhs
                is_number = isinstance(least, promql_parser.NumberLiteral) and least.val >= 1
                return is_number and self._counts(expression.lhs) and not self._reads_share(expression.lhs)
            case _:
                return False

    def _reads_share(self, expression: promql_parser.Expr) -> bool:
        match expression:
            case promql_parser.Call() if expression.func.name in _SHARES:
                return True
            case promql_parser.BinaryExpr():
                return self._combines_to_share(expression)
            case promql_parser.VectorSelector() | promql_parser.MatrixSelector():
                return self._any_recording(expression, self._reads_share)
            case _:
                return any(self._reads_share(part) for part in promql.parts(expression))

    def _combines_to_share(self, expression: promql_parser.BinaryExpr) -> bool:
        left, right = expression.lhs, expression.rhs
        match _operation(expression):
            case "/" if self._counts(left) and self._counts(right):
                return True
            case "*" if self._reads_share(left) != self._reads_share(right):
                # A share of a count is a count: of requests, those that were slow.
                return not self._counts(left if self._reads_share(right) else right)
            case "unless":
                return self._reads_share(left)
            case _:
                return self._reads_share(left) or self._reads_share(right)

    def _counts(self, expression: promql_parser.Expr) -> bool:
        match expression:
            case promql_parser.Call() if expression.func.name in _COUNTS_EVENTS:
                return True
            case promql_parser.VectorSelector() | promql_parser.MatrixSelector():
                return self._any_recording(expression, self._counts)
            case _:
                return any(self._counts(part) for part in promql.parts(expression))

    def _any_recording(
        self,
        selector: promql_parser.VectorSelector | promql_parser.MatrixSelector,
        holds: Callable[[promql_parser.Expr], bool],
    ) -> bool:
        """Say whether a recording that a selector reads is made so. One that reads itself is followed once."""
        vector = selector.vector_selector if isinstance(selector, promql_parser.MatrixSelector) else selector
        name = promql.series_name(vector)
        if name is None or name in self._following:
            return False
        self._following.add(name)
        try:
            return any(holds(recorded) for recorded in self._recordings.get(name, []))
        finally:
            self._following.remove(name)


def _operation(expression: promql_parser.BinaryExpr) -> str:
    return str(expression.op).split()[0]
