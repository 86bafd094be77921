"""Asks a running Prometheus what dashboards ask, as Grafana would: finds what it refuses and what shows nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from alerting.platform import Dashboard
from sandbox import loopback

ALWAYS_DRAWN = frozenset({"Budget left", "Budget over time", "Traffic", "Latency", "Who was told"})
"""Panels of the overviews that show something wherever services are used, whether all is well or not."""
REQUEST_SECONDS = 10.0


def dashboard_problems(dashboards: Sequence[Dashboard], prometheus: str) -> Iterator[str]:
    """Yield the panels whose queries a Prometheus refuses, and those of `ALWAYS_DRAWN` that show nothing."""
    for one in dashboards:
        panels: list[dict[str, Any]] = json.loads(one.text)["panels"]
        for panel in panels:
            queries = [str(target["expr"]) for target in panel["targets"] if "expr" in target]
            answers = [_answer(prometheus, query.replace("$service", ".*")) for query in queries]
            refusals = [str(answer["error"]) for answer in answers if answer["status"] != "success"]
            if refusals:
                yield f"{one.name}, {panel['title']}: {'; '.join(refusals)}"
            elif panel["title"] in ALWAYS_DRAWN and not any(answer["data"]["result"] for answer in answers):
                yield f"{one.name}, {panel['title']}: shows nothing"


def _answer(prometheus: str, query: str) -> dict[str, Any]:
    return loopback.get(f"{prometheus}/api/v1/query", params={"query": query}, timeout=REQUEST_SECONDS).json()
