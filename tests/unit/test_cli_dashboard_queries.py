"""Dashboards are held against a running Prometheus: a refused query and an empty panel are named."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from alerting.platform import Dashboard
from alerting.rules.overviews import OVERVIEWS
from cli.dashboard_queries import ALWAYS_DRAWN, dashboard_problems
from sandbox.service import HttpService, wait_until_ready

ANSWERS = {
    "full": {"status": "success", "data": {"result": [{"value": [1, "2"]}]}},
    "empty": {"status": "success", "data": {"result": []}},
    'chosen{service=~".*"}': {"status": "success", "data": {"result": [{"value": [1, "2"]}]}},
    "bad(": {"status": "error", "error": "unclosed left parenthesis"},
}


@pytest.fixture
def prometheus() -> Iterator[str]:
    async def answer(request: Request) -> Response:
        return JSONResponse(ANSWERS[request.query_params["query"]])

    service = HttpService("prometheus", Starlette(routes=[Route("/api/v1/query", answer)]))
    service.start()
    wait_until_ready(service, timeout_seconds=10)
    yield service.address
    service.stop()


def test_a_refused_query_and_a_panel_that_should_show_something_are_named(prometheus: str) -> None:
    panels = {
        "Latency": ["empty", "full"],
        "Traffic": ["empty"],
        "Refused": ["full", "bad("],
        "Often empty": ["empty"],
        "Budget left": ['chosen{service=~"$service"}'],
    }
    drawn = [{"title": title, "targets": [{"expr": one} for one in queries]} for title, queries in panels.items()]
    metrics = {"title": "Repairs", "targets": [{"metricName": "RepairsSent"}]}
    dashboard = Dashboard(name="overview", text=json.dumps({"panels": [*drawn, metrics]}))

    assert list(dashboard_problems([dashboard], prometheus)) == [
        "overview, Traffic: shows nothing",
        "overview, Refused: unclosed left parenthesis",
    ]


def test_the_panels_that_always_show_something_are_there() -> None:
    assert {drawing.title for one in OVERVIEWS for drawing in one.drawings} >= ALWAYS_DRAWN
