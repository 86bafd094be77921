"""The metrics of alerting itself: Prometheus, Alertmanager, config reloaders, the operator, and their volumes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sandbox.metrics.capacity_exporters import VOLUME_BYTES, VOLUME_INODES, ServiceVolumes
from sandbox.metrics.exporters import ClusterView
from sandbox.metrics.faults import FaultAges, Faults

RELOADS = (
    "prometheus_config_last_reload_successful",
    "alertmanager_config_last_reload_successful",
    "reloader_last_reload_successful",
)
RULE_GROUP = "rules.yaml;orion.latency.alerts"
EVALUATION_SECONDS = 30.0
FAST_SHARE = 0.02
SLOW_SHARE = 0.8
REMOTE = {"remote_name": "archive", "url": "https://archive.example.com/api/v1/write"}
BEHIND_SECONDS = 300.0
OPERATED = 2.0
"""Prometheus and Alertmanager."""
RULE_FILES = 10.0
VOLUMES = {"prometheus-db-prometheus-0": 100.0 * 2**30, "alertmanager-db-alertmanager-0": 2.0 * 2**30}
FREE_SHARE = 0.7
FILLING_FREE_SHARE = 0.35
FILLING_LEAST_FREE_SHARE = 0.1
FILLING_PER_SECOND = 0.0001
"""Fast enough to be full within a day, slow enough not to be while somebody watches."""
FULL_FREE_SHARE = 0.03


class Alerting(Collector):
    """Serves the metrics of Prometheus, Alertmanager, a config reloader and the operator.

    A counter of failures grows by one at each scrape while its fault is on. `now` is a clock in Unix seconds.
    """

    def __init__(self, faults: Faults, now: Callable[[], float] = time.time) -> None:
        self._faults = faults
        self._now = now
        self._lock = threading.Lock()
        self._rules = 0
        self._notifications = 0
        self._sent = 0
        self._stored = 0
        self._left_out = 0
        self._refused = 0

    def collect(self) -> Iterator[Metric]:
        """Yield the counters of failures, and the state of the configuration."""
        with self._lock:
            self._rules += bool(self._faults.active("rules fail"))
            self._notifications += bool(self._faults.active("notifications fail"))
            self._sent += 1
            self._stored += not self._faults.active("samples are not stored")
            self._left_out += bool(self._faults.active("evaluations are left out"))
            self._refused += bool(self._faults.active("remote write loses samples"))
            yield _counter("prometheus_rule_evaluation_failures", self._rules, rule_group=RULE_GROUP)
            yield _counter("prometheus_rule_group_iterations_missed", self._left_out, rule_group=RULE_GROUP)
            yield _counter("prometheus_remote_storage_samples_failed", self._refused, **REMOTE)
            yield _counter("prometheus_remote_storage_samples_dropped", 0, **REMOTE, reason="too_old")
            yield _counter(
                "alertmanager_notifications_failed", self._notifications, integration="slack", reason="clientError"
            )
            yield _counter("alertmanager_notifications", self._sent, integration="slack")
            yield _counter("prometheus_tsdb_head_samples_appended", self._stored, type="float")
        yield from self._pace()
        yield from self._configuration()

    def _pace(self) -> Iterator[Metric]:
        """Yield whether rules, remote write and Alertmanager's cluster keep up."""
        share = SLOW_SHARE if self._faults.active("rules are slow") else FAST_SHARE
        yield _labelled(
            "prometheus_rule_group_last_duration_seconds", share * EVALUATION_SECONDS, rule_group=RULE_GROUP
        )
        yield _labelled("prometheus_rule_group_interval_seconds", EVALUATION_SECONDS, rule_group=RULE_GROUP)
        now = self._now()
        behind = BEHIND_SECONDS if self._faults.active("remote write is behind") else 0
        yield _gauge("prometheus_remote_storage_highest_timestamp_in_seconds", now)
        yield _labelled("prometheus_remote_storage_queue_highest_sent_timestamp_seconds", now - behind, **REMOTE)
        # This target stands for all Alertmanagers: each sees itself, and one that is split off is none of them.
        yield _gauge("alertmanager_cluster_members", float(not self._faults.active("alertmanagers are split")))

    def _configuration(self) -> Iterator[Metric]:
        fails = bool(self._faults.active("configuration does not load"))
        for name in RELOADS:
            yield _gauge(name, float(not (fails and name.startswith("alertmanager"))))
        refused = bool(self._faults.active("configuration is refused"))
        syncs = GaugeMetricFamily("prometheus_operator_syncs", "By status.", labels=["status"])
        syncs.add_metric(["ok"], OPERATED)
        syncs.add_metric(["failed"], 0)
        managed = GaugeMetricFamily("prometheus_operator_managed_resources", "By state.", labels=["resource", "state"])
        managed.add_metric(["PrometheusRule", "selected"], RULE_FILES - refused)
        managed.add_metric(["PrometheusRule", "rejected"], refused)
        yield from (syncs, managed)


class KubeletVolumes(Collector):
    """Serves what the kubelet knows of volumes: those of Prometheus and Alertmanager, and one of each service.

    `now` is a clock in seconds.
    """

    def __init__(self, cluster: ClusterView, faults: Faults, now: Callable[[], float] = time.monotonic) -> None:
        self._faults = faults
        self._ages = FaultAges(faults, now)
        self._services = ServiceVolumes(cluster, faults, now)

    def collect(self) -> Iterator[Metric]:
        """Yield the size of each volume and what is free of it. Of alerting's own, faults are those of the first."""
        labels = ["namespace", "persistentvolumeclaim"]
        size = GaugeMetricFamily("kubelet_volume_stats_capacity_bytes", "Size.", labels=labels)
        free = GaugeMetricFamily("kubelet_volume_stats_available_bytes", "Free.", labels=labels)
        inodes = GaugeMetricFamily("kubelet_volume_stats_inodes", "Inodes.", labels=labels)
        inodes_free = GaugeMetricFamily("kubelet_volume_stats_inodes_free", "Free inodes.", labels=labels)
        shares = [self._free_share(), *[FREE_SHARE] * (len(VOLUMES) - 1)]
        for (claim, size_bytes), share in zip(VOLUMES.items(), shares, strict=True):
            size.add_metric(["monitoring", claim], size_bytes)
            free.add_metric(["monitoring", claim], share * size_bytes)
        for namespace, claim, share in self._services.shares():
            size.add_metric([namespace, claim], VOLUME_BYTES)
            free.add_metric([namespace, claim], share * VOLUME_BYTES)
            inodes.add_metric([namespace, claim], VOLUME_INODES)
            inodes_free.add_metric([namespace, claim], FREE_SHARE * VOLUME_INODES)
        yield from (size, free, inodes, inodes_free)

    def _free_share(self) -> float:
        if self._faults.active("alerting's volume is full"):
            return FULL_FREE_SHARE
        seconds = self._ages.seconds("alerting's volume fills up")
        if seconds is None:
            return FREE_SHARE
        return max(FILLING_LEAST_FREE_SHARE, FILLING_FREE_SHARE - FILLING_PER_SECOND * seconds)


def _gauge(name: str, value: float) -> Metric:
    return GaugeMetricFamily(name, name, value=value)


def _labelled(name: str, value: float, **labels: str) -> Metric:
    gauge = GaugeMetricFamily(name, name, labels=list(labels))
    gauge.add_metric(list(labels.values()), value)
    return gauge


def _counter(name: str, value: float, **labels: str) -> Metric:
    counter = CounterMetricFamily(name, name, labels=list(labels))
    counter.add_metric(list(labels.values()), value)
    return counter
