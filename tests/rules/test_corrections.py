"""Corrections of budgets, held by promtool to exact counting: before, while and after a span is in the period."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerting.build import load_platform
from tests.alerting_data import copied_root, settings, write_rules
from tests.objective_counting import TICK_SECONDS, TICKS_OF_A_STAGE, ticks, values
from tests.objective_promtool import assert_holds, expect, run

OBJECTIVE = """\
objectives:
  orders-day:
    description: Orders are answered, of which a day is looked at.
    service: orders
    objective: 0.9
    period: 1d
    windows:
      page: [{long: 1h, short: 5m, budget_percent: 20}]
      ticket: [{long: 12h, short: 2h, budget_percent: 60}]
    sli: {ratio: {total: http_requests_total, bad: 'http_requests_total{code="500"}'}}
"""
CORRECTIONS = """\
corrections:
  upgrade: {service: orders, since: "%s", until: "%s", reason: It is upgraded, owner: platform}
  other: {objective: orders-day, since: "%s", until: "%s", reason: Nothing was sent, owner: platform}
"""
DAY = ticks("1d")
LENGTH = 2 * DAY + ticks("8h")
MIDNIGHT = 1_767_571_200
"""A multiple of five minutes, at which steps of subqueries fall."""
LABELS = '{service="orders", objective="orders-day"}'


def moment(second: float) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()


def render(folder: Path, corrections: str, objective: str = OBJECTIVE) -> Path:
    root = copied_root(folder / "root")
    (root / "rules/objectives/day.yaml").write_text(objective)
    (root / "catalog/corrections.yaml").write_text(corrections)
    rules = folder / "rules"
    rules.mkdir()
    stack = settings()
    kept = stack.monitoring.model_copy(update={"retention": "40d"})
    write_rules(load_platform(root, stack.model_copy(update={"monitoring": kept})), rules)
    return rules


def hold(rules: Path, start: int, series: list[dict[str, str]], checks: list[dict[str, Any]]) -> None:
    """Have promtool hold rules to checks, evaluated each five minutes from a second on."""
    assert_holds(run(rules, series, checks, evaluation="5m", given_ticks=True, start_timestamp=start))


MONTHLY = """\
objectives:
  monthly:
    description: Orders are answered, by the month.
    service: orders
    objective: 0.99
    period: month
    time_zone: Europe/Berlin
    sli: {ratio: {total: http_requests_total, bad: 'http_requests_total{code="500"}'}}
"""
OF_MONTH = """\
corrections:
  moved: {objective: monthly, since: "%s", until: "%s", reason: It is moved, owner: platform}
"""


def test_of_a_span_over_a_months_end_each_month_leaves_out_its_own(tmp_path: Path) -> None:
    """The month ends two hours after the start, in the middle of the span. Ten events in each tick, one of them bad."""
    start = int(datetime(2026, 10, 31, 21, tzinfo=UTC).timestamp())
    begin, end = 90 * 60, 160 * 60
    length, ends = ticks("5h"), {"202610": ticks("2h"), "202611": ticks("5h")}
    series: list[dict[str, str]] = []
    ticks_of = {"202610": range(ticks("2h")), "202611": range(ticks("2h"), length)}
    for events, each in (("total", 10), ("bad", 1)):
        for month in ends:
            name = f"orion:objective_{events}:month30s"
            labels = f'{{service="orders", objective="monthly", time_zone="Europe/Berlin", month="{month}"}}'
            samples = [each if tick in ticks_of[month] else None for tick in range(length)]
            series.append({"series": f"{name}{labels}", "values": values(samples)})
    checks: list[dict[str, Any]] = []
    for now in range(ticks("1h"), length, TICKS_OF_A_STAGE):
        month = "202610" if now < ticks("2h") else "202611"
        stages = (range(last - TICKS_OF_A_STAGE, last) for last in range(0, now + 1, TICKS_OF_A_STAGE))
        kept = [stage for stage in stages if not Counted.holds_one_of(stage, begin, end)]
        counted = sum(tick in ticks_of[month] for stage in kept for tick in stage)
        for events, each in (("total", 10), ("bad", 1)):
            name = f'orion:objective_{events}:increase_month{{service="orders", objective="monthly"}}'
            expected = [(name, float(counted * each))]
            if month == "202611" and now < ticks("2h") + 2 * TICKS_OF_A_STAGE:
                continue  # no stage of the new month is there yet
            checks.append(expect(name, now, *expected))
    written = OF_MONTH % (moment(start + begin), moment(start + end))
    hold(render(tmp_path, written, MONTHLY), start, series, checks)
    assert len(checks) > 2 * 12 * 3


class Counted:
    """Events of each tick, and the sums that a period has without the stages of some spans, counted one by one."""

    def __init__(self, seed: int, spans: list[tuple[float, float]]) -> None:
        """Draw the events, of which some are missing. `spans` are seconds after the start."""
        draw = random.Random(seed)  # noqa: S311  (made-up requests)
        missing = {
            tick for start in draw.sample(range(LENGTH), 40) for tick in range(start, start + draw.randint(1, 9))
        }
        self.total = [None if tick in missing else draw.randint(0, 50) for tick in range(LENGTH)]
        self.bad = [None if total is None else draw.randint(0, total) for total in self.total]
        self.spans = spans

    def stages(self, now: int) -> list[range]:
        """Return the ticks of each stage that is counted in the period that ends with a tick."""
        ends = range(max(0, now - DAY + TICKS_OF_A_STAGE), now + 1, TICKS_OF_A_STAGE)
        every = (range(end - TICKS_OF_A_STAGE, end) for end in ends if end > 0)
        return [stage for stage in every if not any(self.holds_one_of(stage, *span) for span in self.spans)]

    @staticmethod
    def holds_one_of(stage: range, since: float, until: float) -> bool:
        """Say whether a stage holds an event after `since` and until `until`: its first tick begins 30 s before it."""
        return (stage[0] - 1) * TICK_SECONDS < until and stage[-1] * TICK_SECONDS > since

    def sums(self, now: int) -> dict[str, float]:
        """Return bad events, all events and the share of the period that is known."""
        counted = [tick for stage in self.stages(now) for tick in stage if tick >= 0 and self.total[tick] is not None]
        return {
            "orion:objective_bad:increase1d": sum(self.bad[tick] or 0 for tick in counted),
            "orion:objective_total:increase1d": sum(self.total[tick] or 0 for tick in counted),
            "orion:objective_total:covered1d": len(counted) / DAY,
        }


@pytest.mark.parametrize("phase", [0, 1, 70, 299])
def test_what_is_left_out_is_exact_at_every_stage(tmp_path: Path, phase: int) -> None:
    """The group is evaluated at any second of the five minutes, and the spans begin and end at any second."""
    start = MIDNIGHT + phase
    spans = [(ticks("3h") * 30 + 137.0, ticks("5h") * 30 + 11.5), (ticks("9h") * 30.0, ticks("9h") * 30 + 60.0)]
    written = tuple(moment(start + second) for span in spans for second in span)
    counted = Counted(phase, spans)
    every = [
        tick for begin in (2, 8, 26, 32) for tick in range(ticks(f"{begin}h"), ticks(f"{begin + 4}h"), TICKS_OF_A_STAGE)
    ]
    checks = [
        expect(f"count(abs({name}{LABELS} - {value!r}) < 1e-9)", tick, ("{}", 1.0))
        for tick in every
        for name, value in counted.sums(tick).items()
    ]
    assert sum(counted.sums(tick)["orion:objective_bad:increase1d"] > 0 for tick in every) == len(every)
    series = [
        {"series": f"orion:objective_total:increase30s{LABELS}", "values": values(counted.total)},
        {"series": f"orion:objective_bad:increase30s{LABELS}", "values": values(counted.bad)},
    ]
    hold(render(tmp_path, CORRECTIONS % written), start, series, checks)


def test_a_span_is_seen_and_gives_the_budget_back(tmp_path: Path) -> None:
    """All events of an hour are bad: ten times the budget of a day, and none of it once the hour is corrected."""
    hour = range(ticks("25h"), ticks("26h"))
    total = [10] * ticks("30h")
    bad = [10 if tick in hour else 0 for tick in range(ticks("30h"))]
    budget = '{service="orders", objective="orders-day", team="trading", windows="%s"}'
    windows = "1d page 1h/5m:20 ticket 12h/2h:60"
    series = [
        {"series": f"orion:objective:error_budget{budget % windows}", "values": "0.1x5000"},
        {"series": f"orion:objective_total:increase30s{LABELS}", "values": values(total)},
        {"series": f"orion:objective_bad:increase30s{LABELS}", "values": values(bad)},
    ]
    begin = MIDNIGHT + hour.start * TICK_SECONDS
    span = (moment(begin), moment(begin + timedelta(hours=1).total_seconds()))
    remaining = f"orion:service:error_budget_remaining{LABELS}"
    last = ticks("29h")
    left = f"count(abs({remaining} - %s) < 1e-9)"
    corrected = 'orion:objective:corrected{service="orders", objective="orders-day", correction="%s"}'

    spent = 1 - sum(bad) / DAY / 10 / 0.1
    hold(render(tmp_path / "without", "corrections: {}"), MIDNIGHT, series, [expect(left % spent, last, ("{}", 1.0))])
    both = CORRECTIONS % (*span, moment(begin - 86400 * 3), moment(begin - 86400 * 3 + 60))
    # 13 stages hold an event of the hour.
    hold(
        render(tmp_path / "with", both),
        MIDNIGHT,
        series,
        [
            expect(left % 1, last, ("{}", 1.0)),
            expect("orion:objective:corrected", last, (corrected % "upgrade", 13 / 288)),
        ],
    )
