"""Runs the provider, as the engine starts it: `python -m sandbox.providers.pagerduty ENGINE`."""

from __future__ import annotations

from sandbox.providers.machine_server import serve
from sandbox.providers.pagerduty.table import TABLE

serve(TABLE)
