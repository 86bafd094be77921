"""Queries for events of other generators: what they count, and which are no sum of one counter."""

from __future__ import annotations

import pytest

from alerting.rules.promql.event_query import indicator_of, read_count, read_part, read_ratio

WINDOW = "[{{.window}}]"
NOT_COUNTED = [
    ("sum(rate(a[5m]))", "with the placeholder {{.window}}"),
    ("sum(rate(a[{{.window}}])) + sum(rate(b[5m]))", "a sum of one counter's rate or increase"),
    ("sum(rate(a[5m])) or sum(rate(b[{{.window}}]))", "a sum of one counter's rate or increase"),
    ("sum(rate({{.metric}}[{{.window}}]))", "no template but {{.window}} is allowed"),
    ("rate(a[{{.window}}])", "a sum of one counter's rate or increase"),
    ("avg(rate(a[{{.window}}]))", "and this is avg(...)"),
    ("sum without (code) (rate(a[{{.window}}]))", "and not `without`"),
    ("sum(irate(a[{{.window}}]))", "a sum of one counter's rate or increase"),
    ("sum(rate(a[{{.window}}] offset 5m))", "without range, offset or function"),
    ("sum(rate(a[5m]) + rate(a[{{.window}}]))", "a sum of one counter's rate or increase"),
    ("sum(rate((a > 1)[{{.window}}:]))", "a subquery counts no events"),
    ("sum(rate(a[{{.window}}])", "PromQL is allowed, and this is none"),
]


@pytest.mark.parametrize(("query", "message"), NOT_COUNTED, ids=[query for query, _ in NOT_COUNTED])
def test_a_query_that_is_no_sum_of_one_counter_is_refused(query: str, message: str) -> None:
    with pytest.raises(ValueError, match="allowed") as raised:
        read_count(query)

    assert message in str(raised.value)


def test_a_counter_needs_no_window_where_the_file_says_that_it_is_one() -> None:
    assert read_count("sum by (plan) (a)", counter=True) == read_count(f"sum by (plan) (rate(a{WINDOW}))")
    with pytest.raises(ValueError, match="with the placeholder"):
        read_count("sum(a)")


def test_all_minus_the_good_ones_are_the_bad_ones_and_the_other_way_round() -> None:
    total = read_count(f"sum(rate(a{WINDOW}))")
    bad = read_part(f'sum(rate(a{WINDOW})) - sum(rate(a{{b="c"}}{WINDOW}))', total, is_good=False)

    assert indicator_of(total, bad) == {"ratio": {"total": "a", "good": 'a{b="c"}'}}
    with pytest.raises(ValueError, match="what is subtracted from is not the total"):
        read_part(f'sum(rate(d{WINDOW})) - sum(rate(a{{b="c"}}{WINDOW}))', total, is_good=False)


def test_a_ratio_that_is_subtracted_from_one_is_of_the_others() -> None:
    total, part = read_ratio(f'1 - sum(rate(a{{b="c"}}{WINDOW})) / sum(rate(a{WINDOW}))', is_good=False)

    assert indicator_of(total, part) == {"ratio": {"total": "a", "good": 'a{b="c"}'}}


def test_a_bucket_of_another_histogram_or_with_other_matchers_is_refused() -> None:
    good = read_part(
        f'sum(rate(a_bucket{{le="1", b="c"}}{WINDOW}))', read_count(f"sum(rate(a_count{WINDOW}))"), is_good=True
    )

    for total in (f"sum(rate(a_count{WINDOW}))", f'sum(rate(d_count{{b="c"}}{WINDOW}))'):
        with pytest.raises(ValueError, match="a bucket of the total's histogram is allowed"):
            indicator_of(read_count(total), good)
    assert indicator_of(read_count(f'sum(rate(a_count{{b="c"}}{WINDOW}))'), good) == {
        "latency": {"histogram": 'a_bucket{b="c"}', "seconds": 1.0}
    }
