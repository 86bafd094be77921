"""The figures of chat: medians and percentiles of each way, and what a storm of ten thousand alerts comes to."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sandbox.journal import Event, Kind
from tests.alerting_data import DATA
from tests.bench import limits_storm
from tests.bench.chat_hops import percentile_99, way_figures
from tests.bench.limits_storm import Seen, storm_figures, storm_groups, what_was_seen

BEGAN = 1000.0
TOLD = {"TenThousand000": BEGAN, "TenThousand001": BEGAN + 1}


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the fixture measured, whose intervals are asserted here."""
    monkeypatch.setattr(limits_storm, "ROOT", DATA)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([2.0], 2.0), ([1.0, 2.0], 1.99), ([float(n) for n in range(101)], 99.0), ([5.0] * 40, 5.0)],
)
def test_the_99th_percentile_is_between_the_values_that_it_falls_between(values: list[float], expected: float) -> None:
    assert percentile_99(values) == pytest.approx(expected)
    assert percentile_99(values[::-1]) == pytest.approx(expected)


def test_a_way_is_from_its_first_step_to_its_last_and_each_hop_between_two() -> None:
    samples = [
        {"told": 10.0, "published": 10.5, "posted": 11.5},
        {"told": 20.0, "published": 20.5, "posted": 23.5},
        {"told": 30.0, "published": 30.7, "posted": 32.5},
    ]

    figures = {figure.name: figure for figure in way_figures("alert_to_thread", samples, "group_wait", 0.5)}

    assert {name: round(figure.value, 3) for name, figure in figures.items()} == {
        "alert_to_thread": 2.5,
        "alert_to_thread_p99": 3.48,
        "alert_to_thread_hop_told_to_published": 0.5,
        "alert_to_thread_hop_told_to_published_p99": 0.696,
        "alert_to_thread_hop_published_to_posted": 1.8,
        "alert_to_thread_hop_published_to_posted_p99": 2.976,
    }
    assert figures["alert_to_thread"].ratio == 5.0
    assert figures["alert_to_thread_hop_told_to_published"].peer is None


def test_the_storm_has_two_hundred_groups_of_fifty_alerts_in_two_channels() -> None:
    groups = storm_groups()

    alerts = [tuple(sorted(labels.items())) for group in groups.values() for labels in group]
    assert len(set(alerts)) == 10_000
    assert {len(group) for group in groups.values()} == {50}
    services = {labels["service"] for group in groups.values() for labels in group}
    assert len(services) == len(groups) == 200
    assert Counter(group[0]["team"] for group in groups.values()) == {"platform": 100, "database": 100}


def _event(kind: Kind, after: float, text: str = "", **details: Any) -> Event:
    return Event(time=BEGAN + after, source="test", kind=kind, details={"title": text, "ts": "1", **details})


def _seen(*events: Event) -> Seen:
    return what_was_seen(events, BEGAN, TOLD)


def test_a_thread_is_right_once_it_shows_all_alerts_and_who_is_on_call() -> None:
    seen = _seen(
        _event(Kind.MESSAGE_POSTED, -5, "[FIRING:50] TenThousand000 On call: ann"),
        _event(Kind.MESSAGE_POSTED, 10, "[FIRING:50] TenThousand000"),
        _event(Kind.MESSAGE_UPDATED, 12, "[FIRING:50] TenThousand000 On call: ann"),
        _event(Kind.MESSAGE_UPDATED, 15, "[FIRING:50] TenThousand000 On call: ann"),
        _event(Kind.MESSAGE_POSTED, 11, "[FIRING:7] TenThousand001 On call: ann"),
    )

    assert seen.right == {"TenThousand000": BEGAN + 12}
    assert seen.threads == {"TenThousand000": 1, "TenThousand001": 1}
    assert seen.messages == 4


def test_a_channel_is_right_once_its_newest_digest_waits_for_no_thread() -> None:
    waits = "[FIRING:200] 200 incidents at once. 3 of them have no thread yet"
    done = "[FIRING:200] 200 incidents at once"
    first = [_event(Kind.MESSAGE_POSTED, 5, waits), _event(Kind.MESSAGE_UPDATED, 6, done, ts="2")]

    assert _seen(*first).digest_at is None
    assert _seen(*first, _event(Kind.MESSAGE_UPDATED, 90, done)).digest_at == BEGAN + 90


def test_a_digest_is_no_thread_of_a_group_that_it_names() -> None:
    seen = _seen(_event(Kind.MESSAGE_POSTED, 5, "12 incidents at once: TenThousand000"))

    assert seen.threads == {}


def test_pages_are_the_first_incidents_and_calls_that_slack_limits_are_counted() -> None:
    seen = _seen(
        _event(Kind.INCIDENT_TRIGGERED, 12, summary="TenThousand000 of service-000"),
        _event(Kind.INCIDENT_TRIGGERED, 14, summary="TenThousand000 of service-000"),
        _event(Kind.REQUEST_REFUSED, 20, error="ratelimited"),
        _event(Kind.REQUEST_REFUSED, 20, error="invalid_blocks"),
    )

    assert seen.paged == {"TenThousand000": BEGAN + 12}
    assert seen.incidents == {"TenThousand000": 2}
    assert seen.refused == 1


def test_the_figures_say_what_is_lost_what_is_doubled_and_what_the_calls_save() -> None:
    seen = Seen(
        threads=Counter({"TenThousand000": 2}),
        right={"TenThousand000": BEGAN + 40},
        paged={"TenThousand000": BEGAN + 12, "TenThousand001": BEGAN + 31},
        incidents=Counter({"TenThousand000": 1, "TenThousand001": 3}),
        digest_at=BEGAN + 55,
        messages=9,
        refused=2,
    )

    figures = {figure.name.removeprefix("storm_10000"): figure for figure in storm_figures(seen, BEGAN, TOLD)}

    assert {name: figure.value for name, figure in figures.items()} == {
        "": 1,
        "_lost": 1,
        "_doubled": 2,
        "_right": 55.0,
        "_slowest_page": 30.0,
        "_messages": 9,
        "_calls_saved": 91,
        "_refused": 2,
    }
    assert figures["_slowest_page"].peer_value == 300.0
    assert not seen.is_whole
