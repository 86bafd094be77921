"""Alerts on shares and percentiles state how many events it takes: one failed request of two is no incident."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import promql_parser

from alerting.catalog import Catalog
from alerting.rules import promql
from alerting.rules.model import RuleSet
from alerting.rules.series import OBJECTIVE_BAD, OBJECTIVE_TOTAL
from alerting.source.problems import Problem

_COUNTS_EVENTS = frozenset({"rate", "irate", "increase", "delta", "idelta"})
_SHARES = frozenset({"histogram_quantile", "histogram_fraction"})


def minimum_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yield the alerts on a share of events, or on a percentile, that fire however few events there are.

    A share is a quotient of two counts of events (`rate`, `increase`). A minimum is a count of events, compared with a
    number of at least 1 and joined by `and` to what it limits. Each side of an `or` needs one of its own.
    """
    shares = _Shares(catalog.rules)
    for name, located in catalog.rules.alerts.items():
        expression = located.expression.tree
        if expression is not None and not shares.has_minimum(expression):
            message = (
                f"alert {name} reads a share of events or a percentile: where there are few events, one sets it off; "
                "allowed: with a minimum, such as `and on (service) orion:http_failures:increase30m > 4.5`. Add one"
            )
            yield Problem(located.place("expr"), message)


class _Shares:
    """Follows expressions into the recordings that they read."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._following: set[str] = set()
        self._known: dict[tuple[Question, str], bool] = {}
        self._read: dict[int, tuple[promql_parser.Expr, bool]] = {}
        self._went_in_a_circle = False

    def has_minimum(self, expression: promql_parser.Expr) -> bool:
        """Say whether an expression reads no share, or each of its alternatives also has a minimum of events."""
        return not self._reads_share(expression) or self._limits_share(expression)

    def _limits_share(self, expression: promql_parser.Expr) -> bool:
        """Say whether each alternative of an expression that reads a share has a minimum of events."""
        match expression:
            case promql_parser.BinaryExpr():
                left, right = expression.lhs, expression.rhs
                match promql.operation(expression):
                    case "and":
                        sides = (left, right)
                        return any(map(self._is_minimum, sides)) or any(map(self._reads_limited_share, sides))
                    case "unless":
                        return self.has_minimum(left)
                    case "/" if self._counts(left) and self._counts(right):
                        return False
                    case _:
                        return self.has_minimum(left) and self.has_minimum(right)
            case promql_parser.VectorSelector() | promql_parser.MatrixSelector():
                return not self._any_recording(expression, _Shares._lacks_minimum)
            case promql_parser.Call() if expression.func.name in _SHARES:
                return False
            case _:
                return all(self.has_minimum(part) for part in promql.parts(expression))

    def _lacks_minimum(self, expression: promql_parser.Expr) -> bool:
        return not self.has_minimum(expression)

    def _reads_limited_share(self, expression: promql_parser.Expr) -> bool:
        return self._reads_share(expression) and self._limits_share(expression)

    def _is_minimum(self, expression: promql_parser.Expr) -> bool:
        match expression:
            case promql_parser.ParenExpr():
                return self._is_minimum(expression.expr)
            case promql_parser.BinaryExpr() if promql.operation(expression) == "or":
                return self._is_minimum(expression.lhs) and self._is_minimum(expression.rhs)
            case promql_parser.BinaryExpr() if promql.operation(expression) in {">", ">="}:
                least = expression.rhs
                is_number = isinstance(least, promql_parser.NumberLiteral) and least.val >= 1
                return is_number and self._counts(expression.lhs) and not self._reads_share(expression.lhs)
            case _:
                return False

    def _reads_share(self, expression: promql_parser.Expr) -> bool:
        """Say whether an expression reads a share. Each part of an alert is asked for again by what it is a part of."""
        _, known = self._read.get(id(expression), (None, None))
        if known is not None:
            return known
        answer = self._is_share(expression)
        if not self._following:
            self._read[id(expression)] = expression, answer  # with it, so that nothing else gets its id
        return answer

    def _is_share(self, expression: promql_parser.Expr) -> bool:
        match expression:
            case promql_parser.Call() if expression.func.name in _SHARES:
                return True
            case promql_parser.BinaryExpr():
                return self._combines_to_share(expression)
            case promql_parser.VectorSelector() | promql_parser.MatrixSelector():
                # Events are a number, however they are counted: by slices of a share, or by a fraction of a histogram.
                return not _counts_objective(expression) and self._any_recording(expression, _Shares._reads_share)
            case _:
                return any(self._reads_share(part) for part in promql.parts(expression))

    def _combines_to_share(self, expression: promql_parser.BinaryExpr) -> bool:
        left, right = expression.lhs, expression.rhs
        match promql.operation(expression):
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
                return _counts_objective(expression) or self._any_recording(expression, _Shares._counts)
            case _:
                return any(self._counts(part) for part in promql.parts(expression))

    def _any_recording(
        self, selector: promql_parser.VectorSelector | promql_parser.MatrixSelector, question: Question
    ) -> bool:
        """Say whether a recording that a selector reads is made so. One that reads itself is followed once.

        An answer is kept for the alerts that read the same recording, unless a recording was cut off in it.
        """
        vector = selector.vector_selector if isinstance(selector, promql_parser.MatrixSelector) else selector
        name = promql.series_name(vector)
        if name is None or name not in self._rules.recordings:
            return False
        if name in self._following:
            self._went_in_a_circle = True
            return False
        if (question, name) in self._known:
            return self._known[question, name]
        if not self._following:
            self._went_in_a_circle = False
        self._following.add(name)
        try:
            trees = (rule.expression.tree for rule in self._rules.recordings[name])
            answer = any(question(self, tree) for tree in trees if tree is not None)
        finally:
            self._following.remove(name)
        if not self._went_in_a_circle:
            self._known[question, name] = answer
        return answer


Question = Callable[[_Shares, promql_parser.Expr], bool]
"""A method of `_Shares` that says how an expression is made."""


def _counts_objective(selector: promql_parser.VectorSelector | promql_parser.MatrixSelector) -> bool:
    """Say whether a selector reads events of objectives, which are counted without `increase`."""
    vector = selector.vector_selector if isinstance(selector, promql_parser.MatrixSelector) else selector
    return (promql.series_name(vector) or "").startswith((OBJECTIVE_BAD, OBJECTIVE_TOTAL))
