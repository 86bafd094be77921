"""Counting, comparing and drawing of a backtest's report."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from alerting.backtest.changes import changed_alerts, compare
from alerting.backtest.picture import picture
from alerting.backtest.report import SECONDS_A_WEEK, BacktestReport, ReportUnreadable, read_report
from alerting.backtest.summary import summarize, union
from alerting.platform import RuleFile
from alerting.routing.orphaned_incidents import Deployment
from alerting.settings import Environment
from tests.alerting_data import fixture_catalog, settings

START = 1_790_000_000.0
END = START + 2 * SECONDS_A_WEEK
DEPLOYMENT = Deployment(catalog=fixture_catalog(), settings=settings())
ORDERS = {"alertname": "CriticalLatency", "severity": "critical", "service": "orders", "team": "trading"}
GATEWAY = ORDERS | {"service": "gateway", "team": "platform"}
Episodes = tuple[tuple[dict[str, str], float, float], ...]

Edit = Callable[[list[dict[str, Any]]], object]
EDITS: dict[str, tuple[Edit, set[str]]] = {
    "nothing": (len, set()),
    "annotation": (lambda groups: groups[1]["rules"][0].update(annotations={"summary": "other"}), set()),
    "for": (lambda groups: groups[1]["rules"][0].update({"for": "9m"}), {"A"}),
    "interval": (lambda groups: groups[1].update(interval="2m"), {"A", "B", "C"}),
    "name of the group": (lambda groups: groups[1].update(name="renamed"), set()),
    "what one reads": (lambda groups: groups[0]["rules"][0].update(expr="w"), {"A"}),
    "what two read": (lambda groups: groups[0]["rules"][1].update(expr="w"), {"A", "B"}),
    "gone": (lambda groups: groups[1]["rules"].pop(), {"C"}),
    "new": (lambda groups: groups[1]["rules"].append({"alert": "D", "expr": "w"}), {"D"}),
}
"""Changes of two groups of rules, and the alerts that differ then."""


def report(*episodes: tuple[dict[str, str], float, float], alerts: tuple[str, ...] = ()) -> BacktestReport:
    """Return a report of firing episodes, whose times are seconds after the start; one that reaches the end is open."""
    names = dict.fromkeys([*alerts, *(labels["alertname"] for labels, _, _ in episodes)])
    return BacktestReport.model_validate(
        {
            "start": START,
            "end": END,
            "history_start": None,
            "failures": [],
            "alerts": [
                {
                    "alert": name,
                    "file": "latency.yaml",
                    "group": "latency",
                    "index": 0,
                    "interval": 30,
                    "first_tick": START,
                    "episodes": [
                        {
                            "labels": labels,
                            "state": "firing",
                            "start": START + start,
                            "end": START + end,
                            "open": START + end >= END,
                        }
                        for labels, start, end in episodes
                        if labels["alertname"] == name
                    ],
                }
                for name in names
            ],
        }
    )


class TestSummary:
    """Firings, their time, and pages."""

    def test_series_that_overlap_count_once_in_time_and_apart_in_firings(self) -> None:
        (summary,) = summarize(report((ORDERS, 0, 600), (GATEWAY, 300, 900)), DEPLOYMENT)

        assert (summary.series, summary.firings) == (2, 2)
        assert (summary.firing_seconds, summary.longest_seconds) == (900, 600)
        assert not summary.still_firing

    def test_an_incident_lasts_while_anything_of_its_group_fires(self) -> None:
        high = ORDERS | {"alertname": "HighP99Latency"}
        apart = summarize(report((ORDERS, 0, 600), (ORDERS, 601, 700)), DEPLOYMENT)
        touching = summarize(report((ORDERS, 0, 600), (ORDERS, 600, 700)), DEPLOYMENT)
        services = summarize(report((ORDERS, 0, 600), (GATEWAY, 0, 600)), DEPLOYMENT)
        alerts = {one.alert: one.pages for one in summarize(report((ORDERS, 0, 600), (high, 5, 500)), DEPLOYMENT)}

        assert [one.pages for one in apart] == [2]
        assert [one.pages for one in touching] == [1]
        assert [one.pages for one in services] == [2]
        assert alerts["CriticalLatency"] == 1
        assert summarize(report((ORDERS, 0, 600), (ORDERS, 601, 700)), DEPLOYMENT)[0].pages_a_week == 1

    def test_what_opens_no_incident_is_no_page(self) -> None:
        (summary,) = summarize(report((ORDERS | {"severity": "info"}, 0, 600)), DEPLOYMENT)
        unpaged = Deployment(catalog=fixture_catalog(), settings=settings(Environment.DEV, paging=False))

        assert (summary.firings, summary.pages) == (1, 0)
        assert [one.pages for one in summarize(report((ORDERS, 0, 600)), unpaged)] == [0]

    def test_what_reaches_beyond_the_window_is_cut_to_it(self) -> None:
        (summary,) = summarize(report((ORDERS, -3600, 60), (ORDERS, 2 * SECONDS_A_WEEK - 60, 2e9)), DEPLOYMENT)

        assert summary.firing_seconds == 120
        assert summary.still_firing

    def test_the_alert_that_pages_most_comes_first_and_one_that_never_fired_is_there(self) -> None:
        other = GATEWAY | {"alertname": "AuroraHighCPU"}
        summaries = summarize(
            report((ORDERS, 0, 60), (ORDERS, 100, 160), (other, 0, 60), alerts=("Watchdog",)), DEPLOYMENT
        )

        assert [one.alert for one in summaries] == ["CriticalLatency", "AuroraHighCPU", "Watchdog"]


class TestChanges:
    """The firings that a change adds and removes."""

    def test_times_are_compared_series_by_series(self) -> None:
        before, after = report((ORDERS, 0, 600)), report((ORDERS, 300, 900), (GATEWAY, 0, 50))
        (change,) = compare(before, DEPLOYMENT, after, DEPLOYMENT)

        assert (change.added_seconds, change.removed_seconds) == (350, 300)
        assert (change.firings_before, change.firings_after) == (1, 2)
        assert (change.pages_before, change.pages_after) == (1, 2)

    def test_an_alert_that_is_gone_or_new_is_named(self) -> None:
        changes = compare(report((ORDERS, 0, 600)), DEPLOYMENT, report(alerts=("Watchdog",)), DEPLOYMENT)

        assert {change.alert: change.nothing for change in changes} == {"CriticalLatency": False, "Watchdog": True}

    @pytest.mark.parametrize(("change", "expected"), EDITS.values(), ids=EDITS)
    def test_an_alert_differs_with_all_that_it_reads(self, change: Edit, expected: set[str]) -> None:
        groups: list[dict[str, Any]] = [
            {"name": "r", "rules": [{"record": "deep", "expr": "x"}, {"record": "rec", "expr": "y + 1"}]},
            {
                "name": "a",
                "rules": [
                    {"alert": "A", "expr": "deep > 0 and rec > 0"},
                    {"alert": "B", "expr": "rec > 1"},
                    {"alert": "C", "expr": "z > 0"},
                ],
            },
        ]
        changed = copy.deepcopy(groups)
        change(changed)

        assert changed_alerts(_files(groups), _files(changed)) == expected

    def test_a_selector_without_a_name_may_read_any_rule(self) -> None:
        alert = {"alert": "A", "expr": 'count({team="trading"}) > 0'}
        groups = [{"name": "a", "rules": [alert, {"record": "rec", "expr": "x"}]}]
        changed = [{"name": "a", "rules": [alert, {"record": "rec", "expr": "y"}]}]

        assert changed_alerts(_files(groups), _files(changed)) == {"A"}


class TestPicture:
    """The SVG."""

    def test_a_bar_is_as_long_as_the_alert_fired_and_a_short_one_is_seen(self) -> None:
        week = SECONDS_A_WEEK
        drawn = picture(report((ORDERS, 0, week), (ORDERS, week + 60, week + 61)), ["CriticalLatency"])
        bars = re.findall(r'<rect x="[^>]* width="([^"]*)"[^>]*><title>', drawn)

        assert [float(width) for width in bars] == [446.0, 1.0]

    def test_names_are_text_and_a_comparison_has_two_bars(self) -> None:
        odd = ORDERS | {"alertname": "A<b>"}
        before = report((odd, 0, 60))
        text = picture(report((odd, 0, 90)), ["A<b>"], before)

        assert "A&lt;b&gt;" in text
        assert text.count("<title>2026") == 2


def test_intervals_that_touch_are_one() -> None:
    assert union([(5, 6), (1, 2), (2, 3), (1, 1.5)]) == [(1, 3), (5, 6)]


def test_something_else_than_a_report_is_refused() -> None:
    with pytest.raises(ReportUnreadable, match="start"):
        read_report(json.dumps({"end": 1}))


def _files(groups: list[dict[str, Any]]) -> list[RuleFile]:
    return [RuleFile(name="orion-a", groups=tuple(groups))]
