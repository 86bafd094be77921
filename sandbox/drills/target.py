"""Acts on the running sandbox for the drills, and answers their questions about it."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil

from alerting.names import ALERT_TOPIC, CHAT_FILE, CHAT_FUNCTION, REPAIR_QUEUE
from sandbox import loopback
from sandbox.clock import Clock
from sandbox.cluster.kubectl import kubectl
from sandbox.cluster.node_agent.small_disk import fill, small_disk_of
from sandbox.cluster.workloads import NAMESPACE
from sandbox.credentials import ACCOUNT_ID, REGION
from sandbox.drills.drill import DrillFailed
from sandbox.drills.function_data import Data, changed_data
from sandbox.drills.people import People
from sandbox.journal import Journal
from sandbox.runs import RUN_VARIABLE
from sandbox.service import ServiceFailed
from sandbox.stack import Sandbox

REQUEST_SECONDS = 5.0
CHECK_SECONDS = 5.0
"""How often at most it is looked whether everything still runs: drills that wait ask many times a second."""
KILL_AGAIN_SECONDS = 0.05
RESTART_LOCK = Path("/tmp/orion-restart-{uid}.lock")  # noqa: S108 - as runbooks/actions/restart_pod.yaml has it
WORKS_SECONDS = 60.0


class RunningTarget:
    """The sandbox as a drill sees it. Safe for drills that run side by side."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.journal: Journal = sandbox.journal
        self.clock: Clock = sandbox.clock
        self._people = People(sandbox.slack.address, sandbox.pagerduty.address, sandbox.credentials)
        self._checked = time.monotonic()
        self._checking = threading.Lock()

    def check(self) -> None:
        """Hold that everything still runs. Raises `ServiceFailed` naming what has ended by itself."""
        with self._checking:
            if time.monotonic() - self._checked >= CHECK_SECONDS:
                self._sandbox.check()
                self._checked = time.monotonic()

    def start_fault(self, kind: str, labels: Mapping[str, str]) -> None:
        """Switch a fault on. Raises `httpx.HTTPStatusError` if the metrics source refuses it."""
        self._fault("POST", kind, labels)

    def end_fault(self, kind: str, labels: Mapping[str, str]) -> None:
        """Switch a fault off."""
        self._fault("DELETE", kind, labels)

    def _fault(self, method: str, kind: str, labels: Mapping[str, str]) -> None:
        body = {"fault": kind, "labels": dict(labels)}
        answer = loopback.request(method, f"{self._sandbox.metrics.address}/faults", json=body, timeout=REQUEST_SECONDS)
        answer.raise_for_status()

    def scale_deployment(self, name: str, replicas: int) -> None:
        """Give a service's deployment so many replicas."""
        kubeconfig = self._sandbox.plane.kubeconfig
        kubectl(kubeconfig, "scale", "deployment", name, f"--namespace={NAMESPACE}", f"--replicas={replicas}")

    def roll_out(self, name: str) -> None:
        """Begin the rollout of another revision of a service's deployment."""
        kubectl(self._sandbox.plane.kubeconfig, "rollout", "restart", f"deployment/{name}", f"--namespace={NAMESPACE}")

    def rolled_out(self, name: str) -> str:
        """Return the revision of a service's deployment; it is empty while a rollout goes on."""
        wanted = ("get", "deployment", name, f"--namespace={NAMESPACE}", "--output=json")
        deployment = json.loads(kubectl(self._sandbox.plane.kubeconfig, *wanted))
        metadata, status = deployment["metadata"], deployment["status"]
        counts = {status.get(count, 0) for count in ("replicas", "updatedReplicas", "availableReplicas")}
        ended = counts == {deployment["spec"]["replicas"]} and status["observedGeneration"] == metadata["generation"]
        return metadata["annotations"]["deployment.kubernetes.io/revision"] if ended else ""

    def ready_pods(self, service: str) -> list[str]:
        """Return the names of a service's ready pods."""
        return [pod.name for pod in self._sandbox.workloads.pods() if pod.service == service and pod.ready]

    def on_call(self, service: str) -> list[str]:
        """Return the emails of whom PagerDuty says to be on call now at the first level of a service's policy."""
        headers = self._sandbox.credentials.pagerduty_headers()
        address = self._sandbox.pagerduty.address
        with httpx.Client(base_url=address, headers=headers, timeout=REQUEST_SECONDS) as client:
            services = client.get("/services", params={"limit": 100}).raise_for_status().json()["services"]
            policies = [one["escalation_policy"]["id"] for one in services if one["name"] == service]
            asked = {"escalation_policy_ids[]": policies}
            entries = client.get("/oncalls", params=asked).raise_for_status().json()["oncalls"]
            users = [entry["user"]["id"] for entry in entries if entry["escalation_level"] == 1]
            return sorted(client.get(f"/users/{user}").raise_for_status().json()["user"]["email"] for user in users)

    def alertmanagers_answering(self) -> int:
        """Return how many replicas answer."""
        return len(self._sandbox.alertmanager_statuses())

    def alertmanagers_ready(self) -> int:
        """Return how many replicas are ready and see each other."""
        return self._sandbox.alertmanagers_ready()

    def first_to_notify(self) -> str:
        """Return the pod of the replica that waits for no other before it notifies.

        Replicas take turns in the order of their names in the cluster (Alertmanager, `cluster.Peer.Position`).
        """
        statuses = self._sandbox.alertmanager_statuses()
        return min(statuses, key=lambda pod: str(statuses[pod]["cluster"]["name"]))

    def alertmanagers(self) -> list[str]:
        """Return the pods of the replicas."""
        return sorted(self._sandbox.alertmanagers())

    def prometheuses(self) -> list[str]:
        """Return the pods of Prometheus."""
        return sorted(self._sandbox.prometheuses())

    @contextmanager
    def held_down(self, *pods: str) -> Generator[float]:
        """Kill what runs in pods without warning, and again whenever it is started, until the end.

        Yields when all were killed.
        """
        released = threading.Event()

        def kill_again() -> None:
            while not released.wait(KILL_AGAIN_SECONDS):
                for pod in pods:
                    self._kill(pod)

        for pod in pods:
            self._kill(pod)
        killed = time.time()
        killer = threading.Thread(target=kill_again, name=f"holds {', '.join(pods)} down")
        killer.start()
        try:
            yield killed
        finally:
            released.set()
            killer.join()

    @contextmanager
    def full_disk(self, prometheus: str) -> Generator[float]:
        """Give a Prometheus a small disk, wait until it works there, and have the disk full until the end.

        Yields when it is full. Raises `ServiceFailed` if Prometheus does not work on the small disk.
        """
        agent = self._sandbox.agent
        agent.use_small_disk(prometheus, small=True)
        self._kill(prometheus)
        try:
            filler = fill(self._on_small_disk(prometheus))
            yield time.time()
            filler.unlink(missing_ok=True)
        finally:
            agent.use_small_disk(prometheus, small=False)
            self._kill(prometheus)

    def _on_small_disk(self, prometheus: str) -> Path:
        """Return the small disk of a Prometheus that stores on it and fires. Raises `ServiceFailed` if it does not."""
        deadline = time.monotonic() + WORKS_SECONDS
        while time.monotonic() < deadline:
            process = self._sandbox.agent.processes().get(prometheus, {}).get("prometheus")
            with suppress(httpx.HTTPError, KeyError):  # it is about to start
                if process is not None and (disk := small_disk_of(process)) is not None:
                    address = self._sandbox.prometheuses()[prometheus]
                    answer = loopback.get(f"{address}/api/v1/alerts", timeout=REQUEST_SECONDS).raise_for_status()
                    if any(alert["labels"]["alertname"] == "Watchdog" for alert in answer.json()["data"]["alerts"]):
                        return disk
            time.sleep(KILL_AGAIN_SECONDS)
        raise ServiceFailed(f"{prometheus}: does not fire Watchdog on a small disk after {WORKS_SECONDS:.0f} s")

    def _kill(self, pod: str) -> None:
        """Kill a pod's main container, which is named like the pod's first word."""
        process = self._sandbox.agent.processes().get(pod, {}).get(pod.partition("-")[0])
        if process is not None:
            with suppress(psutil.NoSuchProcess):  # it is dead already, and the agent is about to see it
                psutil.Process(process).kill()

    @contextmanager
    def restarts_held(self, service: str) -> Generator[None]:
        """Have restarts of a service's pods wait, as if another one were under way, until the end."""
        ask = ("get", "deployment", service, f"--namespace={NAMESPACE}", "--output=jsonpath={.metadata.uid}")
        uid = kubectl(self._sandbox.plane.kubeconfig, *ask).strip()
        with RESTART_LOCK.with_name(RESTART_LOCK.name.format(uid=uid)).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def orion(self, *arguments: str) -> None:
        """Run the command `orion` on this run, as a person does. Raises `DrillFailed` with its output if it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            cwd=self._sandbox.plan.project,
            env={**os.environ, RUN_VARIABLE: self._sandbox.run.directory.name},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DrillFailed(f"orion {' '.join(arguments)}: {done.stdout}{done.stderr}")

    def publish_alerts(self, message: str, *, times: int, publishers: int) -> None:
        """Publish a message to the topic that Alertmanager publishes to, from so many clients at once."""
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:{ALERT_TOPIC}"
        # A session is for one thread.
        clients = [
            self._sandbox.credentials.session().client("sns", endpoint_url=self._sandbox.aws.address)
            for _ in range(publishers)
        ]

        def publish(number: int) -> None:
            clients[number % publishers].publish(TopicArn=topic, Subject="Orion alert", Message=message)

        with ThreadPoolExecutor(publishers) as threads:
            list(threads.map(publish, range(times)))

    def unread_repair_messages(self) -> int:
        """Return how many messages wait for the repair function or are being worked on."""
        sqs = self._sandbox.credentials.session().client("sqs", endpoint_url=self._sandbox.aws.address)
        url = sqs.get_queue_url(QueueName=REPAIR_QUEUE)["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return sum(int(attributes.get(name, "0")) for name in names)

    def click(self, person: str, channel: str, ts: str, button: str) -> None:
        """Click a button of a message in Slack. Raises `LookupError` where the message has no such button."""
        self._people.click(person, channel, ts, button)

    def slack_user(self, person: str) -> str:
        """Return the id of the person in Slack with an email."""
        return self._people.slack_user(person)

    @contextmanager
    def maintenance_window(self, name: str, match: Mapping[str, Sequence[str]], until: int) -> Generator[None]:
        """Deploy to chat a maintenance window from now until a Unix second, until the end."""
        window = {
            "owner": "platform",
            "reason": "a drill",
            "match": {label: list(values) for label, values in match.items()},
            "since": int(time.time()),
            "until": until,
        }

        def with_window(data: Data) -> Data:
            return {**data, "silences": {**data["silences"], name: window}}

        with changed_data(self._sandbox.credentials, self._sandbox.aws.address, CHAT_FUNCTION, CHAT_FILE, with_window):
            yield

    def acknowledge(self, person: str, incident: str) -> None:
        """Acknowledge an incident in PagerDuty."""
        self._people.acknowledge(person, incident)

    def silences(self) -> list[Mapping[str, str]]:
        """Return the labels that each active silence of the first Alertmanager matches."""
        address = self._sandbox.alertmanagers()[self.alertmanagers()[0]]
        silences = loopback.get(f"{address}/api/v2/silences", timeout=REQUEST_SECONDS).raise_for_status().json()
        active = [silence["matchers"] for silence in silences if silence["status"]["state"] == "active"]
        return [{matcher["name"]: matcher["value"] for matcher in matchers} for matchers in active]
