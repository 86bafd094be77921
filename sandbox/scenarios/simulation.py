"""Simulates a run of a scenario and writes what Prometheus would have scraped of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.registry import Collector

from alerting.detection.scenarios import KnownSteps, Run, Step
from alerting.rules.series import SERVICE
from alerting.source.durations import milliseconds
from sandbox.journal import Journal
from sandbox.metrics.alerting_exporters import Alerting, KubeletVolumes
from sandbox.metrics.capacity_exporters import CertManager
from sandbox.metrics.cluster_exporters import ContainerAdvisor, KubeState
from sandbox.metrics.data_exporters import CloudWatch, Kafka, Redis
from sandbox.metrics.exporters import ServiceMetrics, Services, Traffic
from sandbox.metrics.fault_kinds import FAULTS
from sandbox.metrics.faults import Fault, Faults, fault
from sandbox.scenarios.cluster import ALERTING, FIRST_POD, NAMESPACE, SimulatedCluster
from sandbox.scenarios.series_file import INTERVAL_SECONDS, Recorder, Series

LEAD_SECONDS = 15 * 60.0
"""How long everything is well before a scenario begins."""
DAY_SECONDS = 86400.0
REMEMBERED_SECONDS: Mapping[str, float] = {"http_requests_total": 3.2 * DAY_SECONDS, "": 6.2 * 3600.0}
"""How far back series go on before that: those of objectives until a budget is trusted, a tenth of 30 days."""
POD = "pod"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A change at a moment, in Unix seconds."""

    at: float
    apply: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """A simulated run: the file of its series, and the window that is observed, in Unix seconds."""

    path: Path
    start: float
    end: float


class Simulation:
    """One run of a scenario, on a clock of its own."""

    def __init__(self, run: Run, services: Sequence[str], series: Sequence[str], folder: Path) -> None:
        """Simulate all `services`. `series` are the names that Prometheus keeps. `folder` takes the files."""
        scenario = run.scenario
        self._run = run
        self._folder = folder
        self._kept = frozenset(series)
        self._services = tuple(services)
        self._begins = _whole(scenario.begins.timestamp())
        self._ends = self._begins + milliseconds(scenario.lasts) / 1000
        self.now = self._begins - LEAD_SECONDS
        self._observed_until = _whole(self._ends + milliseconds(scenario.watched) / 1000)
        self._faults = Faults(Journal(folder / "journal"))
        self._cluster = SimulatedCluster(services, scenario.replicas, self._faults, self._clock)
        self._traffic = Traffic(
            requests_per_second=scenario.requests_per_minute / 60, orders_per_second=scenario.orders_per_minute / 60
        )
        self._requests = Services(self._cluster, self._faults, self._clock, self._traffic)
        self._targets = tuple(self._scrape_targets())
        self._unanswered: set[str] = set()
        self._prometheus_is_up = True
        self._down: list[tuple[float, float]] = []

    def run(self) -> Simulated:
        """Scrape everything every half minute, from before the scenario begins until it has been observed."""
        start = self.now
        changes = sorted(self._changes(), key=lambda change: change.at)
        recorder = Recorder()
        while self.now <= self._observed_until:
            while changes and changes[0].at <= self.now:
                changes.pop(0).apply()
            if self._prometheus_is_up:
                for target in self._targets:
                    recorder.scrape(target.job, self._samples(target))
            recorder.tick()
            self.now += INTERVAL_SECONDS
        path = self._folder / "series.json"
        before = {name: round(seconds / INTERVAL_SECONDS) for name, seconds in REMEMBERED_SECONDS.items()}
        recorder.write(path, start, before, self._down)
        return Simulated(path=path, start=start, end=self._observed_until)

    def _clock(self) -> float:
        return self.now

    def _scrape_targets(self) -> Iterator[_Target]:
        faults, cluster, now = self._faults, self._cluster, self._clock
        yield _Target(job="cadvisor", collector=ContainerAdvisor(cluster, faults, now))
        yield _Target(job="kube-state-metrics", collector=KubeState(cluster, faults, now))
        yield _Target(job="kubelet", collector=KubeletVolumes(cluster, faults, now))
        yield _Target(job="alerting", collector=Alerting(faults, now))
        yield _Target(job="cloudwatch", collector=CloudWatch(faults, now))
        yield _Target(job="redis", collector=Redis(faults, now))
        yield _Target(job="cert-manager", collector=CertManager(faults, now))
        yield _Target(job="kafka", collector=Kafka(cluster, faults, now))
        for service in self._services:
            yield _Target(job=service, collector=ServiceMetrics(self._requests, service), service=service)

    def _samples(self, target: _Target) -> dict[Series, float]:
        own = target.labels()
        answers = target.service is None or self._requests.serves(target.service)
        found: dict[Series, float] = {("up", own): float(answers and target.job not in self._unanswered)}
        if not found["up", own] or self._faults.hits("exporter is silent", exporter=target.job):
            return found
        given = dict(own)
        for family in target.collector.collect():
            for sample in family.samples:
                if sample.name in self._kept:
                    found[sample.name, tuple(sorted({**given, **sample.labels}.items()))] = float(sample.value)
        return found

    def _changes(self) -> Iterator[_Change]:
        for step in self._run.scenario.steps:
            at = self._begins + milliseconds(step.after) / 1000
            until = at + milliseconds(step.lasts) / 1000 if step.lasts is not None else self._ends
            for service in self._affected(step):
                if step.fault is not None:
                    yield from self._fault_changes(step, service, at, until)
                else:
                    yield from EVENTS[step.event or ""].changes(self, service, at, until)

    def _affected(self, step: Step) -> Sequence[str]:
        """Return the services that a step is about: the run's, or all of them; one for what needs none."""
        if step.fault is None:
            needs_one = EVENTS[step.event or ""].needs_service
        else:
            needs_one = SERVICE in FAULTS[step.fault].required
        if not needs_one or SERVICE in step.labels:
            return ("",)
        return (self._run.service,) if self._run.service is not None else self._services

    def _fault_changes(self, step: Step, service: str, at: float, until: float) -> Iterator[_Change]:
        def begun() -> Fault:
            labels = {**({SERVICE: service} if service else {}), **step.labels}
            if labels.get(POD) == FIRST_POD:
                labels[POD] = self._cluster.first_pod(service)
            return fault(step.fault or "", labels)

        started: list[Fault] = []

        def start() -> None:
            started.append(begun())
            self._faults.start(started[0])

        yield _Change(at=at, apply=start)
        yield _Change(at=until, apply=lambda: self._faults.end(started[0]))

    def roll_out(self, service: str, at: float, _until: float) -> Iterator[_Change]:
        """Yield a rollout of a service, which goes well."""
        yield _Change(at=at, apply=lambda: self._cluster.roll_out(service))

    def roll_out_halfway(self, service: str, at: float, _until: float) -> Iterator[_Change]:
        """Yield a rollout of a service whose later pods do not become ready."""
        yield _Change(at=at, apply=lambda: self._cluster.roll_out(service, halfway=True))

    def drain_node(self, _service: str, at: float, _until: float) -> Iterator[_Change]:
        """Yield the drain of a node: a pod of each service, a Prometheus, and kube-state-metrics for a minute."""

        def drain() -> None:
            self._cluster.drain_node()
            self._cluster.restart_replica(next(iter(ALERTING)), 90)

        yield _Change(at=at, apply=drain)
        yield from self._silent("kube-state-metrics", at, at + 60)

    def restart_processes(self, service: str, at: float, _until: float) -> Iterator[_Change]:
        """Yield a restart of a service's processes, by which its counters begin anew."""
        yield _Change(at=at, apply=lambda: self._requests.restart(service))

    def fail_one_request(self, service: str, at: float, _until: float) -> Iterator[_Change]:
        """Yield one request that is answered with 500."""
        yield _Change(at=at, apply=lambda: self._requests.fail(service, 1))

    def miss_scrapes(self, service: str, at: float, until: float) -> Iterator[_Change]:
        """Yield scrapes of a service that time out."""
        yield from self._silent(service, at, until)

    def restart_prometheus(self, _service: str, at: float, until: float) -> Iterator[_Change]:
        """Yield a time in which nothing is scraped, and no series is marked as stale.

        Rules are evaluated again an interval before the first scrapes are in.
        """
        self._down.append((at, until - INTERVAL_SECONDS))
        yield _Change(at=at, apply=lambda: setattr(self, "_prometheus_is_up", False))
        yield _Change(at=until, apply=lambda: setattr(self, "_prometheus_is_up", True))

    def restart_alertmanagers(self, _service: str, at: float, _until: float) -> Iterator[_Change]:
        """Yield a restart of the Alertmanagers one after the other, seventy seconds each."""
        name, count = next(iter(ALERTING.items()))
        yield _Change(at=at, apply=lambda: self._cluster.restart_replica(name, 70 * count))

    def quiet_traffic(self, _service: str, at: float, until: float) -> Iterator[_Change]:
        """Yield a time in which nobody sends a request or an order."""
        yield from self._other_traffic(at, until, requests=0.0, orders=0.0)

    def no_orders(self, _service: str, at: float, until: float) -> Iterator[_Change]:
        """Yield a time without orders, as while the market is closed."""
        yield from self._other_traffic(at, until, requests=1.0, orders=0.0)

    def busy_traffic(self, _service: str, at: float, until: float) -> Iterator[_Change]:
        """Yield a time with ten times the requests and orders."""
        yield from self._other_traffic(at, until, requests=10.0, orders=10.0)

    def _other_traffic(self, at: float, until: float, *, requests: float, orders: float) -> Iterator[_Change]:
        """Yield a time with other traffic, by the factors of requests and of orders."""
        usual = self._traffic
        other = Traffic(
            requests_per_second=requests * usual.requests_per_second, orders_per_second=orders * usual.orders_per_second
        )
        yield _Change(at=at, apply=lambda: self._requests.change_traffic(other))
        yield _Change(at=until, apply=lambda: self._requests.change_traffic(usual))

    def _silent(self, job: str, at: float, until: float) -> Iterator[_Change]:
        yield _Change(at=at, apply=lambda: self._unanswered.add(job))
        yield _Change(at=until, apply=lambda: self._unanswered.discard(job))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """A scrape target: its job, and the service that it is one of."""

    job: str
    collector: Collector
    service: str | None = None

    def labels(self) -> tuple[tuple[str, str], ...]:
        """Return the labels that Prometheus gives to its samples."""
        more = (("namespace", NAMESPACE), ("service", self.service)) if self.service is not None else ()
        return tuple(sorted((("instance", f"{self.job}:9090"), ("job", self.job), *more)))


@dataclass(frozen=True, slots=True)
class _Event:
    """An event: the changes that it makes of a service and of its beginning and end, and whether it needs a service."""

    changes: Callable[[Simulation, str, float, float], Iterator[_Change]]
    needs_service: bool = False


EVENTS: Mapping[str, _Event] = {
    "rollout": _Event(Simulation.roll_out, needs_service=True),
    "rollout stops halfway": _Event(Simulation.roll_out_halfway, needs_service=True),
    "processes restart": _Event(Simulation.restart_processes, needs_service=True),
    "one request fails": _Event(Simulation.fail_one_request, needs_service=True),
    "scrapes time out": _Event(Simulation.miss_scrapes, needs_service=True),
    "node is drained": _Event(Simulation.drain_node),
    "Prometheus restarts": _Event(Simulation.restart_prometheus),
    "Alertmanagers restart": _Event(Simulation.restart_alertmanagers),
    "no traffic": _Event(Simulation.quiet_traffic),
    "no orders": _Event(Simulation.no_orders),
    "ten times the traffic": _Event(Simulation.busy_traffic),
}
"""The events that a step may name: what happens to a cluster, to Prometheus or to the traffic, and is no fault."""
KNOWN_STEPS = KnownSteps(
    events=tuple(EVENTS),
    faults={name: kind.required | kind.optional for name, kind in FAULTS.items()},
    required={name: kind.required for name, kind in FAULTS.items()},
)


def _whole(moment: float) -> float:
    """Return a moment at a whole number of scrapes."""
    return moment // INTERVAL_SECONDS * INTERVAL_SECONDS
