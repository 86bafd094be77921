"""Objectives whose period is a calendar month: its ends, its length and what is counted in it, held by promtool."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from alerting.rules.sources.objective_months import YEARS, month_starts
from tests.objective_counting import TICK_SECONDS, counter, values
from tests.objective_promtool import assert_holds, expect, run, written_rules

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
WRITTEN = f"""\
objectives:
  monthly:
    description: Orders are answered, by the month.
    service: orders
    objective: 0.99
    period: month
    time_zone: {BERLIN}
    sli: {{ratio: {{total: http_requests_total, bad: 'http_requests_total{{code=~"5.."}}'}}}}
  monthly-abroad:
    description: The same, by the month of another place.
    service: orders
    objective: 0.99
    period: month
    time_zone: {NEW_YORK}
    sli: {{ratio: {{total: http_requests_total, bad: 'http_requests_total{{code=~"5.."}}'}}}}
"""
LABELS = '{service="orders", objective="monthly"}'
DAY = 86_400
# February has 28 and 29 days, October an hour more and March an hour less where summer time begins and ends.
MONTHS = {
    (BERLIN, 2026, 10): 31 * DAY + 3600,
    (BERLIN, 2026, 11): 30 * DAY,
    (BERLIN, 2027, 2): 28 * DAY,
    (BERLIN, 2027, 3): 31 * DAY - 3600,
    (BERLIN, 2028, 2): 29 * DAY,
    (NEW_YORK, 2026, 10): 31 * DAY,
    (NEW_YORK, 2026, 11): 30 * DAY + 3600,
}


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_rules(tmp_path_factory.mktemp("months"), WRITTEN, retention="40d")


def begins(zone: str, year: int, month: int) -> datetime:
    return datetime(year, month, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def after(year: int, month: int) -> tuple[int, int]:
    return (year, month + 1) if month < 12 else (year + 1, 1)


def starting(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(("month", "length"), MONTHS.items(), ids=str)
def test_a_month_ends_at_its_last_second(rules: Path, month: tuple[str, int, int], length: int) -> None:
    """The test begins a minute before its end: at the second tick it is the next month."""
    zone, year, number = month
    end = begins(zone, *after(year, number))
    next_year, next_number = after(year, number)
    selector = f'{{time_zone="{zone}"}}'

    assert (end - begins(zone, year, number)).total_seconds() == length
    assert_holds(
        run(
            rules,
            [],
            [
                *(
                    expect(
                        f"orion:calendar:month{selector}",
                        tick,
                        (f'orion:calendar:month{{time_zone="{zone}", month="{name}"}}', 1),
                    )
                    for tick, name in ((1, f"{year}{number:02}"), (2, f"{next_year}{next_number:02}"))
                ),
                expect(
                    f"orion:calendar:month_seconds{selector}", 1, (f"orion:calendar:month_seconds{selector}", length)
                ),
                expect(
                    f"orion:calendar:month_end{selector}", 1, (f"orion:calendar:month_end{selector}", end.timestamp())
                ),
            ],
            start_timestamp=starting(end - timedelta(seconds=2 * TICK_SECONDS)),
        )
    )


def test_a_new_month_begins_with_nothing_of_the_one_before(rules: Path) -> None:
    """Of ten events in a tick one is bad before the month ends, and none after. In New York the month goes on."""
    length, end = 80, 40
    bad = [0, *[1] * (end - 1), *[0] * (length - end)]
    good = [10 - one for one in bad]
    counted = length - end  # the tick at the month's first second is of the new month
    series = [
        {"series": 'http_requests_total{service="orders", code="200"}', "values": counter(good)},
        {"series": 'http_requests_total{service="orders", code="500"}', "values": counter(bad)},
    ]
    kinds = (("total", "202611", 10 * counted), ("bad", "202611", 0), ("bad", "202610", end - 1))
    ticks_of_months = [
        expect(
            f'sum_over_time(orion:objective_{kind}:month30s{{month="{month}", time_zone="{BERLIN}"}}[1h])',
            length - 1,
            (f'{{service="orders", objective="monthly", time_zone="{BERLIN}", month="{month}"}}', value),
        )
        for kind, month, value in kinds
    ]
    sums = "orion:objective_bad:increase_month"
    abroad = '{service="orders", objective="monthly-abroad"}'
    expected = [
        *ticks_of_months,
        expect(f"{sums}{LABELS}", length - 1, (f"{sums}{LABELS}", 0)),
        expect(f"{sums}{abroad} > bool 0", length - 1, (abroad, 1)),
        expect(f"orion:objective_total:increase_month{LABELS} > bool 0", length - 1, (LABELS, 1)),
    ]

    moment = begins(BERLIN, 2026, 11) - timedelta(seconds=end * TICK_SECONDS)
    assert_holds(run(rules, series, expected, start_timestamp=starting(moment)))


@pytest.mark.parametrize(("year", "number"), [(2026, 10), (2027, 2), (2027, 3)])
def test_the_budget_of_a_whole_month_is_that_of_all_its_events(rules: Path, year: int, number: int) -> None:
    """Traffic is hundredfold by day. Half an hour before the month's end half of its days had failures."""
    start, end = begins(BERLIN, year, number), begins(BERLIN, *after(year, number))
    stages = int((end - start).total_seconds()) // 300
    total = [round(1000 * (50.5 - 49.5 * math.cos(2 * math.pi * (stage % 288) / 288))) for stage in range(stages)]
    bad = [0.008 * events if stage < stages // 2 else 0 for stage, events in enumerate(total)]
    labels = f'{{service="orders", objective="monthly", time_zone="{BERLIN}", month="{year}{number:02}"}}'
    left = 1 - sum(bad) / sum(total) / 0.01
    # The first stage of a month ends in it, and so does the last: they are numbered from the first's end.
    series = [
        stage_series(f"orion:objective_total:month5m{labels}", total),
        stage_series(f"orion:objective_bad:month5m{labels}", bad),
        stage_series(f"orion:objective_total:covered_month5m{labels}", [1] * stages),
    ]
    last = (stages - 1) * 10
    remaining = f"orion:service:error_budget_remaining{LABELS}"
    lasts = f"orion:objective:month_left_seconds{LABELS}"

    assert_holds(
        run(
            rules,
            series,
            [
                expect(f"count(abs({remaining} - {left}) < 1e-9)", last, ("{}", 1)),
                expect(f"orion:objective:coverage{LABELS}", last, (f"orion:objective:coverage{LABELS}", 1)),
                expect(lasts, last, (lasts, 60)),
            ],
            evaluation=f"{last * TICK_SECONDS}s",
            start_timestamp=starting(start + timedelta(seconds=240)),
        )
    )


def stage_series(name: str, samples: list[float] | list[int]) -> dict[str, str]:
    spread = [one for sample in samples for one in (sample, *[None] * 9)]
    return {"series": name, "values": values(spread[: -9 or None])}


def test_a_budget_that_is_gone_before_its_month_ends_is_told(rules: Path) -> None:
    """Ten days before the end, half of the budget lasts twelve days at one rate and eight at another."""
    end = begins(BERLIN, 2026, 12)
    running = 'count(ALERTS{alertname="ErrorBudgetRunningOut", objective="monthly", alertstate="firing"})'

    def given(burn: float) -> list[Mapping[str, str]]:
        steady = {
            "orion:objective:coverage": 0.67,
            "orion:objective_total:increase_month": 67_000,
            "orion:objective_bad:increase_month": 500,
            "orion:objective_bad:increase1d": 100,
            "orion:objective:error_ratio1d": burn / 100,
            "orion:objective:error_ratio2h": burn / 100,
        }
        return [{"series": f"{name}{LABELS}", "values": f"{value}x30"} for name, value in steady.items()]

    for days, fires in ((12, False), (8, True)):
        left = 1 - 500 / (67_000 / 0.67) / 0.01
        burn = left * 30 / days
        expected = [expect(running, 20, *([("{}", 1)] if fires else []))]
        assert_holds(run(rules, given(burn), expected, start_timestamp=starting(end - timedelta(days=10))))


def test_the_months_of_all_years_follow_one_another() -> None:
    for zone in (BERLIN, NEW_YORK, "UTC", "Pacific/Apia"):
        starts = month_starts(zone)
        days = [datetime.fromtimestamp(second, ZoneInfo(zone)) for second in starts]

        assert all((moment.day, moment.hour, moment.minute) == (1, 0, 0) for moment in days)
        assert [(moment.year, moment.month) for moment in days] == [
            *((year, month) for year in YEARS for month in range(1, 13)),
            (YEARS.stop, 1),
        ]
