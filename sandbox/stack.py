"""The whole sandbox: brings everything up in order, deploys the program, and is what the drills act on."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import boto3
import httpx
import psutil

from alerting.names import ALERT_TOPIC
from sandbox.clock import Clock
from sandbox.cluster.control_plane import ControlPlane
from sandbox.cluster.kubectl import kubectl
from sandbox.cluster.node_agent import NodeAgent
from sandbox.cluster.operator import Operator
from sandbox.cluster.workloads import NAMESPACE, Workloads
from sandbox.engine import Engine, Progress, Result
from sandbox.functions.runtime import FunctionRuntime
from sandbox.journal import Journal
from sandbox.metrics.application import EXPORTERS
from sandbox.observer import AlertObserver, PodObserver
from sandbox.population import (
    ACCOUNT_ID,
    CREDENTIALS,
    PAGERDUTY_TOKEN,
    REGION,
    Population,
    add_people,
    add_webhooks,
    find_network,
)
from sandbox.runs import Run
from sandbox.service import Service, ServiceFailed, wait_until_ready
from sandbox.services import PodIdentity, StandIns, metrics_source

CLUSTER_NAME = "orion-sandbox"
REPAIR_QUEUE = "orion-runbook-automation"
START_SECONDS = 120.0
READY_SECONDS = 180.0
POLL_SECONDS = 0.1
REQUEST_SECONDS = 5.0
SETTLE_SECONDS = 10.0
"""Alertmanager sends nothing until its gossip has settled, whatever the scale: the default of its own."""
ALERTMANAGERS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one sandbox is to be. `chart` is the program's own setting of where its chart comes from."""

    project: Path
    population: Population
    clock: Clock
    chart: Mapping[str, Any]


class Sandbox:
    """Everything that runs. Use as a context manager: on the way out, however that is, all of it ends."""

    def __init__(
        self, plan: Plan, run: Run, tell: Callable[[str], None], tell_progress: Callable[[Progress], None]
    ) -> None:
        """`tell` hears of each step in a person's words, `tell_progress` of what the engine does to each resource."""
        self.plan = plan
        self.run = run
        self.clock = plan.clock
        self.journal = Journal(run.directory / "journal.jsonl")
        self._tell = tell
        self._tell_progress = tell_progress
        self._undo = ExitStack()
        directory = run.directory
        self.plane = ControlPlane(f"orion-{directory.name.removeprefix('run-')}", directory / "control-plane")
        stand_ins = StandIns(journal=self.journal, clock=self.clock, directory=directory)
        self.pagerduty = stand_ins.pagerduty()
        self.slack = stand_ins.slack()
        self._stand_ins = stand_ins

    def __enter__(self) -> Self:
        """Bring everything up but the program. Raises `ServiceFailed` naming what did not come up, and its log."""
        try:
            self._start_services()
        except BaseException:
            self._undo.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._tell("taking everything down")
        self._undo.close()

    def _start_services(self) -> None:
        directory = self.run.directory
        self._tell("starting a Kubernetes control plane, PagerDuty and Slack")
        self._start(self.plane, self.pagerduty, self.slack)
        self.workloads = Workloads(self.plane.kubeconfig, directory / "workloads")
        self.workloads.install()
        self.operator = Operator(self.plane.kubeconfig, directory)
        self.operator.install_definitions()
        self._tell("starting AWS, the operator, the node agent and the metrics source")
        self.aws = self._stand_ins.aws(self.plane, CLUSTER_NAME)
        self.metrics = metrics_source(self.plane.kubeconfig, NAMESPACE, self.journal)
        self.agent = NodeAgent(
            self.plane.kubeconfig,
            directory / "agent",
            self.journal,
            self.clock,
            PodIdentity(self.aws.address, CLUSTER_NAME).environment_for,
        )
        self._start(self.aws, self.operator, self.metrics, self.agent)
        self._sqs = boto3.client("sqs", endpoint_url=self.aws.address, region_name=REGION, **_keys())
        self._sns = boto3.client("sns", endpoint_url=self.aws.address, region_name=REGION, **_keys())
        self.engine = self._configured_engine()

    def _start(self, *services: Service) -> None:
        """Start services side by side and wait for each."""
        for service in services:
            self._undo.callback(service.stop)
            service.start()
        for service in services:
            wait_until_ready(service, timeout_seconds=START_SECONDS)

    def _configured_engine(self) -> Engine:
        add_people(self.pagerduty.address, self.plan.population.people)
        webhooks = add_webhooks(self.slack.address, self.plan.population.channels)
        network = find_network(self.aws.address)
        engine = Engine(
            self.run.directory / "engine",
            {
                **CREDENTIALS,
                "AWS_ENDPOINT_URL": self.aws.address,
                "ORION_PAGERDUTY_API_URL": self.pagerduty.address,
                "KUBECONFIG": str(self.plane.kubeconfig),
            },
            project=self.plan.project,
            on_progress=self._tell_progress,
        )
        metrics = self.metrics.address.removeprefix("http://")
        targets = [{"job": name, "address": metrics, "path": f"/{name}/metrics"} for name in EXPORTERS]
        engine.configure(
            {
                "cluster": {"name": CLUSTER_NAME, "kubeconfig_path": str(self.plane.kubeconfig)},
                "network": {"vpc_id": network.vpc_id, "subnet_ids": list(network.subnet_ids)},
                "monitoring": {"chart": dict(self.plan.chart), "extra_scrape_targets": targets},
                "endpoints": {
                    "sns": self.aws.address,
                    "pagerduty_events": f"{self.pagerduty.address}/v2/enqueue",
                },
                "time_scale": self.clock.scale,
            },
            secret={"pagerdutyToken": PAGERDUTY_TOKEN, "slackWebhooks": webhooks},
        )
        return engine

    def deploy(self) -> Result:
        """Have the engine make everything so, then wait until it is ready to be broken.

        Raises `DeploymentFailed`, or `ServiceFailed` when what was deployed does not become ready.
        """
        self._tell("deploying the program with the real engine")
        result = self._interruptibly(self.engine.up)
        self._tell("waiting for three Alertmanagers and Prometheus")
        self._wait("three Alertmanagers see each other", lambda: self.alertmanagers_ready() == ALERTMANAGERS)
        self._wait("Prometheus scrapes every exporter", self._is_scraping)
        functions = FunctionRuntime(self.aws.address, self.clock, self.journal, self.run.directory / "functions")
        observers = (
            AlertObserver(self.prometheus, self.journal),
            PodObserver(self.plane.kubeconfig, NAMESPACE, self.journal),
        )
        self._start(functions, *observers)
        self._wait("Alertmanager's gossip settles", self._has_settled)
        self.run.publish(self.addresses())
        return result

    def _interruptibly(self, operation: Callable[[], Result]) -> Result:
        """Run the engine in a thread, so that Ctrl-C reaches it as a request to stop and not within a call."""
        outcome: list[Result | BaseException] = []

        def work() -> None:
            try:
                outcome.append(operation())
            except BaseException as problem:  # noqa: BLE001 - raised again below, in the thread that waits
                outcome.append(problem)

        thread = threading.Thread(target=work, name="engine")
        thread.start()
        try:
            thread.join()
        except KeyboardInterrupt:
            self.engine.interrupt()
            thread.join()
            raise
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]

    def deploy_again(self) -> Result:
        """Run `up` once more; it has nothing to change."""
        return self._interruptibly(self.engine.up)

    def destroy(self) -> Result:
        """Have the engine remove everything that it made."""
        return self._interruptibly(self.engine.destroy)

    def addresses(self) -> dict[str, str]:
        """Return where everything is."""
        found = {
            "prometheus": self.prometheus(),
            "pagerduty": self.pagerduty.address,
            "slack": self.slack.address,
            "aws": self.aws.address,
            "metrics": self.metrics.address,
            "kubeconfig": str(self.plane.kubeconfig),
            "journal": str(self.journal.path),
            "scale": str(self.clock.scale),
        }
        return found | {f"alertmanager {index}": one for index, one in enumerate(self.alertmanagers())}

    def _pods_of(self, prefix: str) -> list[str]:
        return sorted(pod for pod in self.agent.addresses() if pod.startswith(prefix))

    def alertmanagers(self) -> list[str]:
        """Return the base address of every Alertmanager."""
        addresses = self.agent.addresses()
        return [f"http://{addresses[pod]['http-web']}" for pod in self._pods_of("alertmanager-")]

    def prometheus(self) -> str:
        """Return the base address of the first Prometheus. Raises `ServiceFailed` while there is none."""
        pods = self._pods_of("prometheus-")
        if not pods:
            raise ServiceFailed("no Prometheus runs yet")
        return f"http://{self.agent.addresses()[pods[0]]['http-web']}"

    def _statuses(self) -> list[Mapping[str, Any]]:
        statuses: list[Mapping[str, Any]] = []
        for address in self.alertmanagers():
            try:
                statuses.append(httpx.get(f"{address}/api/v2/status", timeout=REQUEST_SECONDS).json())
            except (httpx.HTTPError, json.JSONDecodeError):
                continue  # it is starting, or has just been killed
        return statuses

    def alertmanagers_ready(self) -> int:
        """Return how many replicas answer and see as many peers as there are to be."""
        return sum(len(status["cluster"].get("peers", [])) == ALERTMANAGERS for status in self._statuses())

    def _has_settled(self) -> bool:
        return [status["cluster"]["status"] for status in self._statuses()] == ["ready"] * ALERTMANAGERS

    def _is_scraping(self) -> bool:
        try:
            answer = httpx.get(f"{self.prometheus()}/api/v1/targets", timeout=REQUEST_SECONDS).json()
        except (httpx.HTTPError, json.JSONDecodeError, ServiceFailed):
            return False
        up = {target["scrapePool"] for target in answer["data"]["activeTargets"] if target["health"] == "up"}
        return set(EXPORTERS) <= up

    def _wait(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not holds():
            if time.monotonic() >= deadline:
                raise ServiceFailed(f"{what}: not so after {READY_SECONDS:.0f} s; logs are in {self.run.directory}")
            time.sleep(POLL_SECONDS)

    # What the drills do.

    def start_fault(self, kind: str, labels: Mapping[str, str]) -> None:
        """Switch a fault on. Raises `httpx.HTTPStatusError` if the metrics source refuses it."""
        self._fault("POST", kind, labels)

    def end_fault(self, kind: str, labels: Mapping[str, str]) -> None:
        """Switch a fault off."""
        self._fault("DELETE", kind, labels)

    def _fault(self, method: str, kind: str, labels: Mapping[str, str]) -> None:
        body = {"fault": kind, "labels": dict(labels)}
        answer = httpx.request(method, f"{self.metrics.address}/faults", json=body, timeout=REQUEST_SECONDS)
        answer.raise_for_status()

    def scale_deployment(self, name: str, replicas: int) -> None:
        """Give a service's deployment so many replicas."""
        kubectl(
            self.plane.kubeconfig, "scale", "deployment", name, f"--namespace={NAMESPACE}", f"--replicas={replicas}"
        )

    def ready_pods(self, service: str) -> list[str]:
        """Return the names of a service's ready pods."""
        return [pod.name for pod in self.workloads.pods() if pod.service == service and pod.ready]

    def kill_alertmanager(self, replica: int) -> None:
        """Kill the process of one replica, without warning."""
        pod = self._pods_of("alertmanager-")[replica]
        psutil.Process(self.agent.processes()[pod]["alertmanager"]).kill()

    def publish_alerts(self, message: str) -> None:
        """Publish a message to the topic that Alertmanager publishes to."""
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:{ALERT_TOPIC}"
        self._sns.publish(TopicArn=topic, Subject="Orion alert", Message=message)

    def unread_repair_messages(self) -> int:
        """Return how many messages wait for the repair function or are being worked on."""
        url = self._sqs.get_queue_url(QueueName=REPAIR_QUEUE)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return sum(int(attributes.get(name, "0")) for name in names)


def _keys() -> dict[str, Any]:
    return {
        "aws_access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    }
