"""Dashboards: every alert's link leads to one, which shows what the alert looks at and its limit."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import promql_parser
import pytest

from alerting.build import build_platform
from alerting.rules.dashboards import Comparison, looked_at
from alerting.rules.promql import compiled
from tests.alerting_data import fixture_catalog
from tests.component_data import settings

PLATFORM = build_platform(fixture_catalog(), settings())
DASHBOARDS: dict[str, dict[str, Any]] = {
    one.name: json.loads(one.text) for one in PLATFORM.dashboards if one.name.startswith("orion-")
}
"""Those of domains: `test_alerting_overviews.py` has the others."""
ALERTS: list[dict[str, Any]] = [
    dict(rule) for file in PLATFORM.rules for group in file.groups for rule in group["rules"] if "alert" in rule
]
CONFIG_MAP_BYTES = 1024 * 1024
"""What Kubernetes takes."""


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_the_link_of_an_alert_leads_to_a_dashboard_with_a_panel_for_it(alert: dict[str, Any]) -> None:
    uid = urlsplit(alert["annotations"]["dashboard_url"]).path.rsplit("/", maxsplit=1)[-1]
    dashboard = DASHBOARDS[uid]
    (panel,) = [one for one in dashboard["panels"] if one["title"] == alert["alert"]]

    assert dashboard["uid"] == uid
    assert alert["annotations"]["runbook_url"] in panel["description"]
    assert panel["targets"][0]["expr"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_query_is_promql_and_every_panel_has_a_place_of_its_own(name: str) -> None:
    panels = DASHBOARDS[name]["panels"]
    for panel in panels:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for target in panel["targets"]:
            promql_parser.parse(target["expr"].replace("$service", ".*"))
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_a_dashboard_is_small_enough_for_a_config_map() -> None:
    assert max(len(one.text.encode()) for one in PLATFORM.dashboards) < CONFIG_MAP_BYTES


@pytest.mark.parametrize(
    ("expression", "looked"),
    [
        ("a > 5", Comparison("a", 5.0)),
        ("(a < 0.5) * on (service) group_left (team) owner", Comparison("a", 0.5)),
        ("a > on (service) (2 * b) and c > 1", Comparison("a", "(2 * b)")),
        ("(a > 1 and b > 2) or (c > 3)", Comparison("a", 1.0)),
        ("a and b > 1 and c > 2", Comparison("b", 1.0)),
        ("a <= 0.5 > 0.1", Comparison("a", 0.5)),
        ('label_replace(a < 3, "b", "", "", "")', Comparison("a", 3.0)),
        ("absent(a)", Comparison("absent(a)", None)),
        ("a + b", Comparison("a + b", None)),
    ],
)
def test_what_an_alert_compares_is_found_in_its_expression(expression: str, looked: Comparison) -> None:
    assert looked_at(compiled(expression)) == looked


def test_a_panel_draws_the_limit_and_keeps_to_the_chosen_service() -> None:
    (panel,) = [one for one in DASHBOARDS["orion-latency"]["panels"] if one["title"] == "CriticalLatency"]

    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1] == {"color": "red", "value": 5.0}
    assert panel["targets"][0]["expr"].endswith('and on (service) orion:service:owner{service=~"$service"}')


def test_a_limit_that_is_a_series_is_drawn_as_one() -> None:
    (panel,) = [one for one in DASHBOARDS["orion-meta"]["panels"] if one["title"] == "AlertingReplicaMissing"]

    assert [target["refId"] for target in panel["targets"]] == ["A", "B"]
    assert "kube_statefulset_replicas" in panel["targets"][1]["expr"]


def test_an_alert_that_compares_nothing_is_drawn_by_what_its_recording_compares() -> None:
    (panel,) = [one for one in DASHBOARDS["orion-slo"]["panels"] if one["title"] == "HighErrorBudgetBurn"]

    assert panel["targets"][0]["expr"].startswith("(orion:objective:burn_rate1h) and on (service)")
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1] == {"color": "red", "value": 14.4}


def test_how_long_requests_take_is_drawn_from_p50_to_p99_9() -> None:
    (panel,) = [one for one in DASHBOARDS["orion-latency"]["panels"] if one["title"] == "How long requests take"]

    names = ("p50", "p90", "p95", "p99", "p99_9")
    assert [one["expr"] for one in panel["targets"]] == [
        f'orion:http_latency:{name}{{service=~"$service"}}' for name in names
    ]
    assert [one["legendFormat"] for one in panel["targets"]] == [f"{name} {{{{service}}}}" for name in names]


def test_what_the_texts_of_alerts_tell_is_drawn_once_for_the_chosen_service() -> None:
    name = "orion:service:error_budget_remaining"
    (panel,) = [one for one in DASHBOARDS["orion-slo"]["panels"] if one["title"] == name]

    (target,) = panel["targets"]
    assert target["expr"] == f'({name}) and on (service) orion:service:owner{{service=~"$service"}}'
