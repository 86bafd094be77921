"""Maintenance windows in a real Alertmanager: which alerts it suppresses, and that a second look changes nothing."""

from __future__ import annotations

import time
from dataclasses import replace

import httpx
import pytest

from chatops.alertmanager_replicas import AlertmanagerReplicas
from chatops.catalog_silences import Window, keep_windows, window_of
from chatops.clients import ListedSilence
from tests.alertmanager_sink import add_silence, fire

pytestmark = pytest.mark.integration

ALERTS = ("Upgraded", "Up.*", "Upgradedd", "UpX")
"""The first two are those of the window; as an expression, the second would match all of them."""


def test_a_window_suppresses_its_alerts_and_stays_as_it_is(alertmanager: str) -> None:
    replicas = AlertmanagerReplicas(addresses=(alertmanager,), replicas=1)
    fire(alertmanager, *({"alertname": alert, "severity": "none"} for alert in ALERTS))
    add_silence(alertmanager, {"alertname": "UpX"})
    now = float(int(time.time()))
    started = Window(
        name="started",
        owner="database",
        reason="„Größer“",
        match={"alertname": ALERTS[:2], "severity": ("none",)},
        since=now - 600,
        until=now + 3600,
    )
    ahead = replace(started, name="ahead", since=now + 600)

    def look(*windows: Window) -> list[tuple[str, str, int]]:
        keep_windows(replicas, windows, replicas.all_silences(), time.time(), lambda *_, **__: None)
        return [(silence.id, *_seen(silence)) for silence in replicas.all_silences() if window_of(silence)]

    first = look(started, ahead)
    second = look(started, ahead)
    last = look(ahead)

    assert sorted(seen for _, *seen in first) == [["ahead", 0], ["started", 2]]
    assert second == first
    assert [seen for _, *seen in last] == [["ahead", 0]]
    assert _suppressed(alertmanager) == {"UpX"}


def _seen(silence: ListedSilence) -> tuple[str, int]:
    return window_of(silence) or "", silence.alerts


def _suppressed(address: str) -> set[str]:
    alerts = httpx.get(f"{address}/api/v2/alerts", params={"active": "false"}).json()
    return {alert["labels"]["alertname"] for alert in alerts} & set(ALERTS)
