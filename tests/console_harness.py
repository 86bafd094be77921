"""The sandbox's page with back ends that a test decides, and a journal that it writes, for tests."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from alerting.names import ALERT_TOPIC, NOTIFICATION_TOPIC
from alerting.routing.group_key import deduplication_key
from alerting.rules.series import OBJECTIVE_REMAINING
from sandbox import loopback
from sandbox.console.application import create_application
from sandbox.console.objectives import BURN_RATE
from sandbox.journal import Journal, Kind
from sandbox.service import HttpService, wait_until_ready

CONFIGURATION = """
route:
  receiver: default-receiver
  group_wait: 30s
  routes:
    - receiver: pagerduty-critical
      matchers: ['severity="critical"']
      group_wait: 10s
      routes:
        - receiver: pagerduty-critical-orders
          matchers: ['service="orders"']
    - receiver: slack-warning
      matchers: ['severity="warning"']
inhibit_rules:
  - source_matchers: ['alertname="ServiceDown"']
    target_matchers: ['alertname="PodNotReady"']
    equal: [service]
receivers:
  - name: default-receiver
    slack_configs: [{channel: '#orion-alerts'}]
  - name: pagerduty-critical
  - name: pagerduty-critical-orders
    pagerduty_configs: [{routing_key_file: /etc/alertmanager/secrets/alertmanager-pagerduty/orders}]
    sns_configs: [{topic_arn: 'arn:aws:sns:us-east-1:123456789012:orion-alerts'}]
  - name: slack-warning
    slack_configs: [{channel: '#orion-alerts'}]
"""
ROUTE_KEY = '{}/{severity="critical"}/{service="orders"}'
REQUEST_SECONDS = 5.0
START_SECONDS = 10.0
LONGEST_ADDRESS = "platform-americas-secondary@orion.example.com"


@dataclass(slots=True)
class BackEnds:
    """The back ends' answers. A change shows on the page a second later."""

    configuration: str = CONFIGURATION
    alerts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    on_call: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    series: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    asked: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    """What was asked of Prometheus."""

    def application(self) -> Starlette:
        """Return all of them as one application; each has addresses of its own."""

        async def answer(request: Request) -> Response:
            match request.url.path:
                case "/api/v2/status":
                    return JSONResponse({"config": {"original": self.configuration}})
                case "/api/v2/alerts":
                    return JSONResponse(self.alerts)
                case "/oncalls":
                    return JSONResponse({"oncalls": self.on_call})
                case "/api/v1/query_range":
                    self.asked.append(dict(request.query_params))
                    return JSONResponse({"status": "success", "data": {"resultType": "matrix", "result": self.series}})
                case _:
                    return Response("ok")

        return Starlette(routes=[Route("/{path:path}", answer)])


@dataclass(slots=True, kw_only=True)
class ConsoleStage:
    """A page, what it reads, and how a test fills that."""

    address: str
    journal: Journal
    back_ends: BackEnds
    addresses: dict[str, str]
    console: HttpService

    def stop(self) -> None:
        """Stop serving the page."""
        self.console.stop()

    def page(self) -> str:
        """Return the page's HTML."""
        answer = loopback.get(f"{self.address}/", timeout=REQUEST_SECONDS)
        answer.raise_for_status()
        return answer.text

    def sections(self) -> dict[str, str]:
        """Return the HTML of each section."""
        answer = loopback.get(f"{self.address}/sections", timeout=REQUEST_SECONDS)
        answer.raise_for_status()
        return answer.json()["sections"]

    def stop_answering(self, *names: str) -> None:
        """Have nobody listen any more where these back ends are."""
        for name in names:
            self.addresses[name] = "http://127.0.0.1:9"

    def fire(
        self, alertname: str, service: str, severity: str = "critical", runbook_url: str = "", **labels: str
    ) -> dict[str, str]:
        """Journal an alert that fires, and return its labels."""
        found = {"alertname": alertname, "service": service, "severity": severity, "team": "trading", **labels}
        annotations = {
            "summary": f"{alertname} of {service}",
            "description": f"What {alertname} says of {service}.",
            "runbook_url": runbook_url or f"https://runbooks.example.com/{alertname}",
        }
        self.journal.append("prometheus", Kind.ALERT_FIRING, found, annotations=annotations)
        return found

    def resolve(self, labels: dict[str, str]) -> None:
        """Journal that an alert has resolved."""
        self.journal.append("prometheus", Kind.ALERT_RESOLVED, labels)

    def notify(self, labels: dict[str, str], receiver: str, route: str) -> str:
        """Journal what Alertmanager tells the alert topic of one alert, and return the group's dedup key."""
        group = {name: labels[name] for name in ("alertname", "service", "severity")}
        notification = {"receiver": receiver, "status": "firing", "groupLabels": group}
        message = json.dumps({"version": "1", "route": route, "total": 1, "notification": notification})
        self.journal.append("aws", Kind.TOPIC_PUBLISHED, {"topic": ALERT_TOPIC}, subject="x", message=message)
        return deduplication_key(route, group)

    def page_someone(self, number: int, key: str, *, service: str, summary: str, person: str) -> None:
        """Journal an incident, and who is notified of it."""
        ids = {"incident": f"Q{number}", "service": service, "dedup_key": key}
        self.journal.append(
            "pagerduty", Kind.INCIDENT_TRIGGERED, ids, number=number, severity="critical", summary=summary
        )
        self.journal.append(
            "pagerduty", Kind.PERSON_NOTIFIED, {"incident": f"Q{number}", "person": person, "level": "1"}
        )

    def post(self, channel: str, title: str, text: str, color: str = "danger", **details: str) -> None:
        """Journal a message in Slack."""
        details = {"title": title, "text": text, "color": color, **details}
        self.journal.append("slack", Kind.MESSAGE_POSTED, {"channel": channel}, **details)

    def edit(self, channel: str, ts: str, title: str) -> None:
        """Journal that a message in Slack was edited."""
        self.journal.append("slack", Kind.MESSAGE_UPDATED, {"channel": channel}, ts=ts, title=title)

    def repair(
        self,
        command: str,
        *,
        pod: str,
        output: str,
        errors: str = "",
        status: str = "Success",
        alert: str = "HighMemoryUsage",
    ) -> None:
        """Journal a repair from its start to the result that the function publishes."""
        ids = {"command": command, "document": "orion-restart-pod"}
        self.journal.append("aws", Kind.COMMAND_STARTED, ids, parameters={"namespace": "orion", "pod": pod})
        self.journal.append("aws", Kind.COMMAND_FINISHED, {**ids, "status": status}, output=output, errors=errors)
        result = json.dumps({"command_id": command, "alert": alert, "result": f"{pod} was replaced"})
        self.journal.append("aws", Kind.TOPIC_PUBLISHED, {"topic": NOTIFICATION_TOPIC}, subject="x", message=result)


def on_call(policy: str, level: int, person: str, end: str | None = None) -> dict[str, Any]:
    """Return an entry as PagerDuty's list of who is on call has it."""
    return {
        "escalation_policy": {"summary": policy},
        "escalation_level": level,
        "user": {"summary": person},
        "schedule": {"summary": f"{policy}-{level}"} if end else None,
        "end": end,
    }


def alertmanager_alert(labels: dict[str, str], receiver: str, **status: Any) -> dict[str, Any]:
    """Return an alert as Alertmanager has it, with the labels that Prometheus adds on the way."""
    return {
        "labels": {**labels, "cluster": "orion-sandbox"},
        "fingerprint": "-".join(labels.values()),
        "receivers": [{"name": receiver}],
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": [], **status},
    }


def objective_series(
    service: str, left: float, burns: list[float], objective: str = "requests"
) -> list[dict[str, Any]]:
    """Return Prometheus' series of an objective: what is left now, and its burn rates, one each minute until now."""
    labels = {"service": service, "objective": objective}
    times = [1000.0 + 60 * number for number in range(len(burns))]
    burning = [[time, str(rate)] for time, rate in zip(times, burns, strict=True)]
    return [
        {"metric": {"__name__": OBJECTIVE_REMAINING, **labels}, "values": [[times[-1], str(left)]]},
        {"metric": {"__name__": BURN_RATE, **labels}, "values": burning},
    ]


def tell_a_story(stage: ConsoleStage) -> None:
    """Fill the page with some of everything."""
    critical = stage.fire("CriticalLatency", "orders")
    key = stage.notify(critical, "pagerduty-critical-orders", ROUTE_KEY)
    stage.page_someone(7, key, service="orders", summary="CriticalLatency: slow", person="primary@example.com")
    held = stage.fire("PodNotReady", "gateway", "warning", pod="gateway-1")
    stage.fire("ServiceDown", "gateway")
    stage.resolve(stage.fire("AuroraHighCPU", "database", "warning"))
    told = stage.fire("KafkaConsumerLag", "positions", "warning")
    stage.post("#orion-alerts", "[FIRING:1] AuroraHighCPU", "CPU of orion-db has been over 80 %.", "warning")
    stage.repair("command-1", pod="orders-1", output="pod orders-1 deleted")
    stage.journal.append("metrics", Kind.FAULT_STARTED, {"fault": "requests are slow", "service": "orders"})
    stage.back_ends.alerts = [
        alertmanager_alert(critical, "pagerduty-critical-orders"),
        alertmanager_alert(told, "slack-warning"),
        alertmanager_alert(held, "slack-warning", state="suppressed", inhibitedBy=["x"]),
    ]
    stage.back_ends.series = [
        *objective_series("gateway", 0.982, [0.2, 0.3, 0.1, 0.2, 0.2, 0.4, 0.3, 0.2]),
        *objective_series("orders", -0.12, [0.1, 0.4, 2.0, 9.0, 18.0, 30.0, 31.0, 28.0]),
        *objective_series("market-data", 0.43, [0.2, 0.6, 1.1, 1.4, 2.0, 2.5, 2.2, 2.4], "market-data-latency"),
        *objective_series("positions", 0.07, [0.9, 1.4, 1.2, 0.8, 0.4, 0.2, 0.1, 0.0]),
    ]
    stage.back_ends.on_call = [
        on_call("trading", 1, "Ada", "2026-11-30T14:00:00Z"),
        on_call("trading", 2, "Grace"),
        on_call("platform", 1, LONGEST_ADDRESS, "2026-11-30T08:00:00Z"),
        on_call("platform", 2, "Platform lead"),
        on_call("database", 1, "Database secondary", "2026-11-30T09:00:00Z"),
        on_call("database", 2, "database-lead@orion.example.com"),
    ]


def tell_of_long_names(stage: ConsoleStage) -> None:
    """Have what has the longest names of this repository's own catalog and rules on the page too."""
    alert = stage.fire("KafkaConsumerLagCritical", "market-data")
    key = stage.notify(alert, "pagerduty-critical-market-data", ROUTE_KEY)
    stage.page_someone(8, key, service="market-data", summary="KafkaConsumerLagCritical", person=LONGEST_ADDRESS)
    stage.post("#orion-alerts-database", "[FIRING:1] HighOrderRejectionRate", "Orders are rejected.")
    stage.repair("command-2", pod="market-data-7f9c6d5b8-x2x9z", output="", alert="KafkaConsumerLagCritical")
    held = stage.fire("AuroraHighConnections", "database", "warning")
    stage.back_ends.alerts += [
        alertmanager_alert(alert, "pagerduty-critical-market-data"),
        alertmanager_alert(held, "slack-warning-database", state="suppressed", inhibitedBy=["-".join(alert.values())]),
    ]


@contextmanager
def console_stage(directory: Path) -> Generator[ConsoleStage]:
    """Serve the page and its back ends."""
    journal = Journal(directory / "journal.jsonl")
    back_ends = BackEnds()
    others = HttpService("back ends", back_ends.application())
    names = ("prometheus", "alertmanager 0", "alertmanager 1", "pagerduty", "slack", "aws", "metrics", "runbooks")
    addresses = dict.fromkeys(names, others.address) | {"scale": "20.0", "journal": str(journal.path)}
    console = HttpService("console", create_application(journal, lambda: dict(addresses), {}))
    try:
        for service in (others, console):
            service.start()
            wait_until_ready(service, timeout_seconds=START_SECONDS)
        yield ConsoleStage(
            address=console.address, journal=journal, back_ends=back_ends, addresses=addresses, console=console
        )
    finally:
        console.stop()
        others.stop()
