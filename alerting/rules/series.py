"""Names of the series and labels that this program makes or that its generators read.

What rules/ records for itself has its name there. Everything that Python spells is spelled here, once.
"""

from __future__ import annotations

SERVICE_OWNER = "orion:service:owner"
"""1 for each service of the catalog, with the labels `service` and `team`."""
SERVICE_ERROR_BUDGET = "orion:service:error_budget"
"""The share of requests that may fail: 1 minus the objective; labels as `SERVICE_OWNER`."""
SERVICE_EXPECTED = "orion:service:expected"
"""1 for each service that ought to run, with `namespace` besides."""

MARKET_CLOCK = "orion:market:clock"
"""Seconds since 1970-01-01 00:00 as the exchange's clock shows them; no labels."""
MARKET_OPEN = "orion:market:open"
"""1 while the market is open, 0 while it is closed; no labels."""
MARKET_CALENDAR_END = "orion:market:calendar_end"
"""The Unix second after which no holidays are listed; no labels."""

SERIES_MISSING = "orion:series:missing"
"""1 for each scraped series that no exporter serves, with its `exporter` and `series`."""
SERIES_PART_MISSING = "orion:series:part_missing"
"""1 for each part that lacks a scraped series, with `exporter`, `series` and `part`."""

UP = "up"
"""Prometheus' own series of each target."""
ALERTS = "ALERTS"
"""Prometheus' own series of each pending or firing alert."""

ALERTNAME = "alertname"
CLUSTER = "cluster"
EXPORTER = "exporter"
INSTANCE = "instance"
JOB = "job"
NAMESPACE = "namespace"
PART = "part"
SERIES = "series"
SERVICE = "service"
SEVERITY = "severity"
TEAM = "team"
