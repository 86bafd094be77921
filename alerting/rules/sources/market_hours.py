"""Generates the recordings that say whether the market is open, from catalog/market.yaml.

PromQL knows neither time zones nor holidays. So the exchange's clock is recorded first, as UTC plus the offset that the
time zone database gives, with a term for each change of summer time; then whether the market is open, by that clock.
Days are counted from 1970-01-01, as `floor(seconds / 86400)` counts them.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

from alerting.rules.market_calendar import MarketFile
from alerting.rules.model import Rule, RuleSource, SourceGroup, SourceRule
from alerting.rules.series import MARKET_CALENDAR_END, MARKET_CLOCK, MARKET_OPEN
from alerting.source.clock_fields import Weekday
from alerting.source.yaml_source import Document

DOMAIN = "market"
ALWAYS_OPEN = "vector(1)"
"""The expression of `MARKET_OPEN` where no one waits for Monday morning to see an alert: in the sandbox."""
DAY_SECONDS = 86_400
EPOCH = date(1970, 1, 1)
EPOCH_WEEKDAY = 3
"""1970-01-01 was a Thursday: the third day after Monday."""


def market_source(document: Document, market: MarketFile) -> RuleSource:
    """Return the recordings of clock, hours and the calendar's end."""
    zone = zoneinfo.ZoneInfo(market.time_zone)
    end = _seconds(datetime.combine(market.last_date() + timedelta(days=1), time(), zone))
    rules = (
        SourceRule(path=("time_zone",), rule=Rule(record=MARKET_CLOCK, expr=clock_expression(market))),
        SourceRule(path=("days",), rule=Rule(record=MARKET_OPEN, expr=open_expression(market))),
        SourceRule(path=("holidays",), rule=Rule(record=MARKET_CALENDAR_END, expr=f"vector({end})")),
    )
    group = SourceGroup(name="orion.market", path=(), rules=rules)
    return RuleSource(domain=DOMAIN, document=document, groups=(group,), generated=True)


def clock_expression(market: MarketFile) -> str:
    """Return PromQL for the exchange's wall clock: seconds since 1970-01-01 00:00 as its clock shows them."""
    first, *changes = _offsets(market)
    terms = [f"time() {_signed(first[1])}"]
    before = first[1]
    for moment, offset in changes:
        sign, step = ("-", before - offset) if offset < before else ("+", offset - before)
        terms.append(f"{sign} {step} * (time() >= bool {moment})")
        before = offset
    return "vector(\n  " + "\n  ".join(terms) + "\n)"


def open_expression(market: MarketFile) -> str:
    """Return PromQL that is 1 while the market is open and 0 while it is not."""
    day = f"floor({MARKET_CLOCK} / {DAY_SECONDS})"
    second = f"({MARKET_CLOCK} % {DAY_SECONDS})"
    weekday = f"(({day} + {EPOCH_WEEKDAY}) % 7)"
    weekdays = [f"({weekday} == bool {position})" for position, name in enumerate(Weekday) if name in market.days]
    closed = [f"({day} == bool {_day(holiday)})" for holiday in sorted(market.holidays)]
    closes = [str(_second(market.closes))]
    closes += [
        f"{_second(market.closes) - _second(early)} * ({day} == bool {_day(on)})"
        for on, early in sorted(market.early_closes.items())
    ]
    return "\n* ".join(
        (
            _sum(weekdays, "+"),
            f"({second} >= bool {_second(market.opens)})",
            f"({second} < bool {_sum(closes, '-')})",
            f"(1 - {_sum(closed, '+')})",
        )
    )


def _sum(terms: Iterable[str], sign: str) -> str:
    return "(\n  " + f"\n  {sign} ".join(terms) + "\n)"


def _signed(seconds: int) -> str:
    return f"- {-seconds}" if seconds < 0 else f"+ {seconds}"


def _second(text: str) -> int:
    found = time.fromisoformat(text)
    return found.hour * 3600 + found.minute * 60


def _day(text: str) -> int:
    return (date.fromisoformat(text) - EPOCH).days


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _offsets(market: MarketFile) -> tuple[tuple[int, int], ...]:
    """Return the offset to UTC at the beginning of the years that are listed, then each change with its moment."""
    first = min(date.fromisoformat(day).year for day in market.holidays)
    # A year more: whoever forgets the calendar still has the right hours for a while.
    return _offsets_between(market.time_zone, first - 1, market.last_date().year + 2)


@cache
def _offsets_between(time_zone: str, first_year: int, end_year: int) -> tuple[tuple[int, int], ...]:
    """Return the offset at the last day of a year, then each change until the beginning of another year."""
    zone = zoneinfo.ZoneInfo(time_zone)
    moment, end = datetime(first_year, 12, 31, tzinfo=UTC), datetime(end_year, 1, 1, tzinfo=UTC)
    before = _offset(zone, moment)
    found = [(_seconds(moment), before)]
    while moment < end:
        after = moment + timedelta(days=1)
        if (offset := _offset(zone, after)) != before:
            found.append((_change(zone, moment, after), offset))
            before = offset
        moment = after
    return tuple(found)


def _offset(zone: zoneinfo.ZoneInfo, moment: datetime) -> int:
    found = moment.astimezone(zone).utcoffset()
    return int(found.total_seconds()) if found is not None else 0


def _change(zone: zoneinfo.ZoneInfo, early: datetime, late: datetime) -> int:
    """Return the second at which the offset changes, between two moments of which it has different ones."""
    low, high = _seconds(early), _seconds(late)
    before = _offset(zone, early)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, datetime.fromtimestamp(middle, UTC)) == before:
            low = middle
        else:
            high = middle
    return high
