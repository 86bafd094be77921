"""Objectives of native histograms and of time slices count exactly, held by promtool to counting of their own."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from tests.objective_counting import counter
from tests.objective_promtool import LABELLED, assert_holds, expect, run, written_rules

WRITTEN = """\
objectives:
  native:
    description: Orders are answered within half a second, by a native histogram.
    service: orders
    objective: 0.99
    sli: {latency: {histogram: http_request_seconds, seconds: 0.5, native: true}}
  within:
    description: Orders are answered within three eighths of a second, which is within a bucket.
    service: orders
    objective: 0.99
    sli: {latency: {histogram: http_request_seconds, seconds: 0.375, native: true}}
  slices:
    description: In each five minutes at least nine orders of ten are answered.
    service: orders
    objective: 0.95
    sli:
      slices:
        length: 5m
        target: 0.9
        ratio: {total: http_requests_total, bad: 'http_requests_total{code=~"5.."}'}
  slices-of-a-gauge:
    description: In each minute the pool has connections left half of the time.
    service: positions
    objective: 0.95
    sli: {slices: {length: 1m, target: 0.5, threshold: {gauge: db_pool_connections_used, above: 90}}}
    group_by: [pool]
  pool:
    description: The pool has connections left.
    service: positions
    objective: 0.95
    runbook: CriticalLatency
    sli: {threshold: {gauge: db_pool_connections_used, above: 90}}
  served-orders:
    description: Requests that are not answered with a server error.
    service: orders
    objective: 0.99
    sli: &served {ratio: {total: http_requests_total, good: 'http_requests_total{code!~"5.."}'}}
  served-orders-well: {description: As good as it may be., service: orders, objective: 0.999, sli: *served}
  served-positions: {description: Of another service., service: positions, objective: 0.99, sli: *served}
"""
SCRAPED = """
  http_request_seconds:
    exporter: services
    type: native histogram
    labels: [service]
    description: Seconds that requests took.
"""
EMPTY = "{{schema:0 count:0 sum:0}}"
# Of ten requests four took up to a quarter of a second, four up to half, one up to one and one up to two.
TEN = "{{schema:0 count:10 sum:6 offset:-2 buckets:[4 4 1 1]}}"


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_rules(tmp_path_factory.mktemp("kinds"), WRITTEN, scraped=SCRAPED)


def native(instance: str, samples: str) -> dict[str, str]:
    return {"series": f'http_request_seconds{{service="orders", instance="{instance}"}}', "values": samples}


def hour(kind: str, objective: str, value: float, *, service: str = "orders") -> tuple[str, float]:
    return LABELLED.format(f"orion:objective_{kind}:increase1h", service, objective), value


def test_a_native_histogram_is_counted_exactly(rules: Path) -> None:
    """Counters begin at zero, one is reset, scrapes of one are missed, and one comes and goes."""
    steady = f"{EMPTY} {EMPTY}+{TEN}x60"
    reset = f"{EMPTY} {EMPTY}+{TEN}x30 {TEN}+{TEN}x29"
    seen = "{{schema:0 count:240 sum:144 offset:-2 buckets:[96 96 24 24]}}"
    gap = f"{EMPTY} {EMPTY}+{TEN}x20 _x3 {seen}+{TEN}x36"
    goes = f"{EMPTY} {EMPTY}+{TEN}x20 _x40"
    events = 60 * 10 + 60 * 10 + 60 * 10 + 20 * 10
    bad = Fraction(2, 10) * events
    series = [native("a", steady), native("b", reset), native("c", gap), native("d", goes)]

    assert_holds(
        run(
            rules,
            series,
            [
                expect('orion:objective_total:increase1h{objective="native"}', 61, hour("total", "native", events)),
                expect(
                    'round(orion:objective_bad:increase1h{objective="native"}, 1e-6)',
                    61,
                    ('{service="orders", objective="native"}', float(bad)),
                ),
            ],
        )
    )


def test_objectives_that_count_alike_share_a_query_and_each_counts_its_service(rules: Path) -> None:
    """Of positions all fail for a while, and gateway has none of these objectives. Orders begin later, and are gone."""
    requests = [
        ("orders", "200", "_x10 0+9x20 _x30"),
        ("orders", "500", "_x10 0+1x20 _x30"),
        ("positions", "200", "0+20x20 400+0x39"),
        ("positions", "500", "0+0x20 0+20x39"),
        ("gateway", "500", "0+7x59"),
    ]
    series = [
        {"series": f'http_requests_total{{service="{service}", code="{code}"}}', "values": samples}
        for service, code, samples in requests
    ]
    counted = {
        ("orders", "served-orders"): (200, 20),
        ("orders", "served-orders-well"): (200, 20),
        ("positions", "served-positions"): (20 * 20 + 39 * 20, 39 * 20),
    }
    expected = [
        expect(
            f'orion:objective_{kind}:increase1h{{objective=~"served-.+"}}',
            60,
            *(hour(kind, name, float(values[at]), service=service) for (service, name), values in counted.items()),
        )
        for at, kind in enumerate(("total", "bad"))
    ]

    assert_holds(run(rules, series, expected))
    written = json.loads((rules / "slo.yaml").read_text())["groups"]
    queries = [rule["expr"] for group in written for rule in group["rules"] if "code!~" in rule["expr"]]
    assert len(queries) == 1


def test_a_limit_within_a_bucket_is_interpolated_and_adds_up(rules: Path) -> None:
    """Buckets of a native histogram grow exponentially: of the one from 0.25 to 0.5, log2(1.5) lies up to 0.375."""
    share = 0.2 + 0.4 * (1 - 0.5849625007211562)
    wrong = f'abs(orion:objective_bad:increase1h{{objective="within"}} - {600 * share}) > 1e-6'

    assert_holds(
        run(
            rules,
            [native("a", f"{EMPTY} {EMPTY}+{TEN}x60")],
            [
                expect('orion:objective_total:increase1h{objective="within"}', 61, hour("total", "within", 600)),
                expect(wrong, 61),
            ],
        )
    )


def test_an_empty_native_histogram_has_no_bad_event(rules: Path) -> None:
    assert_holds(
        run(
            rules,
            [native("a", f"{EMPTY} {EMPTY}x20")],
            [
                expect(
                    'orion:objective_bad:increase30s{objective="native"}',
                    10,
                    ('orion:objective_bad:increase30s{service="orders", objective="native"}', 0),
                ),
                expect('orion:objective:error_ratio5m{objective="native"}', 10),
            ],
        )
    )


def slices_of(total: list[int], bad: list[int], ticks: int, most: Fraction) -> tuple[int, int]:
    """Return how many slices of some ticks there are, and how many are bad: more than a share of their events are."""
    ends = range(ticks, len(total), ticks)
    spoilt = 0
    for end in ends:
        every, some = (sum(events[end - ticks + 1 : end + 1]) for events in (total, bad))
        spoilt += every > 0 and Fraction(some, every) > most
    return len(ends), spoilt


def test_a_slice_is_bad_when_its_own_share_is_past_the_target(rules: Path) -> None:
    """A tenth of the events of a slice may be bad. A slice without an event is good."""
    shares = [0, 100, 101, 1000, 0, 99, 500, 0, 100, 900, 300, 0]
    total = [0] + [0 if slice_ == 4 else 1000 for slice_ in range(12) for _ in range(10)]
    bad = [0] + [0 if slice_ == 4 else shares[slice_] for slice_ in range(12) for _ in range(10)]
    good = [every - some for every, some in zip(total, bad, strict=True)]
    count, spoilt = slices_of(total, bad, 10, Fraction(1, 10))
    series = [
        {"series": 'http_requests_total{service="orders", code="200"}', "values": counter(good)},
        {"series": 'http_requests_total{service="orders", code="500"}', "values": counter(bad)},
    ]

    assert (count, spoilt) == (12, 5)
    assert_holds(
        run(
            rules,
            series,
            [
                expect('orion:objective_total:increase1h{objective="slices"}', 120, hour("total", "slices", count)),
                expect('orion:objective_bad:increase1h{objective="slices"}', 120, hour("bad", "slices", spoilt)),
            ],
        )
    )


def test_slices_of_a_gauge_that_is_not_there_are_none(rules: Path) -> None:
    pool = 'db_pool_connections_used{{service="positions", pool="{}"}}'
    series = [
        {"series": pool.format("main"), "values": "95 5 95x59"},
        {"series": pool.format("side"), "values": "5x20 stale _x39"},
    ]
    labels = '{{service="positions", objective="slices-of-a-gauge", pool="{}"}}'
    kinds = [
        expect(
            f'{name}{{objective="slices-of-a-gauge"}}',
            60,
            *((f"{name}{labels.format(pool)}", value) for pool, value in (("main", main), ("side", side))),
        )
        for name, main, side in (
            ("orion:objective_total:increase1h", 31, 11),
            ("orion:objective_bad:increase1h", 30, 0),
        )
    ]

    assert_holds(run(rules, series, kinds))


def test_an_alert_links_to_the_page_of_its_objective(rules: Path) -> None:
    """Expecting no alert, promtool says which there are, and with which annotations."""
    burns = [
        {"series": 'db_pool_connections_used{service="positions", pool="main"}', "values": "95x20"},
        {"series": 'http_requests_total{service="orders", code="500"}', "values": "0+1000x20"},
        {"series": 'orion:service:error_budget{service="orders", team="trading"}', "values": "0.001x20"},
    ]
    alerts = [{"eval_time": "8m", "alertname": "HighErrorBudgetBurn", "exp_alerts": []}]
    said = run(rules, burns, [], alert_rule_test=alerts).stderr

    assert 'runbook_url="https://runbooks.orion.example.com/CriticalLatency/#' in said
    assert 'runbook_url="https://runbooks.orion.example.com/HighErrorBudgetBurn/#' in said
