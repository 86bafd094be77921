"""PromQL that counts the events of an objective: exactly those between one evaluation and the next.

A counter's value at the end of a tick minus that at its beginning telescopes: no event is counted twice or missed
between two ticks, whatever the scrapes' times are. `increase` and `rate` extrapolate to the edges of their window, and
miss what lies between the windows of two evaluations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from alerting.rules.burn_rates import TICK
from alerting.rules.model import ScrapedSeriesFile
from alerting.rules.objectives import GaugeSli, LatencySli, RatioSli, Sli, SliceSli
from alerting.rules.promql.selector import Selector, read_selector
from alerting.rules.series import (
    BUCKET_LIMIT,
    HTTP_REQUESTS,
    HTTP_REQUESTS_FAILED,
    HTTP_REQUESTS_SERVED,
    OBJECTIVE_BAD,
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
class EventExpressions:
    """PromQL for the events of the last tick. `present` is 0 for what is scraped at all: no bad event is 0 of them."""

    total: str
    bad: str
    present: str

    def bad_or_none(self) -> str:
        """Return the expression of the bad events: 0 for what is scraped and has none."""
        return f"{self.bad}\nor {self.present}"


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
    sli: Sli, by: tuple[str, ...], matchers: Mapping[str, str], labels: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield the recordings of an indicator's events, each with its expression.

    The events are summed by labels, `matchers` are added to each selector, and `labels` are those of the recordings.
    """
    events = event_expressions(sli, by, matchers)
    name = f":increase{TICK}"
    if sli.slices is not None:
        yield f"{OBJECTIVE_SLICE_TOTAL}{name}", events.total
        yield f"{OBJECTIVE_SLICE_BAD}{name}", events.bad_or_none()
        slices = (Selector(name=f"{one}{name}") for one in (OBJECTIVE_SLICE_TOTAL, OBJECTIVE_SLICE_BAD))
        total, bad = (one.and_labels(labels) for one in slices)
        events = _of_slices(sli.slices, total, bad)
    yield f"{OBJECTIVE_TOTAL}{name}", events.total
    yield f"{OBJECTIVE_BAD}{name}", events.bad_or_none()


def _of_slices(slices: SliceSli, total: Selector, bad: Selector) -> EventExpressions:
    """Return the slices that ended within the last tick: one, or none."""
    length, tick = (milliseconds(each) // 1000 for each in (slices.length, TICK))
    ended = f"(time() % {length} < bool {tick})"
    every, spoilt = (f"sum_over_time({series}[{slices.length}])" for series in (total, bad))
    return EventExpressions(
        total=f"{ended} * ({every} >= bool 0)",
        bad=f"{ended} * ({spoilt} / ({every} > 0) > bool {1 - slices.target:.10g})",
        present=f"0 * {every}",
    )


def event_expressions(sli: Sli, by: tuple[str, ...], matchers: Mapping[str, str]) -> EventExpressions:
    """Return the expressions of an indicator, summed by labels; `matchers` are added to each selector."""
    one = sli.counted()
    match one:
        case RatioSli():
            total = read_selector(one.total).and_labels(matchers)
            part = read_selector(one.part).and_labels(matchers)
            return _of_counters(total, part, by, is_good=one.good is not None)
        case LatencySli() if one.native:
            return _of_native(read_selector(one.histogram).and_labels(matchers), one.seconds, by)
        case LatencySli():
            buckets = read_selector(one.histogram).and_labels(matchers)
            return _of_buckets(
                buckets.and_label(BUCKET_LIMIT, HIGHEST_BUCKET),
                buckets.and_label(BUCKET_LIMIT, bucket(one.seconds), pattern=True),
                by,
            )
        case GaugeSli():
            labels = ", ".join(by)
            gauge = read_selector(one.gauge).and_labels(matchers)
            limit = f"> bool {one.above:.10g}" if one.above is not None else f"< bool {one.below:.10g}"
            return EventExpressions(
                total=f"count by ({labels}) ({gauge})",
                bad=f"sum by ({labels}) ({gauge} {limit})",
                present=f"0 * count by ({labels}) ({gauge})",
            )
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


def _of_counters(total: Selector, part: Selector, by: tuple[str, ...], *, is_good: bool) -> EventExpressions:
    present = _present(total, by)
    every, counted = _counted(total, by), _counted(part, by)
    return EventExpressions(
        total=every, bad=f"clamp_min({every} - ({counted} or {present}), 0)" if is_good else counted, present=present
    )


def _of_buckets(highest: Selector, good: Selector, by: tuple[str, ...]) -> EventExpressions:
    """Return the events of a histogram. Of one without the bucket nothing is known: none of its events are counted."""
    present = _present(good, by)
    every, counted = _counted(highest, by), _counted(good, by)
    return EventExpressions(total=f"({every}) and {present}", bad=f"clamp_min({every} - {counted}, 0)", present=present)


def _of_native(histogram: Selector, seconds: float, by: tuple[str, ...]) -> EventExpressions:
    """Return the events of a native histogram: what is counted up to the limit telescopes as the count itself does.

    A reset is one of the count: the interpolated number may fall where buckets are merged, and is never below 0 then.
    """
    labels = ", ".join(by)
    now, before = _now_and_before(histogram)
    count, counted = f"histogram_count({now})", f"histogram_count({before})"
    fast, were_fast = (_up_to(seconds, each) for each in (now, before))
    total = f"sum by ({labels}) (({count} - {counted} >= 0) or ({count} < {counted}))"
    since, afresh = f"clamp_min({fast} - {were_fast}, 0) and {count} >= {counted}", f"{fast} and {count} < {counted}"
    good = f"sum by ({labels}) ({since} or {afresh})"
    return EventExpressions(
        total=total,
        bad=f"clamp_min({total} - {good}, 0)",
        present=f"0 * sum by ({labels}) ({count})",
    )


def _up_to(seconds: float, histogram: str) -> str:
    """Return how many events of a histogram took no longer; of an empty one, whose fractions are NaN, none."""
    count = f"histogram_count({histogram})"
    return f"(histogram_fraction(-Inf, {seconds:.10g}, {histogram}) * {count} >= 0 or {count} == 0)"


def _counted(selector: Selector, by: tuple[str, ...]) -> str:
    return f"sum by ({', '.join(by)}) ({tick_increase(selector)})"


def _present(selector: Selector, by: tuple[str, ...]) -> str:
    return f"0 * group by ({', '.join(by)}) (last_over_time({selector}[{REMEMBERED}]))"
