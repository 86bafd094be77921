"""Trigger events, and how urgent the incidents are that they open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from sandbox.clouds.pagerduty.model import Service, Severity, Urgency


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A trigger event, read and found valid."""

    key: str
    severity: Severity
    summary: str
    source: str
    details: Mapping[str, Any]
    links: Sequence[Mapping[str, str]]
    images: Sequence[Mapping[str, str]]
    client: str | None
    client_url: str | None
    payload: Mapping[str, Any]


def urgency(service: Service, severity: Severity) -> Urgency:
    """Return how urgent an incident is by its service's rule."""
    match service.urgency:
        case "high":
            return Urgency.HIGH
        case "low":
            return Urgency.LOW
        case "severity_based":
            return Urgency.HIGH if severity in (Severity.CRITICAL, Severity.ERROR) else Urgency.LOW
        case _:
            assert_never(service.urgency)
