"""Tells every Alertmanager of alerts, at once, as Prometheus does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx

from sandbox.stack import Sandbox

REQUEST_SECONDS = 30.0
LASTS = timedelta(hours=1)


def tell_alertmanagers(sandbox: Sandbox, alerts: Sequence[Mapping[str, str]], *, ends: datetime | None = None) -> None:
    """Tell all Alertmanagers that alerts with these labels fire, or when they ended. Raises `httpx.HTTPError`."""
    body = [
        {
            "labels": labels,
            "annotations": {"summary": f"{labels['alertname']} of {labels['service']}"},
            "endsAt": (ends or datetime.now(UTC) + LASTS).isoformat(),
        }
        for labels in alerts
    ]
    managers = list(sandbox.alertmanagers().values())

    def tell(address: str) -> None:
        httpx.post(f"{address}/api/v2/alerts", json=body, timeout=REQUEST_SECONDS).raise_for_status()

    with ThreadPoolExecutor(len(managers)) as threads:
        list(threads.map(tell, managers))
