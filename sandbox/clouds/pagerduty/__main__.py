"""Serves the stand-in for PagerDuty: `python -m sandbox.clouds.pagerduty --port N`."""

from __future__ import annotations

from sandbox.clouds.pagerduty.application import create_application
from sandbox.clouds.serving import main

main("PagerDuty", create_application)
