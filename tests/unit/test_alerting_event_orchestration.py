"""PagerDuty's event orchestration: each alert reaches the service meant, and no service is named in Alertmanager."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.catalog import Catalog, RouteEntry, Service
from alerting.oncall.event_orchestration import (
    ANY_TEAM,
    KEY_NAMES,
    PAGED_TEAM,
    event_orchestration,
    key_expression,
    key_name,
    paged_as,
    paged_team,
)
from alerting.routing.alertmanager import alertmanager_files
from sandbox.clouds.pagerduty.orchestrations import parse_condition
from tests.alerting_data import fixture_catalog, settings

EVENTS_OF_A_KEY = 120
"""PagerDuty's documented limit of a minute."""
STORM = 200


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return fixture_catalog()


def with_services(catalog: Catalog, names: list[str]) -> Catalog:
    """Return the catalog with more services, which the first team owns."""
    team = next(iter(catalog.teams))
    more = {name: Service(description="x", team=team, namespace="orion", objective=0.999) for name in names}
    return dataclasses.replace(catalog, services={**catalog.services, **more})


def routed(catalog: Catalog, entry: RouteEntry, service: str) -> str:
    """Return where the router sends the event of an alert about a service that a route pages."""
    event = {"component": service, "custom_details": {PAGED_TEAM: paged_team(entry) or ANY_TEAM}}
    orchestration = event_orchestration(catalog)
    for rule in orchestration.rules:
        if any(parse_condition(condition).holds(event) for condition in rule.conditions):
            return rule.service
    return orchestration.catch_all


def test_the_router_and_the_program_agree_on_the_service_of_every_alert(catalog: Catalog) -> None:
    services = (*catalog.services, *catalog.teams, "unknown", "")
    matches = [
        {"severity": ("critical",)},
        {"team": ("trading", "platform")},
        *({"team": (name,)} for name in catalog.teams),
    ]
    cases = [
        (RouteEntry(match=match, receiver="r"), service) for match, service in itertools.product(matches, services)
    ]

    assert [routed(catalog, *case) for case in cases] == [paged_as(catalog, *case) for case in cases]


@pytest.mark.parametrize(
    ("match", "service", "expected"),
    [
        ({"severity": ("critical",)}, "gateway", "gateway"),
        ({"severity": ("critical",)}, "database", "database"),
        ({"severity": ("critical",)}, "unknown", "platform"),
        ({"severity": ("critical",)}, "", "platform"),
        ({"team": ("trading",)}, "orders", "orders"),
        ({"team": ("trading",)}, "gateway", "trading"),
        ({"team": ("trading",)}, "", "trading"),
    ],
)
def test_pages_open_in_the_service_of_the_alert_else_of_the_team_else_of_the_fallback(
    catalog: Catalog, match: dict[str, tuple[str, ...]], service: str, expected: str
) -> None:
    assert routed(catalog, RouteEntry(match=match, receiver="r"), service) == expected


def test_another_service_changes_nothing_that_alertmanager_reads(catalog: Catalog) -> None:
    more = with_services(catalog, [f"added-{number}" for number in range(50)])

    assert alertmanager_files(more, settings()) == alertmanager_files(catalog, settings())
    assert len(event_orchestration(more).rules) == len(event_orchestration(catalog).rules) + 50


@given(st.text())
def test_each_service_takes_exactly_the_key_whose_expression_matches_it(service: str) -> None:
    matched = [key for key in KEY_NAMES if re.fullmatch(key_expression(key), service)]

    assert matched == [key_name(service)]


@pytest.mark.parametrize(
    "names",
    [
        [f"service-{number}" for number in range(STORM)],
        [f"tenant-{number:04}" for number in range(1000, 1000 + STORM)],
        [
            f"{domain}-{part}"
            for domain in "orders positions trades quotes ledger risk fees cards users mail search audit tax".split()
            for part in "api worker cache db gateway cron ui export sync proxy stream batch index job web mq".split()
        ][:STORM],
    ],
    ids=["numbered", "padded", "words"],
)
def test_a_storm_over_many_services_stays_within_what_each_key_takes_in_a_minute(names: list[str]) -> None:
    carried = Counter(key_name(name) for name in names)

    assert len(names) == STORM
    assert max(carried.values()) < EVENTS_OF_A_KEY


def test_no_condition_is_beyond_what_the_stand_in_evaluates(catalog: Catalog) -> None:
    conditions = [condition for rule in event_orchestration(catalog).rules for condition in rule.conditions]

    assert all(parse_condition(condition).terms for condition in conditions)
    assert json.dumps(conditions).count("event.component matches 'orders'") == 2
