"""The kinds of faults that the metrics source knows: what each makes the exporters say, and which alert it sets off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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
        alert="HighErrorBudgetBurn",
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
        name="volume fills up",
        alert="VolumeFillingUp",
        required=frozenset({"service"}),
        effect="the service's volume fills up, from 30 % to 88 %",
    ),
    FaultKind(
        name="volume is full",
        alert="VolumeNearlyFull",
        required=frozenset({"service"}),
        effect="the service's volume is at 99 %",
    ),
    FaultKind(
        name="quota is nearly used",
        alert="QuotaFillingUp",
        effect="95 % of the pods of the services' quota are used",
    ),
    FaultKind(
        name="cluster has no room",
        alert="ClusterCapacityLow",
        effect="pods request more than the nodes have",
    ),
    FaultKind(
        name="node is full",
        alert="NodeFillingUp",
        effect="a node runs as many pods as it may",
    ),
    FaultKind(
        name="node is under pressure",
        alert="NodeUnhealthy",
        effect="a node has too little disk",
    ),
    FaultKind(
        name="autoscaler is at its maximum",
        alert="AutoscalerAtMaximum",
        required=frozenset({"service"}),
        effect="the service's autoscaler wants all replicas that it may have",
    ),
    FaultKind(
        name="connection pool fills up",
        alert="ConnectionPoolFillingUp",
        required=frozenset({"service"}),
        effect="the service lends out more and more of its connections to Aurora, up to 80 %",
    ),
    FaultKind(
        name="connections leak",
        alert="ConnectionPoolFillingUp",
        required=frozenset({"service"}),
        effect="the service keeps 10 % more of its connections to Aurora each hour, up to 80 %",
    ),
    FaultKind(
        name="database's storage fills up",
        alert="AuroraStorageFillingUp",
        required=frozenset({"dbinstance_identifier"}),
        effect="the database instance's local storage fills up, from 30 % to 88 %",
    ),
    FaultKind(
        name="consumers fall behind",
        alert="KafkaConsumerLagGrowing",
        required=frozenset({"service"}),
        effect="the service's consumer group has 12 messages more to read each second, up to 9,000",
    ),
    FaultKind(
        name="consumers are too slow",
        alert="KafkaConsumerLag",
        required=frozenset({"service"}),
        effect="the service's consumer group has 30,000 messages more to read each hour",
    ),
    FaultKind(
        name="certificate is not renewed",
        alert="CertificateExpiring",
        effect="a certificate expires in five days, and its renewal is overdue",
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
    "HighErrorRate": "it is about failed requests that no objective counts: every service of the catalog has one",
    "ServiceMetricsIncomplete": "it hears of what is missing for six hours",
    "MarketCalendarEnds": "it is about catalog/market.yaml: have its last year end within 60 days",
    **dict.fromkeys(
        ("ErrorBudgetHalfSpent", "ErrorBudgetNearlySpent", "ErrorBudgetExhausted", "ErrorBudgetRunningOut"),
        "it trusts a budget once a tenth of its period has been counted: three days of the story",
    ),
    "ObjectiveSeriesMissing": "it is about objectives that are written out: nothing here serves their series",
}
"""The alerts that no fault sets off, and what to say of each."""
