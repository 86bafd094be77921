"""Random traffic: what is recorded of it is exact in a closed tick, and never NaN, Inf or a budget over 1.

Counters are reset, scrapes are missed, pods come and go, one of two counters is not there, and buckets contradict each
other. Seeds are drawn by Hypothesis, which shows one that fails.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.objective_counting import TICKS_OF_A_STAGE, ticks, values
from tests.objective_promtool import assert_holds, expect, owned, run, written_rules

WRITTEN = """\
objectives:
  fast:
    description: Orders are answered within half a second.
    service: orders
    objective: 0.99
    sli: {latency: {histogram: http_request_duration_seconds_bucket, seconds: 0.5}}
  accepted:
    description: Orders are not rejected, told by those that are accepted.
    service: positions
    objective: 0.95
    sli: {ratio: {total: http_requests_total, good: 'http_requests_total{code="200"}'}}
  native:
    description: Prices are told within half a second.
    service: market-data
    objective: 0.99
    sli: {latency: {histogram: http_request_seconds, seconds: 0.5, native: true}}
  slices:
    description: In each minute nine requests of ten are answered.
    service: gateway
    objective: 0.95
    sli:
      slices: {length: 1m, target: 0.9, ratio: {total: http_requests_total, bad: 'http_requests_total{code="500"}'}}
"""
NATIVE = """
  http_request_seconds:
    exporter: services
    type: native histogram
    labels: [service]
    description: Seconds that requests took.
"""
LENGTH = 131
LAST = LENGTH - 1
HOUR = ticks("1h")
MONTH = 30 * 288
"""The stages of 30 days."""
drawn = settings(
    max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_rules(tmp_path_factory.mktemp("properties"), WRITTEN, scraped=NATIVE)


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod from its first scrape, which finds its counters at 0, to its last. Some scrapes in between are missed."""

    first: int
    last: int
    resets: frozenset[int]
    missed: frozenset[int]

    def counter(self, events: Sequence[int]) -> list[int | None]:
        """Return the samples of a counter of events."""
        value, samples = 0, list[int | None]()
        for tick in range(LENGTH):
            value = events[tick] if tick in self.resets else value + (events[tick] if tick > self.first else 0)
            there = self.first <= tick <= self.last and tick not in self.missed
            samples.append(value if there else None)
        return samples

    def counted(self, events: Sequence[int]) -> int:
        """Return the events of the last hour that it served."""
        return sum(events[tick] for tick in range(max(LAST - HOUR, self.first) + 1, self.last + 1))


def pods(draw: random.Random) -> list[Pod]:
    """Return three pods: one that is there all the time, one that comes and one that goes."""
    found: list[Pod] = []
    for first, last in ((0, LAST), (draw.randint(20, 60), LAST), (0, draw.randint(40, 100))):
        resets = frozenset(draw.sample(range(first + 2, last), draw.randint(0, 3)))
        starts = draw.sample(range(first + 2, last - 4, 5), draw.randint(0, 3))  # a longer gap loses events
        kept = {first, last, LAST - HOUR, *resets, *(tick - 1 for tick in resets)}
        missed = frozenset(tick for start in starts for tick in range(start, start + 3)) - kept
        found.append(Pod(first, last, resets, missed))
    return found


def requests(draw: random.Random, pod: Pod) -> list[int]:
    """Return requests by tick. After a reset there is one at most, so that each counter falls as it is reset."""
    most = draw.choice([0, 1, 20, 10_000])
    made = [draw.randint(0, most) for _ in range(LENGTH)]
    made[pod.first + 1] += 5
    since = pod.first
    for tick in sorted(pod.resets):
        made[tick] = min(made[tick], max(0, sum(made[since + 1 : tick]) - 1))
        since = tick - 1
    return made


def series(name: str, samples: Sequence[int | None], **labels: str) -> dict[str, str]:
    inside = ", ".join(f'{label}="{value}"' for label, value in labels.items())
    return {"series": f"{name}{{{inside}}}", "values": values(samples)}


@drawn
@given(st.integers(0, 2**32))
def test_what_is_counted_of_random_pods_is_exact(rules: Path, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311  (made-up requests)
    given_series = [owned(service) for service in ("orders", "positions", "market-data", "gateway")]
    exact: dict[tuple[str, str], tuple[int, int]] = {}
    for service in ("orders", "positions", "gateway"):
        total = bad = 0
        for number, pod in enumerate(pods(draw)):
            good, failed = requests(draw, pod), requests(draw, pod)
            only_one = draw.choice(["200", "500", None, None])  # the other counter is not there
            for code, made in (("200", good), ("500", failed)):
                if only_one in {code, None}:
                    labels = {"service": service, "instance": str(number), "code": code}
                    given_series.append(series("http_requests_total", pod.counter(made), **labels))
                    total += pod.counted(made)
                    bad += pod.counted(made) if code == "500" else 0
        exact[service, "requests"] = total, bad
    exact["positions", "accepted"] = exact["positions", "requests"]
    fast = slow = 0
    for number, pod in enumerate(pods(draw)):
        quick, late = requests(draw, pod), requests(draw, pod)
        every = [one + other for one, other in zip(quick, late, strict=True)]
        for limit, made in (("0.5", quick), ("+Inf", every)):
            labels = {"service": "orders", "instance": str(number), "le": limit}
            given_series.append(series("http_request_duration_seconds_bucket", pod.counter(made), **labels))
        fast, slow = fast + pod.counted(quick), slow + pod.counted(late)
        given_series.append(histograms(pod, quick, late, str(number)))
    exact["orders", "fast"] = exact["market-data", "native"] = fast + slow, slow

    expected = [
        expect(
            f'round(sum(orion:objective_{kind}:increase1h{{service="{service}", objective="{objective}"}}), 0.001)',
            LAST,
            ("{}", value),
        )
        for (service, objective), both in exact.items()
        for kind, value in zip(("total", "bad"), both, strict=True)
    ]
    assert_holds(run(rules, given_series, [*expected, *nothing_impossible()]))


def histograms(pod: Pod, quick: Sequence[int], late: Sequence[int], instance: str) -> dict[str, str]:
    """Return the native histogram of a pod, with one limit of its own."""
    samples: list[str] = []
    for fast, slow in zip(pod.counter(quick), pod.counter(late), strict=True):
        if fast is None or slow is None:
            samples.append("_")
            continue
        bounds = f"custom_values:[0.5] buckets:[{fast} {slow}]"
        samples.append(f"{{{{schema:-53 count:{fast + slow} sum:1 {bounds}}}}}")
    labels = f'service="market-data", instance="{instance}"'
    return {"series": f"http_request_seconds{{{labels}}}", "values": " ".join(samples)}


def nothing_impossible() -> list[dict[str, object]]:
    """Expect no NaN or Inf, no share outside 0 to 1, and no budget over 1, at several ticks."""
    names = [
        "orion:objective_bad:increase30s",
        "orion:objective_bad:increase6h",
        "orion:objective:error_ratio1h",
        "orion:objective:burn_rate5m",
        "orion:service:error_budget_remaining",
    ]
    found: list[dict[str, object]] = []
    for tick in (0, 1, 12, 65, LAST):
        found += [expect(f"{name} != {name} or abs({name}) == Inf", tick) for name in names]
        found.append(expect("orion:objective:error_ratio5m < 0 or orion:objective:error_ratio5m > 1", tick))
        found.append(expect("orion:service:error_budget_remaining > 1 or orion:objective:coverage > 1", tick))
    return found


@drawn
@given(st.integers(0, 2**32))
def test_counters_that_contradict_each_other_make_nothing_impossible(rules: Path, seed: int) -> None:
    """More fast requests than requests, buckets that are reset alone, and counters that fall at random."""
    draw = random.Random(seed)  # noqa: S311  (made-up requests)
    given_series = [owned(service) for service in ("orders", "positions", "gateway")]
    for number in range(3):
        for limit in draw.sample(["0.5", "+Inf"], draw.randint(1, 2)):
            labels = {"service": "orders", "instance": str(number), "le": limit}
            given_series.append(series("http_request_duration_seconds_bucket", jumps(draw), **labels))
        for service in ("positions", "gateway"):
            for code in draw.sample(["200", "500"], draw.randint(1, 2)):
                labels = {"service": service, "instance": str(number), "code": code}
                given_series.append(series("http_requests_total", jumps(draw), **labels))

    assert_holds(run(rules, given_series, nothing_impossible()))


def jumps(draw: random.Random) -> list[int | None]:
    return [draw.choice([None, draw.randint(0, 100), draw.randint(0, 10**9)]) for _ in range(LENGTH)]


@drawn
@given(st.integers(0, 2**32))
def test_thirty_days_of_random_traffic_are_within_a_thousandth(rules: Path, seed: int) -> None:
    """Hundredfold by day and night, with outages and with days of which nothing is known."""
    draw = random.Random(seed)  # noqa: S311  (made-up requests)
    total = [draw.randint(1, 100) * (100 if stage % 288 > 144 else 1) for stage in range(MONTH + 1)]
    bad = [0] * len(total)
    for start in draw.sample(range(MONTH), 5):
        for stage in range(start, min(MONTH + 1, start + draw.randint(1, 60))):
            bad[stage] = draw.randint(0, total[stage])
    gap = draw.randint(0, MONTH - 2000)
    known = [not gap < stage <= gap + draw.randint(0, 1) * 1500 for stage in range(MONTH + 1)]
    counted = [stage for stage in range(1, MONTH + 1) if known[stage]]
    coverage = Fraction(len(counted), MONTH)
    period = sum(total[stage] for stage in counted) / coverage
    left = 1 - Fraction(sum(bad[stage] for stage in counted)) / period / Fraction(1, 1000)
    labels = {"service": "orders", "objective": "requests"}

    def spread(numbers: Sequence[int]) -> list[int | None]:
        found: list[int | None] = []
        for stage, number in enumerate(numbers):
            found += [number if known[stage] else None, *[None] * (TICKS_OF_A_STAGE - 1)]
        return found

    given_series = [
        {"series": 'orion:service:error_budget{service="orders", team="trading"}', "values": "0.001x90000"},
        series("orion:objective_total:stage5m", spread(total), **labels),
        series("orion:objective_bad:stage5m", spread(bad), **labels),
        series("orion:objective_total:covered5m", spread([1] * len(total)), **labels),
    ]
    last = MONTH * TICKS_OF_A_STAGE
    remaining = 'orion:service:error_budget_remaining{service="orders"}'
    far = f"abs({remaining} - {float(left)}) > {0.001 * max(abs(float(left)), 0.001)}"
    expected = [
        expect(f"count({remaining})", last, ("{}", 1)),
        expect(far, last),
        expect(f"{remaining} > 1", last),
    ]
    assert_holds(run(rules, given_series, expected, evaluation="12h"))
