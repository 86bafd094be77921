"""Made-up requests of days, counted exactly: what burn rates and budgets are held against."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.bench.objective_rules import METRIC
from tests.bench.rule_bench import DAY, END, SCRAPE_SECONDS, MadeUpSeries

SCRAPE_OFFSET = 7.5
"""How long after a multiple of the scrape interval a scrape is: no evaluation coincides with one."""
LEAST, MOST = 10, 1000
"""Requests between two scrapes at midnight and at noon."""
FAILED_SHARE = 0.0005
SEED = 17
SCRAPES_OF_A_DAY = DAY // SCRAPE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedTraffic:
    """Requests between one scrape and the next, the last just before `END`, and how many of them failed."""

    total: Sequence[int]
    failed: Sequence[int]

    def failed_share(self, seconds: float) -> float:
        """Return the share of requests that failed in the last so many seconds, by counting each."""
        scrapes = round(seconds / SCRAPE_SECONDS)
        return sum(self.failed[-scrapes:]) / sum(self.total[-scrapes:])

    def counters(self, service: str, *, resets: Iterable[int] = ()) -> list[MadeUpSeries]:
        """Return the counters that are scraped. At the scrapes `resets` they have begun at 0 again."""
        answered = [total - failed for total, failed in zip(self.total, self.failed, strict=True)]
        return [
            MadeUpSeries(
                labels={"__name__": METRIC, "service": service, "code": code, "instance": "i-0"},
                start=END - len(events) * SCRAPE_SECONDS + SCRAPE_OFFSET,
                values=_counter(events, frozenset(resets)),
            )
            for code, events in (("200", answered), ("500", self.failed))
        ]


def days_and_nights(days: int, outages: Sequence[range]) -> CountedTraffic:
    """Return traffic that is a hundred times as heavy at noon as at midnight, and ends at three in the afternoon.

    A tenth more or less comes by chance, and a request of two thousand fails. In the scrapes of an outage all fail.
    """
    chance = random.Random(SEED)  # noqa: S311 - made-up requests
    total = [
        round(of_this_time * chance.uniform(0.9, 1.1))
        for _ in range(days)
        for of_this_time in (
            LEAST * (MOST / LEAST) ** ((1 - math.cos(2 * math.pi * scrape / SCRAPES_OF_A_DAY)) / 2)
            for scrape in range(SCRAPES_OF_A_DAY)
        )
    ][: -9 * SCRAPES_OF_A_DAY // 24]
    failed = [round(count * FAILED_SHARE + chance.uniform(-0.5, 0.5)) for count in total]
    for outage in outages:
        for scrape in outage:
            failed[scrape] = total[scrape]
    return CountedTraffic(total=total, failed=[max(0, count) for count in failed])


def noon(day: int, *, minutes: int) -> range:
    """Return the scrapes of some minutes around the noon of a day."""
    middle = day * SCRAPES_OF_A_DAY + SCRAPES_OF_A_DAY // 2
    half = minutes * 60 // SCRAPE_SECONDS // 2
    return range(middle - half, middle + half)


def _counter(events: Sequence[int], resets: frozenset[int]) -> list[float]:
    value = 0
    values: list[float] = []
    for scrape, count in enumerate(events):
        value = count if scrape in resets else value + count
        values.append(value)
    return values
