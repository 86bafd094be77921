"""Runs the provider, as the engine starts it: `python -m sandbox.providers.pagerduty ENGINE`."""

from __future__ import annotations

from sandbox.providers.pagerduty.table import TABLE
from sandbox.providers.provider_server import serve

serve(TABLE)
