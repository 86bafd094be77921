"""The market's calendar: what it says by the exchange's clock, and what is refused."""

from __future__ import annotations

import datetime
import zoneinfo
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.build import load_catalog, load_platform
from alerting.rules.market_calendar import MarketFile
from alerting.rules.sources.market_hours import clock_expression
from alerting.settings import Environment
from alerting.source.problems import CatalogError
from tests.alerting_data import DATA, copied_root, fixture_catalog, settings

MARKET = fixture_catalog().market
NEW_YORK = zoneinfo.ZoneInfo(MARKET.time_zone)
EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock has no zone


def clock(market: MarketFile, moment: int) -> float:
    """Work the clock's PromQL out at a moment: it is arithmetic on `time()` alone."""
    text = clock_expression(market).removeprefix("vector").replace("time()", str(moment)).replace(">= bool", ">=")
    return eval(" ".join(text.split()))  # noqa: S307 - our own text, of numbers


@given(st.datetimes(datetime.datetime(2026, 1, 1), datetime.datetime(2029, 12, 31)))  # noqa: DTZ001 - bounds are naive
def test_the_clock_is_the_exchanges_own_at_every_moment(moment: datetime.datetime) -> None:
    """Without market data for 2029 its clock is still right."""
    utc = moment.replace(microsecond=0, tzinfo=datetime.UTC)
    wall = utc.astimezone(NEW_YORK).replace(tzinfo=None)

    assert clock(MARKET, int(utc.timestamp())) == (wall - EPOCH).total_seconds()


def test_a_zone_without_summer_time_has_one_offset() -> None:
    tokyo = MARKET.model_copy(update={"time_zone": "Asia/Tokyo"})

    assert clock_expression(tokyo) == "vector(\n  time() + 32400\n)"


def test_every_holiday_and_early_close_that_is_listed_is_a_weekday() -> None:
    days = [datetime.date.fromisoformat(day) for day in (*MARKET.holidays, *MARKET.early_closes)]

    assert [day for day in days if day.weekday() >= 5] == []


def test_in_the_sandbox_the_market_is_always_open() -> None:
    platform = load_platform(DATA, settings(Environment.SANDBOX))
    rules = {
        rule.get("record"): rule["expr"] for file in platform.rules for one in file.groups for rule in one["rules"]
    }

    assert rules["orion:market:open"] == "vector(1)"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("America/New_York", "America/NewYork", "time_zone: "),
        ('"09:30"', '"9:30"', 'opens: found "9:30"; a time such as "09:30" is allowed. Change it'),
        ('closes: "16:00"', 'closes: "09:00"', "closes 09:00 is not after opens 09:30"),
        ('"2026-12-25"', '"2026-12-32"', "a date such as 2026-12-25 is allowed"),
        ('"2026-12-25"', '"25.12.2026"', "a date such as 2026-12-25 is allowed"),
        ('"2026-11-27": "13:00"', '"2026-11-27": "17:00"', "early_closes 2026-11-27: 17:00 is not between"),
        ('"2026-11-27": "13:00"', '"2026-11-26": "13:00"', "early_closes 2026-11-26: it is a holiday too"),
        ("friday]", "fryday]", "fryday"),
        ("time_zone:", "timezone:", "time_zone"),
    ],
)
def test_what_is_no_calendar_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    root = copied_root(tmp_path / "root")
    path = root / "catalog" / "market.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))

    with pytest.raises(CatalogError) as raised:
        load_catalog(root)

    problems = [str(problem) for problem in raised.value.problems]
    assert all(problem.startswith("catalog/market.yaml:") for problem in problems)
    assert any(message in problem for problem in problems), problems


def test_the_end_of_the_calendar_is_said_as_long_before_as_the_alert_says_it() -> None:
    last = MARKET.last_date()
    first_notice = last - datetime.timedelta(days=59)

    assert MARKET.notice(first_notice - datetime.timedelta(days=1)) is None
    for today in (first_notice, last + datetime.timedelta(days=100)):
        assert f"Add those of {last.year + 1}" in str(MARKET.notice(today))
