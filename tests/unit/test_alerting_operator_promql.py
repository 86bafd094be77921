"""PromQL that the operator refuses is refused before it is deployed, and it is said who refuses it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alerting.rules.checks.operator_promql import OPERATOR_VERSION, PARSER_VERSION, operator_problems
from alerting.rules.promql import compiled
from tests.alerting_data import ROOT, fixture_catalog

MODULES = ROOT / "tools" / "go" / "kubernetes" / "go.mod"


def told(promql: str) -> list[str]:
    """Return what is told of an expression that a written alert has."""
    expression = compiled(promql)
    assert expression.error is None
    return [
        str(one)
        for one in operator_problems(replace(fixture_catalog().rules.alerts["KafkaConsumerLag"], expression=expression))
    ]


@pytest.mark.parametrize(
    ("promql", "what"),
    [
        ("first_over_time(a[5m]) > 1", "the function first_over_time"),
        ("sum(rate(a[5m]) > mad_over_time(a[5m])) > 1", "the function mad_over_time"),
        ("limitk(5, a) > 1", "the aggregation limitk"),
        ("a + fill(0) b > 1", "the modifier fill"),
    ],
)
def test_what_only_newer_parsers_know_is_refused_with_who_refuses_it(promql: str, what: str) -> None:
    (problem,) = told(promql)

    assert problem.startswith("rules/kafka.yaml:")
    assert f"uses {what}, which operator {OPERATOR_VERSION} refuses with its parser of Prometheus 3.5" in problem


@pytest.mark.parametrize(
    "promql",
    [
        'label_replace(a, "b", "first_over_time(", "c", "")',
        "sum by (a) (b) / on (a) group_left (c) (d)",
        "BOTTOMK(1, a) or vector(time())",
    ],
)
def test_what_the_operator_takes_is_taken(promql: str) -> None:
    assert told(promql) == []


def test_what_is_refused_is_of_the_operator_that_is_built() -> None:
    """A newer operator knows more: read `promql/parser/functions.go` of its Prometheus, and change both versions."""
    modules = MODULES.read_text()

    assert f"github.com/prometheus-operator/prometheus-operator v{OPERATOR_VERSION}" in modules
    assert f"github.com/prometheus/prometheus v{PARSER_VERSION}" in modules
