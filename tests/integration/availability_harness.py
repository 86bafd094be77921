"""Three Alertmanagers and two Prometheuses under the operator, whose pages reach a PagerDuty that counts them."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime
import json
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alerting.build import load_platform
from alerting.platform import AlertmanagerFiles, SecretSource
from alerting.settings import Endpoints, Environment, ScrapeTarget
from components.naming import ALERTMANAGER, PROMETHEUS
from sandbox import loopback
from sandbox.clock import Clock
from sandbox.clouds.pagerduty import create_application
from sandbox.cluster.kubectl import apply, kubectl
from sandbox.journal import Journal
from sandbox.service import HttpService, ServiceFailed, start_all
from tests import alerting_data, cluster_harness
from tests.cluster_harness import NAMESPACE, SPEC, Stage, until
from tests.pagerduty_account import TOKEN, routing_key

PODS = [f"alertmanager-{ALERTMANAGER}-{number}" for number in range(3)]
PROMETHEUSES = [f"prometheus-{PROMETHEUS}-{number}" for number in range(2)]
SEND_SECONDS = 1.0
LABELS = {"service": "orders", "team": "trading", "severity": "critical", "cluster": "orion"}
"""Of an alert that pages at once: its route waits for nothing."""
SILENCED = "Silenced"
BY_PROMETHEUS = "ZoneLost"
INHIBITING, INHIBITED = "HighErrorRate", "CriticalLatency"
"""Two more that Prometheus sends, and that have equal labels besides."""
EVALUATION_SECONDS = 5.0
"""Long enough that Alertmanager, left to itself, would notify before an alert is sent again: its gossip takes ten."""
HEARD = "alertmanager_nflog_gossip_messages_propagated_total"
NODE_GRACE_SECONDS = 10
SCALE = 5.0
"""Only of Prometheus' intervals and of how long replicas wait for each other; routes' waits are the story's own."""
PUBLISHED = (
    '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>1</MessageId>'
    "</PublishResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></PublishResponse>"
)


class PagerDuty:
    """The stand-in, before which a sender can be made to die: its event is taken, and it never hears so."""

    def __init__(self, application: ASGIApp, kill: Callable[[int], None]) -> None:
        self._application = application
        self._kill = kill
        self.doomed = ""
        self.has_killed = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()

        async def read() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        async def answer(message: Message) -> None:
            if self.doomed and f'"class":"{self.doomed}"'.encode() in body:
                self.doomed = ""
                self._kill(scope["client"][1])
                self.has_killed.set()
            await send(message)

        await self._application(scope, read, answer)


@dataclass(slots=True)
class Watch:
    """Sends alerts to every replica again and again, as Prometheus does, and counts what PagerDuty got."""

    stage: Stage
    pagerduty: PagerDuty
    address: str
    files: AlertmanagerFiles
    feed: dict[str, int]
    alerts: list[str] = field(default_factory=list[str])
    ended: threading.Event = field(default_factory=threading.Event)

    def send(self) -> None:
        while not self.ended.wait(SEND_SECONDS):
            body = [{"labels": {**LABELS, "alertname": name}} for name in list(self.alerts)]
            for address in self.stage.alertmanagers():
                try:
                    loopback.post(f"{address}/api/v2/alerts", json=body, timeout=SEND_SECONDS)
                except httpx.TransportError:
                    continue  # this replica is away: the others have the alerts

    def begins(self, name: str) -> None:
        self.alerts.append(name)

    def events(self) -> Counter[str]:
        """Return how many events PagerDuty took, by alert. None of them ends an incident."""
        received = loopback.get(f"{self.address}/sandbox/received").json()["events"]
        assert {(one["status"], one["event"]["event_action"]) for one in received} <= {(202, "trigger")}
        return Counter(one["event"]["payload"]["class"] for one in received)

    def incidents(self) -> Counter[str]:
        found = loopback.get(f"{self.address}/sandbox/incidents").json()["incidents"]
        return Counter(one["title"].removeprefix("[TRADING] ").partition(":")[0] for one in found)

    def has_paged(self, name: str, events: int = 1) -> None:
        until(lambda: self.events()[name] >= events, timeout_seconds=90)

    def is_known_to_the_others(self) -> None:
        """Wait until two replicas have heard of a notification from the one that sent it."""

        def has_heard(address: str) -> bool:
            heard = re.search(rf"^{HEARD} (\S+)$", loopback.get(f"{address}/metrics").text, re.MULTILINE)
            return heard is not None and float(heard[1]) >= 1

        until(lambda: [has_heard(one) for one in self.stage.alertmanagers()].count(True) >= 2)

    def whole(self, pods: int = 5) -> None:
        """Wait until three replicas are ready and see each other, with so many pods in all."""

        def see_each_other() -> bool:
            found = [loopback.get(f"{one}/api/v2/status").json()["cluster"] for one in self.stage.alertmanagers()]
            return [(one["status"], len(one["peers"])) for one in found] == [("ready", 3)] * 3

        until(lambda: self.stage.ready_pods(pods) and see_each_other(), timeout_seconds=120)

    def silence(self, pattern: str, address: str) -> str:
        now = datetime.datetime.now(datetime.UTC)
        asked = {
            "matchers": [{"name": "alertname", "value": pattern, "isRegex": True, "isEqual": True}],
            "startsAt": now.isoformat(),
            "endsAt": (now + datetime.timedelta(hours=1)).isoformat(),
            "createdBy": "ada",
            "comment": "a test",
        }
        return loopback.post(f"{address}/api/v2/silences", json=asked).json()["silenceID"]

    def is_silenced(self, name: str, silence: str, addresses: list[str] | None = None) -> None:
        """Begin an alert that a silence is for, and wait until every replica holds it back because of that."""
        self.begins(name)

        def holds_back(address: str) -> bool:
            asked = {"filter": f'alertname="{name}"'}
            found = loopback.get(f"{address}/api/v2/alerts", params=asked).json()
            return [(one["status"]["state"], one["status"]["silencedBy"]) for one in found] == [
                ("suppressed", [silence])
            ]

        until(lambda: all(holds_back(one) for one in addresses or self.stage.alertmanagers()))

    def state(self, name: str) -> set[str]:
        """Return the states that replicas have an alert in."""
        asked = {"filter": f'alertname="{name}"'}
        return {
            alert["status"]["state"]
            for address in self.stage.alertmanagers()
            for alert in loopback.get(f"{address}/api/v2/alerts", params=asked).json()
        }

    def seconds_since_sent(self, name: str) -> float:
        """Return how long ago Prometheus has last sent an alert, as the replica that knows of the latest time says."""
        asked = {"filter": f'alertname="{name}"'}
        found = [
            datetime.datetime.fromisoformat(alert["updatedAt"])
            for address in self.stage.alertmanagers()
            for alert in loopback.get(f"{address}/api/v2/alerts", params=asked).json()
        ]
        return (datetime.datetime.now(datetime.UTC) - max(found)).total_seconds() if found else float("inf")

    def leave_one_prometheus(self) -> None:
        """Scale Prometheus to one replica: of two, each sends at times of its own."""
        patch = json.dumps({"spec": {"replicas": 1}})
        names = (f"prometheus/{PROMETHEUS}", f"--namespace={NAMESPACE}")
        kubectl(self.stage.kubeconfig, "patch", *names, "--type=merge", f"--patch={patch}")
        self.whole(pods=4)

    def was_just_sent(self, name: str) -> bool:
        """Say whether Prometheus has sent an alert within the last second."""
        return self.seconds_since_sent(name) < EVALUATION_SECONDS / 5

    def restart_when_just_sent(self, name: str, pods: list[str]) -> None:
        """Restart replicas just after Prometheus has sent an alert: it is sent again as late as can be."""
        until(lambda: not self.was_just_sent(name))
        until(lambda: self.was_just_sent(name))
        ended = {pod: self.stage.agent.processes()[pod]["alertmanager"] for pod in pods}
        for process in ended.values():
            os.kill(process, signal.SIGTERM)
        until(lambda: all(self.stage.agent.processes()[pod]["alertmanager"] != ended[pod] for pod in pods))


def configure(watch: Watch, repeat: str) -> None:
    """Change the default route's repeat interval in the config Secret."""
    configuration = json.loads(json.dumps(watch.files.configuration))
    configuration["route"]["repeat_interval"] = repeat
    encoded = base64.b64encode(json.dumps(configuration).encode()).decode()
    patch = json.dumps({"data": {"alertmanager.yaml": encoded}})
    kubectl(
        watch.stage.kubeconfig,
        *("patch", "secret", "alertmanager-config", f"--namespace={NAMESPACE}", "--type=merge", f"--patch={patch}"),
    )


def evict(stage: Stage, pod: str) -> None:
    """Ask the API server for what a drain asks it for. Raises `ServiceFailed` if a budget forbids it."""
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": NAMESPACE},
    }
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction"
    kubectl(stage.kubeconfig, "create", "--raw", path, "-f", "-", standard_input=json.dumps(eviction))


def may_not_be_evicted(stage: Stage, pod: str) -> None:
    with pytest.raises(ServiceFailed, match="would violate the pod's disruption budget"):
        evict(stage, pod)


def rendered(pagerduty: str, sink: str) -> AlertmanagerFiles:
    """Return what the catalog becomes, with the addresses of the stand-ins."""
    endpoints = Endpoints(sns=f"{sink}/sns", pagerduty_events=f"{pagerduty}/v2/enqueue")
    stack = alerting_data.settings(Environment.SANDBOX).model_copy(update={"endpoints": endpoints})
    return load_platform(alerting_data.DATA, stack).alertmanager


def delivered(files: AlertmanagerFiles, texts: dict[SecretSource, str]) -> Iterator[dict[str, Any]]:
    """Yield the manifests of what Alertmanager is given."""
    yield cluster_harness.secret("alertmanager-config", {"alertmanager.yaml": json.dumps(files.configuration)})
    for name in sorted({file.secret for file in files.secret_files}):
        keys = {file.key: texts[file.source] for file in files.secret_files if file.secret == name}
        yield cluster_harness.secret(name, keys)
    yield cluster_harness.namespaced("v1", "ConfigMap", files.template_config_map, data=dict(files.templates))
    causes = {BY_PROMETHEUS: "zone_lost", INHIBITING: "errors", INHIBITED: "slow"}
    rules = [{"alert": alert, "expr": f"max({series}) == 1", "labels": {**LABELS}} for alert, series in causes.items()]
    yield cluster_harness.namespaced(
        "monitoring.coreos.com/v1",
        "PrometheusRule",
        "pages",
        spec={"groups": [{"name": "pages", "rules": rules}]},
    )


def sink_application(feed: dict[str, int]) -> Starlette:
    """Return what takes notifications that nobody counts, and tells Prometheus of the feed."""

    async def take(request: Request) -> PlainTextResponse:
        return PlainTextResponse(PUBLISHED if request.url.path.startswith("/sns") else "ok")

    async def tell(_: Request) -> PlainTextResponse:
        return PlainTextResponse("".join(f"{name} {value}\n" for name, value in feed.items()))

    return Starlette(routes=[Route("/metrics", tell), Route("/{path:path}", take, methods=["POST"])])


@contextlib.contextmanager
def watched(directory: Path) -> Generator[Watch]:
    """Bring up the cluster with the monitoring stack, PagerDuty, and a sender of alerts; end everything afterwards."""
    stages: list[Stage] = []

    def kill_owner(port: int) -> None:
        for containers in stages[0].agent.processes().values():
            for pid in containers.values():
                if any(one.laddr.port == port for one in psutil.Process(pid).net_connections() if one.laddr):
                    os.kill(pid, signal.SIGKILL)

    feed = {"zone_lost": 0, "errors": 0, "slow": 0}
    application = PagerDuty(
        create_application(Journal(directory / "pagerduty.jsonl"), Clock(1), token=TOKEN), kill_owner
    )
    pagerduty, sink = HttpService("pagerduty", application), HttpService("sink", sink_application(feed))
    environment = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    with contextlib.ExitStack() as undo:
        start_all([pagerduty, sink], undo, timeout_seconds=30)
        stage = undo.enter_context(
            cluster_harness.cluster(directory, node_grace_seconds=NODE_GRACE_SECONDS, environment=environment)
        )
        stages.append(stage)
        files = rendered(pagerduty.address, sink.address)
        texts = {
            SecretSource.PAGERDUTY_INTEGRATION: routing_key(pagerduty.address, "ada", minutes=30),
            SecretSource.SLACK_WEBHOOK: f"{sink.address}/slack",
        }
        apply(stage.kubeconfig, [*cluster_harness.prerequisites(), *delivered(files, texts)])
        target = ScrapeTarget(job="orion", address=sink.address.removeprefix("http://"))
        monitoring = SPEC.settings.monitoring.model_copy(
            update={
                "scrape_interval_seconds": SCALE,
                "evaluation_interval_seconds": EVALUATION_SECONDS * SCALE,
                "extra_scrape_targets": (target,),
            }
        )
        spec = dataclasses.replace(
            SPEC,
            settings=SPEC.settings.model_copy(update={"monitoring": monitoring, "time_scale": SCALE}),
            secrets=tuple(sorted({file.secret for file in files.secret_files})),
            config_maps=(files.template_config_map,),
        )
        cluster_harness.install_custom_resources(stage.kubeconfig, spec)
        one = Watch(stage=stage, pagerduty=application, address=pagerduty.address, files=files, feed=feed)
        sender = threading.Thread(target=one.send)
        until(lambda: stage.ready_pods(5), timeout_seconds=120)
        sender.start()
        undo.callback(sender.join)
        undo.callback(one.ended.set)
        one.whole()
        yield one
