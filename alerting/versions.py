"""The versions of Prometheus and Alertmanager that are deployed: those that rules and configuration are tested with.

The operator makes the programs' arguments by the version that it is told; the chart's own are other ones. `orion check`
holds promtool, amtool and the programs that the tests run to these. To change one: here, in `tools/recipes.py` and in
the `go.mod` of its module (`docs/deploying.md`, 9).
"""

from __future__ import annotations

from collections.abc import Mapping

PROMETHEUS_VERSION = "3.16.0"
ALERTMANAGER_VERSION = "0.34.2"
REGISTRY = "quay.io"
PROMETHEUS_REPOSITORY = "prometheus/prometheus"
ALERTMANAGER_REPOSITORY = "prometheus/alertmanager"
TESTED_WITH: Mapping[str, tuple[str, str]] = {
    "promtool": ("Prometheus", PROMETHEUS_VERSION),
    "prometheus": ("Prometheus", PROMETHEUS_VERSION),
    "amtool": ("Alertmanager", ALERTMANAGER_VERSION),
    "alertmanager": ("Alertmanager", ALERTMANAGER_VERSION),
}
"""By each program that something is tested with: what is deployed, in which version."""
