"""The one way in which a test waits: for a condition, with an end."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

POLL_SECONDS = 0.05


def until(
    what: str, holds: Callable[[], object], *, seconds: float = 60, otherwise: Callable[[], object] = lambda: ""
) -> float:
    """Wait until `holds` returns something true, and return how many seconds that took.

    Fails with `what`, and with what `otherwise` says, when time is up.
    """
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < seconds, f"not within {seconds:.0f} s: {what} {otherwise()}"
        time.sleep(POLL_SECONDS)
    return time.monotonic() - started


def says_ready(address: str) -> bool:
    """Say whether a Prometheus or an Alertmanager answers that it is ready: its port is open before it is."""
    try:
        return httpx.get(f"{address}/-/ready", timeout=5).is_success
    except httpx.TransportError:
        return False
