"""Exact counting of an objective's events, and promtool's input for the same events: what generated rules are held to.

Time goes in ticks of 30 seconds. An event of tick N is counted between tick N - 1 and tick N.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

from alerting.rules.burn_rates import PAGE_PAIRS, WindowPair
from alerting.rules.sources.objective_windows import LEAST_BAD_EVENTS
from alerting.source.durations import milliseconds

TICK_SECONDS = 30
TICKS_OF_A_STAGE = 10


def ticks(duration: str) -> int:
    """Return how many ticks a duration is."""
    return milliseconds(duration) // (TICK_SECONDS * 1000)


def at(tick: int) -> str:
    """Return the time of a tick as promtool writes it."""
    return f"{tick * TICK_SECONDS}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Events by tick, of which `bad` are a part. `budget` is the share that may be bad."""

    total: Sequence[float]
    bad: Sequence[float]
    budget: float = 0.001

    def ratio(self, window: str, tick: int) -> float | None:
        """Return the share of bad events in the window that ends with a tick; None without an event."""
        return self._ratio(tick - ticks(window), tick)

    def bad_events(self, window: str, tick: int) -> float:
        """Return how many events were bad in the window that ends with a tick."""
        return _sum(self.bad, tick - ticks(window), tick)

    def page_ticks(self, pair: WindowPair) -> Iterator[int]:
        """Yield the ticks at which a pair of a page burns, the short window of the first pair held for 25 minutes."""
        hold = ticks("25m") if pair == PAGE_PAIRS[0] else 1
        last_over = -hold
        for tick in range(len(self.total)):
            if self._over(self.ratio(pair.short, tick), pair):
                last_over = tick
            long_over = self._over(self.ratio(pair.long, tick), pair)
            enough = self.bad_events(pair.long, tick) >= LEAST_BAD_EVENTS
            if long_over and enough and tick - last_over < hold:
                yield tick

    def ticket_ticks(self, pair: WindowPair) -> Iterator[int]:
        """Yield the ticks, of those at which stages end, at which a pair of a ticket burns.

        Its windows end a tick earlier, but for those that it shares with a page.
        """
        page = {window for one in PAGE_PAIRS for window in (one.long, one.short)}
        for tick in range(0, len(self.total), TICKS_OF_A_STAGE):
            ends = {window: tick if window in page else tick - 1 for window in (pair.long, pair.short)}
            over = all(self._over(self._ratio(max(0, end - ticks(window)), end), pair) for window, end in ends.items())
            if over and _sum(self.bad, ends[pair.long] - ticks(pair.long), ends[pair.long]) >= LEAST_BAD_EVENTS:
                yield tick

    def _ratio(self, start: int, end: int) -> float | None:
        total = _sum(self.total, start, end)
        return _sum(self.bad, start, end) / total if total else None

    def _over(self, ratio: float | None, pair: WindowPair) -> bool:
        return ratio is not None and ratio / self.budget > float(f"{pair.factor:.10g}")


def _sum(events: Sequence[float], after: int, last: int) -> float:
    return sum(events[max(0, after + 1) : max(0, last + 1)])


def first_firing(burning: Iterator[int], waits: int, step: int = 1) -> int | None:
    """Return the tick at which an alert fires that waits so many ticks, evaluated each `step` ticks."""
    since: int | None = None
    before: int | None = None
    for tick in burning:
        if before is None or tick != before + step:
            since = tick
        before = tick
        if since is not None and tick - since >= waits:
            return tick
    return None


def counter(events: Sequence[float], start: float = 0) -> str:
    """Return promtool's values of a counter of events, one sample a tick."""
    return values(list(accumulate(events, initial=start))[1:])


def values(samples: Sequence[float | None]) -> str:
    """Return samples as promtool writes them; None is a missing one."""
    written: list[str] = []
    for sample, same in groupby(samples):
        count = len(list(same))
        text = "_" if sample is None else str(int(sample)) if sample == int(sample) else repr(sample)
        written.append(text if count == 1 else f"_x{count}" if sample is None else f"{text}x{count - 1}")
    return " ".join(written)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Good and bad requests of each tick, the ticks at which counters are reset, and those whose scrape is missed."""

    good: Sequence[int]
    bad: Sequence[int]
    resets: frozenset[int]
    missed: frozenset[int]


LENGTH = 130
"""A little more than an hour."""


def traces(seed: int) -> list[Trace]:
    """Return ten services whose requests, resets and gaps of up to three scrapes are drawn by a seed."""
    draw = random.Random(seed)  # noqa: S311  (made-up requests)
    found: list[Trace] = []
    for _ in range(10):
        most = draw.choice([1, 20, 10_000])
        good, bad = ([draw.randint(0, most) for _ in range(LENGTH)] for _ in range(2))
        resets = _seen_resets((good, bad), draw.sample(range(5, LENGTH), draw.randint(0, 4)))
        gaps = {
            start * 10 + each for start in draw.sample(range(1, LENGTH // 10), draw.randint(0, 4)) for each in range(3)
        }
        kept = {LENGTH - 1, LENGTH - 1 - ticks("1h"), *resets, *(tick - 1 for tick in resets)}
        found.append(
            Trace(
                good=good,
                bad=bad,
                resets=resets,
                missed=frozenset(gaps - kept),
            )
        )
    return found


def _seen_resets(counted: Sequence[Sequence[int]], drawn: Sequence[int]) -> frozenset[int]:
    """Return the ticks of those drawn at which each counter falls: nobody can see a reset to a higher value."""
    found: set[int] = set()
    for tick in sorted(drawn):
        begun = max(found, default=0)
        if all(events[tick] < sum(events[begun:tick]) for events in counted):
            found.add(tick)
    return frozenset(found)


def reset_counter(events: Sequence[int], trace: Trace) -> str:
    """Return a counter that begins at 0 again at some ticks, and lacks samples at others."""
    value = 0
    samples: list[float | None] = []
    for tick, count in enumerate(events):
        value = count if tick in trace.resets else value + count
        samples.append(None if tick in trace.missed else value)
    return values(samples)
