"""Scaling divides durations, and nothing that only looks like one."""

from __future__ import annotations

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.group_key import deduplication_key, group_key
from alerting.scale import scaled_expression

KEYWORDS = {"offset", "inf", "nan"}
METRIC = st.from_regex(r"[a-z_:][a-z0-9_:]{0,12}", fullmatch=True).filter(lambda name: name not in KEYWORDS)


@pytest.mark.parametrize(
    ("expression", "scaled"),
    [
        ("rate(http_requests_total[5m])", "rate(http_requests_total[15s])"),
        ('x{a="[5m] offset 5m"}', 'x{a="[5m] offset 5m"}'),
        ("orion:http_errors:rate5m > 5", "orion:http_errors:rate5m > 5"),
        ("x offset 10m", "x offset 30s"),
        ("max_over_time(rate(x[20m])[1h:5m])", "max_over_time(rate(x[1m])[3m:15s])"),
    ],
)
def test_durations_are_divided_and_names_and_texts_are_not(expression: str, scaled: str) -> None:
    assert scaled_expression(expression, 20) == scaled


@given(METRIC, st.text(max_size=20), st.integers(1, 500))
def test_a_scaled_expression_still_parses(metric: str, value: str, minutes: int) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    expression = f'sum(rate({metric}{{a="{quoted}"}}[{minutes}m] offset {minutes}s)) > 1'

    scaled = scaled_expression(expression, 20)

    promql_parser.parse(scaled)
    assert scaled_expression(expression, 1) == expression


def test_a_group_key_is_alertmanagers() -> None:
    """The key and its sha256 in hex are what Alertmanager 0.34 sends as `groupKey` and PagerDuty's `dedup_key`."""
    key = group_key('{}/{severity="critical"}', {"service": "y", "alertname": "X"})

    assert key == '{}/{severity="critical"}:{alertname="X", service="y"}'
    assert len(deduplication_key('{}/{severity="critical"}', {"alertname": "X"})) == 64
