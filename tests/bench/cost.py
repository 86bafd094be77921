"""The cost of a million alerts at AWS' list prices: what one incident makes the functions do, counted, times its price.

The incident fires, is acknowledged and silenced in Slack, and resolves: chat's own code lives through it, with back
ends that count. `docs/benchmarks.md` names the prices' sources and what is assumed.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from chatops import alertmanager_replicas
from chatops.record_codec import encode
from chatops.store import Put, Versioned
from tests.bench.figures import Figure
from tests.fault_backends import Service
from tests.fault_harness import FaultWorld

ALONE = "cost_million_alerts"
GROUPED = "cost_million_alerts_grouped"
MONTH = "cost_month_without_alerts"
COST_FIGURES = (ALONE, GROUPED, MONTH)
ALERTS = 1_000_000
ALERTS_OF_A_GROUP = 50
"""As in the storm of 10,000 alerts in 200 groups."""
FIRES_SECONDS = 20 * 60.0
AFTER_SECONDS = 15 * 60.0
ACKNOWLEDGED_AFTER = 60.0

PRICES: Mapping[str, float] = {
    "Lambda request": 0.20e-6,
    "Lambda GB-second": 13.3334e-6,
    "SQS request": 0.40e-6,
    "SNS publish": 0.50e-6,
    "DynamoDB write unit": 0.625e-6,
    "DynamoDB read unit": 0.125e-6,
    "S3 put": 5.0e-6,
    "CloudWatch log GB": 0.50,
}
"""US dollars in us-east-1, functions on arm64, as published in 2026 (`docs/benchmarks.md`). No free tier is counted."""
LOG_GB = 3e-6
"""Three kilobytes of log for an invocation: the platform's lines, the metrics, and a line or two of the function's."""
CHAT_GB_SECONDS = 0.25 * 0.6
"""A message of chat's, at 256 MB: most of it waits for Slack and PagerDuty, a quarter of a second for each call."""
ACCESS_GB_SECONDS = 0.25 * 0.2
INGRESS_GB_SECONDS = 0.5 * 0.05
REPAIR_GB_SECONDS = 0.25 * 0.1
WEBHOOKS = 3
"""PagerDuty tells that an incident opened, was acknowledged, and has resolved."""
CLICKS = 2
NOTIFICATIONS = 2
REQUESTS_OF_A_MESSAGE = 3
"""To send, to receive and to delete it."""
POLLERS = 5
POLL_SECONDS = 20
QUEUES = 3
MONTH_SECONDS = 30 * 24 * 3600.0


@dataclass
class CountedWorld(FaultWorld):
    """Chat with back ends that count what is billed."""

    counts: Counter[str] = field(default_factory=Counter[str])

    def aws(self, service: Service, operation: str, act: Callable[[], Any], *, writes: bool = True) -> Any:
        """Count what is billed by the request."""
        if service is Service.S3:
            self.counts["S3 put"] += 1
        if service is Service.SQS:
            self.counts["SQS request"] += REQUESTS_OF_A_MESSAGE
        if operation == "Query":
            self.counts["DynamoDB read unit"] += 1
        return super().aws(service, operation, act, writes=writes)

    def read(self, key: str) -> Versioned | None:
        """Count a consistent read: a unit for each 4 KB."""
        item = super().read(key)
        self.counts["DynamoDB read unit"] += _units(item, 4096)
        return item

    def write(self, *puts: Put) -> None:
        """Count a write: a unit for each KB, and twice as many in a transaction; and the index that some are in."""
        times = 2 if len(puts) > 1 else 1
        for put in puts:
            self.counts["DynamoDB write unit"] += times * _units(Versioned(put.value, 0), 1024) + 1
        super().write(*puts)

    def invoke(self, **arguments: Any) -> dict[str, Any]:
        """Count an invocation of the function in the network."""
        self.counts["access invocation"] += 1
        return super().invoke(**arguments)

    def _handle(self, body: str) -> bool:
        if json.loads(body).get("source") != "orion.chat.sweep":
            self.counts["chat invocation"] += 1
        return super()._handle(body)


def _units(item: Versioned | None, size: int) -> int:
    return 1 if item is None else math.ceil(len(encode(item.value).encode()) / size)


def cost_figures(wanted: Callable[[str], bool]) -> Iterator[Figure]:
    """Yield the dollars of a million alerts, each alone and fifty to a group, and of a month in which none comes."""
    if not any(map(wanted, COST_FIGURES)):
        return
    incident = cost_of(used_by_an_incident())
    million = {ALONE: ALERTS * incident, GROUPED: ALERTS / ALERTS_OF_A_GROUP * incident, MONTH: cost_of(idle_month())}
    for name, dollars in million.items():
        if wanted(name):
            yield Figure(name=name, value=dollars, unit="USD")


def cost_of(used: Mapping[str, float]) -> float:
    """Return the dollars of what was used, by the names of prices."""
    return sum(PRICES[name] * number for name, number in used.items())


def used_by_an_incident() -> Mapping[str, float]:
    """Return what one incident uses of each thing that has a price, from the first notification to the draft."""
    quiet, incident = _lived(fires=False), _lived(fires=True)
    counts = {name: incident[name] - quiet[name] for name in incident}
    chat, access = counts.pop("chat invocation"), counts.pop("access invocation")
    requests = WEBHOOKS + CLICKS
    seconds = (
        chat * CHAT_GB_SECONDS
        + access * ACCESS_GB_SECONDS
        + requests * INGRESS_GB_SECONDS
        + NOTIFICATIONS * REPAIR_GB_SECONDS
    )
    invocations = chat + access + requests + NOTIFICATIONS
    messages = requests + 2 * NOTIFICATIONS  # the topic tells chat and the repairs
    return {
        "Lambda request": invocations,
        "Lambda GB-second": seconds,
        "SQS request": counts.pop("SQS request") + REQUESTS_OF_A_MESSAGE * messages,
        "SNS publish": NOTIFICATIONS,
        "CloudWatch log GB": invocations * LOG_GB,
        **counts,
    }


def _lived(*, fires: bool) -> Counter[str]:
    """Return what is counted while an incident comes and goes, or while none does."""
    world = CountedWorld()
    with patch.object(alertmanager_replicas, "_connection", world.connection):
        begin = world.time
        if fires:
            world.fire()
            world.send({"source": "orion.chat.pagerduty", "incident": "P1"})
        world.run(begin + ACKNOWLEDGED_AFTER)
        if fires:
            world.click("acknowledge")
            world.click("silence-1h")
            world.send({"source": "orion.chat.pagerduty", "incident": "P1"})
        world.run(begin + FIRES_SECONDS)
        if fires:
            world.resolve()
            world.pagerduty.status = "resolved"
            world.send({"source": "orion.chat.pagerduty", "incident": "P1"})
        world.run(begin + FIRES_SECONDS + AFTER_SECONDS)
    return world.counts


def idle_month() -> Mapping[str, float]:
    """Return what a month uses in which no alert comes: sweeps each minute, and queues that are polled."""
    minutes = MONTH_SECONDS / 60
    world = CountedWorld()
    with patch.object(alertmanager_replicas, "_connection", world.connection):
        world.run(world.time + 60.0)
    access = world.counts.pop("access invocation")
    sweeps = 2  # chat's and the repairs'
    invocations = (sweeps + access) * minutes
    polls = QUEUES * POLLERS * MONTH_SECONDS / POLL_SECONDS
    return {
        "Lambda request": invocations,
        "Lambda GB-second": (CHAT_GB_SECONDS + REPAIR_GB_SECONDS + access * ACCESS_GB_SECONDS) * minutes,
        "SQS request": polls + sweeps * REQUESTS_OF_A_MESSAGE * minutes,
        "CloudWatch log GB": invocations * LOG_GB,
        **{name: number * minutes for name, number in world.counts.items()},
    }
