"""PromQL that counts the events of an objective: exactly those between one evaluation and the next.

A counter's value at the end of a tick minus that at its beginning telescopes: no event is counted twice or missed
between two ticks, whatever the scrapes' times are. `increase` and `rate` extrapolate to the edges of their window, and
miss what lies between the windows of two evaluations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from alerting.rules.burn_rates import TICK
from alerting.rules.model import Rule, ScrapedSeriesFile
from alerting.rules.objectives import GaugeSli, LatencySli, RatioSli, Sli, SliceSli
from alerting.rules.promql.selector import LabelValues, Selector, read_selector
from alerting.rules.series import (
    BUCKET_LIMIT,
    HTTP_REQUESTS,
    HTTP_REQUESTS_FAILED,
    HTTP_REQUESTS_SERVED,
    OBJECTIVE,
    OBJECTIVE_BAD,
    OBJECTIVE_ERROR_BUDGET,
    OBJECTIVE_SHARED_BAD,
    OBJECTIVE_SHARED_TOTAL,
    OBJECTIVE_SLICE_BAD,
    OBJECTIVE_SLICE_TOTAL,
    OBJECTIVE_TOTAL,
    SERVICE,
)
from alerting.source.durations import milliseconds

REMEMBERED = "2m"
"""How old a counter's value may be: a gap of Prometheus, or of scrapes, up to this long loses no event."""
HIGHEST_BUCKET = "+Inf"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Total:
    """All events of the last tick where the bad ones are counted: as PromQL, and the labels that both have."""

    every: str
    match: str

    @classmethod
    def recorded(cls, series: Selector, by: Iterable[str]) -> _Total:
        """Return what was recorded in this tick, and nothing older: half a pair would be counted again."""
        return cls(every=f"sum_over_time({series}[{TICK}])", match=f"on ({', '.join(by)})")

    def or_none(self, bad: str) -> str:
        """Return the bad events: 0 for what has events, and none of them are bad."""
        return f"{bad}\nor {self.match} 0 * {self.every}"

    def but(self, good: str) -> str:
        """Return the events that are not good."""
        return f"clamp_min({self.every} - {self.match} ({good}), 0)"


def sli_selector(sli: Sli) -> Selector:
    """Return the selector of all events of an indicator."""
    one = sli.counted()
    match one:
        case RatioSli():
            return read_selector(one.total)
        case LatencySli():
            return read_selector(one.histogram)
        case GaugeSli():
            return read_selector(one.gauge)
        case _:
            assert_never(one)


def service_matchers(sli: Sli, service: str, scraped: ScrapedSeriesFile) -> Mapping[str, str]:
    """Return the matchers that keep an indicator to a service: none where its series does not name one."""
    known = scraped.series.get(sli_selector(sli).name)
    return {SERVICE: service} if known is not None and SERVICE in known.labels else {}


def counts_failed_requests(sli: Sli | None, service: str | None = None) -> bool:
    """Say whether the bad events of an indicator are all failed requests to a service, and its events all requests.

    `service` is the one that its selectors may name. Of what counts some requests, or time slices, or other objectives
    as well, HighErrorRate may know more: it is none of these.
    """
    if sli is None or sli.ratio is None:
        return False
    part = HTTP_REQUESTS_SERVED if sli.ratio.bad is None else HTTP_REQUESTS_FAILED
    counted = (read_selector(each) for each in (sli.ratio.total, sli.ratio.part))
    of_service = tuple(each.without_label(SERVICE) if each.value_of(SERVICE) == service else each for each in counted)
    return of_service == (read_selector(HTTP_REQUESTS), read_selector(part))


def event_rules(
    sli: Sli,
    by: tuple[str, ...],
    matchers: LabelValues,
    labels: Mapping[str, str],
    *,
    names: tuple[str, str] = (OBJECTIVE_TOTAL, OBJECTIVE_BAD),
    reads_recorded: bool = True,
) -> Iterator[tuple[str, str]]:
    """Yield the recordings of an indicator's events, each with its expression: all of them, then the bad ones.

    The events are summed by labels, `matchers` are added to each selector, and `labels` are those of the recordings.
    The bad ones are counted beside what was recorded of all, or else beside the series themselves.
    """
    counted_in = (OBJECTIVE_SLICE_TOTAL, OBJECTIVE_SLICE_BAD) if sli.slices is not None else names
    total_name, bad_name = (f"{one}:increase{TICK}" for one in counted_in)
    total = _all_events(sli, by, matchers)
    if reads_recorded:
        recorded = Selector(name=total_name).and_labels(labels)
        beside = _Total.recorded(recorded, [one for one in by if one not in labels])
    else:
        beside = _Total(every=f"({total})", match=f"on ({', '.join(by)})")
    yield total_name, total
    yield bad_name, _bad_events(sli, by, matchers, beside)
    if sli.slices is not None:
        total, bad = (Selector(name=one).and_labels(labels) for one in (total_name, bad_name))
        for name, expression in zip(names, _of_slices(sli.slices, total, bad), strict=True):
            yield f"{name}:increase{TICK}", expression


def shared_event_rules(sli: Sli, services: Sequence[str], objectives: Sequence[str]) -> Iterator[Rule]:
    """Yield the events of objectives that count the same of their services: counted once, then for each of them.

    A query has a cost of its own, whatever it reads: two for all objectives are cheaper than two for each.
    """
    shared = {OBJECTIVE: objectives[0]}
    names = (OBJECTIVE_SHARED_TOTAL, OBJECTIVE_SHARED_BAD)
    matchers = {SERVICE: tuple(services)}
    total, bad = event_rules(sli, (SERVICE,), matchers, shared, names=names)
    for record, expression in (total, bad):
        yield Rule(record=record, expr=expression, labels=shared)
    every = Selector(name=f"{OBJECTIVE_TOTAL}:increase{TICK}")
    budgets, totals = (
        one.and_labels({OBJECTIVE: tuple(objectives)}) for one in (Selector(name=OBJECTIVE_ERROR_BUDGET), every)
    )
    of_each = f"group by ({SERVICE}, {OBJECTIVE})"
    for name, (counted, _), there in (
        (OBJECTIVE_TOTAL, total, budgets),
        (OBJECTIVE_BAD, bad, f"sum_over_time({totals}[{TICK}])"),
    ):
        events = Selector(name=counted).and_labels(shared)
        joined = f"sum_over_time({events}[{TICK}]) * on ({SERVICE}) group_right () {of_each} ({there})"
        yield Rule(record=f"{name}:increase{TICK}", expr=joined)


def _of_slices(slices: SliceSli, total: Selector, bad: Selector) -> tuple[str, str]:
    """Return the slices that ended within the last tick, which are one or none, and the bad ones of them."""
    length, tick = (milliseconds(each) // 1000 for each in (slices.length, TICK))
    ended = f"(time() % {length} < bool {tick})"
    every, spoilt = (f"sum_over_time({series}[{slices.length}])" for series in (total, bad))
    is_bad = f"{ended} * ({spoilt} / ({every} > 0) > bool {1 - slices.target:.10g})"
    return f"{ended} * ({every} >= bool 0)", f"{is_bad}\nor 0 * {every}"


def _all_events(sli: Sli, by: tuple[str, ...], matchers: LabelValues) -> str:
    """Return all events of the last tick, summed by labels."""
    counted = sli_selector(sli).and_labels(matchers)
    match sli.counted():
        case RatioSli():
            return _increase(counted, by)
        case LatencySli() as one if one.native:
            return _of_native(counted, by)
        case LatencySli() as one:
            # Of a histogram without the bucket nothing is known: none of its events are counted.
            highest = counted.and_label(BUCKET_LIMIT, HIGHEST_BUCKET)
            good = counted.and_label(BUCKET_LIMIT, bucket(one.seconds), pattern=True)
            there = f"group by ({', '.join(by)}) (last_over_time({good}[{REMEMBERED}]))"
            return f"({_increase(highest, by)}) and {there}"
        case GaugeSli():
            return f"count by ({', '.join(by)}) ({counted})"
        case _:
            assert_never(one)


def _bad_events(sli: Sli, by: tuple[str, ...], matchers: LabelValues, total: _Total) -> str:
    """Return the bad events of the last tick, summed by labels: 0 where there are events and none are bad."""
    one = sli.counted()
    match one:
        case RatioSli():
            part = _increase(read_selector(one.part).and_labels(matchers), by)
            return total.or_none(part) if one.good is None else total.but(total.or_none(part))
        case LatencySli() if one.native:
            good = _native_up_to(read_selector(one.histogram).and_labels(matchers), one.seconds, by)
            return total.or_none(total.but(good))
        case LatencySli():
            buckets = read_selector(one.histogram).and_labels(matchers)
            good = _increase(buckets.and_label(BUCKET_LIMIT, bucket(one.seconds), pattern=True), by)
            return total.or_none(total.but(good))
        case GaugeSli():
            gauge = read_selector(one.gauge).and_labels(matchers)
            limit = f"> bool {one.above:.10g}" if one.above is not None else f"< bool {one.below:.10g}"
            return f"sum by ({', '.join(by)}) ({gauge} {limit})"
        case _:
            assert_never(one)


def bucket(seconds: float) -> str:
    """Return a pattern of the label `le` of a bucket: exporters write 1 as `1`, Prometheus 3 stores it as `1.0`."""
    number = f"{seconds:.10g}".replace(".", "\\.")
    return number if "\\." in number else f"{number}(\\.0)?"


def tick_increase(selector: Selector) -> str:
    """Return how often each counter was counted up within the last tick. One that was reset began at 0 again."""
    now, before = _now_and_before(selector)
    return f"({now} - {before} >= 0) or ({now} < {before})"


def _now_and_before(selector: Selector) -> tuple[str, str]:
    return f"last_over_time({selector}[{REMEMBERED}])", f"last_over_time({selector}[{REMEMBERED}] offset {TICK})"


def _of_native(histogram: Selector, by: tuple[str, ...]) -> str:
    """Return the events of a native histogram. A reset is one of the count."""
    count, counted = (f"histogram_count({each})" for each in _now_and_before(histogram))
    return f"sum by ({', '.join(by)}) (({count} - {counted} >= 0) or ({count} < {counted}))"


def _native_up_to(histogram: Selector, seconds: float, by: tuple[str, ...]) -> str:
    """Return the events of a native histogram up to a limit: what is interpolated telescopes as the count itself does.

    The interpolated number may fall where buckets are merged, and is never below 0 then.
    """
    now, before = _now_and_before(histogram)
    count, counted = f"histogram_count({now})", f"histogram_count({before})"
    fast, were_fast = (_up_to(seconds, each) for each in (now, before))
    since, afresh = f"clamp_min({fast} - {were_fast}, 0) and {count} >= {counted}", f"{fast} and {count} < {counted}"
    return f"sum by ({', '.join(by)}) ({since} or {afresh})"


def _up_to(seconds: float, histogram: str) -> str:
    """Return how many events of a histogram took no longer; of an empty one, whose fractions are NaN, none."""
    count = f"histogram_count({histogram})"
    return f"(histogram_fraction(-Inf, {seconds:.10g}, {histogram}) * {count} >= 0 or {count} == 0)"


def _increase(selector: Selector, by: tuple[str, ...]) -> str:
    return f"sum by ({', '.join(by)}) ({tick_increase(selector)})"
