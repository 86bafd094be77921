"""Three real Alertmanagers under the operator lose a replica, a node, their configuration and all their pods in turn.

Meanwhile alerts begin. Every one is notified, once; a silence is kept by every replica.
"""

from __future__ import annotations

import base64
import datetime
import json
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from components.naming import ALERTMANAGER
from sandbox.cluster.kubectl import apply, kubectl
from sandbox.service import HttpService, wait_until_ready
from tests import cluster_stage
from tests.cluster_stage import NAMESPACE, Stage, until

pytestmark = pytest.mark.integration

PODS = [f"alertmanager-{ALERTMANAGER}-{number}" for number in range(3)]
SEND_SECONDS = 1.0
SILENCED = "Silenced"
HEARD = "alertmanager_nflog_gossip_messages_propagated_total"


@dataclass(slots=True)
class Watch:
    """What Alertmanager is sent, as Prometheus does: all alerts, to every replica, again and again; and its words."""

    stage: Stage
    received: HttpService
    notified: Counter[str] = field(default_factory=Counter[str])
    alerts: list[str] = field(default_factory=list[str])
    ended: threading.Event = field(default_factory=threading.Event)

    def send(self) -> None:
        while not self.ended.wait(SEND_SECONDS):
            body = [{"labels": {"alertname": name, "severity": "critical"}} for name in list(self.alerts)]
            for address in self.stage.alertmanagers():
                try:
                    httpx.post(f"{address}/api/v2/alerts", json=body, timeout=SEND_SECONDS)
                except httpx.TransportError:
                    continue  # this replica is away: the others have the alerts

    def begins(self, name: str) -> None:
        self.alerts.append(name)

    def is_notified_of(self, name: str) -> None:
        until(lambda: self.notified[name] >= 1, timeout_seconds=90)

    def is_known_to_the_others(self) -> None:
        """Wait until two replicas have heard of a notification from the one that sent it.

        Alertmanager notifies at least once: a replica that dies between sending and telling is followed by another.
        PagerDuty's dedup key makes one incident of it; a webhook hears it twice.
        """

        def has_heard(address: str) -> bool:
            heard = re.search(rf"^{HEARD} (\S+)$", httpx.get(f"{address}/metrics").text, re.MULTILINE)
            return heard is not None and float(heard[1]) >= 1

        until(lambda: [has_heard(one) for one in self.stage.alertmanagers()].count(True) >= 2)

    def whole(self) -> None:
        """Wait until three replicas are ready and see each other."""

        def see_each_other() -> bool:
            found = [httpx.get(f"{one}/api/v2/status").json()["cluster"] for one in self.stage.alertmanagers()]
            return [(one["status"], len(one["peers"])) for one in found] == [("ready", 3)] * 3

        until(lambda: self.stage.ready_pods(5) and see_each_other(), timeout_seconds=120)


def configuration(hook: str, repeat: str) -> str:
    return yaml.safe_dump(
        {
            "route": {
                "receiver": "nobody",
                "group_by": ["alertname"],
                "group_wait": "1s",
                "group_interval": "1s",
                "repeat_interval": repeat,
                "routes": [{"matchers": ['severity="critical"'], "receiver": "hook"}],
            },
            "receivers": [{"name": "nobody"}, {"name": "hook", "webhook_configs": [{"url": f"{hook}/hook"}]}],
        }
    )


def configure(stage: Stage, text: str) -> None:
    patch = json.dumps({"data": {"alertmanager.yaml": base64.b64encode(text.encode()).decode()}})
    kubectl(
        stage.kubeconfig,
        *("patch", "secret", "alertmanager-config", f"--namespace={NAMESPACE}", "--type=merge", f"--patch={patch}"),
    )


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    directory: Path = tmp_path_factory.mktemp("availability")
    notified: Counter[str] = Counter()

    async def hook(request: Request) -> Response:
        body = await request.json()
        if body["status"] == "firing":
            notified[body["groupLabels"]["alertname"]] += 1
        return Response()

    received = HttpService("hook", Starlette(routes=[Route("/hook", hook, methods=["POST"])]))
    received.start()
    wait_until_ready(received, timeout_seconds=30)
    try:
        with cluster_stage.cluster(directory) as stage:
            apply(stage.kubeconfig, cluster_stage.prerequisites())
            configure(stage, configuration(received.address, "4h"))
            cluster_stage.install_custom_resources(stage.kubeconfig)
            one = Watch(stage=stage, received=received, notified=notified)
            sender = threading.Thread(target=one.send)
            until(lambda: stage.ready_pods(5), timeout_seconds=120)
            sender.start()
            try:
                one.whole()
                yield one
            finally:
                one.ended.set()
                sender.join()
    finally:
        received.stop()


def silences(address: str) -> list[str]:
    return [one["id"] for one in httpx.get(f"{address}/api/v2/silences").json() if one["status"]["state"] == "active"]


def test_no_page_is_lost_none_doubled_and_silences_are_kept(watch: Watch) -> None:
    stage = watch.stage
    now = datetime.datetime.now(datetime.UTC)
    matcher = {"name": "alertname", "value": SILENCED, "isRegex": False, "isEqual": True}
    silence = {
        "matchers": [matcher],
        "startsAt": now.isoformat(),
        "endsAt": (now + datetime.timedelta(hours=1)).isoformat(),
        "createdBy": "ada",
        "comment": "a test",
    }
    silence_id = httpx.post(f"{stage.alertmanagers()[0]}/api/v2/silences", json=silence).json()["silenceID"]
    until(lambda: all(silences(address) == [silence_id] for address in stage.alertmanagers()))
    watch.begins(SILENCED)
    watch.begins("Before")
    watch.is_notified_of("Before")
    watch.is_known_to_the_others()

    # A replica is lost, the one that notifies first.
    os.kill(stage.agent.processes()[PODS[0]]["alertmanager"], signal.SIGKILL)
    watch.begins("ReplicaLost")
    watch.is_notified_of("ReplicaLost")
    watch.whole()

    # A node is drained; its pod has nowhere to go until it is back.
    node = next(pod.node for pod in stage.workloads.pods(NAMESPACE) if pod.name == PODS[1])
    kubectl(
        stage.kubeconfig,
        *("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=60s"),
        "--pod-selector=app.kubernetes.io/name=alertmanager",
    )
    watch.begins("NodeDrained")
    watch.is_notified_of("NodeDrained")
    kubectl(stage.kubeconfig, "uncordon", node)
    watch.whole()

    # The configuration is rolled out.
    configure(stage, configuration(watch.received.address, "3h"))
    watch.begins("ConfigurationChanged")
    watch.is_notified_of("ConfigurationChanged")

    def loaded() -> bool:
        texts = [httpx.get(f"{one}/api/v2/status").json()["config"]["original"] for one in stage.alertmanagers()]
        return len(texts) == 3 and all("repeat_interval: 3h" in text for text in texts)

    until(loaded)

    # The StatefulSet's pods are all replaced, one after the other, as it does it.
    for pod in reversed(PODS):
        uid = stage.get("pod", pod)["metadata"]["uid"]
        kubectl(stage.kubeconfig, "delete", "pod", pod, f"--namespace={NAMESPACE}")
        until(lambda pod=pod, uid=uid: _is_another(stage, pod, uid), timeout_seconds=60)
        watch.begins(f"Restarted{pod[-1]}")
        watch.whole()
    for pod in PODS:
        watch.is_notified_of(f"Restarted{pod[-1]}")
    watch.begins("After")
    watch.is_notified_of("After")

    assert dict(watch.notified) == {name: 1 for name in watch.alerts if name != SILENCED}
    assert [silences(address) for address in stage.alertmanagers()] == [[silence_id]] * 3


def _is_another(stage: Stage, pod: str, uid: str) -> bool:
    found = [one for one in stage.workloads.pods(NAMESPACE) if one.name == pod]
    return bool(found) and stage.get("pod", pod)["metadata"]["uid"] != uid
