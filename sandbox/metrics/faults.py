"""The faults that the metrics source knows: what each makes the exporters say, and which alert it sets off."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from alerting.errors import AlertingError
from sandbox.journal import Journal, Kind


class UnknownFault(AlertingError):
    """There is no such fault, or not with such a label; the message says what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """One way in which something can be broken.

    `required` and `optional` name its labels: where it happens. `alert` is the alert that sees it.
    """

    name: str
    alert: str
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    effect: str


_KINDS = (
    FaultKind(
        name="requests fail",
        alert="HighErrorBudgetBurn",
        required=frozenset({"service"}),
        effect="every request is answered with 500",
    ),
    FaultKind(
        name="half of requests fail",
        alert="HighErrorBudgetBurn",
        required=frozenset({"service"}),
        effect="one request in two is answered with 500",
    ),
    FaultKind(
        name="one replica fails",
        alert="HighErrorBudgetBurn",
        required=frozenset({"service"}),
        effect="every request to one of the service's pods is answered with 500",
    ),
    FaultKind(
        name="a tenth of requests fail",
        alert="HighErrorRate",
        required=frozenset({"service"}),
        effect="one request in ten is answered with 500",
    ),
    FaultKind(
        name="few requests fail",
        alert="SlowErrorBudgetBurn",
        required=frozenset({"service"}),
        effect="one request in two hundred is answered with 500",
    ),
    FaultKind(
        name="a revision fails",
        alert="HighErrorRateAfterRollout",
        required=frozenset({"service", "revision"}),
        effect="every request to a pod of this revision, which may be rolled out yet, is answered with 500",
    ),
    FaultKind(
        name="service serves no metrics",
        alert="ServiceMetricsMissing",
        required=frozenset({"service"}),
        effect="the service does not answer when its metrics are scraped",
    ),
    FaultKind(
        name="failures have no code",
        alert="ServiceMetricsMalformed",
        required=frozenset({"service"}),
        effect="the service counts its failures by the label status instead of code",
    ),
    FaultKind(
        name="requests are slow",
        alert="CriticalLatency",
        required=frozenset({"service"}),
        effect="every request takes between 7.5 and 10 seconds",
    ),
    FaultKind(
        name="some requests are slow",
        alert="HighP99Latency",
        required=frozenset({"service"}),
        effect="three requests in a hundred take between 2.5 and 5 seconds",
    ),
    FaultKind(
        name="memory leaks",
        alert="HighMemoryUsage",
        required=frozenset({"service"}),
        optional=frozenset({"pod"}),
        effect="one pod (the first, or the one named) uses 95 % of its memory limit until it is replaced",
    ),
    FaultKind(
        name="containers are busy",
        alert="HighCPUUsage",
        required=frozenset({"service"}),
        optional=frozenset({"pod"}),
        effect="the service's containers (all, or those of the pod named) use 97 % of their CPU limit",
    ),
    FaultKind(
        name="pods crash",
        alert="PodCrashLooping",
        required=frozenset({"service"}),
        optional=frozenset({"pod"}),
        effect="the service's pods (all, or the one named) are restarted again and again",
    ),
    FaultKind(
        name="pods are not ready",
        alert="PodNotReady",
        required=frozenset({"service"}),
        optional=frozenset({"pod"}),
        effect="the service's pods (all, or the one named) are not ready",
    ),
    FaultKind(
        name="service is down",
        alert="ServiceDown",
        required=frozenset({"service"}),
        effect="the service has no available replica, and none of its pods is ready",
    ),
    FaultKind(
        name="database is busy",
        alert="AuroraHighCPU",
        required=frozenset({"dbinstance_identifier"}),
        effect="the database instance's CPU is at 92 %",
    ),
    FaultKind(
        name="reader lags",
        alert="AuroraReplicaLag",
        required=frozenset({"dbinstance_identifier"}),
        effect="the reader is 4 seconds behind its writer",
    ),
    FaultKind(
        name="connection pool is full",
        alert="AuroraHighConnections",
        required=frozenset({"service"}),
        effect="95 % of the service's connections to Aurora are lent out",
    ),
    FaultKind(
        name="replicas are refused",
        alert="DeploymentReplicasMissing",
        required=frozenset({"service"}),
        effect="the service's deployment wants one replica more than it gets",
    ),
    FaultKind(
        name="job fails",
        alert="JobFailed",
        required=frozenset({"service"}),
        effect="a Job of the service has failed for good",
    ),
    FaultKind(
        name="redis is down",
        alert="RedisDown",
        effect="Redis does not answer its exporter",
    ),
    FaultKind(
        name="broker is gone",
        alert="ExporterPartSilent",
        effect="Kafka has two brokers of three",
    ),
    FaultKind(
        name="redis is full",
        alert="RedisHighMemory",
        effect="Redis uses 95 % of its memory",
    ),
    FaultKind(
        name="redis fills up",
        alert="RedisMemoryFillingUp",
        effect="Redis is at 65 % and grows",
    ),
    FaultKind(
        name="consumers lag",
        alert="KafkaConsumerLag",
        required=frozenset({"service"}),
        effect="the service's consumer group has 24,000 messages still to read",
    ),
    FaultKind(
        name="consumers lag far",
        alert="KafkaConsumerLagCritical",
        required=frozenset({"service"}),
        effect="the service's consumer group has 180,000 messages still to read",
    ),
    FaultKind(
        name="orders stop",
        alert="LowOrderRate",
        required=frozenset({"service"}),
        effect="no order comes in",
    ),
    FaultKind(
        name="orders are rejected",
        alert="HighOrderRejectionRate",
        required=frozenset({"service"}),
        effect="three orders in ten are rejected",
    ),
    FaultKind(
        name="rules fail",
        alert="RulesFailing",
        effect="a group of rules fails at each evaluation",
    ),
    FaultKind(
        name="rules are slow",
        alert="RulesSlow",
        effect="an evaluation of a group takes 80 % of the time until the next one",
    ),
    FaultKind(
        name="evaluations are left out",
        alert="RulesMissed",
        effect="a group is evaluated less often than it should be",
    ),
    FaultKind(
        name="alertmanagers are split",
        alert="AlertmanagerClusterSplit",
        effect="an Alertmanager sees no other",
    ),
    FaultKind(
        name="remote write is behind",
        alert="RemoteWriteBehind",
        effect="what is written remotely is five minutes behind",
    ),
    FaultKind(
        name="remote write loses samples",
        alert="RemoteWriteFailing",
        effect="samples are refused at the other side",
    ),
    FaultKind(
        name="notifications fail",
        alert="NotificationsFailing",
        effect="Alertmanager's messages to Slack are refused",
    ),
    FaultKind(
        name="alerting lacks a replica",
        alert="AlertingReplicaMissing",
        effect="Prometheus and Alertmanager have one replica fewer that is ready",
    ),
    FaultKind(
        name="configuration does not load",
        alert="ConfigurationNotLoaded",
        effect="Alertmanager cannot load its configuration and keeps the one before",
    ),
    FaultKind(
        name="configuration is refused",
        alert="ConfigurationRefused",
        effect="the operator refuses a PrometheusRule",
    ),
    FaultKind(
        name="samples are not stored",
        alert="SamplesNotStored",
        effect="a replica of Prometheus stores no samples",
    ),
    FaultKind(
        name="alerting's volume fills up",
        alert="AlertingVolumeFillingUp",
        effect="the volume of a Prometheus is at 65 % and fills up",
    ),
    FaultKind(
        name="alerting's volume is full",
        alert="AlertingVolumeFull",
        effect="the volume of a Prometheus is at 97 %",
    ),
    FaultKind(
        name="exporter is silent",
        alert="ExporterSilent",
        required=frozenset({"exporter"}),
        effect="the exporter serves nothing",
    ),
    FaultKind(
        name="cluster is under maintenance",
        alert="ClusterMaintenance",
        effect="somebody has declared maintenance",
    ),
)

FAULTS: Mapping[str, FaultKind] = {kind.name: kind for kind in _KINDS}
FAULT_OF_ALERT: Mapping[str, FaultKind] = {kind.alert: kind for kind in reversed(_KINDS)}
"""The fault that sets each alert off: the first of those that do."""
WITHOUT_A_FAULT: Mapping[str, str] = {
    "Watchdog": "it fires as long as alerting works",
    "TargetDown": "it hears of what does not answer Prometheus: hold one down for a quarter of an hour",
    "ServiceMetricsIncomplete": "it hears of what is missing for six hours",
    "MarketCalendarEnds": "it is about catalog/market.yaml: have its last year end within 60 days",
    **dict.fromkeys(
        ("ErrorBudgetHalfSpent", "ErrorBudgetNearlySpent", "ErrorBudgetExhausted", "ErrorBudgetRunningOut"),
        "it trusts a budget once a tenth of its period has been counted: three days of the story",
    ),
    "ObjectiveSeriesMissing": "it is about objectives that are written out: nothing here serves their series",
}
"""The alerts that no fault sets off, and what to say of each."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a kind, somewhere."""

    kind: str
    labels: frozenset[tuple[str, str]]

    def at(self, label: str) -> str | None:
        """Return the value of one of its labels."""
        return dict(self.labels).get(label)


def fault(kind: str, labels: Mapping[str, str]) -> Fault:
    """Return the fault of this kind at these labels.

    Raises `UnknownFault` for a kind or a label that there is not, and for one that is missing.
    """
    known = FAULTS.get(kind)
    if known is None:
        raise UnknownFault(f"fault: found {kind!r}; allowed: {_listed(FAULTS)}")
    missing = known.required - labels.keys()
    if missing:
        raise UnknownFault(f"fault {kind!r}: missing {_listed(missing)}. Add --label NAME=VALUE for each")
    strange = labels.keys() - known.required - known.optional
    if strange:
        allowed = _listed(known.required | known.optional)
        raise UnknownFault(f"fault {kind!r}: found label {_listed(strange)}; allowed: {allowed}")
    return Fault(kind, frozenset(labels.items()))


def fault_of_alert(alert: str) -> FaultKind:
    """Return the fault that sets an alert off. Raises `UnknownFault` if none does."""
    known = FAULT_OF_ALERT.get(alert)
    if known is not None:
        return known
    if alert in WITHOUT_A_FAULT:
        raise UnknownFault(f"ALERT: nothing here sets {alert} off: {WITHOUT_A_FAULT[alert]}")
    raise UnknownFault(f"ALERT: found {alert!r}; allowed: {_listed(FAULT_OF_ALERT)}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


class Faults:
    """The faults that are on. Safe for many threads at once."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._active: dict[Fault, int] = {}
        self._starts = 0  # so far
        self._lock = threading.Lock()

    def start(self, one: Fault) -> None:
        """Switch a fault on; nothing happens if it is on."""
        with self._lock:
            if one in self._active:
                return
            self._starts += 1
            self._active[one] = self._starts
        self._journal.append("metrics", Kind.FAULT_STARTED, {"fault": one.kind, **dict(one.labels)})

    def end(self, one: Fault) -> None:
        """Switch a fault off; nothing happens if it is off."""
        with self._lock:
            if one not in self._active:
                return
            del self._active[one]
        self._journal.append("metrics", Kind.FAULT_ENDED, {"fault": one.kind, **dict(one.labels)})

    def active(self, kind: str) -> list[Fault]:
        """Return the faults of a kind that are on."""
        with self._lock:
            return [one for one in self._active if one.kind == kind]

    def starts(self, kind: str) -> dict[Fault, int]:
        """Return the faults of a kind that are on, each with a number that no other start has."""
        with self._lock:
            return {one: number for one, number in self._active.items() if one.kind == kind}

    def all_active(self) -> list[Fault]:
        """Return every fault that is on."""
        with self._lock:
            return sorted(self._active, key=lambda one: (one.kind, sorted(one.labels)))

    def hits(self, kind: str, **labels: str) -> bool:
        """Say whether a fault of `kind` is on at these labels. A label that the fault does not have is no limit."""
        return any(all(one.at(name) in (None, value) for name, value in labels.items()) for one in self.active(kind))
