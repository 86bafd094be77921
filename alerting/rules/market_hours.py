"""Market hours: the model of catalog/market.yaml, and the PromQL that is 1 while the market is open.

PromQL knows neither time zones nor holidays. So the exchange's clock is recorded first, as UTC plus the offset that the
time zone database gives, with a term for each change of summer time; then whether the market is open, by that clock.
Days are counted from 1970-01-01, as `floor(seconds / 86400)` counts them.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from alerting.source.fields import ClosedModel, require_known_year
from alerting.source.time_zones import time_zone_names

MARKET_FILE = "catalog/market.yaml"
CLOCK_SERIES = "orion:market:clock"
OPEN_SERIES = "orion:market:open"
CALENDAR_END_SERIES = "orion:market:calendar_end"
MARKET_SERIES: Mapping[str, frozenset[str]] = {
    CLOCK_SERIES: frozenset(),
    OPEN_SERIES: frozenset(),
    CALENDAR_END_SERIES: frozenset(),
}
"""The series recorded from the market's file, and their labels: none."""

NOTICE_DAYS = 60
"""How long before the end of the last year that is listed it is said: as long as the alert MarketCalendarEnds has."""

DAY_SECONDS = 86_400
EPOCH = date(1970, 1, 1)
EPOCH_WEEKDAY = 3
"""1970-01-01 was a Thursday: the third day after Monday."""


class Weekday(StrEnum):
    """A day of the week by its name."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


def _a_time_zone(text: str) -> str:
    if text not in time_zone_names():
        raise ValueError("an IANA name such as America/New_York is allowed")
    return text


def _a_date(text: str) -> str:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise ValueError("a date such as 2026-12-25 is allowed") from None
    if found.isoformat() != text:
        raise ValueError("a date such as 2026-12-25 is allowed")
    require_known_year(found.year)
    return text


def _a_time(text: str) -> str:
    try:
        found = datetime.strptime(text, "%H:%M").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError('a time such as "09:30" is allowed') from None
    if found.strftime("%H:%M") != text:
        raise ValueError('a time such as "09:30" is allowed')
    return text


Date = Annotated[str, AfterValidator(_a_date)]
Time = Annotated[str, AfterValidator(_a_time)]


class MarketFile(ClosedModel):
    """catalog/market.yaml: hours by the exchange's own clock, days on which it is closed or closes early."""

    time_zone: Annotated[str, AfterValidator(_a_time_zone)]
    days: tuple[Weekday, ...] = Field(min_length=1)
    opens: Time
    closes: Time
    holidays: Mapping[Date, str] = Field(min_length=1)
    early_closes: Mapping[Date, Time] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.closes <= self.opens:
            raise ValueError(f"closes {self.closes} is not after opens {self.opens}; allowed: a later time of that day")
        for day, closes in self.early_closes.items():
            if not self.opens < closes < self.closes:
                message = f"early_closes {day}: {closes} is not between {self.opens} and {self.closes}"
                raise ValueError(message)
            if day in self.holidays:
                raise ValueError(f"early_closes {day}: it is a holiday too. Remove one of them")
        return self

    def last_date(self) -> date:
        """Return the end of the last year that is listed: what comes after has no holidays here."""
        return date(max(date.fromisoformat(day).year for day in self.holidays), 12, 31)

    def notice(self, today: date) -> str | None:
        """Return a sentence where the last year that is listed ends in `NOTICE_DAYS` or has ended, else None."""
        last = self.last_date()
        if today + timedelta(days=NOTICE_DAYS) <= last:
            return None
        return (
            f"holidays: the last is of {last.year}, and none are known after {last}; on those days alerts would take "
            f"the market for open. Add those of {last.year + 1}, as the exchange publishes them"
        )


def market_rules(market: MarketFile, *, always_open: bool) -> list[Mapping[str, object]]:
    """Return the recordings of clock, hours and the calendar's end.

    `always_open` is for where nobody waits for Monday morning to see an alert: the sandbox.
    """
    end = _seconds(
        datetime.combine(market.last_date() + timedelta(days=1), time(), zoneinfo.ZoneInfo(market.time_zone))
    )
    return [
        {"record": CLOCK_SERIES, "expr": clock_expression(market)},
        {"record": OPEN_SERIES, "expr": "vector(1)" if always_open else open_expression(market)},
        {"record": CALENDAR_END_SERIES, "expr": f"vector({end})"},
    ]


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
    day = f"floor({CLOCK_SERIES} / {DAY_SECONDS})"
    second = f"({CLOCK_SERIES} % {DAY_SECONDS})"
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


def _offsets(market: MarketFile) -> Iterator[tuple[int, int]]:
    """Yield the offset to UTC at the beginning of the years that are listed, then each change with its moment."""
    zone = zoneinfo.ZoneInfo(market.time_zone)
    moment = datetime(min(date.fromisoformat(day).year for day in market.holidays) - 1, 12, 31, tzinfo=UTC)
    # A year more: whoever forgets the calendar still has the right hours for a while.
    end = datetime(market.last_date().year + 2, 1, 1, tzinfo=UTC)
    before = _offset(zone, moment)
    yield _seconds(moment), before
    while moment < end:
        after = moment + timedelta(days=1)
        if (offset := _offset(zone, after)) != before:
            yield _change(zone, moment, after), offset
            before = offset
        moment = after


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
