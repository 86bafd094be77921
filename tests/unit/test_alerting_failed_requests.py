"""Objectives that count all failed requests of a service, for which HighErrorRate leaves it out, and others."""

from __future__ import annotations

import pytest

from alerting.rules.objectives import Sli
from alerting.rules.sources.objective_events import counts_failed_requests

REQUESTS = "http_requests_total"
FAILED = 'http_requests_total{code=~"5.."}'
ALL_FAILED = [
    {"total": REQUESTS, "bad": FAILED},
    {"total": REQUESTS, "good": 'http_requests_total{code!~"5.."}'},
    {"total": 'http_requests_total{service="orders"}', "bad": 'http_requests_total{service="orders", code=~"5.."}'},
]
OTHER: list[dict[str, object]] = [
    {"ratio": {"total": REQUESTS, "bad": 'http_requests_total{code="500"}'}},
    {"ratio": {"total": REQUESTS, "good": FAILED}},
    {"ratio": {"total": 'http_requests_total{code!="404"}', "bad": FAILED}},
    {"ratio": {"total": 'http_requests_total{service="positions"}', "bad": FAILED}},
    {"ratio": {"total": "orders_total", "bad": 'orders_total{code=~"5.."}'}},
    {"latency": {"histogram": "http_request_duration_seconds_bucket", "seconds": 0.5}},
    {"threshold": {"gauge": "db_pool_connections_used", "above": 90}},
    {"slices": {"length": "5m", "target": 0.9, "ratio": ALL_FAILED[0]}},
]


@pytest.mark.parametrize("ratio", ALL_FAILED, ids=str)
def test_what_counts_all_failed_requests_watches_them(ratio: dict[str, str]) -> None:
    assert counts_failed_requests(Sli.model_validate({"ratio": ratio}), "orders")


@pytest.mark.parametrize("sli", OTHER, ids=str)
def test_what_counts_other_events_leaves_failed_requests_to_high_error_rate(sli: dict[str, object]) -> None:
    assert not counts_failed_requests(Sli.model_validate(sli), "orders")


def test_a_composite_has_no_indicator_and_watches_nothing() -> None:
    assert not counts_failed_requests(None, "orders")
