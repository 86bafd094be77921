"""Generated objectives, held by promtool to exact counting: when each alert fires, and what is recorded.

The tests of promtool are generated too, from the events and from what `tests.objective_counting` makes of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerting.rules.burn_rates import PAGE_PAIRS, TICKET_PAIRS, WindowPair
from tests.objective_counting import (
    LENGTH,
    TICKS_OF_A_STAGE,
    Traffic,
    counter,
    first_firing,
    reset_counter,
    ticks,
    traces,
)
from tests.objective_promtool import (
    LABELLED,
    assert_holds,
    counted,
    expect,
    firing,
    owned,
    requests,
    run,
    written_rules,
)

WRITTEN = """\
objectives:
  orders-latency:
    description: Orders are answered within half a second.
    service: orders
    objective: 0.99
    sli: {latency: {histogram: http_request_duration_seconds_bucket, seconds: 0.5}}
    labels: {plan: gold}
  orders-accepted:
    description: Orders are not rejected, told by those that are.
    service: orders
    objective: 0.99
    sli: {ratio: {total: http_requests_total, good: 'http_requests_total{code="200"}'}}
  pool-not-full:
    description: The connection pool has connections left.
    service: positions
    objective: 0.95
    sli: {threshold: {gauge: db_pool_connections_used, above: 90}}
    group_by: [pool]
  pool-in-use:
    description: The connection pool has connections in use.
    service: positions
    objective: 0.95
    sli: {threshold: {gauge: db_pool_connections_used, below: 5.5}}
"""
STEADY = 1000
"""Events of a tick."""


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_rules(tmp_path_factory.mktemp("objectives"), WRITTEN)


def burning(healthy: int, burnt: int, share: float, *, busy: int = 0) -> Traffic:
    """Return traffic of which nothing is bad at first, and a share from a tick on.

    Before the last `busy` healthy ticks there were ten times as many events, which outweigh what burns in long windows.
    """
    total = [STEADY * 10] * (healthy - busy if busy else 0) + [STEADY] * ((busy or healthy) + burnt)
    return Traffic(total=total, bad=[0] * healthy + [STEADY * share] * burnt)


@pytest.mark.parametrize("pair", PAGE_PAIRS, ids=lambda pair: pair.long)
def test_each_pair_of_a_page_fires_neither_a_step_early_nor_late(rules: Path, pair: WindowPair) -> None:
    """A tenth and some more than the factor: the other pair stays quiet, or comes later.

    The long window is full when it burns, so that a longer one would burn later.
    """
    traffic = burning(ticks("2h"), ticks(pair.long), pair.factor * 0.001 * ABOVE)
    every = sorted({tick for each in PAGE_PAIRS for tick in traffic.page_ticks(each)})
    first = first_firing(iter(every), ticks("2m"))

    assert first is not None
    assert first > ticks(pair.long)
    assert first in set(traffic.page_ticks(pair))
    pairs = [f"{each.long}/{each.short}" for each in PAGE_PAIRS if first in set(traffic.page_ticks(each))]
    burns = 'count by (pair) (orion:objective:burning{urgency="page"})'
    assert_holds(
        run(
            rules,
            requests("orders", traffic),
            [
                firing("HighErrorBudgetBurn", "orders", first - 1, fires=False),
                firing("HighErrorBudgetBurn", "orders", first, fires=True),
                expect(burns, first, *((f'{{pair="{each}"}}', 1.0) for each in pairs)),
            ],
        )
    )


@pytest.mark.parametrize("pair", TICKET_PAIRS, ids=lambda pair: pair.long)
def test_each_pair_of_a_ticket_fires_neither_a_step_early_nor_late(rules: Path, pair: WindowPair) -> None:
    """Both pairs spend a tenth of the budget, at the same time: for the first alone, earlier traffic was heavier.

    The long window is full when it burns, so that a longer one would burn later.
    """
    busy = ticks("6h") if pair.long == "1d" else 0
    traffic = burning(ticks("18h"), ticks(pair.long), pair.factor * 0.001 * ABOVE, busy=busy)
    every = sorted({tick for each in TICKET_PAIRS for tick in traffic.ticket_ticks(each)})
    first = first_firing(iter(every), ticks("5m"), TICKS_OF_A_STAGE)

    assert first is not None
    assert first > ticks(pair.long)
    assert first in set(traffic.ticket_ticks(pair))
    assert_holds(
        run(
            rules,
            counted("orders", traffic),
            [
                firing("SlowErrorBudgetBurn", "orders", first - TICKS_OF_A_STAGE, fires=False),
                firing("SlowErrorBudgetBurn", "orders", first, fires=True),
            ],
            evaluation="5m",
            given_ticks=True,
        )
    )


ABOVE = 1.13
"""The factor is passed in the middle of a tick, not at its end."""
HOURS = ticks("7h")
QUIET = {
    "healthy": burning(HOURS, 0, 0),
    # Half a minute of total failure is 0.8 % of an hour and 0.1 % of six.
    "a spike": Traffic(total=[STEADY] * HOURS, bad=[0] * 800 + [STEADY] + [0] * (HOURS - 801)),
    "below every factor": burning(0, HOURS, 0.0009),
    # Four failures are all of the requests.
    "low traffic": Traffic(total=[0, 1] * 4 + [0, 0] * (HOURS // 2 - 4), bad=[0, 1] * 4 + [0, 0] * (HOURS // 2 - 4)),
    "no traffic": Traffic(total=[0] * HOURS, bad=[0] * HOURS),
}


def test_what_must_not_page_does_not(rules: Path) -> None:
    series = [one for name, traffic in QUIET.items() for one in requests(name.replace(" ", "-"), traffic)]

    # promtool sums stages at each evaluation: alerts that wait for them have tests of their own.
    every = 'count_over_time(ALERTS{alertname=~"HighErrorBudgetBurn|ErrorBudget.*"}[8h])'
    assert_holds(run(rules, [*series, owned("no-series")], [expect(every, HOURS - 1)]))


def test_zero_traffic_and_no_series_are_told_apart_and_make_no_ratio(rules: Path) -> None:
    names = "orion:objective:(error_ratio|burn_rate).+|orion:service:error_budget_remaining"
    assert_holds(
        run(
            rules,
            [*requests("idle", QUIET["no traffic"]), owned("gone")],
            [
                expect(f'{{__name__=~"{names}"}}', 200),
                expect(
                    "orion:objective:no_traffic == 1",
                    200,
                    ('orion:objective:no_traffic{service="idle", objective="requests"}', 1.0),
                ),
                expect(
                    'orion:objective:no_series{objective="requests"}',
                    200,
                    ('orion:objective:no_series{service="gone", objective="requests", team="trading"}', 1.0),
                ),
            ],
        )
    )


def test_a_reset_of_a_counter_loses_and_adds_nothing(rules: Path) -> None:
    """The counter of requests begins at 0 again after tick 100, that of failures after tick 130."""
    good = [STEADY] * 200
    bad = [1] * 200
    assert_holds(
        run(
            rules,
            [
                owned("orders"),
                {
                    "series": 'http_requests_total{service="orders", code="200"}',
                    "values": f"{counter(good[:100])} {counter(good[100:])}",
                },
                {
                    "series": 'http_requests_total{service="orders", code="500"}',
                    "values": f"{counter(bad[:130])} {counter(bad[130:])}",
                },
            ],
            [
                expect(
                    'orion:objective_bad:increase1h{objective="requests"}',
                    199,
                    (LABELLED.format("orion:objective_bad:increase1h", "orders", "requests"), 120.0),
                ),
                expect(
                    'orion:objective_total:increase1h{objective="requests"}',
                    199,
                    (LABELLED.format("orion:objective_total:increase1h", "orders", "requests"), 120.0 * (STEADY + 1)),
                ),
            ],
        )
    )


@settings(
    max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.integers(0, 2**32))
def test_the_staged_figures_are_those_of_exact_counting(rules: Path, seed: int) -> None:
    """Nothing that is counted is NaN, Inf or over 1, and a scrape that was missed is counted with the next one."""
    series: list[dict[str, str]] = []
    last = LENGTH - 1
    window = slice(last - ticks("1h") + 1, last + 1)
    expected: dict[str, list[tuple[str, float]]] = {"bad": [], "total": []}
    for number, trace in enumerate(traces(seed)):
        service = f"s{number}"
        for code, events in ((200, trace.good), (500, trace.bad)):
            name = f'http_requests_total{{service="{service}", code="{code}"}}'
            series.append({"series": name, "values": reset_counter(events, trace)})
        series.append(owned(service))
        sums = {"bad": sum(trace.bad[window]), "total": sum(trace.good[window]) + sum(trace.bad[window])}
        for kind, counted_exactly in sums.items():
            labels = LABELLED.format(f"orion:objective_{kind}:increase1h", service, "requests")
            expected[kind].append((labels, float(counted_exactly)))
    names = ["orion:objective:error_ratio1h", "orion:objective:burn_rate5m", "orion:objective_bad:increase6h"]
    checks = [expect(f"{name} != {name} or abs({name}) == Inf", tick) for name in names for tick in (10, last)]
    checks += [expect("orion:objective:error_ratio1h > 1 or orion:service:error_budget_remaining > 1", last)]
    checks += [
        expect(f'orion:objective_{kind}:increase1h{{service=~"s.+", objective="requests"}}', last, *samples)
        for kind, samples in expected.items()
    ]

    assert_holds(run(rules, series, checks))


def test_a_month_with_nights_and_an_outage_at_its_peak_is_weighed_by_traffic(rules: Path) -> None:
    """Hundredfold traffic by day, and half an hour of total failure at noon of the twentieth day."""
    stages = 30 * 24 * 12
    total = [round(1000 * (50.5 - 49.5 * math.cos(2 * math.pi * (stage % 288) / 288))) for stage in range(stages + 1)]
    outage = range(20 * 288 + 144, 20 * 288 + 150)
    bad = [total[stage] if stage in outage else 0 for stage in range(stages + 1)]
    left = 1 - sum(bad[1:]) / sum(total[1:]) / 0.001
    labels = '{service="orders", objective="requests"}'

    def spread(samples: Sequence[int]) -> str:
        return " ".join(f"{sample} _x9" for sample in samples)

    series = [
        {"series": 'orion:service:error_budget{service="orders", team="trading"}', "values": "0.001x90000"},
        {"series": f"orion:objective_total:stage5m{labels}", "values": spread(total)},
        {"series": f"orion:objective_bad:stage5m{labels}", "values": spread(bad)},
        {"series": f"orion:objective_total:covered5m{labels}", "values": spread([1] * (stages + 1))},
    ]
    last = stages * TICKS_OF_A_STAGE
    close = f"abs(orion:service:error_budget_remaining - {left}) < 0.001 * {abs(left)}"
    assert_holds(run(rules, series, [expect(f"count({close})", last, ("{}", 1.0))], evaluation="12h"))


def test_latency_good_events_and_a_gauge_are_counted_by_their_own_objectives(rules: Path) -> None:
    """Of 1000 requests in a tick 20 are slower than half a second, and 30 have another code than 200."""
    length = 40
    bucket = 'http_request_duration_seconds_bucket{{service="orders", le="{}"}}'
    series = [
        owned("orders"),
        {"series": bucket.format("0.5"), "values": f"0+980x{length}"},
        {"series": bucket.format("+Inf"), "values": f"0+1000x{length}"},
        {"series": 'http_requests_total{service="orders", code="200"}', "values": f"0+970x{length}"},
        {"series": 'http_requests_total{service="orders", code="404"}', "values": f"0+30x{length}"},
        {"series": 'db_pool_connections_used{service="positions", pool="main"}', "values": f"95x{length}"},
        {"series": 'db_pool_connections_used{service="positions", pool="side"}', "values": f"5x{length}"},
    ]
    ratio = "orion:objective:error_ratio5m"
    labels = 'alertstate="firing", alertname="HighErrorBudgetBurn", severity="critical", team="trading"'
    assert_holds(
        run(
            rules,
            series,
            [
                expect(f'count(abs({ratio}{{objective="orders-latency"}} - 0.02) < 1e-9)', 20, ("{}", 1.0)),
                expect(f'count(abs({ratio}{{objective="orders-accepted"}} - 0.03) < 1e-9)', 20, ("{}", 1.0)),
                expect(
                    f'{ratio}{{objective="pool-not-full"}}',
                    20,
                    (f'{ratio}{{service="positions", objective="pool-not-full", pool="main"}}', 1.0),
                    (f'{ratio}{{service="positions", objective="pool-not-full", pool="side"}}', 0.0),
                ),
                expect(
                    f'{ratio}{{objective="pool-in-use"}}', 20, (LABELLED.format(ratio, "positions", "pool-in-use"), 0.5)
                ),
                # All of the events of the one pool are bad: twenty times its budget of 5 %.
                expect(
                    'ALERTS{alertstate="firing", alertname="HighErrorBudgetBurn", objective!="pool-in-use"}',
                    35,
                    (f'ALERTS{{{labels}, service="positions", objective="pool-not-full", pool="main"}}', 1.0),
                ),
            ],
        )
    )


def test_a_service_is_watched_while_an_objective_counts_its_failed_requests(rules: Path) -> None:
    """Of orders too many are slow, and its own objective has no budget; of positions every request fails."""
    length = 100
    bucket = 'http_request_duration_seconds_bucket{{service="orders", le="{}"}}'
    gone = 40
    series = [
        {"series": bucket.format("0.5"), "values": f"0x{length}"},
        {"series": bucket.format("+Inf"), "values": f"0+1000x{length}"},
        {"series": 'http_requests_total{service="orders", code="500"}', "values": f"0+1000x{length}"},
        {"series": 'orion:service:error_budget{service="positions", team="trading"}', "values": f"0.001x{gone} stale"},
        {"series": 'http_requests_total{service="positions", code="500"}', "values": f"0+1000x{length}"},
        owned("idle"),
        {"series": 'http_requests_total{service="idle", code="200"}', "values": f"5x{length}"},
    ]
    burns = 'group by (service, objective) (orion:objective:burning{urgency="page", service=~"orders|positions"})'
    names = ("orion:service:errors_burning", "orion:service:errors_watched")
    both = '{__name__=~"orion:service:errors_(burning|watched)"}'
    assert_holds(
        run(
            rules,
            series,
            [
                expect(
                    burns,
                    gone,
                    ('{service="orders", objective="orders-latency"}', 1.0),
                    ('{service="orders", objective="orders-accepted"}', 1.0),
                    ('{service="positions", objective="requests"}', 1.0),
                ),
                expect(both, gone, *((f'{name}{{service="positions"}}', 1.0) for name in names)),
                expect(both, gone + 1),
            ],
        )
    )


def test_a_histogram_without_the_bucket_counts_nothing(rules: Path) -> None:
    """Its requests are neither good nor bad: what is not known is told as a missing series, and pages so."""
    series = [{"series": 'http_request_duration_seconds_bucket{service="orders", le="+Inf"}', "values": "0+1000x60"}]
    missing = 'count(ALERTS{alertname="ObjectiveSeriesMissing", objective="orders-latency", alertstate="firing"})'

    assert_holds(
        run(
            rules,
            series,
            [
                expect('{__name__=~"orion:objective_.+", objective="orders-latency"}', 50),
                expect(missing, 50, ("{}", 1.0)),
            ],
        )
    )
