"""Every query of a dashboard is PromQL by Prometheus' own parser."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from alerting.build import build_platform, load_catalog
from alerting.platform import Dashboard
from tests.alerting_data import ROOT, settings
from tools.paths import tool

pytestmark = pytest.mark.integration


def refused(dashboards: tuple[Dashboard, ...], folder: Path) -> str:
    """Return what promtool says of the queries of dashboards, each written down as a recording."""
    queries = [
        target["expr"].replace("$service", ".*")
        for one in dashboards
        for panel in json.loads(one.text)["panels"]
        for target in panel["targets"]
        if "expr" in target
    ]
    rules = [{"record": f"query:{number}", "expr": expression} for number, expression in enumerate(queries)]
    path = folder / "queries.yaml"
    path.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(
        [tool("promtool"), "check", "rules", "--lint=none", str(path)], capture_output=True, text=True, check=False
    )
    assert len(queries) > 0
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.own_catalog
def test_promtool_takes_every_query(tmp_path: Path) -> None:
    assert refused(build_platform(load_catalog(ROOT), settings()).dashboards, tmp_path) == ""


def test_promtool_refuses_a_query_that_is_none(tmp_path: Path) -> None:
    text = json.dumps({"panels": [{"targets": [{"expr": "sum by (a) (b"}]}]})

    assert "could not parse expression" in refused((Dashboard(name="broken", text=text),), tmp_path)
