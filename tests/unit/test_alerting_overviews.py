"""Overviews: every panel asks for what is there, of Prometheus and of CloudWatch, and has a place of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from alerting.build import build_platform, load_catalog
from alerting.rules.drawings import METRICS_NAMESPACE, Drawing, Kind, Query
from alerting.rules.overviews import OVERVIEWS, left_out, overviews
from alerting.rules.promql import selectors, series_name
from alerting.rules.series import ALERTS
from chat_ingress.ingress import Count as IngressCount
from chatops.counts import Count as ChatCount
from orion_common import names
from runbook_automation.counts import Count as RepairCount
from tests.alerting_data import ROOT, changed, fixture_catalog, settings

CATALOG = fixture_catalog()
BUILT: dict[str, dict[str, Any]] = {one.name: json.loads(one.text) for one in overviews(CATALOG)}
DRAWINGS = [(overview.name, drawing) for overview in OVERVIEWS for drawing in overview.drawings]
QUERIES = [(drawing, query) for _, drawing in DRAWINGS for query in drawing.queries]
COUNTED = {"runbook_automation": RepairCount, "chatops": ChatCount, "chat_ingress": IngressCount}
"""The functions' counters, by the name that a function gives itself in its handler."""


def named(drawing: Drawing | Query) -> str:
    return drawing.title if isinstance(drawing, Drawing) else drawing.expression[:40]


def test_they_are_deployed_as_the_dashboards_of_domains_are() -> None:
    deployed = {one.name for one in build_platform(CATALOG, settings()).dashboards}

    assert set(BUILT) == {"overview-objectives", "overview-service", "overview-alerting", "overview-repairs"}
    assert set(BUILT) <= deployed


def test_every_dashboard_leads_to_all_others_and_keeps_the_chosen_services_and_time() -> None:
    for one in build_platform(CATALOG, settings()).dashboards:
        built = json.loads(one.text)
        (link,) = built["links"]

        assert link["tags"] == built["tags"] == ["orion"]
        assert (link["type"], link["asDropdown"], link["includeVars"], link["keepTime"]) == (
            "dashboards",
            True,
            True,
            True,
        )


@pytest.mark.own_catalog
def test_the_projects_own_catalog_has_every_series_that_is_drawn() -> None:
    assert left_out(load_catalog(ROOT).rules) == {}


@pytest.mark.parametrize(("drawing", "query"), QUERIES, ids=named)
def test_every_query_is_promql_of_series_and_labels_that_are_there(drawing: Drawing, query: Query) -> None:
    known = CATALOG.rules.series
    read = list(selectors(promql_parser.parse(query.expression.replace("$service", ".*"))))

    assert read, drawing.title
    for selector in read:
        name = series_name(selector)
        assert name is not None
        if name != ALERTS:  # whose labels are those of whichever alert
            assert {one.name for one in selector.matchers.matchers} <= known[name] | {"__name__"}


@pytest.mark.parametrize("metric", [one for _, drawing in DRAWINGS for one in drawing.metrics], ids=str)
def test_every_metric_is_counted_by_the_function_that_it_is_asked_of(metric: Any) -> None:
    handler = ROOT / "lambda" / metric.service / "handler.py"

    assert f'OBSERVER = PowertoolsObserver("{metric.service}")' in handler.read_text()
    assert metric.name in set(COUNTED[metric.service])
    assert names.METRICS_NAMESPACE == METRICS_NAMESPACE


@pytest.mark.parametrize("name", BUILT)
def test_every_panel_has_a_place_of_its_own_a_text_and_one_source(name: str) -> None:
    panels = BUILT[name]["panels"]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    variables = {one["name"] for one in BUILT[name]["templating"]["list"]}

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    for panel in panels:
        assert panel["description"].endswith(".")
        assert panel["datasource"]["uid"].strip("${}") in variables
        assert ("$service" in json.dumps(panel["targets"])) <= ("service" in variables)
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0


def test_a_panel_whose_series_nobody_makes_is_left_out_and_named(tmp_path: Path) -> None:
    name = "alertmanager_notifications_total"
    root = changed(tmp_path / "root", "rules/scraped_series.yaml", f"  {name}:", "  other_total:")
    assert left_out(CATALOG.rules) == {}
    path = root / "runbooks" / "Watchdog.md"
    path.write_text(path.read_text().replace("## Diagnosis\n", "## Diagnosis\n\n`other_total`\n"))
    catalog = load_catalog(root)

    drawn = {panel["title"] for one in overviews(catalog) for panel in json.loads(one.text)["panels"]}
    assert left_out(catalog.rules) == {
        "alerting and on-call: Who was told": frozenset({"alertmanager_notifications_total"})
    }
    assert "Who was told" not in drawn
    assert "Notifications that were given up" in drawn


def test_a_budget_is_coloured_by_what_is_left_and_an_instant_is_asked_for() -> None:
    (panel,) = [one for one in BUILT["overview-objectives"]["panels"] if one["title"] == "Budget left"]

    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [(step["value"], step["color"]) for step in steps] == [
        (None, "red"),
        (0.0, "orange"),
        (0.1, "yellow"),
        (0.5, "green"),
    ]
    assert (panel["type"], panel["targets"][0]["instant"]) == ("bargauge", True)


def test_every_kind_of_drawing_is_drawn() -> None:
    assert {drawing.kind for _, drawing in DRAWINGS} == set(Kind)
