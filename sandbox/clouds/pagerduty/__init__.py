"""A stand-in for PagerDuty: the Events API, the parts of the REST API that are used here, on-call and escalation."""

from __future__ import annotations

from sandbox.clouds.pagerduty.application import create_application

__all__ = ["create_application"]
