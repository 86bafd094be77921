"""Names of the series and labels that this program makes or that its generators read.

What rules/ records for itself has its name there. Everything that Python spells is spelled here, once.
"""

from __future__ import annotations

from collections.abc import Mapping

SERVICE_OWNER = "orion:service:owner"
"""1 for each service of the catalog, with the labels `service` and `team`."""
SERVICE_ERROR_BUDGET = "orion:service:error_budget"
"""The share of requests that may fail: 1 minus the objective; labels as `SERVICE_OWNER`, and `tier` of another tier."""
SERVICE_EXPECTED = "orion:service:expected"
"""1 for each service that ought to run, with `namespace` besides."""

OBJECTIVE_ERROR_BUDGET = "orion:objective:error_budget"
"""The share of events that may be bad: 1 minus the objective; `service`, `objective`, `team` and the alerts' labels.

An objective whose windows are not the standard tier's has `windows` too, one of another tier `tier`, and one whose
period is a calendar month its `time_zone`. `runbook` is the page of its own, if it has one. `sli` is `errors` for one
that counts all failed requests of its service.
"""
OBJECTIVE_REMAINING = "orion:service:error_budget_remaining"
"""The share of a period's error budget that is left: 1 is all of it, below 0 it is overspent."""
OBJECTIVE_COVERAGE = "orion:objective:coverage"
"""The share of the period, 0 to 1, in which events were counted. The rest counts as free of bad ones."""
OBJECTIVE_CORRECTED = "orion:objective:corrected"
"""The share of the period that a `correction` leaves out of an objective's budget."""
OBJECTIVE_BURNING = "orion:objective:burning"
"""The share of bad events in the long window of a `pair` that burns; `urgency` is that of the alert it belongs to."""
OBJECTIVE_EXHAUSTED_IN = "orion:objective:exhausted_in_seconds"
"""The seconds until nothing is left of the budget, at the burn rate of the first pair of a ticket."""
OBJECTIVE_STAGE_REMAINING = "orion:objective_stage:error_budget_remaining"
OBJECTIVE_STAGE_BURNING = "orion:objective_stage:burning"
OBJECTIVE_STAGE_EXHAUSTED_IN = "orion:objective_stage:exhausted_in_seconds"
"""What the three above are made of where it changes every five minutes only: what is left, the pairs of a ticket that
burn, and the seconds. The last two are 0 once, when they are over: their last value is the present one."""
OBJECTIVE_STAGE_SPENT = "orion:objective_stage:error_budget_spent"
"""What is left of a budget of which half is spent or more, if enough of it is known; 1 once when it is over."""
OBJECTIVE_STAGE_RUNNING_OUT = "orion:objective_stage:running_out_seconds"
"""The seconds until nothing is left, if it is soon and enough of the budget is known; 0 once when it is over."""
OBJECTIVE_BURN_RATE = "orion:objective:burn_rate"
"""What the series of burn rates begin with; a window such as 1h follows. 1 spends the budget within the period."""
OBJECTIVE_NO_TRAFFIC = "orion:objective:no_traffic"
"""1 for an objective whose series is there and counts no event within an hour."""
OBJECTIVE_NO_SERIES = "orion:objective:no_series"
"""1 for an objective whose series has not been there for ten minutes."""
SERVICE_ERRORS_WATCHED = "orion:service:errors_watched"
"""1 for each service whose failed requests an objective counts, as long as its burn rate is known; `service`."""
SERVICE_ERRORS_BURNING = "orion:service:errors_burning"
"""1 for each service of which such an objective burns so fast that it pages; `service`."""
OBJECTIVE_BAD = "orion:objective_bad"
OBJECTIVE_TOTAL = "orion:objective_total"
"""What counts of bad and of all events begin with."""
OBJECTIVE_SHARED_BAD = "orion:objective_shared_bad"
OBJECTIVE_SHARED_TOTAL = "orion:objective_shared_total"
"""What counts of bad and of all events begin with where several objectives count the same of their services."""
OBJECTIVE_SLICE_BAD = "orion:objective_slice_bad"
OBJECTIVE_SLICE_TOTAL = "orion:objective_slice_total"
"""What counts of bad and of all events begin with where time slices are made of them."""

OBJECTIVE_MONTH_SECONDS = "orion:objective:month_seconds"
"""How long the present month of an objective is whose period is a calendar month."""
OBJECTIVE_MONTH_LEFT = "orion:objective:month_left_seconds"
"""How long that month still lasts."""

MONTH_END = "orion:calendar:month_end"
"""The Unix second at which the present month of a `time_zone` ends."""
MONTH_SECONDS = "orion:calendar:month_seconds"
"""How long the present month of a `time_zone` is: a change of its clock is an hour more or less."""
PRESENT_MONTH = "orion:calendar:month"
"""1 for the present `month` of a `time_zone`, such as 202610."""

MARKET_CLOCK = "orion:market:clock"
"""Seconds since 1970-01-01 00:00 as the exchange's clock shows them; no labels."""
MARKET_OPEN = "orion:market:open"
"""1 while the market is open, 0 while it is closed; no labels."""
MARKET_CALENDAR_END = "orion:market:calendar_end"
"""The Unix second after which no holidays are listed; no labels."""

HTTP_REQUESTS = "http_requests_total"
"""The counter of the requests to a service."""
HTTP_REQUESTS_FAILED = f'{HTTP_REQUESTS}{{code=~"5.."}}'
HTTP_REQUESTS_SERVED = f'{HTTP_REQUESTS}{{code!~"5.."}}'
"""Those that were answered with a server error, and those that were not."""
HTTP_LATENCIES = tuple(f"orion:http_latency:{name}" for name in ("p50", "p90", "p95", "p99", "p99_9"))
"""The seconds that 50, 90, 95, 99 and 99.9 per cent of a service's requests take no longer than; `service`."""

SERIES_MISSING = "orion:series:missing"
"""1 for each scraped series that no exporter serves, with its `exporter` and `series`."""
SERIES_PART_MISSING = "orion:series:part_missing"
"""1 for each part that lacks a scraped series, with `exporter`, `series` and `part`."""

UP = "up"
"""Prometheus' own series of each target."""
ALERTS = "ALERTS"
"""Prometheus' own series of each pending or firing alert."""
ALERT_SERIES = frozenset({ALERTS, "ALERTS_FOR_STATE"})
"""Prometheus' own series of alerts. They carry the labels of whichever alert they are about."""

ALERTNAME = "alertname"
CLUSTER = "cluster"
CORRECTION = "correction"
BUCKET_LIMIT = "le"
EXPORTER = "exporter"
INSTANCE = "instance"
JOB = "job"
METRIC_NAME = "__name__"
"""The label that holds the name of a series."""
MONTH = "month"
NAMESPACE = "namespace"
OBJECTIVE = "objective"
PAIR = "pair"
PART = "part"
RUNBOOK = "runbook"
SERIES = "series"
SERVICE = "service"
SEVERITY = "severity"
SLI = "sli"
TEAM = "team"
TIER = "tier"
TIME_ZONE = "time_zone"
URGENCY = "urgency"
WINDOWS = "windows"

OPTIONAL_LABELS: Mapping[str, frozenset[str]] = {
    SERVICE_ERROR_BUDGET: frozenset({TIER}),
    OBJECTIVE_ERROR_BUDGET: frozenset({RUNBOOK, SLI, TIER, TIME_ZONE, WINDOWS}),
}
"""Labels of generated series that only some of them carry, and that expressions may match all the same."""
