"""The whole sandbox: brings everything up in order, deploys the program, and knows where each thing is."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from alerting.names import CHAT_INGRESS
from sandbox import loopback
from sandbox.chat_connection import ChatConnection
from sandbox.clock import Clock
from sandbox.clouds.aws.function_urls import function_url
from sandbox.cluster.load_balancer import create_application as create_load_balancer
from sandbox.cluster.workloads import NAMESPACE, SERVICES
from sandbox.console.application import create_application as create_console
from sandbox.engine import Engine, Progress, Result
from sandbox.functions.process import FunctionFailed
from sandbox.functions.runtime import FunctionRuntime
from sandbox.inventory import Inventory, inventory
from sandbox.metrics.targets import scrape_targets
from sandbox.observer import AlertObserver, PodObserver
from sandbox.ports import address_of
from sandbox.program_services import CLUSTER_NAME, START_SECONDS, Services, start_services
from sandbox.runbooks import create_application as create_runbooks
from sandbox.runs import Run
from sandbox.seed_data import SeedData, add_channels, add_people, add_slack_users, add_webhooks, find_network
from sandbox.service import HttpService, Service, ServiceFailed, start_all

READY_SECONDS = 180.0
POLL_SECONDS = 0.1
REQUEST_SECONDS = 5.0
ALERTMANAGERS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan of one sandbox. `chart` is the program's own setting of where its chart comes from.

    `site` is the folder of the runbooks' built site. Without one, links of alerts lead where the stack's file says.
    """

    project: Path
    seed_data: SeedData
    clock: Clock
    chart: Mapping[str, Any]
    site: Path | None = None


class Sandbox:
    """Everything that runs. `Sandbox.started` brings it up and, however its block ends, ends all of it."""

    def __init__(
        self,
        plan: Plan,
        run: Run,
        services: Services,
        undo: ExitStack,
        tell: Callable[[str], None],
        tell_progress: Callable[[Progress], None],
    ) -> None:
        """Take services that run, and open the console. `undo` gets whatever is started later."""
        self.plan = plan
        self.run = run
        self.clock = plan.clock
        self.journal = services.journal
        self.credentials = services.credentials
        self.plane = services.plane
        self.pagerduty = services.pagerduty
        self.slack = services.slack
        self.aws = services.aws
        self.workloads = services.workloads
        self.metrics = services.metrics
        self.agent = services.agent
        self._function_listener = services.function_listener
        self._tell = tell
        self._undo = undo
        self._started = services.all()
        self._ended_threads: list[tuple[str, BaseException]] = []
        self._watch_threads()
        self.console = HttpService(
            "console", create_console(self.journal, self.addresses, self.credentials.pagerduty_headers())
        )
        balancer = create_load_balancer(lambda: list(self.alertmanagers().values()))
        self.load_balancer = HttpService("Alertmanager's load balancer", balancer)
        self._start(self.console, self.load_balancer)
        self.runbooks = None if plan.site is None else HttpService("runbooks", create_runbooks(plan.site))
        if self.runbooks is not None:
            self._start(self.runbooks)
        self.engine = self._configured_engine(tell_progress)

    @classmethod
    @contextmanager
    def started(
        cls, plan: Plan, run: Run, tell: Callable[[str], None], tell_progress: Callable[[Progress], None]
    ) -> Generator[Self]:
        """Bring everything up but the program, and take everything down afterwards.

        `tell` hears of each step in a person's words, `tell_progress` of what the engine does to each resource.
        Raises `ServiceFailed` naming what did not come up, and its log.
        """
        with ExitStack() as undo:
            sandbox = cls(plan, run, start_services(plan.clock, plan.chart, run, undo, tell), undo, tell, tell_progress)
            try:
                yield sandbox
            finally:
                tell("taking everything down")

    def _watch_threads(self) -> None:
        """Keep what ends a thread, which nobody else would hear of, for `check`."""
        before = threading.excepthook

        def ended(arguments: threading.ExceptHookArgs) -> None:
            if arguments.exc_value is not None:
                name = arguments.thread.name if arguments.thread is not None else "a thread"
                self._ended_threads.append((name, arguments.exc_value))
            before(arguments)

        threading.excepthook = ended
        self._undo.callback(setattr, threading, "excepthook", before)

    def check(self) -> None:
        """Hold that everything that was started still runs. Raises `ServiceFailed` naming what does not, and why."""
        for thread, problem in self._ended_threads:
            raise ServiceFailed(f"{thread}: ended by itself with {type(problem).__name__}: {problem}")
        for service in self._started:
            service.ready()

    def _start(self, *services: Service) -> None:
        start_all(services, self._undo, timeout_seconds=START_SECONDS)
        self._started += services

    def _configured_engine(self, tell_progress: Callable[[Progress], None]) -> Engine:
        add_people(self.pagerduty.address, self.plan.seed_data.people, self.credentials)
        add_slack_users(self.slack.address, self.plan.seed_data.people)
        add_channels(self.slack.address, self.plan.seed_data.channels)
        webhooks = add_webhooks(self.slack.address, self.plan.seed_data.channels)
        ingress = self.function_url(CHAT_INGRESS)
        chat = ChatConnection(self.slack.address, self.pagerduty.address, ingress, self.credentials)
        network = find_network(self.aws.address, self.credentials)
        engine = Engine(
            self.run.directory / "engine",
            {
                **self.credentials.aws_environment(),
                "AWS_ENDPOINT_URL": self.aws.address,
                "ORION_PAGERDUTY_API_URL": self.pagerduty.address,
                "KUBECONFIG": str(self.plane.kubeconfig),
            },
            project=self.plan.project,
            on_progress=tell_progress,
        )
        metrics = self.metrics.address.removeprefix("http://")
        targets = list(scrape_targets(metrics, SERVICES, NAMESPACE))
        engine.configure(
            {
                "cluster": {"name": CLUSTER_NAME, "kubeconfig_path": str(self.plane.kubeconfig)},
                "network": {"vpc_id": network.vpc_id, "subnet_ids": list(network.subnet_ids)},
                "monitoring": {"chart": dict(self.plan.chart), "extra_scrape_targets": targets},
                "endpoints": {
                    "sns": self.aws.address,
                    "pagerduty_events": f"{self.pagerduty.address}/v2/enqueue",
                    **chat.endpoints(),
                },
                **chat.settings(self.plan.seed_data.people[0]),
                "alertmanager_api": self.load_balancer.address,
                **({} if self.runbooks is None else {"addresses": {"runbooks": self.runbooks.address}}),
                "time_scale": self.clock.scale,
            },
            secret={"pagerdutyToken": self.credentials.pagerduty_token, "slackWebhooks": webhooks, **chat.connect()},
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
        functions = FunctionRuntime(
            self.aws.address,
            self.credentials,
            self.clock,
            self.journal,
            self.run.directory / "functions",
            listener=self._function_listener,
        )
        observers = (
            AlertObserver(self.prometheus, self.journal, self.clock),
            PodObserver(self.plane.kubeconfig, NAMESPACE, self.journal),
        )
        self._start(functions, *observers)
        try:
            functions.warm()
        except FunctionFailed as error:
            raise ServiceFailed(f"a function with a URL does not start: {error}") from error
        # Alertmanager sends nothing until its gossip has settled: ten seconds of its own, whatever the scale.
        self._wait("Alertmanager's gossip settles", self._has_settled)
        self.credentials.keep(self.run.directory)
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

    def preview(self) -> Result:
        """Have the engine say what `deploy` would do."""
        self._tell("asking the engine what it would do")
        return self._interruptibly(self.engine.preview)

    def inventory(self) -> Inventory:
        """Return what there is in the back ends, as they say themselves."""
        return inventory(
            self.credentials,
            aws=self.aws.address,
            pagerduty=self.pagerduty.address,
            kubeconfig=self.plane.kubeconfig,
        )

    def deploy_again(self) -> Result:
        """Run `up` once more; it has nothing to change."""
        return self._interruptibly(self.engine.up)

    def destroy(self) -> Result:
        """Have the engine remove everything that it made."""
        return self._interruptibly(self.engine.destroy)

    def addresses(self) -> dict[str, str]:
        """Return where everything is that is up."""
        found = {
            "console": self.console.address,
            "pagerduty": self.pagerduty.address,
            "slack": self.slack.address,
            "aws": self.aws.address,
            "metrics": self.metrics.address,
            "kubeconfig": str(self.plane.kubeconfig),
            "journal": str(self.journal.path),
            "scale": str(self.clock.scale),
        }
        if self.runbooks is not None:
            found["runbooks"] = self.runbooks.address
        if self.prometheuses():
            found["prometheus"] = self.prometheus()
        return found | {f"alertmanager {index}": one for index, one in enumerate(self.alertmanagers().values())}

    def function_url(self, function: str) -> str:
        """Return the URL that a function has once it is deployed with one."""
        return function_url(address_of(self._function_listener), function)

    def _web_addresses(self, prefix: str) -> dict[str, str]:
        """Return the base address of each pod's web port, by pod, for pods whose name begins so."""
        addresses = self.agent.addresses()
        return {
            pod: f"http://{addresses[pod]['http-web']}"
            for pod in sorted(addresses)
            if pod.startswith(prefix) and "http-web" in addresses[pod]
        }

    def alertmanagers(self) -> dict[str, str]:
        """Return the base address of every Alertmanager, by pod."""
        return self._web_addresses("alertmanager-")

    def prometheuses(self) -> dict[str, str]:
        """Return the base address of every Prometheus, by pod."""
        return self._web_addresses("prometheus-")

    def prometheus(self) -> str:
        """Return the base address of the first Prometheus. Raises `ServiceFailed` while there is none."""
        found = self.prometheuses()
        if not found:
            raise ServiceFailed("no Prometheus runs yet")
        return next(iter(found.values()))

    def alertmanager_statuses(self) -> dict[str, Mapping[str, Any]]:
        """Return what each Alertmanager that answers says of itself (`/api/v2/status`), by pod."""
        statuses: dict[str, Mapping[str, Any]] = {}
        for pod, address in self.alertmanagers().items():
            try:
                statuses[pod] = loopback.get(f"{address}/api/v2/status", timeout=REQUEST_SECONDS).json()
            except (httpx.HTTPError, json.JSONDecodeError):
                continue  # it is starting, or has just been killed
        return statuses

    def alertmanagers_ready(self) -> int:
        """Return how many replicas answer and see as many peers as there are to be."""
        statuses = self.alertmanager_statuses().values()
        return sum(len(status["cluster"].get("peers", [])) == ALERTMANAGERS for status in statuses)

    def _has_settled(self) -> bool:
        statuses = self.alertmanager_statuses().values()
        return [status["cluster"]["status"] for status in statuses] == ["ready"] * ALERTMANAGERS

    def _is_scraping(self) -> bool:
        try:
            answer = loopback.get(f"{self.prometheus()}/api/v1/targets", timeout=REQUEST_SECONDS).json()
        except (httpx.HTTPError, json.JSONDecodeError, ServiceFailed):
            return False
        up = {target["scrapePool"] for target in answer["data"]["activeTargets"] if target["health"] == "up"}
        return {target["job"] for target in scrape_targets("", SERVICES, NAMESPACE)} <= up

    def _wait(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not holds():
            if time.monotonic() >= deadline:
                raise ServiceFailed(f"{what}: not so after {READY_SECONDS:.0f} s; logs are in {self.run.directory}")
            time.sleep(POLL_SECONDS)
