"""Prometheus' scrape targets in the sandbox: one per exporter, and one per service with its PodMonitor's labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sandbox.metrics.fault_targets import EXPORTERS

SERVICES = "services"


def scrape_targets(address: str, services: Sequence[str], namespace: str) -> Iterator[dict[str, Any]]:
    """Yield `monitoring.extra_scrape_targets` for the metrics source at HOST:PORT.

    On an account the services are scraped pod by pod, and `up` says of which service and namespace a target is
    (`alerting/rules/pod_monitors.py`). Here a service is one target, with the same labels.
    """
    for exporter in EXPORTERS:
        if exporter != SERVICES:
            yield {"job": exporter, "address": address, "path": f"/{exporter}/metrics"}
    for service in services:
        labels = {"namespace": namespace, "service": service}
        yield {"job": service, "address": address, "path": f"/{SERVICES}/{service}/metrics", "labels": labels}
