"""Expressions use no PromQL that the operator refuses: it leaves out a PrometheusRule that its parser does not take.

The operator parses rules with the Prometheus that it was built with, without experimental functions, whatever version
of Prometheus it deploys. The parser here takes more, and so may promtool.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import promql_parser

from alerting.rules import promql
from alerting.rules.model import CompiledRule
from alerting.source.problems import Problem

OPERATOR_VERSION = "0.85.0"
"""The oldest operator that is deployed: the sandbox's. The chart's own takes what this one takes."""
PARSER_VERSION = "0.305.0"
"""The module version of Prometheus that it was built with: Prometheus 3.5.0."""
FUNCTIONS = frozenset(
    (
        "abs absent absent_over_time acos acosh asin asinh atan atanh avg_over_time ceil changes clamp clamp_max "
        "clamp_min cos cosh count_over_time day_of_month day_of_week day_of_year days_in_month deg delta deriv exp "
        "floor histogram_avg histogram_count histogram_fraction histogram_quantile histogram_stddev histogram_stdvar "
        "histogram_sum hour idelta increase irate label_join label_replace last_over_time ln log10 log2 max_over_time "
        "min_over_time minute month pi predict_linear present_over_time quantile_over_time rad rate resets round "
        "scalar sgn sin sinh sort sort_desc sqrt stddev_over_time stdvar_over_time sum_over_time tan tanh time "
        "timestamp vector year"
    ).split()
)
"""The functions that are not experimental (`promql/parser/functions.go`)."""
AGGREGATIONS = frozenset("sum avg count min max group stddev stdvar topk bottomk count_values quantile".split())
"""The aggregations that are not experimental (`promql/parser/lex.go`)."""
_KEYWORDS = frozenset("and or unless by without on ignoring group_left group_right bool offset".split())
_CALLED = re.compile(r"([A-Za-z_][A-Za-z0-9_:]*)\s*\(")


def operator_problems(located: CompiledRule) -> Iterator[Problem]:
    """Yield what the operator refuses of a rule that parses here."""
    tree = located.expression.tree
    named = {name.lower() for name in _CALLED.findall(located.expression.text)}
    if tree is None or named <= FUNCTIONS | AGGREGATIONS | _KEYWORDS:  # nearly all: a text is searched faster
        return
    for name in dict.fromkeys(_unknown(tree)):
        message = (
            f"uses {name}, which operator {OPERATOR_VERSION} refuses with its parser of Prometheus 3.5; allowed: "
            "functions, aggregations and modifiers of that version which are not experimental. Write it with those"
        )
        yield Problem(located.place("expr"), message)


def _unknown(expression: promql_parser.Expr) -> Iterator[str]:
    match expression:
        case promql_parser.Call() if expression.func.name not in FUNCTIONS:
            yield f"the function {expression.func.name}"
        case promql_parser.AggregateExpr() if str(expression.op) not in AGGREGATIONS:
            yield f"the aggregation {expression.op}"
        case promql_parser.BinaryExpr() if _fills(expression.modifier):
            yield "the modifier fill"
        case _:
            pass
    for part in promql.parts(expression):
        yield from _unknown(part)


def _fills(modifier: promql_parser.BinModifier | None) -> bool:
    """Say whether a binary operator gives a value to what has no match."""
    values = None if modifier is None else modifier.fill_values
    return values is not None and (values.lhs is not None or values.rhs is not None)
