"""The waits of the fixture's receivers, and how often each is told again, as the story has it."""

from __future__ import annotations

import pytest

from alerting.build import load_platform
from tests.alerting_data import DATA, settings

WAITS = {
    "default-receiver": ("30s", "5m", "4h"),
    "watchdog": ("0s", "1m", "30s"),
    "nobody": ("30s", "5m", "4h"),
    "pagerduty-notifications-failing": ("30s", "5m", "2h"),
    "pagerduty-trading": ("0s", "5m", "30m"),
    "pagerduty-critical-database": ("10s", "5m", "1h"),
    "pagerduty-critical": ("10s", "5m", "1h"),
    "pagerduty-high-database": ("30s", "5m", "2h"),
    "pagerduty-high": ("30s", "5m", "2h"),
    "slack-ahead-database": ("1m", "5m", "4h"),
    "slack-ahead": ("1m", "5m", "4h"),
    "slack-warning-database": ("1m", "5m", "4h"),
    "slack-warning": ("1m", "5m", "4h"),
    "slack-info-database": ("5m", "5m", "24h"),
    "slack-info": ("5m", "5m", "24h"),
}
"""Before the first message of a group, before its next one, and until it is told again."""
TIMINGS = ("group_wait", "group_interval", "repeat_interval")
GROUPED = ["alertname", "cluster", "service", "severity"]
BY_TEAM = ["alertname", "cluster", "team", "severity"]
"""Of what looks ahead: one message names all services."""

CONFIGURATION = load_platform(DATA, settings()).alertmanager.configuration
ROOT_ROUTE = CONFIGURATION["route"]
ROUTES = {route["receiver"]: route for route in [ROOT_ROUTE, *ROOT_ROUTE["routes"]]}


@pytest.mark.parametrize("receiver", WAITS)
def test_a_receiver_waits_as_long_as_is_meant(receiver: str) -> None:
    route = {**ROOT_ROUTE, **ROUTES[receiver]}

    assert tuple(route[field] for field in TIMINGS) == WAITS[receiver]
    assert route["group_by"] == (BY_TEAM if receiver.startswith("slack-ahead") else GROUPED)


def test_an_alert_that_is_not_sent_again_ends_after_five_minutes() -> None:
    assert CONFIGURATION["global"]["resolve_timeout"] == "5m"
